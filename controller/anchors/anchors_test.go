package anchors_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/anchors"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

// world is a Manager on a real CA in a directory, and hosts that behave as real ones.
type world struct {
	t   *testing.T
	dir string
	now time.Time
	*anchors.Manager
	ca       *bootstrapca.CA
	hosts    []*host
	own      string
	reload   error
	external bool
	reloads  int
	events   []audit.Event
}

type host struct {
	anchors.Host
	key    *ecdsa.PrivateKey
	cert   *x509.Certificate
	trusts []*x509.Certificate
}

func newWorld(t *testing.T, hosts ...string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), now: time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)}
	w.open()
	for _, name := range hosts {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		h := &host{Host: anchors.Host{ID: identity.NewHostID(), Name: name}, key: key, trusts: w.ca.Anchors()}
		w.sign(h)
		w.hosts = append(w.hosts, h)
	}
	return w
}

// open is a start of the program.
func (w *world) open() {
	w.t.Helper()
	clock := func() time.Time { return w.now }
	var err error
	w.ca, err = bootstrapca.Open(filepath.Join(w.dir, "bootstrap"), td, clock)
	require.NoError(w.t, err)
	cfg := anchors.Config{
		CA: w.ca, File: filepath.Join(w.dir, "replacement.json"), Log: zap.NewNop(), Now: clock,
		Hosts: func(context.Context) (out []anchors.Host, err error) {
			for _, h := range w.hosts {
				out = append(out, h.Host)
			}
			return out, nil
		},
		Own:    func() string { return w.own },
		Reload: func(context.Context) error { w.reloads++; return w.reload },
		Audit:  func(_ context.Context, e audit.Event) error { w.events = append(w.events, e); return nil },
	}
	if w.external {
		cfg.Reload = nil
	}
	w.Manager = anchors.New(cfg)
}

func (w *world) sign(h *host) {
	w.t.Helper()
	der, err := w.ca.SignHost(h.ID, h.key.Public())
	require.NoError(w.t, err)
	h.cert, err = x509.ParseCertificate(der)
	require.NoError(w.t, err)
}

// asks is a round of a host: it says what it has, then takes what it is told.
func (w *world) asks(h *host) {
	w.t.Helper()
	var hashes [][]byte
	for _, a := range h.trusts {
		sum := sha256.Sum256(a.Raw)
		hashes = append(hashes, sum[:])
	}
	w.Note(h.ID, h.cert, hashes)
	h.trusts = w.ca.Anchors()
	if w.ca.Due(h.cert) {
		w.sign(h)
	}
}

func (w *world) step() bool {
	w.t.Helper()
	running, err := w.Step(w.t.Context())
	require.NoError(w.t, err)
	return running
}

func (w *world) report() anchors.Report {
	w.t.Helper()
	r, err := w.Report(w.t.Context())
	require.NoError(w.t, err)
	return r
}

func (w *world) phase() anchors.Phase { return w.report().Record.Phase }

// steps until the phase is this one.
func (w *world) reach(p anchors.Phase) {
	w.t.Helper()
	for range 20 {
		if w.phase() == p {
			return
		}
		w.step()
	}
	require.Equal(w.t, p, w.phase())
}

func (w *world) start() {
	w.t.Helper()
	_, err := w.Start(w.t.Context(), anchors.Request{Actor: "person:p1"})
	require.NoError(w.t, err)
}

func (w *world) holdouts() (names []string) {
	w.t.Helper()
	if g := w.report().Gate; g != nil {
		for _, h := range g.Holdouts {
			names = append(names, h.Name)
		}
	}
	return names
}

func name(h *host) string { return string(h.ID) + " (" + h.Name + ")" }

