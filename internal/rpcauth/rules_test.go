package rpcauth_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/rpcauth"
)

const (
	forConnectors = "/zerotrust.v1.ControlPlaneService/Connect"
	forEverybody  = "/zerotrust.v1.EnrollmentService/Enroll"
	forNobody     = "/grpc.health.v1.Health/Watch"
	withoutRow    = "/zerotrust.v1.AdminService/Drop"
)

var rules = rpcauth.Rules{
	forConnectors: rpcauth.Allow(identity.KindConnector),
	forEverybody:  rpcauth.Public(),
	forNobody:     rpcauth.Allow(),
	"":            {},
}

// called is the context a handler saw, or nil when it was not reached.
func called(ctx context.Context, method string, log *zap.Logger) (seen [2]context.Context, errs [2]error) {
	unary, stream := rules.Interceptors(log)
	note := func(i int, ctx context.Context) { seen[i] = ctx } //nolint:fatcontext // kept to look at, not to nest
	_, errs[0] = unary(ctx, nil, &grpc.UnaryServerInfo{FullMethod: method}, func(ctx context.Context, _ any) (any, error) {
		note(0, ctx)
		return nil, nil
	})
	errs[1] = stream(nil, serverStream{ctx: ctx}, &grpc.StreamServerInfo{FullMethod: method}, func(_ any, s grpc.ServerStream) error {
		note(1, s.Context())
		return nil
	})
	return seen, errs
}

type serverStream struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // as gRPC does it
}

func (s serverStream) Context() context.Context { return s.ctx }

// by is the context of a caller with this certificate.
func by(ctx context.Context, leaf ...*x509.Certificate) context.Context {
	state := tls.ConnectionState{HandshakeComplete: true, PeerCertificates: leaf}
	addr := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 4711}
	return peer.NewContext(ctx, &peer.Peer{Addr: addr, AuthInfo: credentials.TLSInfo{State: state}})
}

func TestRules(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, spiffeid.RequireTrustDomainFromString("mycorp.internal"))
	leaf := func(path string, opts ...mtlstest.Option) *x509.Certificate {
		return ca.SVID(t, "spiffe://mycorp.internal"+path, opts...).Certificates[0]
	}
	connector := leaf("/connector/local-01")
	for name, c := range map[string]struct {
		ctx    context.Context
		method string
		allow  bool
	}{
		"a connector may call what is for connectors":             {by(t.Context(), connector), forConnectors, true},
		"anybody may call what is public":                         {t.Context(), forEverybody, true},
		"a tunneler may not call what is for connectors":          {by(t.Context(), leaf("/tunneler/local-01")), forConnectors, false},
		"a controller may not either":                             {by(t.Context(), leaf("/controller/controller-01")), forConnectors, false},
		"nor a SPIRE agent":                                       {by(t.Context(), leaf("/spire/agent/x509pop/0123456789abcdef0123456789abcdef")), forConnectors, false},
		"nor an id below a connector's":                           {by(t.Context(), leaf("/connector/local-01/shell")), forConnectors, false},
		"nor a caller without a certificate":                      {by(t.Context()), forConnectors, false},
		"nor one without TLS":                                     {t.Context(), forConnectors, false},
		"nor one whose connection has neither address nor TLS":    {peer.NewContext(t.Context(), &peer.Peer{}), forConnectors, false},
		"nor a certificate with two URI SANs":                     {by(t.Context(), leaf("/connector/local-01", mtlstest.WithURI("spiffe://mycorp.internal/tunneler/a"))), forConnectors, false},
		"nor one that names the connector in CN and DNS SAN only": {by(t.Context(), leaf("/connector/local-01", mtlstest.NameOnly())), forConnectors, false},
		"nor a leaf of another kind with a connector's beside it": {by(t.Context(), leaf("/tunneler/local-01"), connector), forConnectors, false},
		"a method without a row is refused":                       {by(t.Context(), connector), withoutRow, false},
		"a method without a row is refused to a stranger":         {t.Context(), withoutRow, false},
		"a row for nobody refuses everybody":                      {by(t.Context(), connector), forNobody, false},
		"an empty row refuses everybody":                          {by(t.Context(), connector), "", false},
		"a method in another case has no row":                     {by(t.Context(), connector), "/zerotrust.v1.controlplaneservice/connect", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core, logs := observer.New(zap.WarnLevel)
			seen, errs := called(c.ctx, c.method, zap.New(core))
			for i := range seen {
				if c.allow {
					require.NoError(t, errs[i])
					require.NotNil(t, seen[i])
					continue
				}
				require.Nil(t, seen[i], "the handler was reached")
				require.Equal(t, codes.PermissionDenied, status.Code(errs[i]))
				require.Equal(t, "this identity is not allowed to call this method", status.Convert(errs[i]).Message(), "one answer for all")
			}
			if c.allow {
				require.Zero(t, logs.Len())
			} else {
				require.Equal(t, 2, logs.FilterMessage("rpc refused").Len(), "the reason is in the log")
			}
		})
	}
}

