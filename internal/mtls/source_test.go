package mtls_test

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

// workloadAPI is a SPIRE agent's Workload API whose answer the test sets.
type workloadAPI struct {
	workload.UnimplementedSpiffeWorkloadAPIServer

	mu      sync.Mutex
	answer  *workload.X509SVIDResponse
	fault   error
	changed chan struct{}
	calls   int
}

// FetchX509SVID implements workload.SpiffeWorkloadAPIServer.
func (w *workloadAPI) FetchX509SVID(_ *workload.X509SVIDRequest, stream grpc.ServerStreamingServer[workload.X509SVIDResponse]) error {
	w.mu.Lock()
	w.calls++
	w.mu.Unlock()
	for {
		w.mu.Lock()
		answer, fault, changed := w.answer, w.fault, w.changed
		w.mu.Unlock()
		if fault != nil {
			return fault
		}
		if answer != nil {
			if err := stream.Send(answer); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return nil
		}
	}
}

func (w *workloadAPI) set(answer *workload.X509SVIDResponse, fault error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer, w.fault = answer, fault
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *workloadAPI) issue(t *testing.T, ca *mtlstest.CA, svids ...*x509svid.SVID) {
	t.Helper()
	w.set(answerOf(t, ca, svids...), nil)
}

func (w *workloadAPI) seen() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

func answerOf(t *testing.T, ca *mtlstest.CA, svids ...*x509svid.SVID) *workload.X509SVIDResponse {
	t.Helper()
	out := &workload.X509SVIDResponse{}
	for _, s := range svids {
		key, err := x509.MarshalPKCS8PrivateKey(s.PrivateKey)
		require.NoError(t, err)
		out.Svids = append(out.Svids, &workload.X509SVID{
			SpiffeId: s.ID.String(), X509Svid: s.Certificates[0].Raw, X509SvidKey: key, Bundle: ca.Authority().Raw,
		})
	}
	return out
}

// shortDir is a directory short enough for a unix socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "wl") //nolint:usetesting // t.TempDir is too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// serve listens at path; the returned function stops the agent.
func (w *workloadAPI) serve(t *testing.T, path string) (stop func()) {
	t.Helper()
	w.mu.Lock()
	if w.changed == nil {
		w.changed = make(chan struct{})
	}
	w.mu.Unlock()
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	require.NoError(t, err)
	srv := grpc.NewServer()
	workload.RegisterSpiffeWorkloadAPIServer(srv, w)
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(lis) }()
	stop = sync.OnceFunc(func() { srv.Stop(); <-done })
	t.Cleanup(stop)
	return stop
}

func newAgent(t *testing.T) (w *workloadAPI, socket string) {
	t.Helper()
	w = &workloadAPI{}
	socket = filepath.Join(shortDir(t), "api.sock")
	w.serve(t, socket)
	return w, socket
}

func config(socket string) mtls.SourceConfig {
	return mtls.SourceConfig{Socket: "unix://" + socket, ID: spiffeid.RequireFromString(connectorID), Log: zap.NewNop()}
}

func open(t *testing.T, c mtls.SourceConfig) *mtls.Source {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s, err := mtls.Open(ctx, c)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 20*time.Second, 2*time.Millisecond, what)
}

func leafOf(t *testing.T, s *mtls.Source) *x509.Certificate {
	t.Helper()
	svid, err := s.GetX509SVID()
	require.NoError(t, err)
	return svid.Certificates[0]
}

func TestSourcePicksTheConfiguredID(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	agent, socket := newAgent(t)
	ours := ca.SVID(t, connectorID)
	agent.issue(t, ca, ca.SVID(t, tunnelerID), ca.SVID(t, connectorID, mtlstest.Lifetime(time.Minute)), ours, ca.SVID(t, controllerID))

	s := open(t, config(socket))
	require.Equal(t, ours.Certificates[0].Raw, leafOf(t, s).Raw, "of several with our id the one that lasts longest")
	require.Equal(t, connectorID, s.ID().String())
	require.Equal(t, mtls.Describe(ours.Certificates[0]), s.Status())
	require.Equal(t, []string{hex.EncodeToString(ca.Authority().SubjectKeyId)}, s.AuthorityIDs())
	require.NoError(t, s.Ready(t.Context()))
	require.NoError(t, s.Fault())
	b, err := s.GetX509BundleForTrustDomain(td)
	require.NoError(t, err)
	require.True(t, b.HasX509Authority(ca.Authority()))
	_, err = s.GetX509BundleForTrustDomain(spiffeid.RequireTrustDomainFromString("evil.internal"))
	require.Error(t, err)
}

