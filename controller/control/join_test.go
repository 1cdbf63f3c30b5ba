package control_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// TestRunWaitsForWhatReadsAStream: gRPC ends a Recv once the handler has returned, so the
// goroutine that reads a stream outlives its handler. Run returns after it all the same.
func TestRunWaitsForWhatReadsAStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, connector("c-01"))
	var reading atomic.Int32
	slow := func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		return next(srv, slowEnd{ss, &reading})
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	defer stop()
	server := control.NewControlServer(listen(t), control.Peers{
		Identity:  w.spireCA.Identity(w.spireCA.SVID(t, "spiffe://mycorp.internal/controller/controller-02")),
		Authorize: mtls.Kinds(td, identity.KindConnector),
	}, &control.ControlPlane{
		Fleet: w.fleet, Roster: w.roster, Policy: w.policy, Endpoints: func() control.Endpoints { return *w.endpoints.Load() }, Stopping: ctx.Done(), Log: zap.NewNop(),
	}, w.directory, zap.NewNop(), grpc.ChainStreamInterceptor(slow))
	stopped := make(chan error, 1)
	go func() { stopped <- server.Run(ctx) }()

	own := w.spireCA.Identity(w.spireCA.SVID(t, "spiffe://mycorp.internal/connector/c-01", mtlstest.OnHost(mtlstest.HostOf("connector/c-01"))))
	conn := dialTLS(t, server.Addr(), mtls.ClientConfig(own, mtls.Kinds(td, identity.KindController)))
	prove, err := zerotrustv1.NewReproofServiceClient(conn).Prove(patient(t))
	require.NoError(t, err)
	_, err = prove.Recv() // the challenge
	require.NoError(t, err)
	stream, err := zerotrustv1.NewControlPlaneServiceClient(conn).Connect(patient(t))
	require.NoError(t, err)
	require.NoError(t, stream.Send(hello("c-01")))
	_, err = stream.Recv()
	require.NoError(t, err)
	eventually(t, "both streams are read", func() bool { return reading.Load() == 2 })

	stop()
	require.NoError(t, <-stopped)
	require.Zero(t, reading.Load(), "a goroutine reads a stream of a server that has stopped")
}

// slowEnd is a stream whose reader takes a moment to notice that it has ended.
type slowEnd struct {
	grpc.ServerStream

	reading *atomic.Int32
}

func (s slowEnd) RecvMsg(m any) error {
	s.reading.Add(1)
	defer s.reading.Add(-1)
	err := s.ServerStream.RecvMsg(m)
	if err != nil {
		<-time.After(100 * time.Millisecond)
	}
	return err
}
