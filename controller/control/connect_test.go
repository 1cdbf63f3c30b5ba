package control_test

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/visible"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

func TestConnect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, connector("c-01"))
	w.member(t, tunneler("t-01"))

	s := w.open(t, connector("c-01"))
	s.say(hello("c-01", "c-01.example:9443", "10.0.0.7:9443"))
	first := s.policy(t)
	require.Len(t, first.GetTunnelers(), 1)
	require.Equal(t, "spiffe://mycorp.internal/tunneler/t-01", first.GetTunnelers()[0].GetSpiffeId())
	require.Equal(t, []string{"203.0.113.1:8444"}, first.GetControlPlaneAddresses())
	require.WithinDuration(t, time.Now(), first.GetIssuedAt().AsTime(), time.Minute)
	require.Equal(t, policyAge, first.GetMaxAge().AsDuration())

	t.Log("a heartbeat is noted, with the revision that the connector applied")
	s.say(heartbeat("c-01", first.GetRevision()))
	eventually(t, "the heartbeat", func() bool {
		return w.roster.Connector("c-01", time.Time{}).PolicyRevision == first.GetRevision()
	})
	p := w.roster.Connector("c-01", time.Time{})
	require.Equal(t, presence.Online, p.Status)
	require.Equal(t, "instance", p.InstanceID)
	require.Contains(t, p.RemoteAddr, "127.0.0.1:")

	t.Log("every change brings a snapshot of a higher revision")
	last := first.GetRevision()
	for i := range 3 {
		w.member(t, tunneler("more-"+strconv.Itoa(i)))
		for { // the hello's own addresses may bring one in between
			next := s.policy(t)
			require.Greater(t, next.GetRevision(), last)
			last = next.GetRevision()
			if len(next.GetTunnelers()) == 2+i {
				break
			}
		}
	}
	w.revoke(t, tunneler("t-01"))
	gone := s.policy(t)
	require.Greater(t, gone.GetRevision(), last)
	require.False(t, slices.ContainsFunc(gone.GetTunnelers(), func(p *zerotrustv1.PolicyTunneler) bool {
		return p.GetSpiffeId() == "spiffe://mycorp.internal/tunneler/t-01"
	}))

	t.Log("a connector that closes its side is OFFLINE at once")
	require.NoError(t, s.CloseSend())
	s.endsWith(t, codes.Unknown, "EOF") // the client library's word for a clean end
	eventually(t, "OFFLINE", func() bool { return w.status("c-01") == presence.Offline })
	all, err := w.fleet.Connectors(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"c-01.example:9443", "10.0.0.7:9443"}, all[0].Addresses, "in the connector's order of preference")
}

