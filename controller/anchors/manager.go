package anchors

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

// What Start and Abort refuse.
var (
	ErrRunning  = errors.New("the bootstrap CA is being replaced already: see `grpccontroller ca bootstrap status`")
	ErrNone     = errors.New("the bootstrap CA is not being replaced")
	ErrTooLate  = errors.New("the new bootstrap CA signs already: the replacement can only be completed")
	ErrExternal = errors.New("spire.mode is external, and this controller cannot have that spire-server trust a second bootstrap CA: replace it by hand, see docs/enrollment.md under \"Replacing the bootstrap CA of an external SPIRE\"")
	ErrDeadline = errors.New("deadline must be at least 30s: hosts ask every ten seconds")
)

// MinDeadline leaves each host two rounds.
const MinDeadline = 30 * time.Second

// lookEvery is how often the gate is looked at while a replacement runs.
const lookEvery = time.Second

// CA is the bootstrap CA; bootstrapca.CA is it.
type CA interface {
	// Activated says that the second anchor signs and the first is still trusted.
	Activated() bool
	Prepare() error
	Activate() error
	Retire() error
	Abort() error
	// Anchors are in force, the first one signs.
	Anchors() []*x509.Certificate
}

// Config configures New.
type Config struct {
	CA CA
	// File keeps the record.
	File string
	// Hosts lists the enrolled hosts that have a certificate and are not revoked.
	Hosts func(ctx context.Context) ([]Host, error)
	// Own is why the controller's own host is not ready to do without the old CA.
	Own func() string
	// Reload has the SPIRE server trust the anchors in force, nil where it is not ours.
	Reload func(ctx context.Context) error
	Audit  func(ctx context.Context, e audit.Event) error
	Log    *zap.Logger
	Now    func() time.Time
}

// Manager drives the replacement.
type Manager struct {
	cfg   Config
	born  time.Time
	looks topic.Topic[struct{}] // wakes Run when the record has changed

	deciding sync.Mutex // held by whoever changes the record

	mu   sync.Mutex
	said map[identity.HostID]said
}

// New returns a Manager.
func New(cfg Config) *Manager {
	return &Manager{cfg: cfg, born: cfg.Now(), said: map[identity.HostID]said{}}
}

// Request is what an operator asks for.
type Request struct {
	Deadline               time.Duration // of each wait; 0 is none
	Actor, RequestID, From string
}

// Start begins a replacement and returns at once. Errors: ErrRunning, ErrExternal,
// ErrDeadline.
func (m *Manager) Start(ctx context.Context, q Request) (Record, error) {
	m.deciding.Lock()
	defer m.deciding.Unlock()
	if err := m.mayStart(q); err != nil {
		return Record{}, err
	}
	id := make([]byte, 8)
	_, _ = rand.Read(id) // crypto/rand.Read never fails; it aborts the program instead
	now := m.cfg.Now().UTC()
	r := Record{
		ID: "boot_" + hex.EncodeToString(id), State: Running, Phase: Preparing, PhaseAt: now,
		Old: fingerprint(m.cfg.CA.Anchors()[0]), StartedBy: q.Actor, StartedAt: now, Deadline: q.Deadline,
	}
	if m.cfg.CA.Activated() { // its record was lost
		r.Phase, r.Old, r.New = Activating, fingerprint(m.cfg.CA.Anchors()[1]), fingerprint(m.cfg.CA.Anchors()[0])
	}
	e := audit.Event{Action: audit.BootstrapStart, Actor: q.Actor, RequestID: q.RequestID, Source: q.From}
	if err := m.put(ctx, r, e); err != nil {
		return Record{}, err
	}
	m.looks.Wake()
	return r, nil
}

func (m *Manager) mayStart(q Request) error {
	last, err := readRecord(m.cfg.File)
	switch {
	case err != nil:
		return err
	case m.cfg.Reload == nil:
		return ErrExternal
	case last != nil && !last.Finished():
		return ErrRunning
	case q.Deadline != 0 && q.Deadline < MinDeadline:
		return ErrDeadline
	}
	return nil
}

// Preview is what Start would do.
type Preview struct {
	Steps []string
	// Gate is the first wait as it stands: the hosts that have to follow and, as holdouts,
	// those that would keep it closed because they say nothing.
	Gate Gate
}

// Preview changes nothing. Errors: as Start.
func (m *Manager) Preview(ctx context.Context, q Request) (Preview, error) {
	if err := m.mayStart(q); err != nil {
		return Preview{}, err
	}
	out := Preview{Steps: []string{
		"make a second bootstrap CA, which the first one vouches for, and restart the SPIRE server so that it trusts both",
		"sign with it once every host that is here trusts it",
		"drop the first one and erase its key once every host has a certificate of the second, and restart the SPIRE server",
		"wait until no host that is here trusts the first one any more",
	}}
	if m.cfg.CA.Activated() { // its record was lost
		out.Steps = out.Steps[2:]
	}
	var err error
	out.Gate, err = m.count(ctx, nil, func(said) string { return "" })
	return out, err
}

// Unfinished is the phase of the replacement that runs; "" where none does.
func (m *Manager) Unfinished() (Phase, error) {
	r, err := readRecord(m.cfg.File)
	if err != nil || r == nil || r.Finished() {
		return "", err
	}
	return r.Phase, nil
}

