package rotation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

// Store is where rotations are kept.
type Store interface {
	changelog.Log
	RotationTx(ctx context.Context, fn func(Tx) error) error
	// Rotation returns the unfinished rotation, else the newest, else ErrNone.
	Rotation(ctx context.Context) (Rotation, error)
}

// Tx is the part of a store transaction that a rotation needs.
type Tx interface {
	audit.Store
	// Rotation is as in Store.
	Rotation(ctx context.Context) (Rotation, error)
	// PutRotation inserts or replaces by id.
	PutRotation(ctx context.Context, r Rotation) error
}

// Config configures New.
type Config struct {
	SPIRE   SPIRE
	Store   Store
	Members Members
	Online  Online
	Agents  Agents
	// Self is the controller as a peer, OwnAgent its agent.
	Self     func() presence.Peer
	OwnAgent spiffeid.ID
	// AgentTTL is the life of agent SVIDs; zero where it is not known.
	AgentTTL time.Duration
	Audit    *audit.Log
	Log      *zap.Logger
	Now      func() time.Time
}

const (
	// retryAfter is the pause after an error.
	retryAfter = time.Second
	// taintReaches is when an agent that runs has learned of a taint: ours ask every one or
	// two seconds, an operator's own every five. One that misses it keeps what the revoked authority signed, and
	// gives it to workloads, until half of its life.
	taintReaches = 7 * time.Second
	// emergencyGrace bounds the wait between taint and revoke in an emergency; five
	// seconds are enough where nobody is stuck. To revoke at once was tried on SPIRE
	// 1.15.2: no agent learns of the taint then, and the fleet is down until the
	// supervisors of the hosts have restarted their agents, half a minute later.
	emergencyGrace = 15 * time.Second
	// distrustLimit bounds the last wait where the operator has set no deadline. All
	// has been done by then: to wait longer for a peer whose agent is cut off would
	// protect nobody and keep the next rotation from beginning. It is longer than a
	// silent peer stays ONLINE and than returnLimit.
	distrustLimit = 2 * time.Minute
	// patience is how many times in a row SPIRE may answer and refuse the same call
	// before the rotation pauses and asks for a human.
	patience = 10
)

// Manager starts and drives rotations. It follows the change log: whoever starts or
// changes a rotation, here or at another controller, writes it there.
type Manager struct {
	cfg      Config
	born     time.Time
	follower *changelog.Follower

	mu      sync.Mutex
	stopped time.Time // see lastAlive

	// Of Run only.
	due      bool          // there is something to look at
	looked   time.Time     // when everything was looked at last
	wait     time.Duration // from then until the next look; zero: until something changes
	held     *holdup       // nil: look at everybody
	refusals int
	failing  logging.Condition
}

// New returns a Manager. What it says of members that are not back yet counts
// from this moment.
func New(cfg Config) *Manager {
	m := &Manager{cfg: cfg, born: cfg.Now()}
	m.follower = changelog.NewFollower(changelog.Config{Name: "rotation", Log: cfg.Store, Reader: driving{m}, Now: cfg.Now, Logger: cfg.Log})
	return m
}

// Position is that of its follower in the change log.
func (m *Manager) Position() uint64 { return m.follower.Position() }

// now is the time as precisely as a store keeps it.
func (m *Manager) now() time.Time { return m.cfg.Now().UTC().Truncate(time.Microsecond) }

// driving implements changelog.Reader.
type driving struct{ *Manager }

// Sync has the rotation read, and everybody looked at.
func (d driving) Sync(context.Context) error {
	d.due, d.held = true, nil
	return nil
}

// Apply has the rotation read that changed, and drops holdouts that are gone.
func (d driving) Apply(_ context.Context, changes []changelog.Change) error {
	for _, c := range changes {
		switch {
		case c.Kind == changelog.Rotation:
			d.due = true
		case d.held != nil && (c.Op == changelog.Revoked || c.Op == changelog.Deleted):
			d.due = d.held.forget(c) || d.due
		}
	}
	return nil
}