// TestEveryHostThatIsHereIsWaitedForAtEachGate, by name, and the program is started anew
// before each step, as after a kill.
func TestEveryHostThatIsHereIsWaitedForAtEachGate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "connector/a", "tunneler/b")
	a, b := w.hosts[0], w.hosts[1]
	old := w.ca.Certificate()
	w.start()
	w.asks(a)
	w.asks(b)
	waits := func(p anchors.Phase) {
		t.Helper()
		w.reach(p)
		w.open()
		require.Equal(t, []string{name(a), name(b)}, w.holdouts(), "nobody has asked since the start")
		w.step()
		require.Equal(t, p, w.phase())
		w.asks(a) // takes what is new, and says so in its next round
		w.asks(a)
		w.asks(b)
		require.Equal(t, []string{name(b)}, w.holdouts())
		w.step()
		require.Equal(t, p, w.phase(), "one is missing")
		w.asks(b)
		require.Empty(t, w.holdouts())
	}
	waits(anchors.Prepared)
	require.Equal(t, bootstrapca.Prepared, w.ca.Stage())
	require.True(t, w.ca.Certificate().Equal(old), "the second does not sign before all trust it")
	waits(anchors.Activated)
	w.own = "its agent has the old certificate"
	require.Equal(t, []string{"controller"}, w.holdouts())
	w.step()
	require.Equal(t, anchors.Activated, w.phase())
	w.own = ""
	require.False(t, w.ca.Certificate().Equal(old))
	require.Len(t, w.ca.Anchors(), 2, "the old one is trusted until all have renewed")
	waits(anchors.Retired)
	require.Len(t, w.ca.Anchors(), 1)
	for w.step() {
	}
	r := w.report()
	require.Equal(t, anchors.Done, r.Record.State)
	require.Empty(t, r.Record.Skipped)
	require.Equal(t, bootstrapca.Idle, w.ca.Stage())
	var said []audit.Action
	for _, e := range w.events {
		said = append(said, e.Action)
	}
	require.Equal(t, audit.BootstrapStart, said[0])
	require.Equal(t, audit.BootstrapEnd, said[len(said)-1])
	require.GreaterOrEqual(t, w.reloads, 2, "SPIRE trusts both, then the new one")
	require.False(t, w.step(), "nothing is left to do")
}

// TestAKillBeforeAnyRecordRepeatsTheStep: the CA is changed, the record is not written.
func TestAKillBeforeAnyRecordRepeatsTheStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	for range 40 {
		switch w.phase() {
		case anchors.Preparing:
			require.NoError(t, w.ca.Prepare())
		case anchors.Activating:
			require.NoError(t, w.ca.Activate())
		case anchors.Retiring:
			require.NoError(t, w.ca.Retire())
		case anchors.Prepared, anchors.Activated, anchors.Retired:
		}
		w.open()
		w.now = w.now.Add(2 * time.Minute)
		if !w.step() {
			break
		}
	}
	require.Equal(t, anchors.Done, w.report().Record.State)
	require.Equal(t, bootstrapca.Idle, w.ca.Stage())
}

func TestAHostThatIsAwayIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "connector/a", "tunneler/away", "tunneler/online")
	w.hosts[2].Online = true
	w.start()
	w.reach(anchors.Prepared)
	require.Len(t, w.holdouts(), 3, "after a start all are waited for")
	w.now = w.now.Add(61 * time.Second)
	w.asks(w.hosts[0])
	w.asks(w.hosts[0])
	g := w.report().Gate
	require.Equal(t, 1, g.Offline)
	require.Equal(t, []string{name(w.hosts[2])}, w.holdouts(), "ONLINE, though its agent does not ask")
	w.step()
	require.Equal(t, anchors.Prepared, w.phase())
	w.asks(w.hosts[2])
	w.asks(w.hosts[2])
	w.step()
	require.Equal(t, anchors.Activating, w.phase())
}

func TestAtTheDeadlineWhoBlocksIsSkippedByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "connector/stuck")
	w.hosts[0].Online = true
	_, err := w.Start(t.Context(), anchors.Request{Deadline: time.Minute, Actor: "person:p1"})
	require.NoError(t, err)
	w.reach(anchors.Prepared)
	w.now = w.now.Add(59 * time.Second)
	w.step()
	require.Empty(t, w.report().Record.Skipped)
	w.now = w.now.Add(time.Second)
	w.step()
	require.Equal(t, []string{string(w.hosts[0].ID)}, w.report().Record.Skipped)
	i := slices.IndexFunc(w.events, func(e audit.Event) bool { return e.Action == audit.BootstrapSkip })
	require.Contains(t, w.events[i].Reason, "connector/stuck")
	w.own = "not ready"
	w.reach(anchors.Activated)
	w.now = w.now.Add(time.Hour)
	w.step()
	require.Equal(t, anchors.Activated, w.phase(), "the controller's own host is never skipped")
	w.own = ""
	for w.step() {
	}
	require.Equal(t, anchors.Done, w.report().Record.State)
}

func TestNothingSignsBeforeSPIRETrustsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.now = w.now.Add(time.Hour)
	w.reload = errors.New("spire-server does not start")
	w.start()
	for range 3 {
		_, err := w.Step(t.Context())
		require.ErrorContains(t, err, "spire-server does not start")
		require.Equal(t, anchors.Preparing, w.phase())
	}
	w.reload = nil
	w.reach(anchors.Prepared)
}

func TestAReplacementIsGivenUpUntilItsCASigns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "connector/a")
	old := w.ca.Certificate()
	_, err := w.Abort(t.Context(), anchors.Request{})
	require.ErrorIs(t, err, anchors.ErrNone)
	w.start()
	w.reach(anchors.Prepared)
	r, err := w.Abort(t.Context(), anchors.Request{Actor: "person:p1"})
	require.NoError(t, err)
	require.Equal(t, anchors.Aborted, r.State)
	require.Len(t, w.ca.Anchors(), 1)
	require.True(t, w.ca.Certificate().Equal(old))
	_, err = w.Abort(t.Context(), anchors.Request{})
	require.ErrorIs(t, err, anchors.ErrNone)

	w.start() // once more
	w.reach(anchors.Prepared)
	w.asks(w.hosts[0])
	w.asks(w.hosts[0])
	w.reach(anchors.Activated)
	_, err = w.Abort(t.Context(), anchors.Request{})
	require.ErrorIs(t, err, anchors.ErrTooLate)
	_, err = w.Start(t.Context(), anchors.Request{})
	require.ErrorIs(t, err, anchors.ErrRunning)
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, short := range []time.Duration{1, 29 * time.Second, -time.Second} {
		_, err := w.Start(t.Context(), anchors.Request{Deadline: short})
		require.ErrorIs(t, err, anchors.ErrDeadline)
		_, err = w.Preview(t.Context(), anchors.Request{Deadline: short})
		require.ErrorIs(t, err, anchors.ErrDeadline)
	}
	w.external = true
	w.open()
	_, err := w.Start(t.Context(), anchors.Request{})
	require.ErrorIs(t, err, anchors.ErrExternal)
	require.ErrorContains(t, err, "docs/enrollment.md", "it says what to do instead")
	_, err = w.Preview(t.Context(), anchors.Request{})
	require.ErrorIs(t, err, anchors.ErrExternal)
	require.Nil(t, w.report().Record)
	require.Empty(t, w.events)
}

// TestAPreviewChangesNothing and names the hosts that would block the first wait.
func TestAPreviewChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "connector/a", "tunneler/b")
	w.asks(w.hosts[0])
	p, err := w.Preview(t.Context(), anchors.Request{Actor: "person:p1"})
	require.NoError(t, err)
	require.Len(t, p.Steps, 4)
	require.Equal(t, [2]int{1, 2}, [2]int{p.Gate.Through, p.Gate.Total})
	require.Len(t, p.Gate.Holdouts, 1)
	require.Contains(t, p.Gate.Holdouts[0].Name, "tunneler/b")
	require.Contains(t, p.Gate.Holdouts[0].Why, "has not asked")
	require.Nil(t, w.report().Record)
	require.Len(t, w.ca.Anchors(), 1)
	require.Empty(t, w.events)
	phase, err := w.Unfinished()
	require.NoError(t, err)
	require.Empty(t, phase)

	w.start()
	w.reach(anchors.Prepared)
	_, err = w.Preview(t.Context(), anchors.Request{})
	require.ErrorIs(t, err, anchors.ErrRunning)
	phase, err = w.Unfinished()
	require.NoError(t, err)
	require.Equal(t, anchors.Prepared, phase)
}

// TestRunDrivesItToItsEnd without anybody who asks for a step.
func TestRunDrivesItToItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.now = w.now.Add(time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		w.start()
		synctest.Wait()
		for range 20 {
			<-time.After(2 * time.Second)
		}
		cancel()
		require.NoError(t, <-done)
		require.Equal(t, anchors.Done, w.report().Record.State)
	})
}
