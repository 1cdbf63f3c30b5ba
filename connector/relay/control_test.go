package relay_test

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

func codeOf(err error) codes.Code { return status.Code(err) }

func TestHello(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	c := startController(t, ca, anyAddress, controllerID)
	w := startConnector(t, ca, c.addr)
	h := c.next(t).hello(t)
	require.Equal(t, "gw", h.GetConnectorId())
	require.Equal(t, "1.2.3", h.GetVersion())
	require.Equal(t, "127.0.0.1", h.GetPrivateIp(), "the local address towards the controller")
	require.Equal(t, []string{w.addr}, h.GetListenAddresses())
	require.Equal(t, w.identity.Status().Serial, h.GetSvid().GetSerial())
	require.Len(t, h.GetInstanceId(), 32)
	require.NotEmpty(t, h.GetBootId())
	require.Empty(t, h.GetAgentStart(), "no socket to ask")
	instance := h.GetInstanceId()

	socket := agentSocket(t)
	told := startConnector(t, ca, c.addr, func(c *relay.Config) { c.PrivateIP, c.AgentSocket = "10.1.2.3", socket })
	h = c.next(t).hello(t)
	require.NotEqual(t, instance, h.GetInstanceId(), "another start")
	require.Contains(t, h.GetAgentStart(), strconv.Itoa(os.Getpid())+"@", "the process that listens")
	_, port, err := net.SplitHostPort(told.addr)
	require.NoError(t, err)
	require.Equal(t, "10.1.2.3", h.GetPrivateIp())
	require.Equal(t, []string{"10.1.2.3:" + port, told.addr}, h.GetListenAddresses())

	for _, all := range []string{"0.0.0.0:0", "[::]:0"} { // nobody can dial that
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", all)
		require.NoError(t, err)
		_, port, err = net.SplitHostPort(l.Addr().String())
		require.NoError(t, err)
		startConnector(t, ca, c.addr, func(c *relay.Config) { require.NoError(t, c.Listener.Close()); c.Listener = l })
		require.Equal(t, []string{"127.0.0.1:" + port}, c.next(t).hello(t).GetListenAddresses(), all)
	}
}

// agentSocket stands for a SPIRE agent's Workload API.
func agentSocket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "zt") //nolint:usetesting // t.TempDir's path is too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "api.sock")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return path
}

