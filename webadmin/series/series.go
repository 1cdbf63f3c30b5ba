package series

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

// Source is asked for each point; fleet.Fleet is it.
type Source interface {
	Lists(ctx context.Context) (*fleet.Lists, error)
	Activity() presence.Activity
}

// Point is one step: the members at its end, and what happened within it.
type Point struct {
	At                                                                 time.Time
	ConnectorsOnline, ConnectorsTotal, TunnelersOnline, TunnelersTotal int
	Heartbeats, Rotations                                              uint64
}

// Window is how long a series reaches back, and in which steps.
type Window struct {
	Length, Step time.Duration
}

// The two windows that are kept.
var (
	Fine   = Window{time.Hour, 10 * time.Second}
	Coarse = Window{24 * time.Hour, 5 * time.Minute}
)

// Series remembers points.
type Series struct {
	source Source
	log    *zap.Logger
	now    func() time.Time

	mu           sync.Mutex
	last         presence.Activity
	fine, coarse []Point
	sum          Point // of the coarse step that is not over
	steps        int   // in sum
}

// New returns a Series without points.
func New(s Source, log *zap.Logger, now func() time.Time) *Series {
	return &Series{source: s, log: log, now: now}
}

// Run adds a point every ten seconds until ctx ends.
func (s *Series) Run(ctx context.Context) error {
	t := time.NewTicker(Fine.Step)
	defer t.Stop()
	var failing logging.Condition
	for {
		select {
		case <-t.C:
			switch err := s.Sample(ctx); {
			case ctx.Err() != nil:
			case err != nil:
				failing.Fails(s.log, zap.WarnLevel, "points of the charts are missing", err)
			default:
				failing.Over(s.log, "")
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// Sample adds a point now.
func (s *Series) Sample(ctx context.Context) error {
	lists, err := s.source.Lists(ctx)
	if err != nil {
		return err
	}
	connectors, tunnelers := lists.ConnectorCount(), lists.TunnelerCount()
	p := Point{
		At: s.now().UTC(), ConnectorsOnline: connectors.Online, ConnectorsTotal: connectors.Total,
		TunnelersOnline: tunnelers.Online, TunnelersTotal: tunnelers.Total,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.source.Activity()
	p.Heartbeats, p.Rotations = now.Heartbeats-s.last.Heartbeats, now.Rotations-s.last.Rotations
	s.last = now
	s.fine = push(s.fine, p, Fine)
	p.Heartbeats += s.sum.Heartbeats
	p.Rotations += s.sum.Rotations
	s.sum = p
	if s.steps++; s.steps == int(Coarse.Step/Fine.Step) {
		s.coarse = push(s.coarse, p, Coarse)
		s.sum, s.steps = Point{}, 0
	}
	return nil
}

// push drops the oldest point of a full series.
func push(all []Point, p Point, w Window) []Point {
	if most := int(w.Length / w.Step); len(all) >= most {
		all = append(all[:0:0], all[len(all)-most+1:]...)
	}
	return append(all, p)
}

// Points returns the points of a window, the oldest first.
func (s *Series) Points(w Window) []Point {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w == Coarse {
		return append([]Point{}, s.coarse...)
	}
	return append([]Point{}, s.fine...)
}
