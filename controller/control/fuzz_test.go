package control_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog/changelogtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// noPolicy is a policy that names nobody and never changes.
type noPolicy struct{}

func (noPolicy) Current() *policy.Snapshot     { return &policy.Snapshot{} }
func (noPolicy) Refresh(context.Context) error { return nil }

// somewhere is where a controller of a test says that it is.
func somewhere() control.Endpoints { return control.Endpoints{SPIREServer: "203.0.113.1:8081"} }

func (noPolicy) Notify(topic.Hint) (stop func()) { return func() {} }

// fakeRedeemer lets the real validation look at a request and then answers by
// what the fuzzer chose.
type fakeRedeemer struct {
	real   *enroll.Service
	answer byte
	got    *enroll.Redemption
}

func (f *fakeRedeemer) Redeem(ctx context.Context, r enroll.Redemption) (enroll.Enrollment, error) {
	f.got = &r
	switch _, err := f.real.Redeem(ctx, r); {
	case !errors.Is(err, errNoStore):
		return enroll.Enrollment{}, err
	case f.answer%3 == 0:
		return enroll.Enrollment{}, errNoStore
	case f.answer%3 == 1:
		return enroll.Enrollment{}, enroll.ErrRefused
	}
	return enroll.Enrollment{HostID: identity.NewHostID()}, nil
}

var errNoStore = errors.New("no store in this test")

type noStore struct{ enroll.Store }

func (noStore) TokenKnown(context.Context, []byte) (bool, error)      { return true, nil }
func (noStore) EnrollTx(context.Context, func(enroll.Tx) error) error { return errNoStore }

type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }

// FuzzEnroll: no request makes the enrollment RPC panic, and each answer is one
// that a stranger may have.
func FuzzEnroll(f *testing.F) {
	ca := mtlstest.NewCA(f, td)
	svid := ca.SVID(f, "spiffe://mycorp.internal/connector/c-01").Certificates[0]
	seed := func(r *zerotrustv1.EnrollRequest) []byte {
		raw, err := proto.Marshal(r)
		require.NoError(f, err)
		return raw
	}
	good := request("ztc_secret", "c-01", enrolltest.NewKey(f))
	f.Add(seed(good), byte(2), "127.0.0.1:1")
	f.Add(seed(good), byte(1), "[fe80::1%eth0]:1")
	f.Add(seed(&zerotrustv1.EnrollRequest{}), byte(0), "")
	f.Add(seed(&zerotrustv1.EnrollRequest{Kind: -1, Id: "\x7f", Csr: []byte{0x30, 0x80}, Host: &zerotrustv1.HostFacts{Uid: 1 << 31}}), byte(0), "@")
	f.Fuzz(func(t *testing.T, raw []byte, answer byte, from string) {
		var r zerotrustv1.EnrollRequest
		if proto.Unmarshal(raw, &r) != nil {
			return
		}
		redeemer := &fakeRedeemer{real: enroll.New(enroll.Config{TrustDomain: td, Store: noStore{}, Now: time.Now}), answer: answer}
		e := &control.Enrollment{TrustDomain: td, Redeemer: redeemer, Bundles: bundles{ca.Authority()}, Policy: noPolicy{}, Endpoints: somewhere, Log: zap.NewNop()}
		// A certificate that the handshake has not verified must not be used.
		ctx := peer.NewContext(t.Context(), &peer.Peer{Addr: addr(from), AuthInfo: credentials.TLSInfo{
			State: tls.ConnectionState{PeerCertificates: []*x509.Certificate{svid}},
		}})
		_, err := e.Enroll(ctx, &r)
		require.Contains(t, []codes.Code{codes.OK, codes.InvalidArgument, codes.PermissionDenied, codes.Unavailable}, status.Code(err), err)
		require.NotContains(t, status.Convert(err).Message(), errNoStore.Error())
		if len(r.GetToken()) > 8 {
			require.NotContains(t, status.Convert(err).Message(), r.GetToken())
		}
		require.Less(t, len(status.Convert(err).Message()), 512)
		require.Nil(t, redeemer.got.HostCertificate)
	})
}

// script is a control stream that says what the fuzzer chose and then closes its
// side.
type script struct {
	grpc.ServerStream
	ctx  context.Context //nolint:containedctx // as gRPC does it
	says []*zerotrustv1.ConnectRequest
	sent int
}

func (s *script) Context() context.Context { return s.ctx }

func (s *script) Recv() (*zerotrustv1.ConnectRequest, error) {
	if len(s.says) == 0 {
		return nil, io.EOF
	}
	next := s.says[0]
	s.says = s.says[1:]
	return next, nil
}

func (s *script) Send(*zerotrustv1.ConnectResponse) error { s.sent++; return nil }

// SendMsg is for what was encoded before.
func (s *script) SendMsg(any) error { s.sent++; return nil }

// gate admits every hello and checks what got through to it.
type gate struct {
	t *testing.T
	control.Attendance
}