func TestSourceSwaps(t *testing.T) {
	t.Parallel()
	ca, next := mtlstest.NewCA(t, td), mtlstest.NewCA(t, td)
	agent, socket := newAgent(t)
	first := ca.SVID(t, connectorID)
	agent.issue(t, ca, first)
	s := open(t, config(socket))
	swapped, unsubscribe := s.Subscribe()
	gone, forget := s.Subscribe()
	forget()

	second := next.SVID(t, connectorID)
	agent.issue(t, next, second)
	select {
	case <-swapped:
	case <-time.After(20 * time.Second):
		t.Fatal("no word of the swap")
	}
	require.Equal(t, second.Certificates[0].Raw, leafOf(t, s).Raw)
	require.Equal(t, []string{hex.EncodeToString(next.Authority().SubjectKeyId)}, s.AuthorityIDs(), "the bundle is swapped with it")
	require.Empty(t, gone, "who unsubscribed hears nothing")

	// The same SVID with another bundle is no swap, yet the bundle counts at once.
	both := answerOf(t, next, second)
	both.Svids[0].Bundle = append(append([]byte(nil), ca.Authority().Raw...), next.Authority().Raw...)
	agent.set(both, nil)
	eventually(t, "both authorities", func() bool { return len(s.AuthorityIDs()) == 2 })
	require.Empty(t, swapped)
	unsubscribe()
}

// TestSourceKeepsItsSVID: nothing that the Workload API says takes an identity
// away before it expires. SPIRE answers PermissionDenied for a second while an
// authority is tainted.
func TestSourceKeepsItsSVID(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]error{
		"PermissionDenied": status.Error(codes.PermissionDenied, "no identity issued"),
		"Unavailable":      status.Error(codes.Unavailable, "the agent is starting"),
		// X509Source ends its watch for good after each of these.
		"Canceled":        status.Error(codes.Canceled, "the agent is stopping"),
		"InvalidArgument": status.Error(codes.InvalidArgument, "security header missing"),
	} {
		t.Run("after "+name+", and follows the agent again", func(t *testing.T) {
			t.Parallel()
			ca := mtlstest.NewCA(t, td)
			agent, socket := newAgent(t)
			first := ca.SVID(t, connectorID)
			agent.issue(t, ca, first)
			s := open(t, config(socket))

			agent.set(nil, fault)
			eventually(t, "the fault is reported", func() bool { return status.Code(s.Fault()) == status.Code(fault) })
			eventually(t, "the watch is started again", func() bool { return agent.seen() >= 3 })
			require.Equal(t, first.Certificates[0].Raw, leafOf(t, s).Raw)
			require.ErrorContains(t, s.Ready(t.Context()), "but the Workload API fails")

			second := ca.SVID(t, connectorID)
			agent.issue(t, ca, second)
			eventually(t, "the new SVID", func() bool { return leafOf(t, s).Equal(second.Certificates[0]) })
			require.NoError(t, s.Ready(t.Context()))
		})
	}
	t.Run("after an answer without our id, and never uses the other one", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		agent, socket := newAgent(t)
		first := ca.SVID(t, connectorID)
		agent.issue(t, ca, first)
		s := open(t, config(socket))
		agent.issue(t, ca, ca.SVID(t, tunnelerID))
		eventually(t, "the fault is reported", func() bool { return s.Fault() != nil })
		require.ErrorContains(t, s.Fault(), connectorID)
		require.Equal(t, first.Certificates[0].Raw, leafOf(t, s).Raw)
	})
	t.Run("while the agent is away, and finds the new one at the same path", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		agent := &workloadAPI{}
		socket := filepath.Join(shortDir(t), "api.sock")
		stop := agent.serve(t, socket)
		agent.issue(t, ca, ca.SVID(t, connectorID))
		s := open(t, config(socket))
		stop()
		eventually(t, "the fault is reported", func() bool { return s.Fault() != nil })
		second := ca.SVID(t, connectorID)
		agent.issue(t, ca, second)
		agent.serve(t, socket)
		eventually(t, "the new SVID", func() bool { return leafOf(t, s).Equal(second.Certificates[0]) })
	})
	t.Run("until it expires, and says so", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		agent, socket := newAgent(t)
		agent.issue(t, ca, ca.SVID(t, connectorID, mtlstest.Expired()))
		s := open(t, config(socket))
		require.ErrorContains(t, s.Ready(t.Context()), "expired at")
	})
}