// TestConnectRefuses: what a stream may say, and when it is cut.
func TestConnectRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 65)
	with := func(change func(*zerotrustv1.ConnectorHello)) []*zerotrustv1.ConnectRequest {
		h := hello("c-01")
		change(h.GetHello())
		return []*zerotrustv1.ConnectRequest{h}
	}
	address := func(a string) []*zerotrustv1.ConnectRequest {
		return with(func(h *zerotrustv1.ConnectorHello) { h.ListenAddresses = []string{"10.0.0.7:9443", a} })
	}
	many := make([]string, 17)
	for i := range many {
		many[i] = "10.0.0.7:" + strconv.Itoa(9000+i)
	}
	for name, c := range map[string]struct {
		say  []*zerotrustv1.ConnectRequest
		code codes.Code
		text string
	}{
		"another's id in the hello":    {[]*zerotrustv1.ConnectRequest{hello("victim")}, codes.PermissionDenied, "connector_id is not the id of this SVID"},
		"no id in the hello":           {[]*zerotrustv1.ConnectRequest{hello("")}, codes.PermissionDenied, "connector_id"},
		"its whole SPIFFE ID as id":    {[]*zerotrustv1.ConnectRequest{hello("spiffe://mycorp.internal/connector/c-01")}, codes.PermissionDenied, "connector_id"},
		"another's id in a heartbeat":  {[]*zerotrustv1.ConnectRequest{hello("c-01"), heartbeat("victim", 1)}, codes.PermissionDenied, "connector_id is not the id of this SVID"},
		"no id in a heartbeat":         {[]*zerotrustv1.ConnectRequest{hello("c-01"), heartbeat("", 1)}, codes.PermissionDenied, "connector_id"},
		"a heartbeat first":            {[]*zerotrustv1.ConnectRequest{heartbeat("c-01", 1)}, codes.InvalidArgument, "first message must be a hello"},
		"a report first":               {[]*zerotrustv1.ConnectRequest{report(&zerotrustv1.TunnelerReport{TunnelerId: "t-01"})}, codes.InvalidArgument, "first message must be a hello"},
		"an empty message first":       {[]*zerotrustv1.ConnectRequest{{}}, codes.InvalidArgument, "first message must be a hello"},
		"a second hello":               {[]*zerotrustv1.ConnectRequest{hello("c-01"), hello("c-01")}, codes.InvalidArgument, "expected a heartbeat or a report"},
		"an empty message later":       {[]*zerotrustv1.ConnectRequest{hello("c-01"), {}}, codes.InvalidArgument, "expected a heartbeat or a report"},
		"a long version":               {with(func(h *zerotrustv1.ConnectorHello) { h.Version = long }), codes.InvalidArgument, "version:"},
		"an escape in its version":     {with(func(h *zerotrustv1.ConnectorHello) { h.Version = "\x1b[2J" }), codes.InvalidArgument, "version:"},
		"a newline in its instance id": {with(func(h *zerotrustv1.ConnectorHello) { h.InstanceId = "a\nb" }), codes.InvalidArgument, "instance_id:"},
		"a long boot id":               {with(func(h *zerotrustv1.ConnectorHello) { h.BootId = long }), codes.InvalidArgument, "boot_id:"},
		"a host name as private IP":    {with(func(h *zerotrustv1.ConnectorHello) { h.PrivateIp = "localhost" }), codes.InvalidArgument, "private_ip:"},
		"an escape in an IPv6 zone":    {with(func(h *zerotrustv1.ConnectorHello) { h.PrivateIp = "fe80::1%\x1b[2J" }), codes.InvalidArgument, "private_ip:"},
		"an IPv6 zone without end":     {with(func(h *zerotrustv1.ConnectorHello) { h.PrivateIp = "fe80::1%" + strings.Repeat("a", 1000) }), codes.InvalidArgument, "private_ip:"},
		"17 addresses":                 {with(func(h *zerotrustv1.ConnectorHello) { h.ListenAddresses = many }), codes.InvalidArgument, "listen_addresses: more than 16"},
		"an address without a port":    {address("10.0.0.7"), codes.InvalidArgument, "listen_addresses:"},
		"an address without a host":    {address(":9443"), codes.InvalidArgument, "listen_addresses:"},
		"an empty address":             {address(""), codes.InvalidArgument, "listen_addresses:"},
		"an address with port 0":       {address("10.0.0.7:0"), codes.InvalidArgument, "listen_addresses:"},
		"an address with port 70000":   {address("10.0.0.7:70000"), codes.InvalidArgument, "listen_addresses:"},
		"an address with a named port": {address("10.0.0.7:https"), codes.InvalidArgument, "listen_addresses:"},
		"an address with an escape":    {address("a\x1b[2J:9443"), codes.InvalidArgument, "listen_addresses:"},
		"a long address":               {address(strings.Repeat("a", 300) + ":9443"), codes.InvalidArgument, "listen_addresses:"},
		"a message over 2 MiB":         {with(func(h *zerotrustv1.ConnectorHello) { h.Version = strings.Repeat("a", 2<<20) }), codes.ResourceExhausted, ""},
		"a message over 2 MiB later":   {append(with(func(*zerotrustv1.ConnectorHello) {}), report(&zerotrustv1.TunnelerReport{Version: strings.Repeat("a", 2<<20)})), codes.ResourceExhausted, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.member(t, connector("c-01"))
			w.member(t, connector("victim"))
			w.member(t, tunneler("t-01"))
			s := w.open(t, connector("c-01"))
			s.say(c.say...)
			s.endsWith(t, c.code, c.text)
			eventually(t, "OFFLINE", func() bool { return w.status("c-01") == presence.Offline })
			require.Equal(t, presence.Offline, w.status("victim"))
			require.True(t, w.roster.Connector("victim", time.Time{}).LastSeen.IsZero(), "the victim was never seen")
			_, by, _ := w.roster.Tunneler("t-01", time.Time{})
			require.Empty(t, by)
		})
	}
}

