package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
)

// Identity is the part of mtls.Source that the sessions need.
type Identity interface {
	mtls.Identity
	Status() mtls.SVIDStatus
	AuthorityIDs() []string
	Subscribe() (<-chan struct{}, func())
	SubscribeBundle() (<-chan struct{}, func())
}

// Directory is where the connectors come from; directory.Watcher is it.
type Directory interface {
	Current() directory.Directory
	Changed() <-chan struct{}
	// Unproven is called with each proof of a connector that was refused; see
	// reproof.Client.OnRefusal.
	Unproven(reproof.Refusal)
}

// Config configures a Manager.
type Config struct {
	// ID of this tunneler, as in its SVID.
	ID        string
	Version   string
	Identity  Identity
	Directory Directory
	// ConnectorAddr is one more address to dial, host:port, before the addresses of the
	// directory. The session there belongs to whatever connector of the directory the
	// handshake proves. Optional.
	ConnectorAddr string
	// ConnectorID limits the sessions to one connector. Optional.
	ConnectorID string
	// HeadStart is how long the other addresses wait for the outcome at ConnectorAddr;
	// 2 s.
	HeadStart time.Duration
	// Heartbeat defaults to 10 s.
	Heartbeat time.Duration
	// Ended is a controlclient.Config.Ended, for all sessions. Optional.
	Ended func(reason string)
	// Probe is how often a session is probed between its heartbeats, to measure how
	// well it carries; zero is never. The controller gets nothing of it.
	Probe time.Duration
	// Measure is by TCP and TLS by default.
	Measure Measure
	// Flows gets each session that flows can be bound to, until it ends. Optional.
	Flows Flows
	// Dial reaches an address of a session; TCP by default.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	Log  *zap.Logger

	reproof  *reproof.Client // one for all sessions
	instance flow.Instance   // of this run of the program
}

// Flows is where the sessions go that flows can be bound to; flow.Pool is it.
type Flows interface {
	Attach(flow.Session) (detach func(), err error)
	// Drop ends the flows at a connector that may not be used any more.
	Drop(connector spiffeid.ID)
}

// Manager keeps sessions with at most two connectors of each network.
type Manager struct {
	cfg       Config
	pulse     health.Pulse // asks Run's loop whether it lives
	door      *door        // nil without ConnectorAddr
	results   chan measured
	adoptions chan adoption

	mu         sync.Mutex
	mesh       *Mesh
	candidates map[spiffeid.ID]directory.Connector // that a session may be kept with
	ids        map[string]spiffeid.ID              // of the candidates
	sessions   map[spiffeid.ID]*running
	fault      error     // why the directory gives us nobody
	awake      stopwatch // of the loop of follow
}

type running struct {
	*Session
	stop context.CancelFunc
}

// New checks the configuration; Run does the work.
func New(cfg Config) (*Manager, error) {
	if cfg.Identity == nil || cfg.Directory == nil || cfg.Log == nil {
		return nil, errors.New("session needs Identity, Directory and Log")
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = 10 * time.Second
	}
	if cfg.HeadStart == 0 {
		cfg.HeadStart = 2 * time.Second
	}
	cfg.reproof = reproof.NewClient(cfg.Identity, cfg.Log.Named("reproof")).OnRefusal(cfg.Directory.Unproven)
	cfg.instance = flow.NewInstance()
	if cfg.Measure == nil {
		cfg.Measure = handshake(cfg.Identity)
	}
	m := &Manager{
		cfg: cfg, pulse: make(health.Pulse), sessions: map[spiffeid.ID]*running{}, results: make(chan measured), adoptions: make(chan adoption),
		mesh: NewMesh(cfg.ID, controlclient.FullJitter),
	}
	if cfg.ConnectorAddr == "" {
		return m, nil
	}
	var err error
	m.door, err = newDoor(cfg, m)
	return m, err
}