func TestSourceWaitsForTheSocket(t *testing.T) {
	t.Parallel()
	for name, below := range map[string]string{
		"in a directory that exists":           "api.sock",
		"in directories that do not exist yet": "spire-agent/public/api.sock",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca := mtlstest.NewCA(t, td)
			core, logs := observer.New(zap.InfoLevel)
			root := shortDir(t)
			c := config(filepath.Join(root, below))
			c.Log = zap.New(core)
			path, err := mtls.SocketPath(c.Socket)
			require.NoError(t, err)
			opened := make(chan error, 1)
			go func() {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
				defer cancel()
				s, err := mtls.Open(ctx, c)
				if err == nil {
					s.Close()
				}
				opened <- err
			}()
			waiting := "waiting for the workload api socket, is the agent running?"
			eventually(t, "the source waits", func() bool { return logs.FilterMessage(waiting).Len() == 1 })
			require.NoError(t, os.WriteFile(filepath.Join(root, "noise"), nil, 0o600), "wakes it, means nothing")
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			agent := &workloadAPI{}
			agent.serve(t, path)
			agent.issue(t, ca, ca.SVID(t, connectorID))
			require.NoError(t, <-opened)
		})
	}
}

// TestSourceMissesNoDirectory makes the directories of the socket while the wait
// moves from one ancestor to the next.
func TestSourceMissesNoDirectory(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	for range 40 {
		agent, path := &workloadAPI{}, filepath.Join(shortDir(t), "a", "b", "c", "s")
		agent.answer = answerOf(t, ca, ca.SVID(t, connectorID))
		opened := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
			defer cancel()
			s, err := mtls.Open(ctx, config(path))
			if err == nil {
				s.Close()
			}
			opened <- err
		}()
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		stop := agent.serve(t, path)
		require.NoError(t, <-opened)
		stop()
	}
}

func TestOpenSaysWhatToDo(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	other, otherSocket := newAgent(t)
	other.issue(t, ca, ca.SVID(t, tunnelerID))
	denied, deniedSocket := newAgent(t)
	denied.set(nil, status.Error(codes.PermissionDenied, "no identity issued"))
	file := filepath.Join(shortDir(t), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))

	for name, c := range map[string]struct {
		socket string
		want   []string
	}{
		"there is no socket":               {"unix://" + filepath.Join(shortDir(t), "none.sock"), []string{"none.sock", "start the agent", "agent run"}},
		"there is no directory":            {"unix:///nonexistent/dir/none.sock", []string{"/nonexistent/dir/none.sock", "start the agent"}},
		"the path is a regular file":       {"unix://" + file, []string{"is not a socket", "SPIFFE_ENDPOINT_SOCKET"}},
		"a file is where a directory goes": {"unix://" + file + "/api.sock", []string{"not a directory", "check"}},
		"the address is TCP":               {"tcp://127.0.0.1:80", []string{"unix:///absolute/path"}},
		"the address is a bare path":       {"/run/api.sock", []string{"unix:///absolute/path"}},
		"the address is relative":          {"unix:api.sock", []string{"unix:///absolute/path"}},
		"the agent issues another id only": {"unix://" + otherSocket, []string{connectorID, "1 SVIDs", "check"}},
		"the agent issues nothing":         {"unix://" + deniedSocket, []string{connectorID, "no identity issued", "check"}},
	} {
		t.Run("when "+name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			cfg := config("")
			cfg.Socket = c.socket
			_, err := mtls.Open(ctx, cfg)
			require.Error(t, err)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
	t.Run("and a caller can tell that it gave up itself", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("SIGTERM"))
		_, err := mtls.Open(ctx, config(deniedSocket))
		require.ErrorIs(t, err, context.Canceled)
	})
}
