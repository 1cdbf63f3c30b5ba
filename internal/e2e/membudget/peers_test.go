package membudget_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// peersEnv makes this program the other ends, which it reads from its standard input.
const peersEnv = "MEMBUDGET_PEERS"

// peers are the other ends of what is measured.
type peers struct {
	Addr   string // of the listener that they dial
	Server identity.Kind
	Kind   identity.Kind // of themselves
	Bundle []byte        // PEM
	Peers  []peer
}

type peer struct {
	ID, Certificate, Key string // PEM
}

// peersOf makes peers of a kind with SVIDs of this authority.
func peersOf(t testing.TB, ca *mtlstest.CA, addr string, server, kind identity.Kind, n int) peers {
	t.Helper()
	out := peers{Addr: addr, Server: server, Kind: kind, Bundle: ca.PEM()}
	for i := range n {
		id := identity.Workload{Kind: kind, ID: idOf(kind, i)}
		svid := ca.SVID(t, "spiffe://"+td.Name()+"/"+id.String(), mtlstest.OnHost(mtlstest.HostOf(id.String())))
		cert, key, err := svid.Marshal()
		require.NoError(t, err)
		out.Peers = append(out.Peers, peer{id.ID, string(cert), string(key)})
	}
	return out
}

func idOf(kind identity.Kind, i int) string { return fmt.Sprintf("%s-%05d", kind, i) }

// start has another process open one stream each, and returns when all are. That ends
// with the test.
func (p peers) start(t testing.TB) {
	t.Helper()
	arg, err := json.Marshal(p)
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), self, "-test.run", "^TestPlaysThePeers$")
	cmd.Env = append(os.Environ(), peersEnv+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		said, _ := io.ReadAll(out)
		assert.NoError(t, cmd.Wait(), "the other process: %s", said)
	})
	_, err = in.Write(append(arg, '\n'))
	require.NoError(t, err)
	said, err := bufio.NewReaderSize(out, 16).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "open\n", said)
}

// TestPlaysThePeers is for the other process.
func TestPlaysThePeers(t *testing.T) {
	if os.Getenv(peersEnv) == "" {
		t.Skip("is run by the other tests")
	}
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	require.NoError(t, err)
	var p peers
	require.NoError(t, json.NewDecoder(bytes.NewReader(line)).Decode(&p))
	bundle, err := x509bundle.Parse(td, p.Bundle)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var all, opened sync.WaitGroup
	defer all.Wait()
	defer cancel()
	nobody := mtlstest.NewCA(t, td)
	turns := make(chan struct{}, 8)
	var fault sync.Once
	for _, one := range p.Peers {
		svid, err := x509svid.Parse([]byte(one.Certificate), []byte(one.Key))
		require.NoError(t, err)
		own := nobody.Identity(svid)
		own.Trust(bundle)
		turns <- struct{}{}
		opened.Add(1)
		all.Go(func() {
			open := sync.OnceFunc(func() { <-turns; opened.Done() })
			defer open()
			if err := p.use(ctx, own, one.ID, open); ctx.Err() == nil {
				fault.Do(func() { t.Errorf("%s: %v", one.ID, err) }) // the others fail alike
			}
		})
	}
	opened.Wait()
	_, _ = fmt.Println(map[bool]string{false: "open", true: "failed"}[t.Failed()])
	_, _ = io.Copy(io.Discard, in)
}

// use holds one connection with its stream until ctx ends.
func (p peers) use(ctx context.Context, own *mtlstest.Identity, id string, open func()) error {
	conn, err := grpc.NewClient("passthrough:///"+p.Addr, grpc.WithNoProxy(),
		grpc.WithTransportCredentials(mtls.ClientCredentials(mtls.ClientConfig(own, mtls.Kinds(td, p.Server)))))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return reproof.NewClient(own, zap.NewNop()).Around(ctx, conn, func(ctx context.Context) error {
		switch {
		case p.Server == identity.KindConnector:
			return session(ctx, conn, own, id, open)
		case p.Kind == identity.KindTunneler:
			return directoryStream(ctx, conn, id, open)
		}
		return controlStream(ctx, conn, own, id, open)
	})
}

// controlStream is open when the policy has come.
func controlStream(ctx context.Context, conn *grpc.ClientConn, own *mtlstest.Identity, id string, open func()) error {
	stream, err := zerotrustv1.NewControlPlaneServiceClient(conn).Connect(ctx)
	if err != nil {
		return err
	}
	for _, m := range []*zerotrustv1.ConnectRequest{
		{Message: &zerotrustv1.ConnectRequest_Hello{Hello: &zerotrustv1.ConnectorHello{
			ConnectorId: id, Version: "v1", InstanceId: id, BootId: id, PrivateIp: "127.0.0.1", ListenAddresses: []string{"127.0.0.1:9443"}, Protocol: wire.Protocol,
		}}},
		{Message: &zerotrustv1.ConnectRequest_Heartbeat{Heartbeat: &zerotrustv1.ConnectorHeartbeat{ConnectorId: id, Svid: svidOf(own), BundleAuthorityIds: own.AuthorityIDs()}}},
	} {
		if err := stream.Send(m); err != nil {
			return err
		}
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		if h := m.GetPolicy().GetHeader(); h != nil && h.GetPart() == h.GetParts() {
			open()
		}
	}
}

// directoryStream is open when the directory has come.
func directoryStream(ctx context.Context, conn *grpc.ClientConn, id string, open func()) error {
	stream, err := zerotrustv1.NewDirectoryServiceClient(conn).Watch(ctx, &zerotrustv1.WatchRequest{
		TunnelerId: id, Version: "v1", InstanceId: id, BootId: id, Protocol: wire.Protocol,
	})
	if err != nil {
		return err
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		if m.GetDirectory() != nil {
			open()
		}
	}
}

// session is open when its first heartbeat was acknowledged.
func session(ctx context.Context, conn *grpc.ClientConn, own *mtlstest.Identity, id string, open func()) error {
	stream, err := zerotrustv1.NewTunnelServiceClient(conn).Session(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(&zerotrustv1.SessionRequest{Sequence: 1, Heartbeat: &zerotrustv1.TunnelerHeartbeat{TunnelerId: id, Version: "v1", Svid: svidOf(own), BundleAuthorityIds: own.AuthorityIDs()}}); err != nil {
		return err
	}
	for {
		if _, err := stream.Recv(); err != nil {
			return err
		}
		open()
	}
}

// svidOf is what a peer says of its own SVID.
func svidOf(own *mtlstest.Identity) *zerotrustv1.SVIDStatus {
	st := own.Status()
	return &zerotrustv1.SVIDStatus{Serial: st.Serial, AuthorityId: st.AuthorityID, NotAfter: timestamppb.New(st.NotAfter)}
}