// TestAdmission: who may open a stream at all.
func TestAdmission(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, connector("c-01"))
	w.member(t, tunneler("t-01"))
	for _, who := range []identity.Workload{connector("revoked"), tunneler("revoked")} {
		w.member(t, who)
		w.revoke(t, who)
	}
	// The ids of these were enrolled anew after the SVIDs below were issued.
	for _, who := range []identity.Workload{connector("reused"), tunneler("reused"), connector("renewed"), tunneler("renewed")} {
		w.memberSince(t, who, time.Now().Add(-time.Minute))
	}
	enrolled := time.Now().Truncate(time.Second).Add(-5*time.Second + 900*time.Millisecond)
	w.memberSince(t, connector("quick"), enrolled)
	former := mtlstest.Since(time.Now().Add(-2 * time.Minute))
	// Its agent got one more before SPIRE had heard of its successor.
	young := []mtlstest.Option{mtlstest.OnHost(mtlstest.HostOf("a former host")), mtlstest.Since(time.Now())}
	hostless := []mtlstest.Option{func(c *x509.Certificate) { c.DNSNames = nil }}

	watch := func(t *testing.T, who identity.Workload, claim string, opts ...mtlstest.Option) error {
		t.Helper()
		s, err := zerotrustv1.NewDirectoryServiceClient(w.dial(t, who, opts...)).Watch(patient(t), &zerotrustv1.WatchRequest{Protocol: wire.Protocol, TunnelerId: claim})
		require.NoError(t, err)
		_, err = s.Recv()
		return err
	}
	connect := func(t *testing.T, who identity.Workload, claim string, opts ...mtlstest.Option) error {
		t.Helper()
		s := w.open(t, who, opts...)
		s.say(hello(claim))
		_, err := s.Recv()
		return err
	}
	for name, c := range map[string]struct {
		rpc  func(*testing.T, identity.Workload, string, ...mtlstest.Option) error
		who  identity.Workload
		id   string
		opts []mtlstest.Option
		text string
	}{
		"a tunneler cannot open a control stream":         {connect, tunneler("t-01"), "t-01", nil, "is not allowed to call this method"},
		"not even with a connector's id":                  {connect, tunneler("c-01"), "c-01", nil, "is not allowed to call this method"},
		"a connector cannot watch the directory":          {watch, connector("c-01"), "c-01", nil, "is not allowed to call this method"},
		"a connector that was never enrolled":             {connect, connector("unknown"), "unknown", nil, "not enrolled, or revoked"},
		"a tunneler that was never enrolled":              {watch, tunneler("unknown"), "unknown", nil, "not enrolled, or revoked"},
		"a connector with the id of an enrolled tunneler": {connect, connector("t-01"), "t-01", nil, "not enrolled, or revoked"},
		"a revoked connector":                             {connect, connector("revoked"), "revoked", nil, "not enrolled, or revoked"},
		"a revoked tunneler":                              {watch, tunneler("revoked"), "revoked", nil, "not enrolled, or revoked"},
		"a former holder of a connector's id":             {connect, connector("reused"), "reused", []mtlstest.Option{former}, "not enrolled, or revoked"},
		"a former holder of a tunneler's id":              {watch, tunneler("reused"), "reused", []mtlstest.Option{former}, "not enrolled, or revoked"},
		"a former holder, with an SVID of this moment":    {connect, connector("reused"), "reused", young, "not enrolled, or revoked"},
		"a former tunneler, with an SVID of this moment":  {watch, tunneler("reused"), "reused", young, "not enrolled, or revoked"},
		"a connector whose SVID names no host":            {connect, connector("c-01"), "c-01", hostless, "not enrolled, or revoked"},
		"a tunneler whose SVID names no host":             {watch, tunneler("t-01"), "t-01", hostless, "not enrolled, or revoked"},
		"a tunneler that asks for another's directory":    {watch, tunneler("t-01"), "t-02", nil, "tunneler_id is not the id of this SVID"},
		"a tunneler that asks for nobody's directory":     {watch, tunneler("t-01"), "", nil, "tunneler_id is not the id of this SVID"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.rpc(t, c.who, c.id, c.opts...)
			require.Equal(t, codes.PermissionDenied, status.Code(err), err)
			require.Contains(t, status.Convert(err).Message(), c.text)
			require.Equal(t, presence.Offline, w.status(c.id))
		})
	}
	t.Run("the new holder of an id is admitted", func(t *testing.T) {
		t.Parallel()
		now := mtlstest.Since(time.Now().Add(-30 * time.Second))
		require.NoError(t, connect(t, connector("renewed"), "renewed", now))
		require.NoError(t, watch(t, tunneler("renewed"), "renewed", now))
	})
	t.Run("an SVID of the very second of enrollment is admitted, backdated as SPIRE does", func(t *testing.T) {
		t.Parallel()
		require.NoError(t, connect(t, connector("quick"), "quick", mtlstest.Since(enrolled.Add(-10*time.Second))))
	})
}

