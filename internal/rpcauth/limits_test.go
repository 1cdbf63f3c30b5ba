package rpcauth_test

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/rpcauth"
)

// TestAFloodOfRefusedCallsIsNoFloodOfLines: what has no line of its own is counted in
// the next one, and another caller's line is there.
func TestAFloodOfRefusedCallsIsNoFloodOfLines(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, spiffeid.RequireTrustDomainFromString("mycorp.internal"))
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.WarnLevel)
		unary, _ := rules.Interceptors(zap.New(core))
		call := func(id string) {
			_, err := unary(by(t.Context(), ca.SVID(t, id).Certificates[0]), nil, &grpc.UnaryServerInfo{FullMethod: forNobody}, nil)
			require.Error(t, err)
		}
		ctx := by(t.Context())
		for range 1000 {
			_, err := unary(ctx, nil, &grpc.UnaryServerInfo{FullMethod: forConnectors}, nil)
			require.Error(t, err)
		}
		require.Equal(t, 20, logs.FilterMessage("rpc refused").Len())
		call("spiffe://mycorp.internal/connector/other")
		lines := logs.FilterMessage("rpc refused").All()
		require.Len(t, lines, 21, "another caller has lines of its own")
		require.EqualValues(t, 980, lines[20].ContextMap()["unlogged"])

		<-time.After(time.Second) // of a synctest bubble
		_, err := unary(ctx, nil, &grpc.UnaryServerInfo{FullMethod: forConnectors}, nil)
		require.Error(t, err)
		require.Equal(t, 22, logs.FilterMessage("rpc refused").Len())
	})
}

func TestIdentityIsThatOfAVerifiedCertificate(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, spiffeid.RequireTrustDomainFromString("mycorp.internal"))
	const id = "spiffe://mycorp.internal/connector/local-01"
	leaf := ca.SVID(t, id).Certificates[0]
	info := func(s tls.ConnectionState) credentials.AuthInfo { return credentials.TLSInfo{State: s} }
	chain := [][]*x509.Certificate{{leaf}}
	require.Equal(t, id, rpcauth.Identity(info(tls.ConnectionState{PeerCertificates: chain[0], VerifiedChains: chain})))
	require.Empty(t, rpcauth.Identity(info(tls.ConnectionState{PeerCertificates: chain[0]})), "shown, not verified")
	require.Empty(t, rpcauth.Identity(info(tls.ConnectionState{})))
	require.Empty(t, rpcauth.Identity(nil))
	require.Empty(t, rpcauth.Identity(info(tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}, VerifiedChains: chain})), "without a URI")
}
