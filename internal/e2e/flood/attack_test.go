package flood_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

type nobody struct{}

// Redeem implements control.Redeemer.
func (nobody) Redeem(context.Context, enroll.Redemption) (enroll.Enrollment, error) {
	return enroll.Enrollment{}, enroll.ErrTokenNotFound
}

// TestAttackersDoWhatTheyAreAsked: a flood that does not arrive proves nothing. The
// listener is the real one, alone.
func TestAttackersDoWhatTheyAreAsked(t *testing.T) {
	t.Parallel()
	ca, err := bootstrapca.Open(t.TempDir(), td, time.Now)
	require.NoError(t, err)
	bound, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	lis := sourcelimit.NewListener(bound, sourcelimit.Caps{Most: 200, Anonymous: 100, AnonymousFrom: 50})
	server := control.NewEnrollmentServer(lis, ca.ServerConfig(), &control.Enrollment{
		TrustDomain: td, Redeemer: nobody{}, Log: zap.NewNop(),
		Endpoints: func() control.Endpoints { return control.Endpoints{SPIREServer: "203.0.113.1:8081"} },
	}, zap.NewNop())
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- server.Run(ctx) }()
	t.Cleanup(func() { cancel(); assert.NoError(t, <-served) })

	s := &site{Controller: &world.Controller{Run: world.RunFile{Enrollment: bound.Addr().String(), CA: ca.CertificatePath()}}}
	done := s.attack(t, size{attackers: 2, connections: 500, resets: 20_000, calls: 200 * time.Millisecond})()
	require.GreaterOrEqual(t, done.Connections, int64(500))
	require.GreaterOrEqual(t, done.Reset, int64(20_000))
	require.Positive(t, done.Calls)
	require.Positive(t, lis.Closed(sourcelimit.ReasonTotal)+lis.Closed(sourcelimit.ReasonAddress))
	require.Positive(t, lis.Closed(sourcelimit.ReasonFlood), "more than any buffer between holds")
	_, anonymous := lis.Open()
	require.LessOrEqual(t, anonymous, 100)
}