func TestCaller(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, spiffeid.RequireTrustDomainFromString("mycorp.internal"))
	ctx := by(t.Context(), ca.SVID(t, "spiffe://mycorp.internal/connector/local-01").Certificates[0])

	seen, _ := called(ctx, forConnectors, zap.NewNop())
	for _, s := range seen {
		w, ok := rpcauth.Caller(s)
		require.True(t, ok)
		require.Equal(t, identity.Workload{Kind: identity.KindConnector, ID: "local-01"}, w)
	}
	seen, _ = called(ctx, forEverybody, zap.NewNop())
	for _, s := range seen {
		_, ok := rpcauth.Caller(s)
		require.False(t, ok, "a public RPC has no caller, whatever certificate there is")
	}
	_, ok := rpcauth.Caller(t.Context())
	require.False(t, ok)
}

// TestEveryErrorNamesTheRequest: of whatever made it, on whatever RPC.
func TestEveryErrorNamesTheRequest(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, spiffeid.RequireTrustDomainFromString("mycorp.internal"))
	const id = "spiffe://mycorp.internal/connector/local-01"
	ctx := logging.WithRequest(by(t.Context(), ca.SVID(t, id).Certificates[0]), logging.Request{ID: "forged", TraceID: "4711"})
	for name, c := range map[string]struct {
		method string
		err    error
		code   codes.Code
	}{
		"refused by a rule":     {withoutRow, nil, codes.PermissionDenied},
		"refused by a handler":  {forConnectors, status.Error(codes.Aborted, "no"), codes.Aborted},
		"of a public RPC":       {forEverybody, status.Error(codes.Unavailable, "no"), codes.Unavailable},
		"without a code":        {forConnectors, errors.New("no"), codes.Unknown},
		"that the caller ended": {forConnectors, context.Canceled, codes.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen []logging.Request
			core, logs := observer.New(zap.WarnLevel)
			unary, stream := rules.Interceptors(zap.New(core))
			_, one := unary(ctx, nil, &grpc.UnaryServerInfo{FullMethod: c.method}, func(ctx context.Context, _ any) (any, error) {
				seen = append(seen, logging.RequestOf(ctx))
				return nil, c.err
			})
			two := stream(nil, serverStream{ctx: ctx}, &grpc.StreamServerInfo{FullMethod: c.method}, func(_ any, s grpc.ServerStream) error {
				seen = append(seen, logging.RequestOf(s.Context()))
				return c.err
			})
			for i, err := range []error{one, two} {
				require.Equal(t, c.code, status.Code(err))
				got := rpcauth.RequestID(err)
				require.Len(t, got, 16)
				if c.method == withoutRow {
					line := logs.All()[i].ContextMap()
					require.Equal(t, got, line["request_id"])
					require.Equal(t, id, line["caller_id"])
					require.Equal(t, "192.0.2.7:4711", line["caller_addr"])
					require.Equal(t, "4711", line["trace_id"])
					continue
				}
				require.Equal(t, logging.Request{ID: got, TraceID: "4711", CallerID: id, CallerAddr: "192.0.2.7:4711"}, seen[i])
			}
			require.NotEqual(t, rpcauth.RequestID(one), rpcauth.RequestID(two))
		})
	}
	require.Empty(t, rpcauth.RequestID(nil))
	require.Empty(t, rpcauth.RequestID(status.Error(codes.Aborted, "no")))
}
