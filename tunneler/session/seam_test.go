package session_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/session"
)

// pages sends the directories that the test puts into it.
type pages struct {
	zerotrustv1.UnimplementedDirectoryServiceServer

	next chan *zerotrustv1.Directory
}

func (p *pages) Watch(_ *zerotrustv1.WatchRequest, stream zerotrustv1.DirectoryService_WatchServer) error {
	for {
		select {
		case d := <-p.next:
			for _, m := range controltest.Directory(d) {
				if err := stream.Send(m); err != nil {
					return err
				}
			}
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// follow starts sessions on a real directory, which a controller on loopback sends.
func follow(t *testing.T, ca *mtlstest.CA) (*session.Manager, chan<- *zerotrustv1.Directory) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &pages{next: make(chan *zerotrustv1.Directory, 8)}
	server := mtlstest.NewReproofServer(ca.Identity(ca.SVID(t, "spiffe://mycorp.internal/controller/c1")), mtls.Kinds(td, identity.KindTunneler))
	zerotrustv1.RegisterDirectoryServiceServer(server, p)
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-served })

	own := ca.Identity(ca.SVID(t, laptop))
	w, err := directory.New(directory.Config{
		ID: "laptop", TrustDomain: td, Version: "1.2.3", Identity: own, ControlAddresses: []string{l.Addr().String()}, Log: zap.NewNop(),
	})
	require.NoError(t, err)
	m, err := session.New(session.Config{ID: "laptop", Version: "1.2.3", Identity: own, Directory: w, Heartbeat: time.Hour, Log: zap.NewNop()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	for _, run := range []func(context.Context) error{w.Run, m.Run} {
		go func() { done <- run(ctx) }()
	}
	t.Cleanup(func() { cancel(); assert.NoError(t, <-done); assert.NoError(t, <-done) })
	return m, p.next
}

// TestTheEndStateIsEnoughToLeaveAFormerHolder: a connector was revoked and its id
// enrolled anew at the same address, and all that the tunneler hears is the directory
// after both.
func TestTheEndStateIsEnoughToLeaveAFormerHolder(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	old := startConnector(t, ca, connectorSVID(t, ca, "a"), false)
	m, next := follow(t, ca)
	page := func(revision uint64, since time.Time) *zerotrustv1.Directory {
		return &zerotrustv1.Directory{Revision: revision, Connectors: []*zerotrustv1.DirectoryConnector{{
			Id: "a", SpiffeId: "spiffe://mycorp.internal/connector/a", Addresses: []string{old.addr}, SvidNotBefore: timestamppb.New(since),
		}}}
	}
	next <- page(1, time.Now().Add(-time.Hour))
	old.beat(t)
	require.Eventually(t, func() bool { return m.Ready(t.Context()) == nil }, soon, time.Millisecond)
	next <- page(2, time.Now().Add(-10*time.Second))
	old.end(t)
	require.Eventually(t, func() bool {
		err := m.Ready(t.Context())
		return err != nil && strings.Contains(err.Error(), "was revoked")
	}, soon, time.Millisecond)
	require.Empty(t, old.beats, "not one heartbeat more")
}
