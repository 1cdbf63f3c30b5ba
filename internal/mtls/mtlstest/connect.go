package mtlstest

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/credentials"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// Connect runs a real handshake over memory and returns what the RPCs of either
// end would know of the connection. It is closed with the test.
func Connect(t testing.TB, client, server mtls.Identity) (near, far mtls.AuthInfo) {
	t.Helper()
	only := func(id mtls.Identity) mtls.Authorizer {
		svid, err := id.GetX509SVID()
		require.NoError(t, err)
		return mtls.Exactly(svid.ID)
	}
	a, b := net.Pipe()
	type result struct {
		info credentials.AuthInfo
		err  error
	}
	served := make(chan result, 1)
	go func() {
		_, info, err := mtls.ServerCredentials(mtls.ServerConfig(server, only(client))).ServerHandshake(b)
		served <- result{info, err}
	}()
	_, info, err := mtls.ClientCredentials(mtls.ClientConfig(client, only(server))).ClientHandshake(context.Background(), "peer", a)
	require.NoError(t, err)
	s := <-served
	require.NoError(t, s.err)
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	near, ok := info.(mtls.AuthInfo)
	require.True(t, ok)
	far, ok = s.info.(mtls.AuthInfo)
	require.True(t, ok)
	return near, far
}