// TestControlPlaneHandshake: who does not even reach an RPC.
func TestControlPlaneHandshake(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, connector("c-01"))
	const id = "spiffe://mycorp.internal/connector/c-01"
	chain := func(ca *mtlstest.CA, opts ...mtlstest.Option) *tls.Certificate {
		s := ca.SVID(t, id, opts...)
		return &tls.Certificate{Certificate: [][]byte{s.Certificates[0].Raw}, PrivateKey: s.PrivateKey}
	}
	stranger, good := chain(mtlstest.NewCA(t, td)), chain(w.spireCA)
	stranger.Certificate = append(stranger.Certificate, good.Certificate...)
	controller := w.spireCA.SVID(t, "spiffe://mycorp.internal/controller/controller-02")
	for name, cert := range map[string]*tls.Certificate{
		"no SVID":                                  {},
		"an SVID of another CA":                    chain(mtlstest.NewCA(t, td)),
		"an SVID of another trust domain":          chain(mtlstest.NewCA(t, spiffeid.RequireTrustDomainFromString("evil.internal"))),
		"an expired SVID":                          chain(w.spireCA, mtlstest.Expired()),
		"the identity in CN and DNS SAN only":      chain(w.spireCA, mtlstest.NameOnly()),
		"two URI SANs":                             chain(w.spireCA, mtlstest.WithURI("spiffe://mycorp.internal/connector/c-02")),
		"a foreign leaf with a good one beside it": stranger,
		"another controller":                       {Certificate: [][]byte{controller.Certificates[0].Raw}, PrivateKey: controller.PrivateKey},
		"a host certificate of the bootstrap CA":   w.hostCertificate(t).tls(),
		"the enrollment listener's certificate":    w.listenerCertificate(t),
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			own := w.spireCA.Identity(nil)
			c := mtls.ClientConfig(own, mtls.Kinds(td, identity.KindController))
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
			s, err := zerotrustv1.NewControlPlaneServiceClient(dialTLS(t, w.plane.Addr(), c)).Connect(patient(t))
			if err == nil {
				_, err = s.Recv()
			}
			require.Equal(t, codes.Unavailable, status.Code(err), err)
		})
	}
	t.Run("refuses TLS 1.2", func(t *testing.T) {
		t.Parallel()
		c := mtls.ClientConfig(w.spireCA.Identity(w.spireCA.SVID(t, id)), mtls.Kinds(td, identity.KindController))
		c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
		s, err := zerotrustv1.NewControlPlaneServiceClient(dialTLS(t, w.plane.Addr(), c)).Connect(patient(t))
		if err == nil {
			_, err = s.Recv()
		}
		require.Equal(t, codes.Unavailable, status.Code(err), err)
	})
	t.Run("shows no SVID to a client of the bootstrap CA", func(t *testing.T) {
		t.Parallel()
		_, err := zerotrustv1.NewEnrollmentServiceClient(dialTLS(t, w.plane.Addr(), bootstrap.ClientConfig(w.anchors(), td, nil))).
			FetchBundle(patient(t), &zerotrustv1.FetchBundleRequest{})
		require.Equal(t, codes.Unavailable, status.Code(err), err)
	})
}

