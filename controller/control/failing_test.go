package control_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// TestAServerWhoseListenerFailsEndsWithTheReason: the whole controller ends with it then. One
// that stayed without a listener would look well to systemd.
func TestAServerWhoseListenerFailsEndsWithTheReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, server := range map[string]func(net.Listener) *control.Server{
		"enrollment": func(l net.Listener) *control.Server {
			return control.NewEnrollmentServer(l, w.ca.ServerConfig(), &control.Enrollment{TrustDomain: td, Policy: w.policy, Log: zap.NewNop()}, zap.NewNop())
		},
		"control plane": func(l net.Listener) *control.Server {
			own := w.spireCA.Identity(w.spireCA.SVID(t, "spiffe://mycorp.internal/controller/controller-02"))
			return control.NewControlServer(l, control.Peers{Identity: own, Authorize: mtls.Kinds(td, identity.KindConnector)},
				&control.ControlPlane{Policy: w.policy, Log: zap.NewNop()}, &control.Directory{Policy: w.policy, Log: zap.NewNop()}, zap.NewNop())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := listen(t)
			s := server(l)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- s.Run(ctx) }()
			require.NoError(t, l.Close())
			select {
			case err := <-ended:
				require.ErrorContains(t, err, "serve "+name+": ")
				require.NoError(t, ctx.Err())
			case <-time.After(patience):
				t.Fatal("it goes on without a listener")
			}
		})
	}
}
