package e2e_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/conf"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/spiretest"
)

// call is one RPC of a peer; it returns once the server has answered on it.
type call func(ctx context.Context, addr string, cert *tls.Certificate) error

func connect(t *testing.T, claimed string) call {
	return func(ctx context.Context, addr string, cert *tls.Certificate) error {
		stream, err := zerotrustv1.NewControlPlaneServiceClient(dial(t, addr, cert)).Connect(ctx)
		if err != nil {
			return err
		}
		_ = stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Hello{Hello: &zerotrustv1.ConnectorHello{Protocol: wire.Protocol, ConnectorId: claimed, Version: "test"}}})
		_, err = stream.Recv()
		return err
	}
}

func watch(t *testing.T, claimed string) call {
	return func(ctx context.Context, addr string, cert *tls.Certificate) error {
		stream, err := zerotrustv1.NewDirectoryServiceClient(dial(t, addr, cert)).Watch(ctx, &zerotrustv1.WatchRequest{Protocol: wire.Protocol, TunnelerId: claimed})
		if err != nil {
			return err
		}
		_, err = stream.Recv()
		return err
	}
}

func openSession(t *testing.T, claimed string) call {
	return func(ctx context.Context, addr string, cert *tls.Certificate) error {
		stream, err := zerotrustv1.NewTunnelServiceClient(dial(t, addr, cert)).Session(ctx)
		if err != nil {
			return err
		}
		_ = stream.Send(&zerotrustv1.SessionRequest{Sequence: 1, Heartbeat: &zerotrustv1.TunnelerHeartbeat{TunnelerId: claimed, Version: "test"}})
		_, err = stream.Recv()
		return err
	}
}

func fetchBundle(t *testing.T) call {
	return func(ctx context.Context, addr string, cert *tls.Certificate) error {
		_, err := zerotrustv1.NewEnrollmentServiceClient(dial(t, addr, cert)).FetchBundle(ctx, &zerotrustv1.FetchBundleRequest{})
		return err
	}
}

// Where a stranger has to fail.
const (
	atHandshake = codes.Unavailable
	atRPC       = codes.PermissionDenied
	nowhere     = codes.OK // the control: this one is no stranger
)

// attempt is one stranger at one door.
type attempt struct {
	cert *tls.Certificate
	call call
	want codes.Code
}

// strangers are the certificates that no mTLS listener may accept for the
// workload, whoever else it is for.
func (s *system) strangers(workload string, host *world.Host) map[string]*tls.Certificate {
	t := s.t
	t.Helper()
	id, at := "spiffe://mycorp.internal/"+workload, s.seen(host).HostID
	// held is on the right host: that is not what is wrong with it.
	held := func(ids ...string) x509.Certificate {
		c := svid(ids[0], ids[1:]...)
		c.DNSNames = []string{identity.HostID(at).SVIDName()}
		return c
	}
	elsewhere := startForeignSPIRE(t, "other.internal")
	sameName := startForeignSPIRE(t, trustDomain)
	authority := s.authority()
	expired := held(id)
	expired.NotBefore, expired.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(-time.Second)
	nameOnly := x509.Certificate{Subject: named(id), DNSNames: []string{"mycorp.internal"}, ExtKeyUsage: anyUsage}
	agent, err := s.agentOf(t.Context(), at)
	require.NoError(t, err)
	// What SPIRE itself issued, and what has run out since.
	short := mint(t, filepath.Join(s.Dir, "spire", "server.sock"), id, time.Second, at)
	s.eventually(time.Minute, "the SVID has expired", func(context.Context) error {
		leaf, err := x509.ParseCertificate(short.Certificate[0])
		if err == nil && time.Now().Before(leaf.NotAfter.Add(time.Second)) {
			err = context.DeadlineExceeded
		}
		return err
	})
	return map[string]*tls.Certificate{
		"no certificate":                       nil,
		"an SVID of another trust domain":      mint(t, elsewhere.SocketPath, "spiffe://other.internal/"+workload, time.Hour, at),
		"another SPIRE of the same name":       mint(t, sameName.SocketPath, id, time.Hour, at),
		"an authority nobody knows":            newSigner(t).sign(t, held(id)),
		"a host certificate":                   hostCertificate(t, host),
		"the bootstrap CA as a SPIRE":          s.bootstrapCA().sign(t, held(id)),
		"an SVID that SPIRE issued, expired":   short,
		"an expired SVID":                      authority.sign(t, expired),
		"the identity in common name and DNS":  authority.sign(t, nameOnly),
		"two URI SANs":                         authority.sign(t, held(id, "spiffe://mycorp.internal/other")),
		"two URI SANs, the second is good":     authority.sign(t, held("spiffe://mycorp.internal/other", id)),
		"an agent's SVID":                      authority.sign(t, held(agent.ID.String())),
		"the controller's SVID":                authority.sign(t, held("spiffe://mycorp.internal/controller/controller-01")),
		"a path below the workload's":          authority.sign(t, held(id+"/admin")),
		"an id in capitals":                    authority.sign(t, held("spiffe://mycorp.internal/"+strings.ToUpper(workload))),
		"the trust domain itself":              authority.sign(t, held("spiffe://mycorp.internal")),
		"a foreign leaf with our authority":    chain(newSigner(t).sign(t, held(id)), authority.cert),
		"a leaf of a workload that is no CA":   chain(signer{cert: parse(t, short), key: short.PrivateKey.(crypto.Signer)}.sign(t, held(id)), parse(t, short)),
		"an SVID whose URI has another scheme": authority.sign(t, x509.Certificate{URIs: []*url.URL{{Scheme: "https", Host: trustDomain, Path: "/" + workload}}, ExtKeyUsage: anyUsage}),
	}
}

