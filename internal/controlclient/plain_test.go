package controlclient_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
)

// ask makes one call, as gRPC words its errors.
func ask(t *testing.T, addr string) error {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithNoProxy(), grpc.WithTransportCredentials(credentials.NewTLS(nil)))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err = grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	require.Error(t, err)
	return err
}

func TestErrorsOfCallsAreInPlainEnglish(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("SSH-2.0-OpenSSH_9.2\r\n"))
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"nothing listens":          {ask(t, "127.0.0.1:1"), "connection refused: nothing listens there: is the program running, and is the port right?"},
		"another protocol":         {ask(t, l.Addr().String()), "does not speak TLS: is the port right?"},
		"a name that is not known": {ask(t, "no-such-name.invalid:8443"), "no-such-name.invalid"},
		"a silent peer":            {status.Error(codes.DeadlineExceeded, "context deadline exceeded"), "there was no answer in time"},
		"a busy peer":              {status.Error(codes.ResourceExhausted, "too many"), "the other side is busy: too many"},
		"inside of another error":  {fmt.Errorf("open the stream: %w", ask(t, "127.0.0.1:1")), "connection refused"},
		"a refusal":                {status.Error(codes.PermissionDenied, "not enrolled, or revoked"), "not enrolled, or revoked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := controlclient.Plain(tc.err)
			require.Contains(t, got.Error(), tc.want)
			for _, jargon := range []string{"rpc error", "code =", "desc =", "transport:", `\"`} {
				require.NotContains(t, got.Error(), jargon)
			}
			require.Equal(t, status.Code(tc.err), status.Code(got), "the code is still there")
			require.Equal(t, got, controlclient.Plain(got), "and once is enough")
			require.ErrorIs(t, got, tc.err)
		})
	}
	require.NoError(t, controlclient.Plain(nil))
	other := fmt.Errorf("wrapped: %w", errors.New("other"))
	require.Equal(t, other, controlclient.Plain(other))
}