// follow keeps the sessions as the directory and Mesh say until ctx ends.
func (m *Manager) follow(ctx context.Context, g *errgroup.Group) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	turn := time.NewTimer(controlclient.FullJitter(measureEvery))
	defer turn.Stop()
	m.read()
	for {
		if err := m.reconcile(ctx, g); err != nil {
			return err
		}
		for waiting := true; waiting; {
			select {
			case <-m.pulse:
			case <-m.cfg.Directory.Changed():
				m.read()
				waiting = false
			case <-look.C:
				waiting = !m.spares()
			case a := <-m.adoptions:
				m.pin(a.id)
				if err := m.reconcile(ctx, g); err != nil {
					return err
				}
				close(a.done)
			case <-turn.C:
				if !m.measure(ctx, g) {
					turn.Reset(measureEvery)
				}
			case r := <-m.results:
				m.learn(r)
				turn.Reset(measureEvery*4/5 + controlclient.FullJitter(measureEvery*2/5))
				waiting = false
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// spares says whether any session could be replaced.
func (m *Manager) spares() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.awake.look(time.Now())
	return m.mesh.Spares()
}

func (m *Manager) pin(id spiffeid.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c, ok := m.candidates[id]; ok {
		m.mesh.Pin(c.ID)
	}
}

// Alive asks the loop that follows the directory, and takes the locks. It returns
// nil when all that came back; it hangs as long as a lock does.
func (m *Manager) Alive(ctx context.Context) error {
	_ = m.Status()
	if err := m.pulse.Check(ctx); err != nil {
		return fmt.Errorf("sessions: %w", err)
	}
	return nil
}

// drop ends the flows at connectors that were candidates and are none any more, or are others
// by the same name. Those at a connector whose session is only left for another one's stay. It
// needs the lock.
func (m *Manager) drop(was map[spiffeid.ID]directory.Connector) {
	if m.cfg.Flows == nil {
		return
	}
	for id, c := range was {
		if now, listed := m.candidates[id]; !listed || anew(c, now) {
			m.cfg.Flows.Drop(id)
		}
	}
}

// reconcile makes the sessions those that Mesh wants.
func (m *Manager) reconcile(ctx context.Context, g *errgroup.Group) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.awake.look(now)
	links := make(map[string]Link, len(m.sessions))
	for _, s := range m.sessions {
		links[s.connector.ID] = s.state(m.awake)
	}
	choices := m.mesh.Decide(now, links)
	keep := make(map[spiffeid.ID]bool, len(choices))
	for _, choice := range choices {
		keep[m.ids[choice.ID]] = true
	}
	m.leave(keep) // first: never more than two of one network
	for _, choice := range choices {
		if err := m.use(ctx, g, choice); err != nil {
			return err
		}
	}
	if m.door != nil {
		m.door.open(len(m.sessions) > 0)
	}
	return nil
}

// leave ends the sessions that are not to be kept. It needs the lock.
func (m *Manager) leave(keep map[spiffeid.ID]bool) {
	for id, s := range m.sessions {
		if keep[id] {
			continue
		}
		s.stop()
		delete(m.sessions, id)
		said := "connector left the directory"
		if _, listed := m.candidates[id]; listed {
			said = "connector is not used any more: another connector of its network is used instead"
		}
		m.cfg.Log.Info(said, zap.Stringer("connector_spiffe_id", id))
	}
}

// anew says that the id of a connector was enrolled again.
func anew(was, now directory.Connector) bool {
	return was.HostID != now.HostID || !was.SVIDNotBefore.Equal(now.SVIDNotBefore)
}

// use keeps a session with a connector. It needs the lock.
func (m *Manager) use(ctx context.Context, g *errgroup.Group, choice Choice) error {
	c := m.candidates[m.ids[choice.ID]]
	s, ok := m.sessions[c.SPIFFEID]
	if ok && anew(s.connector, c) {
		m.cfg.Log.Info("connector was enrolled again", zap.Stringer("connector_spiffe_id", c.SPIFFEID))
		s.stop()
		ok = false
	}
	if ok {
		s.dial(c.Addresses)
	} else if err := m.start(ctx, g, c); err != nil {
		return err
	}
	s = m.sessions[c.SPIFFEID]
	s.spare.Store(m.mesh.Spare(choice.ID))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.choice != choice {
		s.choice = choice
		m.cfg.Log.Info("connector is used", zap.Stringer("connector_spiffe_id", c.SPIFFEID), zap.String("network", choice.Network), zap.String("reason", choice.Why))
	}
	return nil
}

// Status is the state of a Manager at a moment.
type Status struct {
	Open     int // sessions that a connector acknowledged
	Wanted   int // connectors to keep a session with
	Reproofs reproof.Status
}

// Status may be called at any time.
func (m *Manager) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := Status{Wanted: len(m.sessions), Reproofs: m.cfg.reproof.Status()}
	for _, s := range m.sessions {
		if s.status().Connected {
			out.Open++
		}
	}
	return out
}

// Sessions returns the sessions by the id of their connector, with the longest
// waits since then; zero is since the program started. Waits of more than two
// minutes ago are no longer distinguished.
func (m *Manager) Sessions(since time.Time) []Info {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]Info, 0, len(m.sessions))
	for _, s := range m.sessions {
		out = append(out, s.info(since))
	}
	slices.SortFunc(out, func(a, b Info) int { return strings.Compare(a.ConnectorID, b.ConnectorID) })
	return out
}

// Ready is the readiness check: one session is enough, and without any it says
// what is wrong with each.
func (m *Manager) Ready(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.sessions) == 0 {
		if m.fault != nil {
			return m.fault
		}
		return ErrNoConnector
	}
	var reasons error
	for _, s := range m.sessions {
		err := s.ready()
		switch {
		case err == nil:
			return nil
		case reasons == nil:
			reasons = err
		default:
			reasons = fmt.Errorf("%w; %w", reasons, err)
		}
	}
	return reasons
}

// Explain says how the sessions are while one is open, for /readyz.
func (m *Manager) Explain() string {
	all := m.Sessions(time.Time{})
	open, text := 0, ""
	for _, s := range all {
		if !s.Connected {
			continue
		}
		open++
		text += fmt.Sprintf("; %s at %s since %s", s.ConnectorID, s.Address, s.Since.UTC().Format(time.RFC3339))
		if !s.Answered.IsZero() {
			text += fmt.Sprintf(", last answer %s ago", health.Span(time.Since(s.Answered).Round(time.Second)))
		}
		if s.Latency > 0 {
			text += fmt.Sprintf(" in %s", s.Latency.Round(100*time.Microsecond))
		}
		text += fmt.Sprintf(", used because %s", s.Why)
	}
	return fmt.Sprintf("open: %d of %d%s", open, len(all), text)
}