func chain(leaf *tls.Certificate, more ...*x509.Certificate) *tls.Certificate {
	for _, c := range more {
		leaf.Certificate = append(leaf.Certificate, c.Raw)
	}
	return leaf
}

// startForeignSPIRE starts a second, independent SPIRE.
func startForeignSPIRE(t *testing.T, name string) *spiretest.Server {
	t.Helper()
	return spiretest.StartServer(t, func(c *conf.Server) { c.TrustDomain = spiffeid.RequireTrustDomainFromString(name) })
}

func TestNoListenerLetsAStrangerIn(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	connector, tunneler := s.join("a", "connector", "c-01"), s.join("b", "tunneler", "t-01")
	// Enrolled, but nobody runs them: the test plays them. One id, so that only the
	// kind tells them apart.
	hostC, hostT := s.host("c", "connector", "spare"), s.host("d", "tunneler", "spare")
	s.enroll(hostC)
	s.enroll(hostT)
	socket := filepath.Join(s.Dir, "spire", "server.sock")
	spareC := mint(t, socket, "spiffe://mycorp.internal/connector/spare", time.Hour, s.seen(hostC).HostID)
	spareT := mint(t, socket, "spiffe://mycorp.internal/tunneler/spare", time.Hour, s.seen(hostT).HostID)
	nobodyC := mint(t, socket, "spiffe://mycorp.internal/connector/never-enrolled", time.Hour)
	nobodyT := mint(t, socket, "spiffe://mycorp.internal/tunneler/never-enrolled", time.Hour)
	s.eventually(soon, "the connector admits the spare tunneler", func(context.Context) error {
		c, err := s.api.Connector(t.Context(), "c-01")
		if err == nil && c.PolicyRevision < 4 {
			err = context.DeadlineExceeded
		}
		return err
	})
	addresses, err := connector.Addresses()
	require.NoError(t, err)
	before := map[*world.Host]world.Seen{connector: s.seen(connector), tunneler: s.seen(tunneler)}

	doors := map[string]string{"enrollment": s.Run.Enrollment, "control": s.Run.Control, "tunnelers": addresses.Listen}
	attempts := map[string]map[string]attempt{
		"enrollment": {
			"no certificate": {nil, fetchBundle(t), nowhere},
			"its own host":   {hostCertificate(t, connector), fetchBundle(t), nowhere},
			"an SVID":        {spareC, fetchBundle(t), atHandshake},
			"a host certificate of another CA": {newSigner(t).sign(t, x509.Certificate{
				URIs: hostURI(t, connector), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
			}), fetchBundle(t), atHandshake},
			"a listener's certificate": {s.bootstrapCA().sign(t, x509.Certificate{
				DNSNames: []string{"enroll.mycorp.internal"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
			}), fetchBundle(t), atHandshake},
			"a host certificate with a DNS name": {s.bootstrapCA().sign(t, x509.Certificate{
				URIs: hostURI(t, connector), DNSNames: []string{"enroll.mycorp.internal"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
			}), fetchBundle(t), atHandshake},
			"the control plane is not here": {hostCertificate(t, connector), connect(t, "spare"), codes.Unimplemented},
		},
		"control": {
			"a connector":                        {spareC, connect(t, "spare"), nowhere},
			"a tunneler":                         {spareT, watch(t, "spare"), nowhere},
			"a tunneler as a connector":          {spareT, connect(t, "spare"), atRPC},
			"a connector as a tunneler":          {spareC, watch(t, "spare"), atRPC},
			"a connector that claims another id": {spareC, connect(t, "c-01"), atRPC},
			"a tunneler that claims another id":  {spareT, watch(t, "t-01"), atRPC},
			"a connector nobody enrolled":        {nobodyC, connect(t, "never-enrolled"), atRPC},
			"a tunneler nobody enrolled":         {nobodyT, watch(t, "never-enrolled"), atRPC},
			"enrollment is not here":             {spareC, fetchBundle(t), codes.Unimplemented},
		},
		"tunnelers": {
			"a tunneler":                        {spareT, openSession(t, "spare"), nowhere},
			"a tunneler that claims another id": {spareT, openSession(t, "t-01"), atRPC},
			"a tunneler nobody enrolled":        {nobodyT, openSession(t, "never-enrolled"), atRPC},
			"a connector":                       {spareC, openSession(t, "spare"), atHandshake},
			"the connector itself":              {s.authority().sign(t, svid("spiffe://mycorp.internal/connector/c-01")), openSession(t, "t-01"), atHandshake},
		},
	}
	for what, cert := range s.strangers("connector/spare", connector) {
		attempts["control"][what] = attempt{cert, connect(t, "spare"), atHandshake}
	}
	for what, cert := range s.strangers("tunneler/spare", tunneler) {
		attempts["tunnelers"][what] = attempt{cert, openSession(t, "spare"), atHandshake}
		attempts["control"][what+", as a tunneler"] = attempt{cert, watch(t, "spare"), atHandshake}
	}
	for door, tries := range attempts {
		for what, try := range tries {
			ctx, cancel := context.WithTimeout(t.Context(), soon)
			err := try.call(ctx, doors[door], try.cert)
			cancel()
			if got := status.Code(err); got != try.want {
				t.Errorf("%s at the listener for %s: got %s (%v), expected %s", what, door, got, err, try.want)
			}
		}
	}
	for h, was := range before {
		is := s.seen(h)
		require.Equal(t, was.Since, is.Since, "the stream of %s was touched", h.ID)
		require.Equal(t, was.Status, is.Status)
	}
}

func TestAnSVIDOfAFormerHolderOpensNothing(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	socket := filepath.Join(s.Dir, "spire", "server.sock")
	old := map[string]*tls.Certificate{}
	for _, w := range []string{"connector/heir-c", "tunneler/heir-t"} {
		old[w] = mint(t, socket, "spiffe://mycorp.internal/"+w, time.Hour)
	}
	minted := time.Now()
	connector := s.join("a", "connector", "c-01")
	s.eventually(soon, "a second has passed", func(context.Context) error {
		if time.Since(minted) < 2*time.Second {
			return context.DeadlineExceeded
		}
		return nil
	})
	s.enroll(s.host("b", "connector", "heir-c"))
	heir := s.host("c", "tunneler", "heir-t")
	s.enroll(heir)
	fresh := mint(t, socket, "spiffe://mycorp.internal/tunneler/heir-t", time.Hour, s.seen(heir).HostID)
	addresses, err := connector.Addresses()
	require.NoError(t, err)
	s.eventually(soon, "the successor gets in", func(ctx context.Context) error {
		return openSession(t, "heir-t")(ctx, addresses.Listen, fresh)
	})
	for what, err := range map[string]error{
		"connector":          connect(t, "heir-c")(within(t, soon), s.Run.Control, old["connector/heir-c"]),
		"tunneler":           watch(t, "heir-t")(within(t, soon), s.Run.Control, old["tunneler/heir-t"]),
		"tunneler's session": openSession(t, "heir-t")(within(t, soon), addresses.Listen, old["tunneler/heir-t"]),
	} {
		require.Equal(t, codes.PermissionDenied, status.Code(err), "%s: %v", what, err)
	}
}

func TestAConnectorSpeaksForItselfOnly(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	connector, tunneler := s.join("a", "connector", "c-01"), s.join("b", "tunneler", "t-01")
	liar := s.host("c", "connector", "liar")
	s.enroll(liar)
	before := map[*world.Host]world.Seen{connector: s.seen(connector), tunneler: s.seen(tunneler)}
	conn := dial(t, s.Run.Control, mint(t, filepath.Join(s.Dir, "spire", "server.sock"), "spiffe://mycorp.internal/connector/liar", time.Hour, s.seen(liar).HostID))
	open := func() zerotrustv1.ControlPlaneService_ConnectClient {
		stream, err := zerotrustv1.NewControlPlaneServiceClient(conn).Connect(within(t, soon))
		require.NoError(t, err)
		require.NoError(t, stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Hello{Hello: &zerotrustv1.ConnectorHello{Protocol: wire.Protocol, ConnectorId: "liar"}}}))
		_, err = stream.Recv()
		require.NoError(t, err)
		return stream
	}
	stream := open()
	for _, r := range []*zerotrustv1.TunnelerReport{
		{TunnelerId: "t-01", Detached: true}, // somebody else's
		{TunnelerId: "made-up", Version: "1"},
		{TunnelerId: "../admin"},
	} {
		require.NoError(t, stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Tunneler{Tunneler: r}}))
	}
	require.NoError(t, stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Heartbeat{
		Heartbeat: &zerotrustv1.ConnectorHeartbeat{ConnectorId: "c-01", AppliedPolicyRevision: 1 << 40},
	}}))
	var err error
	for err == nil {
		_, err = stream.Recv()
	}
	require.Equal(t, codes.PermissionDenied, status.Code(err), "a heartbeat for another connector cuts: %v", err)
	stream = open()
	require.NoError(t, stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Hello{Hello: &zerotrustv1.ConnectorHello{Protocol: wire.Protocol, ConnectorId: "liar"}}}))
	for err = nil; err == nil; {
		_, err = stream.Recv()
	}
	require.Equal(t, codes.InvalidArgument, status.Code(err), "a second hello: %v", err)

	for h, was := range before {
		is := s.seen(h)
		require.Equal(t, was.Status, is.Status)
		require.Equal(t, was.Since, is.Since)
	}
	revoked, err := s.api.Tunnelers(t.Context(), adminclient.ListOptions{Status: adminapi.Revoked})
	require.NoError(t, err)
	require.Empty(t, revoked)
	members, err := s.api.Tunnelers(t.Context(), adminclient.ListOptions{})
	require.NoError(t, err)
	require.Len(t, members, 1)
	require.Equal(t, "c-01", members[0].ConnectorID)
}

func TestAMessageOverTheCapEndsTheStream(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	talker := s.host("a", "connector", "talker")
	s.enroll(talker)
	cert := mint(t, filepath.Join(s.Dir, "spire", "server.sock"), "spiffe://mycorp.internal/connector/talker", time.Hour, s.seen(talker).HostID)
	err := connect(t, strings.Repeat("a", wire.MaxFromMember+1))(within(t, soon), s.Run.Control, cert)
	require.Equal(t, codes.ResourceExhausted, status.Code(err), "%v", err)
	require.NoError(t, connect(t, "talker")(within(t, soon), s.Run.Control, cert))
}

func hostURI(t *testing.T, h *world.Host) []*url.URL {
	t.Helper()
	return parse(t, hostCertificate(t, h)).URIs
}

func parse(t *testing.T, cert *tls.Certificate) *x509.Certificate {
	t.Helper()
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	require.NoError(t, err)
	return leaf
}
