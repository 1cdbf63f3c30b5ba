package directory_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

const soon = 10 * time.Second

func entry(id string, addresses ...string) *zerotrustv1.DirectoryConnector {
	return &zerotrustv1.DirectoryConnector{Id: id, SpiffeId: "spiffe://mycorp.internal/connector/" + id, Addresses: addresses}
}

// fakeController sends what the test puts into next.
type fakeController struct {
	zerotrustv1.UnimplementedDirectoryServiceServer

	addr    string
	own     *mtlstest.Identity
	next    chan *zerotrustv1.Directory
	denied  chan *zerotrustv1.Denials
	raw     chan *zerotrustv1.WatchResponse
	got     chan *zerotrustv1.WatchRequest
	reports chan *zerotrustv1.ProofRefusals
	stop    func()
}

func (f *fakeController) Watch(req *zerotrustv1.WatchRequest, stream zerotrustv1.DirectoryService_WatchServer) error {
	f.got <- req
	for {
		select {
		case d := <-f.next:
			if d == nil {
				return status.Error(codes.PermissionDenied, "not enrolled, or revoked")
			}
			for _, m := range controltest.Directory(d) {
				if err := stream.Send(m); err != nil {
					return err
				}
			}
		case m := <-f.raw:
			if err := stream.Send(m); err != nil {
				return err
			}
		case d := <-f.denied:
			if err := stream.Send(&zerotrustv1.WatchResponse{Denials: d}); err != nil {
				return err
			}
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// Report implements DirectoryService.
func (f *fakeController) Report(_ context.Context, req *zerotrustv1.ReportRequest) (*zerotrustv1.ReportResponse, error) {
	f.reports <- req.GetProofs()
	return &zerotrustv1.ReportResponse{}, nil
}

func startController(t *testing.T, ca *mtlstest.CA, svid string) *fakeController {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	own := ca.Identity(ca.SVID(t, svid))
	server := mtlstest.NewReproofServer(own, mtls.Kinds(td, identity.KindTunneler))
	f := &fakeController{
		addr: l.Addr().String(), own: own, next: make(chan *zerotrustv1.Directory, 8), denied: make(chan *zerotrustv1.Denials, 8), got: make(chan *zerotrustv1.WatchRequest, 64),
		reports: make(chan *zerotrustv1.ProofRefusals, 64), raw: make(chan *zerotrustv1.WatchResponse, 64),
	}
	zerotrustv1.RegisterDirectoryServiceServer(server, f)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	f.stop = func() { server.Stop(); <-done }
	t.Cleanup(f.stop)
	return f
}

// asked waits for a watch.
func (f *fakeController) asked(t *testing.T) {
	t.Helper()
	select {
	case <-f.got:
	case <-time.After(soon):
		require.FailNow(t, "nobody asked for the directory")
	}
}

func start(t *testing.T, ca *mtlstest.CA, addr, stateDir string, opts ...func(*directory.Config)) *directory.Watcher {
	t.Helper()
	cfg := directory.Config{
		ID: "laptop", TrustDomain: td, Version: "1.2.3", Identity: ca.Identity(ca.SVID(t, "spiffe://mycorp.internal/tunneler/laptop")),
		ControlAddresses: []string{addr}, StateDir: stateDir, Log: zap.NewNop(),
	}
	for _, opt := range opts {
		opt(&cfg)
	}
	w, err := directory.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() { cancel(); assert.NoError(t, <-done) })
	return w
}

func changed(t *testing.T, w *directory.Watcher) directory.Directory {
	t.Helper()
	select {
	case <-w.Changed():
		return w.Current()
	case <-time.After(soon):
		require.FailNow(t, "the directory did not change")
		return directory.Directory{}
	}
}

const controller = "spiffe://mycorp.internal/controller/c1"

func TestWatcher(t *testing.T) {
	t.Parallel()
	t.Run("follows, keeps what it got and starts from it", func(t *testing.T) {
		t.Parallel()
		ca, dir := mtlstest.NewCA(t, td), t.TempDir()
		f := startController(t, ca, controller)
		w := start(t, ca, f.addr, dir, func(c *directory.Config) { c.SaveAgain = 10 * time.Millisecond })
		require.Error(t, w.Ready(t.Context()))
		req := <-f.got
		require.Equal(t, "laptop", req.GetTunnelerId())
		require.Len(t, req.GetInstanceId(), 32)
		require.NotEmpty(t, req.GetBootId())
		require.Empty(t, req.GetAgentStart(), "no socket to ask")
		f.next <- &zerotrustv1.Directory{Revision: 1, Connectors: []*zerotrustv1.DirectoryConnector{entry("a", "10.0.0.1:9443")}}
		require.Equal(t, "a", changed(t, w).Connectors[0].ID)
		require.Eventually(t, func() bool { return w.Ready(t.Context()) == nil }, soon, time.Millisecond)
		f.next <- &zerotrustv1.Directory{Revision: 2}
		require.Empty(t, changed(t, w).Connectors)
		b := entry("b", "no port", "10.0.0.2:9443")
		b.NetworkId = "plant"
		f.next <- &zerotrustv1.Directory{Revision: 3, Connectors: []*zerotrustv1.DirectoryConnector{b}}
		require.Equal(t, []string{"10.0.0.2:9443"}, changed(t, w).Connectors[0].Addresses)
		require.Eventually(t, func() bool {
			raw, err := os.ReadFile(filepath.Join(dir, "directory.json"))
			return err == nil && strings.Contains(string(raw), "plant")
		}, soon, time.Millisecond)
		f.stop()
		require.Eventually(t, func() bool { return w.Ready(t.Context()) != nil }, soon, time.Millisecond)

		info, err := os.Stat(filepath.Join(dir, "directory.json"))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
		again := start(t, ca, "127.0.0.1:1", dir)
		kept := changed(t, again).Connectors[0]
		require.Equal(t, "b", kept.ID)
		require.Equal(t, "plant", kept.NetworkID)
		require.ErrorContains(t, again.Ready(t.Context()), "stored on disk (revision 3)")
	})
	t.Run("ignores an older directory of a controller, not one older than the disk's", func(t *testing.T) {
		t.Parallel()
		ca, dir := mtlstest.NewCA(t, td), t.TempDir()
		require.NoError(t, directory.StoreFor(dir, os.Getuid(), &zerotrustv1.Directory{Revision: 900, Connectors: []*zerotrustv1.DirectoryConnector{entry("old")}}))
		f := startController(t, ca, controller)
		w := start(t, ca, f.addr, dir)
		require.Equal(t, "old", changed(t, w).Connectors[0].ID)
		f.next <- &zerotrustv1.Directory{Revision: 5, Connectors: []*zerotrustv1.DirectoryConnector{entry("new")}}
		require.Equal(t, "new", changed(t, w).Connectors[0].ID)
		f.asked(t)
		f.next <- &zerotrustv1.Directory{Revision: 4, Connectors: []*zerotrustv1.DirectoryConnector{entry("stale")}}
		f.asked(t)
		f.next <- &zerotrustv1.Directory{Revision: 6, Connectors: []*zerotrustv1.DirectoryConnector{entry("newest")}}
		require.Equal(t, "newest", changed(t, w).Connectors[0].ID)
	})
	t.Run("keeps to the configured address when a controller names another", func(t *testing.T) {
		t.Parallel()
		ca, dir := mtlstest.NewCA(t, td), t.TempDir()
		f := startController(t, ca, controller)
		w := start(t, ca, f.addr, dir)
		f.next <- &zerotrustv1.Directory{
			Revision: 1, Connectors: []*zerotrustv1.DirectoryConnector{entry("a", "10.0.0.1:9443")}, ControlPlaneAddresses: []string{"0.0.0.0:1", "127.0.0.1:1"}, // nobody may name the first
		}
		require.Equal(t, []string{"127.0.0.1:1"}, changed(t, w).ControlAddresses)
		f.stop()
		require.Eventually(t, func() bool { return w.Ready(t.Context()) != nil }, soon, time.Millisecond)
		moved := startController(t, ca, controller) // and the conf follows
		start(t, ca, moved.addr, dir)
		moved.asked(t)
	})
	t.Run("tries the kept addresses where the configured one is dead", func(t *testing.T) {
		t.Parallel()
		ca, dir := mtlstest.NewCA(t, td), t.TempDir()
		f := startController(t, ca, controller)
		require.NoError(t, directory.StoreFor(dir, os.Getuid(), &zerotrustv1.Directory{Revision: 1, ControlPlaneAddresses: []string{f.addr}}))
		start(t, ca, "127.0.0.1:1", dir)
		f.asked(t)
	})
	t.Run("leaves out what is not a connector of the trust domain under its own id", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		f := startController(t, ca, controller)
		w := start(t, ca, f.addr, "")
		bad := func(id, sid string) *zerotrustv1.DirectoryConnector {
			return &zerotrustv1.DirectoryConnector{Id: id, SpiffeId: sid, Addresses: []string{"10.0.0.1:9443"}}
		}
		f.next <- &zerotrustv1.Directory{Revision: 1, Connectors: []*zerotrustv1.DirectoryConnector{
			bad("a", "spiffe://mycorp.internal/connector/b"), bad("a", "spiffe://mycorp.internal/tunneler/a"),
			bad("a", "spiffe://other.internal/connector/a"), bad("A/..", "spiffe://mycorp.internal/connector/A/.."), entry("good"),
		}}
		d := changed(t, w)
		require.Len(t, d.Connectors, 1)
		require.Equal(t, "good", d.Connectors[0].ID)
	})
	t.Run("says why the controller refuses it", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		f := startController(t, ca, controller)
		w := start(t, ca, f.addr, "")
		f.next <- nil
		require.Eventually(t, func() bool { return status.Code(w.Ready(t.Context())) == codes.PermissionDenied }, soon, time.Millisecond)
	})
	t.Run("refuses a broken file and goes on", func(t *testing.T) {
		t.Parallel()
		ca, dir := mtlstest.NewCA(t, td), t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "directory.json"), []byte(`{"trustEverybody":true}`), 0o600))
		w := start(t, ca, "127.0.0.1:1", dir)
		require.Empty(t, w.Current().Connectors)
	})
	t.Run("works without a place to keep it, says so, and keeps it once it can", func(t *testing.T) {
		t.Parallel()
		ca, dir := mtlstest.NewCA(t, td), filepath.Join(t.TempDir(), "state")
		require.NoError(t, os.WriteFile(dir, nil, 0o600)) // in the way, for root too
		f := startController(t, ca, controller)
		saved := make(chan error, 1024)
		w := start(t, ca, f.addr, dir, func(c *directory.Config) {
			c.SaveAgain, c.Saved = 10*time.Millisecond, func(_ string, err error) { saved <- err }
		})
		f.next <- &zerotrustv1.Directory{Revision: 1, Connectors: []*zerotrustv1.DirectoryConnector{entry("a", "10.0.0.1:9443")}}
		require.Equal(t, "a", changed(t, w).Connectors[0].ID)
		require.Error(t, <-saved)
		require.NoError(t, os.Remove(dir))
		require.NoError(t, os.Mkdir(dir, 0o700))
		require.Eventually(t, func() bool { return <-saved == nil }, soon, time.Millisecond)
		again := start(t, ca, "127.0.0.1:1", dir)
		require.Equal(t, "a", changed(t, again).Connectors[0].ID)
	})
	for name, svid := range map[string]string{
		"a connector": "spiffe://mycorp.internal/connector/gw", "another tunneler": "spiffe://mycorp.internal/tunneler/phone",
		"a foreign controller": "spiffe://other.internal/controller/c1",
	} {
		t.Run("refuses as controller "+name, func(t *testing.T) {
			t.Parallel()
			ca := mtlstest.NewCA(t, td)
			f := startController(t, ca, svid)
			f.next <- &zerotrustv1.Directory{Revision: 1, Connectors: []*zerotrustv1.DirectoryConnector{entry("evil", "10.6.6.6:9443")}}
			w := start(t, ca, f.addr, "")
			require.Eventually(t, func() bool { return status.Code(w.Ready(t.Context())) == codes.Unavailable }, soon, time.Millisecond)
			require.Empty(t, w.Current().Connectors)
			require.Empty(t, f.got)
		})
	}
}
