package core_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// bare is the least that gRPC does for a change of a fleet: it takes streams, and sends
// each of them the same bytes, which were encoded once. It is the yardstick.
type bare struct {
	zerotrustv1.UnimplementedControlPlaneServiceServer

	mu      sync.Mutex
	streams map[*listener]struct{}
	at      uint64 // what was sent last
}

// listener is a stream of bare.
type listener struct {
	stream zerotrustv1.ControlPlaneService_ConnectServer
	next   chan *grpc.PreparedMsg
}

// broadcast serves, and sends an update for each line "POSITION BYTES".
func (p part) broadcast(t *testing.T, in io.Reader, out io.Writer) {
	t.Helper()
	own := p.signer(t).Identity(t, identity.Workload{Kind: identity.KindController, ID: "bare"})
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b := &bare{streams: map[*listener]struct{}{}}
	server := grpc.NewServer(grpc.Creds(mtls.ServerCredentials(mtls.ServerConfig(own, mtls.Kinds(td, identity.KindConnector)))),
		grpc.ReadBufferSize(4<<10), grpc.WriteBufferSize(16<<10))
	zerotrustv1.RegisterControlPlaneServiceServer(server, b)
	served := make(chan error, 1)
	go func() { served <- server.Serve(lis) }()
	_, err = fmt.Fprintln(out, "serves", lis.Addr())
	require.NoError(t, err)
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var at uint64
		var size int
		_, err := fmt.Sscan(lines.Text(), &at, &size)
		require.NoError(t, err)
		b.send(t, update(at, size))
	}
	server.Stop()
	require.NoError(t, <-served)
}

// update is a change to a position, of about so many bytes.
func update(at uint64, size int) *zerotrustv1.ConnectResponse {
	return &zerotrustv1.ConnectResponse{Message: &zerotrustv1.ConnectResponse_Policy{Policy: &zerotrustv1.PolicyUpdate{
		Header:   &zerotrustv1.UpdateHeader{Timeline: 1, From: at - 1, To: at, Part: 1, Parts: 1},
		Removals: []string{strings.Repeat("x", max(0, size-20))},
	}}}
}

// Connect implements the service.
func (b *bare) Connect(stream zerotrustv1.ControlPlaneService_ConnectServer) error {
	if _, err := stream.Recv(); err != nil { // the hello
		return err
	}
	l := &listener{stream: stream, next: make(chan *grpc.PreparedMsg, 1)}
	b.mu.Lock()
	b.streams[l] = struct{}{}
	at := max(b.at, 1)
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.streams, l)
		b.mu.Unlock()
	}()
	if err := stream.Send(update(at, 0)); err != nil {
		return err
	}
	go func() { // acknowledgements
		for {
			if _, err := stream.Recv(); err != nil {
				return
			}
		}
	}()
	for {
		select {
		case m := <-l.next:
			if err := stream.SendMsg(m); err != nil {
				return err
			}
		case <-stream.Context().Done():
			return nil
		}
	}
}

// send encodes once and wakes all streams.
func (b *bare) send(t *testing.T, m *zerotrustv1.ConnectResponse) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = m.GetPolicy().GetHeader().GetTo()
	var encoded *grpc.PreparedMsg
	for l := range b.streams {
		if encoded == nil {
			encoded = &grpc.PreparedMsg{}
			require.NoError(t, encoded.Encode(l.stream, m))
		}
		l.next <- encoded
	}
}