func (g gate) AdmitConnector(_ context.Context, h fleet.Hello, _ identity.Issue) error {
	require.Equal(g.t, "c-01", h.ID)
	for _, text := range append([]string{h.Version, h.InstanceID, h.BootID, h.AgentStart, h.PrivateIP}, h.Addresses...) {
		require.LessOrEqual(g.t, len(text), 255)
		require.False(g.t, strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }), "%q", text)
	}
	require.LessOrEqual(g.t, len(h.Addresses), 16)
	for _, a := range h.Addresses {
		host, port, err := net.SplitHostPort(a)
		require.NoError(g.t, err)
		require.NotEmpty(g.t, host)
		require.NotEmpty(g.t, port)
	}
	return nil
}

func (gate) AdmitTunneler(context.Context, fleet.Hello, identity.Issue) error { return nil }

func (gate) HelloWanted(identity.Workload) <-chan struct{} { return nil }

// everybody is a policy that names c-01, made by the real publisher.
func everybody(f *testing.F) *policy.Publisher {
	f.Helper()
	p := policy.NewPublisher(td, members{}, zap.NewNop(), time.Now)
	require.NoError(f, p.Refresh(f.Context()))
	return p
}

type members struct{ changelogtest.Still }

func (members) PolicyRevision(context.Context) (uint64, error) { return 7, nil }

func (members) Connectors(context.Context) ([]fleet.Connector, error) {
	return []fleet.Connector{{Member: fleet.Member{Workload: connector("c-01")}}}, nil
}

func (members) Denials(context.Context, uint64, time.Time) ([]fleet.Denial, error) { return nil, nil }

func (members) Tunnelers(context.Context) ([]fleet.Tunneler, error) {
	return []fleet.Tunneler{{Member: fleet.Member{Workload: tunneler("t-01")}}}, nil
}

// FuzzHello: no two messages at the start of a control stream make it panic, bring
// an unchecked text into the fleet, or count for another connector.
func FuzzHello(f *testing.F) {
	ca := mtlstest.NewCA(f, td)
	_, caller := mtlstest.Connect(f, ca.Identity(ca.SVID(f, "spiffe://mycorp.internal/connector/c-01")),
		ca.Identity(ca.SVID(f, "spiffe://mycorp.internal/controller/controller-01")))
	current := everybody(f)
	seed := func(r *zerotrustv1.ConnectRequest) []byte {
		raw, err := proto.Marshal(r)
		require.NoError(f, err)
		return raw
	}
	f.Add(seed(hello("c-01", "10.0.0.7:9443")), seed(heartbeat("c-01", 7)))
	f.Add(seed(hello("c-02")), []byte{})
	f.Add(seed(helloOf(&zerotrustv1.ConnectorHello{ConnectorId: "c-01", Policy: &zerotrustv1.Position{Timeline: 1, At: 1 << 63, Digest: make([]byte, 32)}})),
		seed(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Resync{}}))
	f.Add(seed(hello("c-01")), seed(report(&zerotrustv1.TunnelerReport{TunnelerId: "t-01", RemoteAddress: strings.Repeat("é", 50)})))
	f.Add(seed(helloOf(&zerotrustv1.ConnectorHello{ConnectorId: "c-01", PrivateIp: "::ffff:1.2.3.4%x", ListenAddresses: []string{"[::1%\x7f]:1", ":::"}})), seed(heartbeat("c-02", 1)))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		ctx, cancel := context.WithCancel(peer.NewContext(t.Context(), &peer.Peer{Addr: addr("192.0.2.7:1"), AuthInfo: caller}))
		defer cancel() // as gRPC does when a handler returns
		s := &script{ctx: ctx}
		for _, raw := range [][]byte{first, second} {
			var m zerotrustv1.ConnectRequest
			if proto.Unmarshal(raw, &m) == nil {
				s.says = append(s.says, &m)
			}
		}
		roster := presence.NewRoster(time.Now)
		plane := &control.ControlPlane{Fleet: gate{t: t}, Roster: roster, Policy: current, Endpoints: somewhere, Log: zap.NewNop()}
		_, intercept := control.ControlRules.Interceptors(zap.NewNop())
		err := intercept(nil, s, &grpc.StreamServerInfo{FullMethod: zerotrustv1.ControlPlaneService_Connect_FullMethodName},
			func(_ any, in grpc.ServerStream) error { return plane.Connect(&inner{script: s, ctx: in.Context()}) })
		require.Contains(t, []codes.Code{codes.OK, codes.InvalidArgument, codes.PermissionDenied, codes.FailedPrecondition}, status.Code(err), err)
		require.Equal(t, presence.Offline, roster.Connector("c-01", time.Time{}).Status)
		p, _, _ := roster.Tunneler("t-01", time.Time{})
		require.False(t, strings.ContainsFunc(p.RemoteAddr+p.SVID.Serial+p.SVID.AuthorityID, func(c rune) bool { return !unicode.IsPrint(c) }))
		require.True(t, roster.Connector("c-02", time.Time{}).LastSeen.IsZero())
	})
}

// inner is the script with the context that the interceptor made.
type inner struct {
	*script
	ctx context.Context //nolint:containedctx // as gRPC does it
}

func (i *inner) Context() context.Context { return i.ctx }