// Settled looks, if there is something to look at.
func (d driving) Settled(ctx context.Context) (err error) {
	if !d.due {
		return nil
	}
	d.wait, err = d.advance(ctx)
	d.due, d.looked = err != nil, time.Now()
	return err
}

// Run drives the unfinished rotation, whoever started it and in whichever life of
// this program, until ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	if members, err := m.members(ctx); err == nil {
		m.lastAlive(members)
	}
	links, unsubscribe := m.cfg.Online.SubscribePeers()
	defer unsubscribe()
	changes, forget := m.cfg.Store.SubscribeChanges()
	defer forget()
	for {
		err := m.follower.CatchUp(ctx)
		switch {
		case err == nil:
			m.failing.Over(m.cfg.Log, "")
		case ctx.Err() == nil:
			m.failing.Fails(m.cfg.Log, zap.WarnLevel, "rotation step failed, retrying", err)
		}
		if !m.rest(ctx, err != nil, changes, links) {
			return nil
		}
	}
}

// rest waits for the next look: after a pause, when something was committed and, where a
// gate is closed, when a member's link changes. It returns false when ctx ended.
func (m *Manager) rest(ctx context.Context, failed bool, changes, links <-chan struct{}) bool {
	wait, closed := retryAfter, !failed && m.wait > 0
	var pause <-chan time.Time
	var changed <-chan struct{}
	switch {
	case failed:
		changes = nil // not more often than every second
	case closed: // commits do not put off the next look
		wait = time.Until(m.looked.Add(m.wait))
		pause = time.After(time.Until(m.looked.Add(lookPause)))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-pause:
			changed = links
		case <-changed:
			m.due = true
			return true
		case <-timer.C:
			m.due = m.due || closed
			return true
		case <-changes:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// advance takes as many steps as it can and returns how long to wait before the
// next look; zero is until somebody wakes us.
func (m *Manager) advance(ctx context.Context) (time.Duration, error) {
	for {
		r, err := m.cfg.Store.Rotation(ctx)
		if errors.Is(err, ErrNone) || err == nil && r.State != Running {
			return 0, nil
		}
		if err != nil {
			return 0, fmt.Errorf("read rotation: %w", err)
		}
		moved, err := m.step(ctx, r)
		if err != nil && !errors.Is(err, errChanged) {
			return 0, err
		}
		if err == nil && !moved {
			return m.nextLook(), nil
		}
	}
}

// step looks at SPIRE and makes the next move, if its gate is open.
func (m *Manager) step(ctx context.Context, r Rotation) (moved bool, err error) {
	a, err := m.cfg.SPIRE.Authorities(ctx)
	if err != nil {
		return false, err
	}
	if a.Upstream != "" {
		return true, m.halt(ctx, r, Paused, ErrUpstream.Error())
	}
	mv := plan(r.Replace, a, m.cfg.Now())
	if mv.call == callStuck {
		return true, m.halt(ctx, r, Overtaken, fmt.Sprintf("SPIRE no longer lists %s as its old authority and cannot revoke it; it is trusted until it expires", mv.id))
	}
	if activated := a.Active.ID != r.Replace[0]; activated && mv.call != callNone && r.Signer != a.Active.ID {
		if r, err = m.noteActivation(ctx, r, a.Active.ID, mv); err != nil {
			return false, err
		}
	}
	if !r.in(mv.call.reached(), mv.id) && !r.in(mv.call.intended(), mv.id) {
		if r, err = m.enter(ctx, r, mv.call.reached(), mv.id); err != nil {
			return false, err
		}
	}
	if closed, err := m.stillClosed(ctx, r, mv, a); closed || err != nil {
		return false, err
	}
	g, c, err := m.gate(ctx, r, mv, a)
	if err != nil {
		return false, err
	}
	if !g.Open() {
		m.held = m.newHoldup(r, mv, g, c)
		return m.closed(ctx, r, mv, g)
	}
	if mv.call == callNone {
		return true, m.halt(ctx, r, Done, "")
	}
	if !r.in(mv.call.intended(), mv.id) {
		if r, err = m.enter(ctx, r, mv.call.intended(), mv.id); err != nil {
			return false, err
		}
	}
	return m.do(ctx, r, mv)
}

// gate evaluates what the move has to wait for; a is what it was derived from.
func (m *Manager) gate(ctx context.Context, r Rotation, mv move, a Authorities) (Gate, participants, error) {
	if !mv.call.waits(r.Options) {
		return Gate{}, participants{}, nil
	}
	c, err := m.participants(ctx, r, mv)
	if err != nil {
		return Gate{}, participants{}, fmt.Errorf("check which members block the rotation: %w", err)
	}
	g := m.rule(r, mv, a).examine(r, c)
	// While this program was down nobody could get through.
	g.Since = r.PhaseSince
	if m.born.After(g.Since) {
		g.Since = m.born
	}
	if limit := mv.call.limit(r.Options); limit > 0 {
		g.Deadline = g.Since.Add(limit)
	}
	if r.Options.Emergency && mv.call == callRevoke && !m.cfg.Now().Before(g.Deadline) {
		return Gate{}, participants{}, nil
	}
	return g, c, nil
}

// rule is what the move has to wait for.
func (m *Manager) rule(r Rotation, mv move, a Authorities) rule {
	switch mv.call {
	case callActivate:
		return mayActivate(mv.id)
	case callRevoke:
		return mayRevoke(r, mv.id, m.cfg.AgentTTL)
	default:
		return mayEnd(a.withdrawn(r.Replace))
	}
}

// closed waits, until the deadline.
func (m *Manager) closed(ctx context.Context, r Rotation, mv move, g Gate) (moved bool, err error) {
	if !r.in(mv.call.reached(), mv.id) { // crashed after the intent, before the call
		_, err = m.enter(ctx, r, mv.call.reached(), mv.id)
		return true, err
	}
	if g.Deadline.IsZero() || m.cfg.Now().Before(g.Deadline) {
		return false, nil
	}
	names := strings.Join(g.Names(), ", ")
	switch {
	case r.Options.OnExpiry != StopForHoldouts || r.Options.Deadline == 0: // distrustLimit is nobody's wish
		return true, m.drop(ctx, r, g)
	case r.retreat():
		return true, m.halt(ctx, r, Aborted, "deadline reached, blocked by "+names)
	default:
		return true, m.halt(ctx, r, Paused, "deadline reached, too late to abort, blocked by "+names)
	}
}

// do makes the call of a stored intent. Whether it happened is read from SPIRE at
// the next step; an error alone does not show it.
func (m *Manager) do(ctx context.Context, r Rotation, mv move) (moved bool, err error) {
	switch mv.call {
	case callPrepare:
		err = m.cfg.SPIRE.Prepare(ctx)
	case callActivate:
		err = m.cfg.SPIRE.Activate(ctx, mv.id)
	case callTaint:
		err = m.cfg.SPIRE.Taint(ctx, mv.id)
	case callRevoke:
		err = m.cfg.SPIRE.Revoke(ctx, mv.id)
	default:
		return false, nil
	}
	if err == nil {
		m.refusals = 0
		return true, nil
	}
	after, readErr := m.cfg.SPIRE.Authorities(ctx)
	if readErr != nil {
		return false, err
	}
	if plan(r.Replace, after, m.cfg.Now()) != mv {
		m.cfg.Log.Info("spire reported an error but completed the step", zap.String("phase", string(r.Phase)), zap.Error(err))
		m.refusals = 0
		return true, nil
	}
	if m.refusals++; m.refusals < patience {
		return false, err
	}
	m.refusals = 0
	m.cfg.Log.Error("spire refuses the next step of the rotation: check its log, then run grpccontroller ca resume", zap.Error(err))
	return true, m.halt(ctx, r, Paused, "SPIRE refuses the next step: see the controller's log")
}