func TestControlStream(t *testing.T) {
	t.Parallel()
	t.Run("reports the new serial at once after a swap", func(t *testing.T) {
		t.Parallel()
		w, _, stream := linked(t)
		next := w.ca.SVID(t, connectorID)
		w.identity.Swap(next)
		m := stream.until(t, "the new serial", func(m *zerotrustv1.ConnectRequest) bool {
			return m.GetHeartbeat().GetSvid().GetSerial() == next.Certificates[0].SerialNumber.Text(16)
		})
		require.Equal(t, w.identity.AuthorityIDs(), m.GetHeartbeat().GetBundleAuthorityIds())
	})
	t.Run("reports at once that an authority is not trusted any more", func(t *testing.T) {
		t.Parallel()
		w, _, stream := linked(t)
		both := w.ca.Bundle().Clone()
		both.AddX509Authority(mtlstest.NewCA(t, td).Bundle().X509Authorities()[0])
		trusts := func(n int) func(*zerotrustv1.ConnectRequest) bool {
			return func(m *zerotrustv1.ConnectRequest) bool { return len(m.GetHeartbeat().GetBundleAuthorityIds()) == n }
		}
		w.identity.Trust(both)
		stream.until(t, "two authorities", trusts(2))
		w.identity.Trust(w.ca.Bundle())
		stream.until(t, "one authority", trusts(1))
	})
	t.Run("comes back after the controller does and reports who is attached", func(t *testing.T) {
		t.Parallel()
		w, c, stream := linked(t, laptopID)
		s := w.attach(t, "laptop")
		stream.report(t, "laptop", false)
		c.stop()
		require.Eventually(t, func() bool { return w.relay.ControlReady(t.Context()) != nil }, soon, time.Millisecond)
		require.NoError(t, s.beat(), "the session goes on without a controller")
		require.NoError(t, w.relay.PolicyReady(t.Context()))

		again := startController(t, w.ca, c.addr, "spiffe://mycorp.internal/controller/c2").next(t)
		again.report(t, "laptop", false)
		again.policy(t, 1, laptopID)
		require.Eventually(t, func() bool { return w.relay.ControlReady(t.Context()) == nil }, soon, time.Millisecond)
	})
	t.Run("honours goodbye", func(t *testing.T) {
		t.Parallel()
		w, c, stream := linked(t)
		require.NoError(t, stream.Send(&zerotrustv1.ConnectResponse{Message: &zerotrustv1.ConnectResponse_Goodbye{
			Goodbye: &zerotrustv1.Goodbye{Reason: "upgrade", RetryAfter: durationpb.New(time.Millisecond)},
		}}))
		require.Eventually(t, func() bool {
			err := w.relay.ControlReady(t.Context())
			return err == nil || len(c.streams) > 0
		}, soon, time.Millisecond)
		c.next(t).hello(t)
		require.ErrorContains(t, w.relay.ControlReady(t.Context()), "upgrade")
	})
	t.Run("goes to the addresses of the newest policy", func(t *testing.T) {
		t.Parallel()
		w, c, stream := linked(t)
		second := startController(t, w.ca, anyAddress, controllerID)
		stream.sendPolicy(t, 2, &zerotrustv1.PolicyUpdate{ControlPlaneAddresses: []string{second.addr, "no port"}})
		stream.applied(t, 2)
		c.stop()
		second.next(t).hello(t)
	})
	for name, svid := range map[string]string{
		"a tunneler":                    laptopID,
		"another connector":             "spiffe://mycorp.internal/connector/gw2",
		"a foreign controller":          "spiffe://other.internal/controller/c1",
		"no workload of ours, an agent": "spiffe://mycorp.internal/spire/agent/x509pop/00000000000000000000000000000000",
	} {
		t.Run("refuses as controller "+name, func(t *testing.T) {
			t.Parallel()
			ca := mtlstest.NewCA(t, td)
			c := startController(t, ca, anyAddress, svid)
			w := startConnector(t, ca, c.addr)
			require.Eventually(t, func() bool {
				err := w.relay.ControlReady(t.Context())
				return err != nil && status.Code(err) == codes.Unavailable
			}, soon, time.Millisecond)
			require.Empty(t, c.streams)
		})
	}
	t.Run("does not stop the shutdown when the controller hangs", func(t *testing.T) {
		t.Parallel()
		w, _, stream := linked(t, laptopID)
		w.attach(t, "laptop")
		stream.report(t, "laptop", false)
		w.stop() // the fake controller ends only when the connector's side has
	})
}

