package fleet

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

// SeriesSource is asked for each point; Fleet is it.
type SeriesSource interface {
	Lists(ctx context.Context) (*Lists, error)
	Activity() presence.Activity
}

// SeriesPoint is one step: the members at its end, and what happened within it.
type SeriesPoint struct {
	At                                                                 time.Time
	ConnectorsOnline, ConnectorsTotal, TunnelersOnline, TunnelersTotal int
	Heartbeats, Rotations                                              uint64
}

// SeriesWindow is how long a series reaches back, and in which steps.
type SeriesWindow struct {
	Length, Step time.Duration
}

// The two windows that are kept.
var (
	LastHour = SeriesWindow{time.Hour, 10 * time.Second}
	LastDay  = SeriesWindow{24 * time.Hour, 5 * time.Minute}
)

// Series remembers points.
type Series struct {
	source SeriesSource
	log    *zap.Logger
	now    func() time.Time

	mu           sync.Mutex
	last         presence.Activity
	fine, coarse []SeriesPoint
	sum          SeriesPoint // of the coarse step that is not over
	steps        int         // in sum
}

// NewSeries returns a Series without points.
func NewSeries(s SeriesSource, log *zap.Logger, now func() time.Time) *Series {
	return &Series{source: s, log: log, now: now}
}

// Run adds a point every ten seconds until ctx ends.
func (s *Series) Run(ctx context.Context) error {
	t := time.NewTicker(LastHour.Step)
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
	p := SeriesPoint{
		At: s.now().UTC(), ConnectorsOnline: connectors.Online, ConnectorsTotal: connectors.Total,
		TunnelersOnline: tunnelers.Online, TunnelersTotal: tunnelers.Total,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.source.Activity()
	p.Heartbeats, p.Rotations = now.Heartbeats-s.last.Heartbeats, now.Rotations-s.last.Rotations
	s.last = now
	s.fine = pushPoint(s.fine, p, LastHour)
	p.Heartbeats += s.sum.Heartbeats
	p.Rotations += s.sum.Rotations
	s.sum = p
	if s.steps++; s.steps == int(LastDay.Step/LastHour.Step) {
		s.coarse = pushPoint(s.coarse, p, LastDay)
		s.sum, s.steps = SeriesPoint{}, 0
	}
	return nil
}

// pushPoint drops the oldest point of a full series.
func pushPoint(all []SeriesPoint, p SeriesPoint, w SeriesWindow) []SeriesPoint {
	if most := int(w.Length / w.Step); len(all) >= most {
		all = append(all[:0:0], all[len(all)-most+1:]...)
	}
	return append(all, p)
}

// Points returns the points of a window, the oldest first.
func (s *Series) Points(w SeriesWindow) []SeriesPoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w == LastDay {
		return append([]SeriesPoint{}, s.coarse...)
	}
	return append([]SeriesPoint{}, s.fine...)
}