// TestRevokeCutsOpenStreams: the commit ends the stream, and not the look at the log that
// follows every second. A revocation that waited for it would wait for the whole second
// from the second one on, for the one before it ended with such a look. The fastest of
// eight counts: a machine that is busy with other tests does not hold up all of them.
// make bench-revoke measures.
func TestRevokeCutsOpenStreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const n = 9
	streams := make([]stream, n)
	for i := range streams {
		id := "c-" + strconv.Itoa(i)
		w.member(t, connector(id))
		streams[i] = w.open(t, connector(id))
		streams[i].say(hello(id))
		streams[i].policy(t)
	}
	took := make([]time.Duration, n)
	for i, s := range streams {
		w.revoke(t, connector("c-"+strconv.Itoa(i)))
		start := time.Now()
		s.endsRevoked(t)
		took[i] = time.Since(start)
		require.Equal(t, presence.Offline, w.status("c-"+strconv.Itoa(i)))
	}
	require.Less(t, slices.Min(took[1:]), 500*time.Millisecond, "%v", took)
}

func TestANewerStreamReplacesTheOlder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, connector("c-01"))
	older := w.open(t, connector("c-01"))
	older.say(hello("c-01"))
	older.policy(t)

	newer := w.open(t, connector("c-01"))
	h := hello("c-01")
	h.GetHello().InstanceId = "newer"
	newer.say(h)
	first := newer.policy(t)
	older.endsWith(t, codes.Aborted, "replaced by a newer stream")

	require.Equal(t, presence.Online, w.status("c-01"), "the late end of the older stream changes nothing")
	require.Equal(t, "newer", w.roster.Connector("c-01", time.Time{}).InstanceID)
	newer.say(heartbeat("c-01", first.GetRevision()))
	eventually(t, "heartbeats of the newer stream count", func() bool {
		return w.roster.Connector("c-01", time.Time{}).PolicyRevision == first.GetRevision()
	})
	require.NoError(t, newer.CloseSend())
	newer.end()
	eventually(t, "OFFLINE", func() bool { return w.status("c-01") == presence.Offline })
}

// slowRoster holds the first ConnectorUp until the second has been noted, or for
// a moment if the control plane does not let that happen.
type slowRoster struct {
	control.Attendance
	mu     sync.Mutex
	calls  int
	second chan struct{}
}

func (r *slowRoster) ConnectorUp(a presence.Arrival, addr string, svid presence.SVID) uint64 {
	r.mu.Lock()
	r.calls++
	call := r.calls
	r.mu.Unlock()
	if call == 1 {
		select {
		case <-r.second:
		case <-time.After(500 * time.Millisecond):
		}
		return r.Attendance.ConnectorUp(a, addr, svid)
	}
	defer close(r.second)
	return r.Attendance.ConnectorUp(a, addr, svid)
}

// TestTwoStreamsAtOnce: of two streams that open at the same moment the one that
// stays open is the one that counts.
func TestTwoStreamsAtOnce(t *testing.T) {
	t.Parallel()
	slow := &slowRoster{second: make(chan struct{})}
	w := newWorld(t, func(a control.Attendance) control.Attendance { slow.Attendance = a; return slow })
	w.member(t, connector("c-01"))
	streams := []stream{w.open(t, connector("c-01")), w.open(t, connector("c-01"))}
	ended := make(chan int, 2)
	for i, s := range streams {
		s.say(hello("c-01"))
		go func() { s.end(); ended <- i }()
	}
	loser := <-ended
	winner := streams[1-loser]
	winner.say(heartbeat("c-01", 4711))
	eventually(t, "heartbeats of the stream that stays count", func() bool {
		p := w.roster.Connector("c-01", time.Time{})
		return p.Status == presence.Online && p.PolicyRevision == 4711
	})
	require.NoError(t, winner.CloseSend())
	require.Equal(t, 1-loser, <-ended)
}

