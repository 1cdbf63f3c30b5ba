package adversary_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

var victim = identity.Workload{Kind: identity.KindTunneler, ID: "victim"}

// says sends a heartbeat and returns how the connector answers.
func (n *tunnel) says(hb *zerotrustv1.TunnelerHeartbeat) error {
	n.last++
	_ = n.Send(&zerotrustv1.SessionRequest{Sequence: n.last, Heartbeat: hb})
	_, err := n.Recv()
	return err
}

// relays sends a report of a tunneler.
func (s *controlStream) relays(t *testing.T, r *zerotrustv1.TunnelerReport) {
	t.Helper()
	require.NoError(t, s.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Tunneler{Tunneler: r}}))
}

// Found here, by trying: one tunneler with a newline in its version took every
// connector that it had a session with off the control plane. The sender is cut.
func TestATunnelerIsCutForWhatItMayNotSay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	w.enrolled(t, connector, tunneler)
	g := w.gateway(t)
	for name, hb := range map[string]*zerotrustv1.TunnelerHeartbeat{
		"a newline":           {TunnelerId: tunneler.ID, Version: "v1\n"},
		"65 characters":       {TunnelerId: tunneler.ID, Version: strings.Repeat("a", 65)},
		"text that turns":     {TunnelerId: tunneler.ID, Version: "\u202e1v"},
		"too many keys":       {TunnelerId: tunneler.ID, BundleAuthorityIds: make([]string, 65)},
		"no time of this era": {TunnelerId: tunneler.ID, Svid: &zerotrustv1.SVIDStatus{NotAfter: &timestamppb.Timestamp{Seconds: 1 << 62}}},
	} {
		require.Equal(t, codes.InvalidArgument, status.Code(g.attach(t).says(hb)), name)
	}
	require.NoError(t, g.attach(t).beat())
	require.NoError(t, g.ControlReady(t.Context()))
	require.Equal(t, presence.Online, w.status())
}

// The same from the other side: a connector that relays it all the same, as of an
// attacker, is not cut for it, and who is honest there counts.
func TestARelayIsNotCutForWhatATunnelerSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	w.enrolled(t, connector, tunneler, victim)
	s := w.open(t)
	authorities := make([]string, wire.MaxFromTunneler/34) // as many as a tunneler can say
	for i := range authorities {
		authorities[i] = strings.Repeat("a", 32)
	}
	s.relays(t, &zerotrustv1.TunnelerReport{TunnelerId: tunneler.ID, Version: "v1\n"})
	s.relays(t, &zerotrustv1.TunnelerReport{TunnelerId: tunneler.ID, BundleAuthorityIds: authorities})
	s.relays(t, &zerotrustv1.TunnelerReport{TunnelerId: victim.ID, Version: "v1", SessionStartedAt: timestamppb.Now()})
	eventually(t, "the honest tunneler is ONLINE", func() bool {
		p, by, _ := w.roster.Tunneler(victim.ID, time.Time{})
		return p.Status == presence.Online && by == connector.ID
	})
	s.beat(t)
	require.NoError(t, s.link.Reason())
	require.Equal(t, presence.Online, w.status())
}

// OpenZiti's advisory of 2026 (…-7868): who called was read from what the router in
// between said of the caller. Here it is the certificate of the connection.
func TestATunnelerSpeaksForNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	w.enrolled(t, connector, tunneler, victim)
	g := w.gateway(t)
	n := g.attach(t)
	require.Equal(t, codes.PermissionDenied, status.Code(n.says(&zerotrustv1.TunnelerHeartbeat{TunnelerId: victim.ID, Version: "v1"})))
	p, _, _ := w.roster.Tunneler(victim.ID, time.Time{})
	require.Equal(t, presence.Offline, p.Status)
}

// The same at the controller.
func TestAConnectorSpeaksForNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	w.enrolled(t, connector, identity.Workload{Kind: identity.KindConnector, ID: "gw2"})
	s := w.open(t)
	require.NoError(t, s.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Heartbeat{
		Heartbeat: &zerotrustv1.ConnectorHeartbeat{ConnectorId: "gw2"},
	}}))
	require.Equal(t, codes.PermissionDenied, status.Code(s.end()))
	require.Equal(t, presence.Offline, w.roster.Connector("gw2", time.Time{}).Status)
}

// And what a tunneler has proved to the controller itself outranks what a connector
// says that it proved: a CA rotation waits for these serial numbers.
func TestARelaysWordYieldsToAProof(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	w.enrolled(t, connector, tunneler)
	own := w.svid(t, tunnelerID)
	conn, _ := dial(t, w.plane.Addr(), own)
	watch, err := zerotrustv1.NewDirectoryServiceClient(conn).Watch(patient(t), &zerotrustv1.WatchRequest{Protocol: wire.Protocol, TunnelerId: tunneler.ID})
	require.NoError(t, err)
	_, err = watch.Recv()
	require.NoError(t, err)
	s := w.open(t)
	s.relays(t, &zerotrustv1.TunnelerReport{TunnelerId: tunneler.ID, Svid: &zerotrustv1.SVIDStatus{Serial: "badc0de"}, SessionStartedAt: timestamppb.Now()})
	eventually(t, "the report", func() bool { _, by, _ := w.roster.Tunneler(tunneler.ID, time.Time{}); return by == connector.ID })
	p, _, _ := w.roster.Tunneler(tunneler.ID, time.Time{})
	require.Equal(t, own.Status().Serial, p.SVID.Serial)
	require.True(t, p.SVIDVerified)
}

