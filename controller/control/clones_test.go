package control_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

type watching = zerotrustv1.DirectoryService_WatchClient

// watch opens a directory stream on a connection of its own and waits for its
// first answer.
func (w *world) watch(t *testing.T, req *zerotrustv1.WatchRequest) watching {
	t.Helper()
	s, err := zerotrustv1.NewDirectoryServiceClient(w.dial(t, tunneler(req.GetTunnelerId()))).Watch(patient(t), req)
	require.NoError(t, err)
	_, err = s.Recv()
	require.NoError(t, err)
	return s
}

func ends(t *testing.T, s watching, code codes.Code, text string) {
	t.Helper()
	for {
		if _, err := s.Recv(); err != nil {
			require.Equal(t, code, status.Code(err), err)
			require.ErrorContains(t, err, text)
			return
		}
	}
}

// TestADirectoryStreamReplacesTheOlder: of two machines with one identity each must
// come again, or the controller would not learn which of them still lives.
func TestADirectoryStreamReplacesTheOlder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, tunneler("t-01"))
	w.member(t, tunneler("t-02"))
	first := w.watch(t, &zerotrustv1.WatchRequest{Protocol: wire.Protocol, TunnelerId: "t-01", InstanceId: "a"})
	w.watch(t, &zerotrustv1.WatchRequest{Protocol: wire.Protocol, TunnelerId: "t-02", InstanceId: "b"})
	second := w.watch(t, &zerotrustv1.WatchRequest{Protocol: wire.Protocol, TunnelerId: "t-01", InstanceId: "b"})
	ends(t, first, codes.Aborted, "replaced by a newer stream")
	w.member(t, connector("c-01"))
	_, err := second.Recv() // the late end of the older changed nothing
	require.NoError(t, err)
}

func TestTwoTunnelersOfOneIdentityAreFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, tunneler("t-01"))
	clone := func() *fleet.Clone {
		all, err := w.fleet.Tunnelers(t.Context())
		require.NoError(t, err)
		return all[0].Clone
	}
	for i, instance := range []string{"a", "a", "b", "a"} {
		require.Nil(t, clone(), i)
		w.watch(t, &zerotrustv1.WatchRequest{Protocol: wire.Protocol, TunnelerId: "t-01", InstanceId: instance, BootId: "boot-" + instance})
	}
	c := clone()
	require.NotNil(t, c)
	require.Equal(t, "boot-a", c.Sightings[0].BootID)
	require.Equal(t, "boot-b", c.Sightings[1].BootID)
	for _, s := range c.Sightings {
		require.Contains(t, s.Address, "127.0.0.1:", "the address of the connection")
	}
	require.NotEqual(t, c.Sightings[0].Address, c.Sightings[1].Address)
}

// TestAHelloOnAnOldConnectionProvesNothing: it may have waited there since before
// the newer program began.
func TestAHelloOnAnOldConnectionProvesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, connector("c-01"))
	speak := func(s stream, instance string) {
		s.say(helloOf(&zerotrustv1.ConnectorHello{ConnectorId: "c-01", InstanceId: instance}))
		s.policy(t)
	}
	speak(w.open(t, connector("c-01")), "a")
	oldConn := w.dial(t, connector("c-01")) // of a, and says nothing yet
	opened, err := zerotrustv1.NewControlPlaneServiceClient(oldConn).Connect(patient(t))
	require.NoError(t, err)
	old := stream{opened, controltest.Tunnelers()}
	eventually(t, "its handshake", func() bool { return oldConn.GetState() == connectivity.Ready })
	speak(w.open(t, connector("c-01")), "b")
	speak(old, "a")
	all, err := w.fleet.Connectors(t.Context())
	require.NoError(t, err)
	require.Nil(t, all[0].Clone)
	speak(w.open(t, connector("c-01")), "a")
	all, err = w.fleet.Connectors(t.Context())
	require.NoError(t, err)
	require.NotNil(t, all[0].Clone, "on a new connection it does")
}

func noRotation(context.Context) (time.Time, bool, error) { return time.Time{}, false, nil }

func TestAMemberIsHeardAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, connector("c-01"))
	w.member(t, tunneler("t-01"))
	c := w.open(t, connector("c-01"))
	c.say(helloOf(&zerotrustv1.ConnectorHello{ConnectorId: "c-01", InstanceId: "a", BootId: "boot", AgentStart: "7@100"}))
	c.policy(t)
	d := w.watch(t, &zerotrustv1.WatchRequest{Protocol: wire.Protocol, TunnelerId: "t-01", InstanceId: "b", BootId: "boot", AgentStart: "9@100"})
	hosts, err := w.store.Hosts(t.Context())
	require.NoError(t, err)
	reading := fleet.NewAgentWatch(fleet.AgentWatchConfig{Fleet: w.fleet, SPIRE: w.spire, Rotation: noRotation, Log: zap.NewNop()})
	for serial := range 5 {
		for _, h := range hosts {
			w.spire.AttestAs(fleet.Agent{ID: h.AgentID, SerialNumber: fmt.Sprint(serial), ExpiresAt: time.Now().Add(time.Hour)})
		}
		require.NoError(t, reading.Read(t.Context()))
	}
	c.endsWith(t, codes.Aborted, "a new hello")
	ends(t, d, codes.Aborted, "a new hello")
	w.watch(t, &zerotrustv1.WatchRequest{Protocol: wire.Protocol, TunnelerId: "t-01", InstanceId: "b", BootId: "boot", AgentStart: "9@100"})
	all, err := w.fleet.Tunnelers(t.Context())
	require.NoError(t, err)
	require.Equal(t, fleet.TwoAgents, all[0].Clone.Signal)
}

func TestWatchRefusesWhatItWouldHaveToStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, tunneler("t-01"))
	long := strings.Repeat("x", 65)
	for name, req := range map[string]*zerotrustv1.WatchRequest{
		"version":     {Version: long},
		"instance_id": {InstanceId: long},
		"boot_id":     {BootId: "a\x1b[2J"},
		"agent_start": {AgentStart: "1@2\n"},
	} {
		req.TunnelerId, req.Protocol = "t-01", wire.Protocol
		s, err := zerotrustv1.NewDirectoryServiceClient(w.dial(t, tunneler("t-01"))).Watch(patient(t), req)
		require.NoError(t, err)
		ends(t, s, codes.InvalidArgument, name)
	}
}