// Abort gives a replacement up whose CA has signed nothing. Errors: ErrNone, ErrTooLate.
func (m *Manager) Abort(ctx context.Context, q Request) (Record, error) {
	m.deciding.Lock()
	defer m.deciding.Unlock()
	r, err := readRecord(m.cfg.File)
	switch {
	case err != nil:
		return Record{}, err
	case r == nil || r.Finished():
		return Record{}, ErrNone
	case r.Phase != Preparing && r.Phase != Prepared:
		return *r, ErrTooLate
	}
	if err := m.cfg.CA.Abort(); err != nil {
		return *r, err
	}
	if err := m.cfg.Reload(ctx); err != nil {
		return *r, err
	}
	r.State, r.EndedAt = Aborted, m.cfg.Now().UTC()
	return *r, m.put(ctx, *r, audit.Event{Action: audit.BootstrapAbort, Actor: q.Actor, RequestID: q.RequestID, Source: q.From})
}

// put writes what was decided down, in the audit log first: a record without its event
// would be a change that nobody can explain.
func (m *Manager) put(ctx context.Context, r Record, e audit.Event) error {
	if e.Actor == "" {
		e.Actor = "controller"
	}
	e.Target, e.Outcome, e.After = "bootstrap-ca/"+r.ID, audit.Success, audit.State(r)
	if err := m.cfg.Audit(ctx, e); err != nil {
		return err
	}
	if err := r.write(m.cfg.File); err != nil {
		return err
	}
	m.cfg.Log.Info("replacement of the bootstrap CA", zap.String("state", string(r.State)), zap.String("phase", string(r.Phase)))
	return nil
}

// Run drives the unfinished replacement, in whichever life of this program it was
// started, until ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	// Subscribed before the first look at the record.
	changed, unsubscribe := m.looks.Subscribe()
	defer unsubscribe()
	var failing logging.Condition
	for {
		running, err := m.Step(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			failing.Fails(m.cfg.Log, zap.WarnLevel, "replacement of the bootstrap CA does not continue, retrying", err)
		default:
			failing.Over(m.cfg.Log, "")
		}
		var tick <-chan time.Time
		if running || err != nil {
			tick = time.After(lookEvery)
		}
		select {
		case <-tick:
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// Step takes one step, or looks at the gate once. running is false when nothing is left
// to do.
func (m *Manager) Step(ctx context.Context) (running bool, err error) {
	m.deciding.Lock()
	defer m.deciding.Unlock()
	last, err := readRecord(m.cfg.File)
	if err != nil || last == nil || last.Finished() {
		return false, err
	}
	r := *last
	switch r.Phase {
	case Preparing:
		if err := m.cfg.CA.Prepare(); err != nil {
			return true, err
		}
		if err := m.cfg.Reload(ctx); err != nil {
			return true, fmt.Errorf("have the SPIRE server trust both CAs: %w", err)
		}
		r.New = fingerprint(m.cfg.CA.Anchors()[1])
		return true, m.enter(ctx, r, Prepared)
	case Activating:
		if err := m.cfg.CA.Activate(); err != nil {
			return true, err
		}
		return true, m.enter(ctx, r, Activated)
	case Retiring:
		if err := m.cfg.CA.Retire(); err != nil {
			return true, err
		}
		if err := m.cfg.Reload(ctx); err != nil {
			return true, fmt.Errorf("have the SPIRE server drop the old CA: %w", err)
		}
		return true, m.enter(ctx, r, Retired)
	case Prepared, Activated, Retired:
	}
	return true, m.await(ctx, r)
}

// await continues when the gate is open, or skips by name who holds it up at the deadline.
func (m *Manager) await(ctx context.Context, r Record) error {
	g, err := m.gate(ctx, r)
	if err != nil {
		return err
	}
	if len(g.Holdouts) > 0 {
		if r.Deadline == 0 || m.cfg.Now().Sub(r.PhaseAt) < r.Deadline {
			return nil
		}
		return m.skip(ctx, r, g)
	}
	switch r.Phase {
	case Prepared:
		return m.enter(ctx, r, Activating)
	case Activated:
		return m.enter(ctx, r, Retiring)
	case Retired:
		r.State, r.EndedAt = Done, m.cfg.Now().UTC()
		return m.put(ctx, r, audit.Event{Action: audit.BootstrapEnd})
	case Preparing, Activating, Retiring:
	}
	return nil
}

func (m *Manager) enter(ctx context.Context, r Record, p Phase) error {
	r.Phase, r.PhaseAt = p, m.cfg.Now().UTC()
	if err := m.put(ctx, r, audit.Event{Action: audit.BootstrapPhase, Reason: string(p)}); err != nil {
		return err
	}
	m.looks.Wake()
	return nil
}

// skip continues without the hosts that hold the gate up. They get in later by themselves;
// the controller's own host is never skipped.
func (m *Manager) skip(ctx context.Context, r Record, g Gate) error {
	var names []string
	for _, h := range g.Holdouts {
		if id, _, host := strings.Cut(h.Name, " "); host {
			r.Skipped, names = append(r.Skipped, id), append(names, h.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	m.cfg.Log.Warn("replacement of the bootstrap CA continues without the hosts that block it", zap.Strings("skipped", names))
	return m.put(ctx, r, audit.Event{Action: audit.BootstrapSkip, Reason: strings.Join(names, ", ")})
}

// Report is what an operator sees.
type Report struct {
	// Anchors are in force, the first one signs.
	Anchors []*x509.Certificate
	// Record is of the replacement that runs, or ran last; nil before the first.
	Record *Record
	// Gate is what it waits for now.
	Gate *Gate
}

// Report looks at everything now.
func (m *Manager) Report(ctx context.Context) (Report, error) {
	out := Report{Anchors: m.cfg.CA.Anchors()}
	r, err := readRecord(m.cfg.File)
	if err != nil || r == nil {
		return out, err
	}
	out.Record = r
	if r.Finished() {
		return out, nil
	}
	g, err := m.gate(ctx, *r)
	if err == nil && (g.Total > 0 || g.Offline > 0) {
		out.Gate = &g
	}
	return out, err
}