func TestKeptPolicy(t *testing.T) {
	t.Parallel()
	keep := func(t *testing.T) (*mtlstest.CA, string) {
		t.Helper()
		ca, dir := mtlstest.NewCA(t, td), t.TempDir()
		c := startController(t, ca, anyAddress, controllerID)
		w := startConnector(t, ca, c.addr, withState(dir))
		s := c.next(t)
		s.policy(t, 7, laptopID)
		s.applied(t, 7)
		w.stop()
		c.stop()
		return ca, dir
	}
	t.Run("serves after a restart while the controller is away", func(t *testing.T) {
		t.Parallel()
		ca, dir := keep(t)
		info, err := os.Stat(filepath.Join(dir, "policy.json"))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
		w := startConnector(t, ca, "127.0.0.1:1", withState(dir))
		w.attach(t, "laptop")
		_, err = w.attempt(t, ca.Identity(ca.SVID(t, phoneID)), "phone")
		requireStatus(t, err, codes.PermissionDenied, "does not name")
	})
	t.Run("is not used once it is too old", func(t *testing.T) {
		t.Parallel()
		ca, dir := keep(t)
		w := startConnector(t, ca, "127.0.0.1:1", withState(dir), func(c *relay.Config) { c.Timing.PolicyAge = time.Nanosecond })
		_, err := w.attempt(t, ca.Identity(ca.SVID(t, laptopID)), "laptop")
		requireStatus(t, err, codes.Unavailable, "no current policy")
		require.ErrorContains(t, w.relay.PolicyReady(t.Context()), "revision 7")
	})
	t.Run("ends sessions when it becomes too old", func(t *testing.T) {
		t.Parallel()
		ca, dir := keep(t)
		w := startConnector(t, ca, "127.0.0.1:1", withState(dir), func(c *relay.Config) { c.Timing.PolicyAge = 2 * time.Second })
		requireStatus(t, w.attach(t, "laptop").ends(t), codes.Unavailable, "no current policy")
	})
	t.Run("is not used by another connector", func(t *testing.T) {
		t.Parallel()
		ca, dir := keep(t)
		w := startConnector(t, ca, "127.0.0.1:1", withState(dir), func(c *relay.Config) { c.ID = "gw2" })
		require.Error(t, w.relay.PolicyReady(t.Context()))
	})
	for name, content := range map[string]string{
		"is broken":         "{",
		"has unknown keys":  `{"connector":"` + connectorID + `","revision":1,"allow_all":true}`,
		"names a connector": `{"connector":"` + connectorID + `","revision":1,"confirmed_at":"2999-01-01T00:00:00Z","tunnelers":[{"spiffe_id":"spiffe://mycorp.internal/connector/x"}]}`,
		"is from the future": `{"connector":"` + connectorID + `","revision":1,"confirmed_at":"2999-01-01T00:00:00Z","tunnelers":[{"spiffe_id":"` +
			laptopID + `"}]}`,
	} {
		t.Run("is not used when the file "+name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "policy.json"), []byte(content), 0o600))
			w := startConnector(t, mtlstest.NewCA(t, td), "127.0.0.1:1", withState(dir))
			_, err := w.attempt(t, w.ca.Identity(w.ca.SVID(t, laptopID)), "laptop")
			requireStatus(t, err, codes.Unavailable, "no current policy")
		})
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	_, err := relay.New(relay.Config{})
	require.Error(t, err)
	w := startConnector(t, mtlstest.NewCA(t, td), "127.0.0.1:1")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	_, err = relay.New(relay.Config{ID: "Not/An/ID", TrustDomain: td, Identity: w.identity, Listener: l})
	require.Error(t, err)
}

func TestTheControllerSaysHowOldThePolicyMayBecome(t *testing.T) {
	t.Parallel()
	told := func(t *testing.T, age *durationpb.Duration) (*mtlstest.CA, string) {
		t.Helper()
		ca, dir := mtlstest.NewCA(t, td), t.TempDir()
		c := startController(t, ca, anyAddress, controllerID)
		w := startConnector(t, ca, c.addr, withState(dir), func(c *relay.Config) { c.Timing.PolicyAge = 2 * time.Second })
		s := c.next(t)
		s.sendPolicy(t, 7, &zerotrustv1.PolicyUpdate{MaxAge: age}, named(laptopID)...)
		s.applied(t, 7)
		w.stop()
		c.stop()
		return ca, dir
	}
	alone := func(t *testing.T, ca *mtlstest.CA, dir string, byDefault time.Duration) *world {
		t.Helper()
		return startConnector(t, ca, "127.0.0.1:1", withState(dir), func(c *relay.Config) { c.Timing.PolicyAge = byDefault })
	}
	self := spiffeid.RequireFromString(connectorID)

	t.Run("longer than the default, also over a restart", func(t *testing.T) {
		t.Parallel()
		ca, dir := told(t, durationpb.New(time.Hour))
		require.Equal(t, time.Hour, relay.KeptPolicyAge(dir, self))
		require.Zero(t, relay.KeptPolicyAge(dir, spiffeid.RequireFromString("spiffe://mycorp.internal/connector/other")))
		alone(t, ca, dir, time.Nanosecond).attach(t, "laptop")
	})
	t.Run("shorter than the default, also for a session that is open", func(t *testing.T) {
		t.Parallel()
		ca, dir := told(t, durationpb.New(2*time.Second))
		w := alone(t, ca, dir, time.Hour)
		requireStatus(t, w.attach(t, "laptop").ends(t), codes.Unavailable, "no controller has confirmed the last one for too long")
		_, err := w.attempt(t, ca.Identity(ca.SVID(t, laptopID)), "laptop")
		requireStatus(t, err, codes.Unavailable, "no controller has confirmed the last one for too long")
	})
	for name, age := range map[string]*durationpb.Duration{
		"not at all":           nil,
		"as nothing":           {},
		"as less than nothing": {Seconds: -3600},
		"as no duration":       {Seconds: 1 << 62, Nanos: -1},
	} {
		t.Run(name+", and the default counts", func(t *testing.T) {
			t.Parallel()
			ca, dir := told(t, age)
			require.Zero(t, relay.KeptPolicyAge(dir, self))
			requireStatus(t, alone(t, ca, dir, 2*time.Second).attach(t, "laptop").ends(t), codes.Unavailable, "no current policy")
		})
	}
	t.Run("and changes it without a new revision", func(t *testing.T) {
		t.Parallel()
		w, c, s := linked(t, laptopID)
		session := w.attach(t, "laptop")
		s.sendPolicy(t, 1, &zerotrustv1.PolicyUpdate{MaxAge: durationpb.New(2 * time.Second)}, named(laptopID)...)
		s.applied(t, 1)
		c.stop()
		requireStatus(t, session.ends(t), codes.Unavailable, "no current policy")
	})
}