func TestTunnelerReports(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, who := range []identity.Workload{connector("c-01"), connector("c-02"), tunneler("t-01"), tunneler("revoked")} {
		w.member(t, who)
	}
	w.revoke(t, tunneler("revoked"))
	require.NoError(t, w.policy.Refresh(t.Context()))
	s, other := w.open(t, connector("c-01")), w.open(t, connector("c-02"))
	for id, one := range map[string]stream{"c-01": s, "c-02": other} {
		one.say(hello(id))
		one.policy(t)
	}
	since := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	s.say(
		report(&zerotrustv1.TunnelerReport{TunnelerId: "made-up"}),
		report(&zerotrustv1.TunnelerReport{TunnelerId: "revoked"}),
		report(&zerotrustv1.TunnelerReport{TunnelerId: "c-02"}), // a connector is no tunneler
		report(&zerotrustv1.TunnelerReport{TunnelerId: ""}),
		report(&zerotrustv1.TunnelerReport{TunnelerId: strings.Repeat("x", 1000)}),
		report(&zerotrustv1.TunnelerReport{
			TunnelerId: "t-01", Version: "v1", SessionStartedAt: timestamppb.New(since), RemoteAddress: "\x1b[2J192.0.2.9:1\n",
			Svid: &zerotrustv1.SVIDStatus{Serial: strings.Repeat("é", 60), AuthorityId: "aa\x07"},
		}),
	)
	eventually(t, "the known tunneler", func() bool { p, _, _ := w.roster.Tunneler("t-01", time.Time{}); return p.Status == presence.Online })
	for _, id := range []string{"made-up", "revoked", "c-02", ""} {
		p, by, _ := w.roster.Tunneler(id, time.Time{})
		require.Equal(t, presence.Offline, p.Status, id)
		require.Empty(t, by, id)
	}
	p, by, _ := w.roster.Tunneler("t-01", time.Time{})
	require.Equal(t, "c-01", by)
	p.LastSeen = time.Time{}
	require.Empty(t, cmp.Diff(presence.State{
		Status: presence.Online, Since: since, Version: "v1", RemoteAddr: "[2J192.0.2.9:1", // nothing that a terminal obeys
		SVID: presence.SVID{}, // neither was a number
	}, p))
	require.Equal(t, presence.Online, w.status("c-01"), "made-up reports do not end the stream")

	t.Log("another connector cannot detach it; the one that reported it can")
	detached := &zerotrustv1.TunnelerReport{TunnelerId: "t-01", Detached: true}
	other.say(report(detached), heartbeat("c-02", 7))
	eventually(t, "the heartbeat behind it", func() bool { return w.roster.Connector("c-02", time.Time{}).PolicyRevision == 7 })
	p, _, _ = w.roster.Tunneler("t-01", time.Time{})
	require.Equal(t, presence.Online, p.Status)
	s.say(report(detached))
	eventually(t, "the detach", func() bool { p, _, _ := w.roster.Tunneler("t-01", time.Time{}); return p.Status == presence.Offline })
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, who := range []identity.Workload{connector("c-01"), connector("c-02"), tunneler("t-01")} {
		w.member(t, who)
	}
	d, err := zerotrustv1.NewDirectoryServiceClient(w.dial(t, tunneler("t-01"))).Watch(patient(t), &zerotrustv1.WatchRequest{Protocol: wire.Protocol, TunnelerId: "t-01"})
	require.NoError(t, err)
	set := controltest.Connectors()
	next := func() (*zerotrustv1.DirectoryUpdate, []*zerotrustv1.DirectoryConnector) {
		t.Helper()
		for {
			m, err := d.Recv()
			require.NoError(t, err)
			if m.GetDirectory() != nil {
				r, err := set.Take(controltest.DirectoryPart(m.GetDirectory()))
				require.NoError(t, err)
				require.Equal(t, delta.Applied, r.Outcome)
				return m.GetDirectory(), controltest.Sorted(set)
			}
			require.NotEmpty(t, m.GetDenials().GetDenials())
		}
	}
	first, connectors := next()
	require.Len(t, connectors, 2)
	require.Equal(t, "spiffe://mycorp.internal/connector/c-01", connectors[0].GetSpiffeId())
	require.Empty(t, connectors[0].GetAddresses())
	require.Equal(t, fleet.DefaultNetwork, connectors[0].GetNetworkId())
	require.Equal(t, []string{"203.0.113.1:8444"}, first.GetControlPlaneAddresses())

	c := w.open(t, connector("c-01"))
	c.say(hello("c-01", "c-01.example:9443"))
	moved, connectors := next()
	require.Greater(t, moved.GetHeader().GetTo(), first.GetHeader().GetTo())
	require.Len(t, moved.GetUpserts(), 1, "and only what changed")
	require.Equal(t, []string{"c-01.example:9443"}, connectors[0].GetAddresses())

	w.member(t, tunneler("t-02")) // is no news for a tunneler
	w.revoke(t, connector("c-02"))
	gone, connectors := next()
	require.Len(t, connectors, 1)
	require.Equal(t, []string{"spiffe://mycorp.internal/connector/c-02"}, gone.GetRemovals())
	require.Empty(t, gone.GetUpserts())

	w.revoke(t, tunneler("t-01"))
	start := time.Now()
	for err == nil {
		_, err = d.Recv()
	}
	require.Equal(t, codes.PermissionDenied, status.Code(err), err)
	require.Less(t, time.Since(start), 5*time.Second)
}

