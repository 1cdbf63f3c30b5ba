package reproof_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"google.golang.org/grpc/test/bufconn"
)

// middle terminates TLS on both sides with stolen SVIDs and their keys, and passes
// everything on, proofs too.
type middle struct {
	zerotrustv1.UnimplementedReproofServiceServer
	zerotrustv1.UnimplementedTunnelServiceServer

	up       *grpc.ClientConn // to the real server
	verdicts chan *zerotrustv1.ReproofVerdict
}

// Prove relays both directions until one side ends.
func (m *middle) Prove(down zerotrustv1.ReproofService_ProveServer) error {
	up, err := zerotrustv1.NewReproofServiceClient(m.up).Prove(down.Context())
	if err != nil {
		return err
	}
	over := make(chan error, 2)
	go func() {
		for {
			f, err := down.Recv()
			if err == nil {
				err = up.Send(&zerotrustv1.ProveRequest{Frame: f.GetFrame()})
			}
			if err != nil {
				over <- err
				return
			}
		}
	}()
	go func() {
		for {
			f, err := up.Recv()
			if v := f.GetFrame().GetVerdict(); v != nil {
				m.verdicts <- v
			}
			if err == nil {
				err = down.Send(&zerotrustv1.ProveResponse{Frame: f.GetFrame()})
			}
			if err != nil {
				over <- err
				return
			}
		}
	}()
	return <-over
}

// Session relays the stream whose life is at stake.
func (m *middle) Session(down zerotrustv1.TunnelService_SessionServer) error {
	up, err := zerotrustv1.NewTunnelServiceClient(m.up).Session(down.Context())
	if err != nil {
		return err
	}
	if _, err = up.Recv(); err == nil {
		err = errors.New("unexpected")
	}
	return err
}

func TestManInTheMiddle(t *testing.T) {
	t.Parallel()
	bubble(t, "with stolen SVIDs and keys of both ends cannot pass a proof on", func(t *testing.T) {
		ca := mtlstest.NewCA(t, td)
		clientSVID, serverSVID := ca.SVID(t, tunnelerID), ca.SVID(t, connectorID)
		client, server := ca.Identity(clientSVID), ca.Identity(serverSVID)
		var reports, own reproof.Reports
		far := reproof.NewServer(reproof.ServerConfig{Identity: server, Conns: mtls.NewConns(8), Refused: reports.Add, Log: nop()})
		listener, opened := serve(t, far, server)

		m := &middle{up: dial(t, listener, ca.Identity(clientSVID)), verdicts: make(chan *zerotrustv1.ReproofVerdict, 8)}
		trap := bufconn.Listen(64 << 10)
		stolen := ca.Identity(serverSVID)
		evil := grpc.NewServer(grpc.Creds(mtls.ServerCredentials(mtls.ServerConfig(stolen, mtls.Kinds(td, identity.KindTunneler)))))
		zerotrustv1.RegisterReproofServiceServer(evil, m)
		zerotrustv1.RegisterTunnelServiceServer(evil, m)
		done := make(chan struct{})
		go func() { defer close(done); _ = evil.Serve(trap) }()
		t.Cleanup(func() { evil.Stop(); <-done })

		conn := dial(t, trap, client)
		over := make(chan error, 1)
		go func() {
			over <- reproof.NewClient(client, nop()).OnRefusal(own.Add).Around(t.Context(), conn, func(ctx context.Context) error {
				s, err := zerotrustv1.NewTunnelServiceClient(conn).Session(ctx)
				if err != nil {
					return err
				}
				_, err = s.Recv()
				return err
			})
		}()
		atServer := <-opened
		elapse(time.Minute)
		require.NoError(t, atServer.Reason(), "until a rotation the stolen SVIDs are as good as ours")

		client.Swap(ca.SVID(t, tunnelerID)) // its key was not stolen
		synctest.Wait()
		elapse(time.Second)
		require.Zero(t, far.Status().Accepted)
		require.ErrorIs(t, atServer.Reason(), reproof.ErrSignature)
		require.False(t, (<-m.verdicts).GetAccepted())
		require.Error(t, <-over)
		told := reports.Take().GetRefusals()
		require.Len(t, told, 1, "the controller is told of it")
		require.Equal(t, tunnelerID, told[0].GetSpiffeId())
		require.Equal(t, reproof.ErrSignature.Error(), told[0].GetReason())
		require.NotEmpty(t, told[0].GetRemoteAddress())
		require.NotEmpty(t, told[0].GetLocalAddress())
		require.Equal(t, uint64(1), told[0].GetCount())
		require.Nil(t, reports.Take(), "once")
		require.Nil(t, own.Take(), "what a peer says of our proof is its own matter")
	})
}
