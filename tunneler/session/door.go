package session

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
)

// door dials CONNECTOR_ADDR, whichever connector of the directory answers there: the
// handshake proves which, and the stream carries the session of that one. It may be a
// name, or an address that no connector lists (of a NAT, of a balancer), and another
// connector may answer after each dial.
//
// It is tried first: the own addresses of the connectors wait for its outcome, for
// HeadStart at most. Where the connector has its session already, the door rests until
// that has ended: two streams would push each other out.
type door struct {
	cfg     Config
	manager *Manager
	client  *controlclient.Client
	unkick  func()

	mu      sync.Mutex
	started bool   // it was dialed, and
	known   bool   // the first outcome is there
	wanted  bool   // there is a connector that may answer
	answers string // id of the connector that proved itself last; empty after a failure
	// Of the present attempt: it reached a connector, carried its session, or found that
	// open.
	proved, carried, idle bool
}

func newDoor(cfg Config, m *Manager) (*door, error) {
	d := &door{cfg: cfg, manager: m}
	kick, unkick := cfg.Identity.Subscribe()
	d.unkick = unkick
	var err error
	d.client, err = controlclient.New(controlclient.Config{
		TLS:        mtls.ClientConfig(cfg.Identity, m.listed),
		Serve:      d.serve,
		Reproof:    cfg.reproof.Around,
		MaxMessage: wire.MaxToTunneler,
		Dial:       cfg.Dial,
		Kick:       kick,
		Ended:      d.ended,
		Log:        cfg.Log.With(zap.String("connector_addr", cfg.ConnectorAddr)),
	})
	if err != nil {
		unkick()
	}
	return d, err
}

func (d *door) run(ctx context.Context) error {
	defer d.unkick()
	return d.client.Run(ctx)
}

// first says whether the own addresses of a new session have to wait.
func (d *door) first() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.known
}

// open dials while there is somebody who may answer.
func (d *door) open(wanted bool) {
	d.mu.Lock()
	begin := wanted && !d.started
	d.started = d.started || wanted
	changed := d.wanted != wanted
	d.wanted = wanted
	d.mu.Unlock()
	if begin {
		time.AfterFunc(d.cfg.HeadStart, d.outcome)
	}
	if !changed {
		return
	}
	if wanted {
		d.look()
	} else {
		d.client.SetAddresses(nil)
	}
}

// look dials, if it rests: a session has ended.
func (d *door) look() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.wanted {
		d.client.SetAddresses([]string{d.cfg.ConnectorAddr})
	}
}

// outcome lets the own addresses of all sessions be dialed.
func (d *door) outcome() {
	d.mu.Lock()
	d.known = true
	d.mu.Unlock()
	for _, s := range d.manager.all() {
		s.withhold(false)
	}
}

// serve is one stream at the address.
func (d *door) serve(ctx context.Context, conn *grpc.ClientConn, established func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := open(ctx, conn)
	if err != nil {
		return err
	}
	s := d.manager.adopt(ctx, stream.link.Peer())
	if s == nil {
		return errGone // since the handshake
	}
	if err := s.judge(stream.link); err != nil {
		return err
	}
	d.note(func() { d.answers, d.proved = s.connector.ID, true })
	if !s.take(d.client) {
		d.rest(s)
		return errHeld
	}
	defer s.leave()
	return s.carry(cancel, stream, func() {
		d.note(func() { d.carried = true })
		established()
	})
}

func (d *door) note(what func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	what()
}

// rest waits for the end of the session that the connector has on another connection.
func (d *door) rest(s *Session) {
	d.note(func() { d.idle = true })
	d.client.SetAddresses(nil)
	if !s.busy() { // it has ended in between, and found nothing to wake
		d.look()
	}
}

// ended is called with each attempt, also with those that reached nobody.
func (d *door) ended(reason string) {
	d.mu.Lock()
	proved, carried, idle := d.proved, d.carried, d.idle
	d.proved, d.carried, d.idle = false, false, false
	if !proved {
		d.answers = ""
	}
	d.mu.Unlock()
	if !idle && d.cfg.Ended != nil {
		d.cfg.Ended(reason)
	}
	if carried {
		time.AfterFunc(d.cfg.HeadStart, d.outcome) // here first, again
	} else {
		d.outcome()
	}
}

// ready says that nobody answers at the address who should.
func (d *door) ready() error {
	d.mu.Lock()
	wanted, answers := d.wanted, d.answers
	d.mu.Unlock()
	st := d.client.Status()
	switch {
	case answers != "", !wanted:
		return nil
	case st.LastError == nil:
		return health.Degraded(fmt.Errorf("dialing CONNECTOR_ADDR %s", d.cfg.ConnectorAddr))
	default:
		return health.Degraded(fmt.Errorf("no connector of the directory answers at CONNECTOR_ADDR %s: %w", d.cfg.ConnectorAddr, st.LastError))
	}
}

func (d *door) explain() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.answers == "" {
		return "the directory lists no connector to dial at " + d.cfg.ConnectorAddr
	}
	return fmt.Sprintf("connector %s answers at %s", d.answers, d.cfg.ConnectorAddr)
}

// AddrReady is the readiness check of ConnectorAddr, nil where none is configured:
// other sessions may live while nobody answers there.
func (m *Manager) AddrReady(context.Context) error {
	if m.door == nil {
		return nil
	}
	return m.door.ready()
}

// ExplainAddr says who answers at ConnectorAddr, for /readyz.
func (m *Manager) ExplainAddr() string { return m.door.explain() }

// listed accepts at the door whom the directory lists, and of those only the one that
// CONNECTOR_ID names, where it does.
func (m *Manager) listed(id spiffeid.ID) error {
	m.mu.Lock()
	_, ok := m.candidates[id]
	m.mu.Unlock()
	if ok {
		return nil
	}
	if m.cfg.ConnectorID != "" {
		return fmt.Errorf("peer is %s, and CONNECTOR_ID is %s", id, m.cfg.ConnectorID)
	}
	return fmt.Errorf("peer is %s, which the directory does not list", id)
}

// session is nil for a connector that is not wanted.
func (m *Manager) session(id spiffeid.ID) *Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.sessions[id]; r != nil {
		return r.Session
	}
	return nil
}

func (m *Manager) all() []*Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]*Session, 0, len(m.sessions))
	for _, r := range m.sessions {
		out = append(out, r.Session)
	}
	return out
}