// TestANewHolderCutsTheFormer: an id that is enrolled anew while its former holder
// still has a stream open.
func TestANewHolderCutsTheFormer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, connector("c-01"))
	former := w.open(t, connector("c-01"))
	former.say(hello("c-01"))
	former.policy(t)
	w.revoke(t, connector("c-01"))
	// Live again before the former holder's stream has looked at the policy.
	require.NoError(t, w.store.EnrollTx(t.Context(), func(tx enroll.Tx) error {
		m, err := tx.Member(t.Context(), connector("c-01"))
		if err != nil {
			return err
		}
		m.RevokedAt, m.EnrolledAt = time.Time{}, time.Now()
		if err := tx.PutMember(t.Context(), m); err != nil {
			return err
		}
		return tx.BumpPolicy(t.Context())
	}))
	former.endsRevoked(t)
}

// TestARelayIsNotPunishedForWhatItRelays: whatever a connector passes on, its stream
// lives, what was right of the report counts, and an honest report after it does too.
func TestARelayIsNotPunishedForWhatItRelays(t *testing.T) {
	t.Parallel()
	authorities := make([]string, wire.MaxFromTunneler/34) // as many as a tunneler can say
	for i := range authorities {
		authorities[i] = strings.Repeat("a", 32)
	}
	never := &timestamppb.Timestamp{Seconds: 1 << 62}
	w := newWorld(t)
	w.member(t, connector("c-01"))
	w.member(t, tunneler("bad"))
	w.member(t, tunneler("good"))
	s := w.open(t, connector("c-01"))
	s.say(hello("c-01"))
	s.policy(t)
	for name, r := range map[string]*zerotrustv1.TunnelerReport{
		"a newline in a version":     {Version: "v1\n"},
		"a version of 65 characters": {Version: strings.Repeat("a", 65)},
		"the longest version":        {Version: strings.Repeat("a", wire.MaxFromTunneler)},
		"text that runs backwards":   {Version: "\u202e1v"},
		"NUL":                        {Version: "\x00", RemoteAddress: "\x00"},
		"the most authorities":       {BundleAuthorityIds: authorities},
		"a serial that draws":        {Svid: &zerotrustv1.SVIDStatus{Serial: "\x1b[2J", AuthorityId: strings.Repeat("b", 1000), NotAfter: never}},
		"a beginning of no calendar": {SessionStartedAt: never},
		"a beginning in the future":  {SessionStartedAt: timestamppb.New(time.Now().Add(100 * 365 * 24 * time.Hour))},
		"no beginning":               {},
		"nobody":                     {TunnelerId: "\x1b[2J"},
	} {
		t.Run(name, func(t *testing.T) {
			id := r.GetTunnelerId()
			if id == "" {
				r.TunnelerId, id = "bad", "bad"
			}
			before, _, _ := w.roster.Tunneler("good", time.Time{})
			s.say(report(r), report(&zerotrustv1.TunnelerReport{TunnelerId: "good", SessionStartedAt: timestamppb.Now()}), heartbeat("c-01", 1))
			eventually(t, "the report after it", func() bool {
				p, _, _ := w.roster.Tunneler("good", time.Time{})
				return p.Status == presence.Online && p.LastSeen.After(before.LastSeen)
			})
			require.Equal(t, presence.Online, w.status("c-01"))
			p, _, _ := w.roster.Tunneler(id, time.Time{})
			require.Equal(t, id == "bad", p.Status == presence.Online, "who is attached is ONLINE, whatever it says")
			require.False(t, p.Since.After(time.Now()))
			require.True(t, visible.Text(p.RemoteAddr+p.SVID.Serial+p.SVID.AuthorityID))
			for _, peer := range w.roster.Peers() {
				require.LessOrEqual(t, len(peer.Trusts), wire.MaxAuthorities)
			}
		})
	}
}