// metered counts what is read from the connections of a listener.
type metered struct {
	net.Listener

	read atomic.Int64
}

func (m *metered) Accept() (net.Conn, error) {
	c, err := m.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &meteredConn{c, m}, nil
}

type meteredConn struct {
	net.Conn

	of *metered
}

func (c *meteredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.of.read.Add(int64(n))
	return n, err
}

// alone is a connector without a controller on a listener in memory, in a bubble.
func alone(t *testing.T, ca *mtlstest.CA, lis net.Listener) {
	t.Helper()
	nowhere := bufconn.Listen(1)
	require.NoError(t, nowhere.Close())
	r, err := relay.New(relay.Config{
		ID: connector.ID, TrustDomain: td, Identity: ca.Identity(ca.SVID(t, connectorID)), Listener: lis, PrivateIP: "10.0.0.7",
		ControlAddresses: []string{"controller:1"}, Timing: relay.Timing{Drain: time.Second}, Log: zap.NewNop(),
		Dial: func(ctx context.Context, _ string) (net.Conn, error) { return nowhere.DialContext(ctx) },
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() { cancel(); assert.NoError(t, <-done) })
}

// intrude sends a certificate of 200 KB, which TLS would keep, and a body behind it,
// and returns when the other end has had enough.
func intrude(t *testing.T, socket net.Conn, shown *x509svid.SVID) {
	t.Helper()
	stranger := tls.Client(socket, &tls.Config{
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			c := &tls.Certificate{PrivateKey: shown.PrivateKey, Certificate: [][]byte{shown.Certificates[0].Raw}}
			for range 20 {
				c.Certificate = append(c.Certificate, make([]byte, 10<<10))
			}
			return c, nil
		},
	})
	_ = stranger.HandshakeContext(t.Context()) // this end has finished before the other has looked
	_, _ = stranger.Write(make([]byte, 512<<10))
	_, err := stranger.Read(make([]byte, 1))
	require.Error(t, err)
	_ = stranger.Close()
}

// OpenZiti's advisories of 2026 (…-q8g9, …-j952): a body was kept in memory before it
// was known whose it was.
func TestAStrangerToAConnectorIsReadNoFurtherThanAHandshake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca := mtlstest.NewCA(t, td)
		pipe := bufconn.Listen(1 << 20)
		m := &metered{Listener: pipe}
		alone(t, ca, m)
		socket, err := pipe.DialContext(t.Context())
		require.NoError(t, err)
		intrude(t, socket, ca.SVID(t, tunnelerID))
		synctest.Wait()
		require.LessOrEqual(t, m.read.Load(), int64(32<<10))
	})
}

// The same where hosts enroll, and a certificate may be shown.
func TestAStrangerWhoEnrollsIsReadNoFurtherThanAHandshake(t *testing.T) {
	t.Parallel()
	ca, err := bootstrapca.Open(t.TempDir(), td, time.Now)
	require.NoError(t, err)
	m := &metered{Listener: listen(t)}
	ctx, cancel := context.WithCancel(t.Context())
	door := control.NewEnrollmentServer(m, ca.ServerConfig(), &control.Enrollment{TrustDomain: td, Stopping: ctx.Done(), Log: zap.NewNop()}, zap.NewNop())
	done := make(chan error, 1)
	go func() { done <- door.Run(ctx) }()
	socket, err := (&net.Dialer{}).DialContext(ctx, "tcp", m.Addr().String())
	require.NoError(t, err)
	intrude(t, socket, mtlstest.NewCA(t, td).SVID(t, tunnelerID))
	cancel()
	require.NoError(t, <-done)
	require.LessOrEqual(t, m.read.Load(), int64(32<<10))
}

// Boundary's CVE-2026-7776: the listener waited in the handshake of one peer, which
// withheld its certificate, and took nobody else meanwhile.
func TestAStalledHandshakeHoldsUpNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	w.enrolled(t, connector, tunneler)
	g := w.gateway(t)
	ctx := patient(t)
	began := time.Now()
	stalls := []func(net.Conn){
		func(net.Conn) {}, // says nothing
		func(c net.Conn) { _, _ = c.Write([]byte{22, 3, 1, 2, 0, 1}) }, // begins a hello
		func(c net.Conn) { // withholds its certificate
			config := mtls.ClientConfig(w.svid(t, tunnelerID), anyKind)
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			go func() { _ = tls.Client(c, config).HandshakeContext(ctx) }()
		},
	}
	for _, addr := range []net.Addr{g.addr, w.plane.Addr()} {
		for i := range max(len(stalls), runtime.GOMAXPROCS(0)) { // as many as may compute at once
			c, err := (&net.Dialer{}).DialContext(ctx, addr.Network(), addr.String())
			require.NoError(t, err)
			t.Cleanup(func() { _ = c.Close() })
			stalls[i%len(stalls)](c)
		}
	}
	require.NoError(t, g.attach(t).beat())
	w.open(t).beat(t)
	require.Less(t, time.Since(began), 10*time.Second, "they only had to wait until the stalled ones were cut")
}

// And whoever stalls does not stay.
func TestAStalledHandshakeIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pipe := bufconn.Listen(64 << 10)
		alone(t, mtlstest.NewCA(t, td), pipe)
		c, err := pipe.DialContext(t.Context())
		require.NoError(t, err)
		began := time.Now()
		_, err = io.Copy(io.Discard, c)
		require.NoError(t, err)
		require.LessOrEqual(t, time.Since(began), 10*time.Second)
	})
}
