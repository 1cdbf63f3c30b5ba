package worldtest

import (
	"context"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/leaks"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/spiretest"
)

// soon is how long anything may take that takes a few seconds on an idle machine.
const soon = time.Minute

// shown is how many lines of each log a failed test shows.
const shown = 40

// Programs is the directory of the programs; the test fails when one is missing.
func Programs(tb testing.TB) string {
	tb.Helper()
	bin, err := world.Programs()
	require.NoError(tb, err)
	return bin
}

// World is a controller with its hosts.
type World struct {
	*world.Controller
	API *adminclient.Client // of the controller that was started last
	// Secrets are what no log may hold, besides what lies in the files of this world.
	Secrets leaks.Search
	// Ended is called when everything has ended, while the files are still there.
	Ended func()

	tb    testing.TB
	root  string
	hosts []*world.Host
	more  []*world.Process
}

// New prepares a world whose controller was not started yet.
func New(tb testing.TB, flags ...string) *World {
	tb.Helper()
	w := &World{tb: tb, root: spiretest.TempDir(tb), Ended: func() {}}
	w.Controller = world.NewController(Programs(tb), w.Path("controller"), flags...)
	tb.Cleanup(w.end)
	return w
}

// Path is that of a file or a directory of this world.
func (w *World) Path(name string) string { return filepath.Join(w.root, name) }

// Boot starts the controller, for the first time or again.
func (w *World) Boot() {
	w.tb.Helper()
	require.NoError(w.tb, w.Start(w.tb.Context()))
	w.Connect()
}

// Connect is for a controller that somebody else has started.
func (w *World) Connect() {
	w.API = w.Client()
}

// Host prepares a machine with its files in a directory of this name.
func (w *World) Host(name, kind, id string) *world.Host {
	h := w.NewHost(w.Path(name), kind, id)
	w.hosts = append(w.hosts, h)
	return h
}

// Second prepares another program on a machine.
func (w *World) Second(of *world.Host, kind, id string) *world.Host {
	h := of.SecondRole(kind, id)
	w.hosts = append(w.hosts, h)
	return h
}

// Hosts are all of them, in the order in which they were prepared.
func (w *World) Hosts() []*world.Host { return w.hosts }

// Keep has the world stop another process.
func (w *World) Keep(p *world.Process) { w.more = append(w.more, p) }

// Enroll spends a new token for the host and returns it.
func (w *World) Enroll(h *world.Host) (token string) {
	w.tb.Helper()
	token, err := h.EnrollWithToken(w.tb.Context())
	require.NoError(w.tb, err)
	return token
}

// Join brings a new host all the way.
func (w *World) Join(name, kind, id string) *world.Host {
	w.tb.Helper()
	h := w.Host(name, kind, id)
	w.Enroll(h)
	require.NoError(w.tb, h.Start())
	w.Online(h)
	return h
}

// Online waits until the admin API says so of all hosts.
func (w *World) Online(hosts ...*world.Host) {
	w.tb.Helper()
	for _, h := range hosts {
		w.Eventually(soon, h.ID+" ONLINE", func(ctx context.Context) error { return h.Online(ctx, w.API) })
	}
}

// Seen is what the admin API says of a host's program.
func (w *World) Seen(h *world.Host) world.Seen {
	w.tb.Helper()
	seen, err := h.Seen(w.tb.Context(), w.API)
	require.NoError(w.tb, err)
	return seen
}

// Eventually fails the test when check does not pass in time.
func (w *World) Eventually(within time.Duration, what string, check func(context.Context) error) {
	w.tb.Helper()
	require.NoError(w.tb, world.Eventually(w.tb.Context(), within, what, check))
}

// end stops everything, also what the test has stopped by SIGSTOP: hosts before
// their controller, the newest first.
func (w *World) end() {
	if w.tb.Failed() {
		w.show()
	}
	for i := len(w.hosts) - 1; i >= 0; i-- {
		h := w.hosts[i]
		if h.Program != nil {
			_ = h.Program.Signal(syscall.SIGCONT)
		}
		if err := h.Stop(); err != nil {
			w.tb.Error(err)
		}
	}
	for _, p := range append([]*world.Process{w.Process}, w.more...) {
		if p == nil {
			continue
		}
		for _, pid := range world.Children(p.PID()) {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
		if _, err := p.Stop(); err != nil {
			w.tb.Error(err)
		}
	}
	w.Ended()
	if w.Process != nil {
		leaks.Check(w.tb, &w.Secrets, w.root)
	}
}

// show prints the end of each log.
func (w *World) show() {
	_ = filepath.WalkDir(w.root, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".log" {
			w.tb.Logf("--- %s\n%s", strings.TrimPrefix(path, w.root), (&world.Process{Log: path}).Tail(shown))
		}
		return nil
	})
}