// TestAddressesOfTheController: a controller that ran for a while with a wrong public
// address must not take the configured one away, not in this run and not in the next.
func TestAddressesOfTheController(t *testing.T) {
	t.Parallel()
	wrong := []string{"127.0.0.1:1"}
	t.Run("the configured one stays when a controller names another", func(t *testing.T) {
		t.Parallel()
		w, c, stream := linked(t)
		stream.sendPolicy(t, 2, &zerotrustv1.PolicyUpdate{ControlPlaneAddresses: wrong})
		stream.applied(t, 2)
		c.stop()
		require.Eventually(t, func() bool { return w.relay.ControlReady(t.Context()) != nil }, soon, time.Millisecond)
		startController(t, w.ca, c.addr, controllerID).next(t).hello(t)
	})
	t.Run("what a controller may not name is not kept", func(t *testing.T) {
		t.Parallel()
		ca, dir := mtlstest.NewCA(t, td), t.TempDir()
		c := startController(t, ca, anyAddress, controllerID)
		w := startConnector(t, ca, c.addr, withState(dir))
		s := c.next(t)
		s.sendPolicy(t, 7, &zerotrustv1.PolicyUpdate{ControlPlaneAddresses: []string{"0.0.0.0:8444", "192.0.2.7:8444"}})
		s.applied(t, 7)
		w.stop()
		kept, err := os.ReadFile(filepath.Join(dir, "policy.json"))
		require.NoError(t, err)
		require.Contains(t, string(kept), "192.0.2.7:8444")
		require.NotContains(t, string(kept), "0.0.0.0:8444")
	})
	t.Run("the configured one wins over the kept policy", func(t *testing.T) {
		t.Parallel()
		ca, dir := mtlstest.NewCA(t, td), t.TempDir()
		c := startController(t, ca, anyAddress, controllerID)
		w := startConnector(t, ca, c.addr, withState(dir))
		s := c.next(t)
		s.sendPolicy(t, 7, &zerotrustv1.PolicyUpdate{ControlPlaneAddresses: wrong})
		s.applied(t, 7)
		w.stop()
		c.stop()
		moved := startController(t, ca, anyAddress, controllerID)
		startConnector(t, ca, moved.addr, withState(dir))
		moved.next(t).hello(t)
	})
	t.Run("the kept ones are tried where the configured one is dead", func(t *testing.T) {
		t.Parallel()
		ca, dir := mtlstest.NewCA(t, td), t.TempDir()
		c, second := startController(t, ca, anyAddress, controllerID), startController(t, ca, anyAddress, controllerID)
		w := startConnector(t, ca, c.addr, withState(dir))
		s := c.next(t)
		s.sendPolicy(t, 7, &zerotrustv1.PolicyUpdate{ControlPlaneAddresses: []string{second.addr}})
		s.applied(t, 7)
		w.stop()
		c.stop()
		startConnector(t, ca, "127.0.0.1:1", withState(dir))
		second.next(t).hello(t)
	})
}
