package control_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog/changelogtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// crowd are more members than one message holds, with the longest names, the one
// that enrolled last first.
type crowd struct {
	changelogtest.Still

	connectors, tunnelers int
}

func (crowd) PolicyRevision(context.Context) (uint64, error) { return 1 << 63, nil }

func (c crowd) Connectors(context.Context) (out []fleet.Connector, err error) {
	addresses := make([]string, wire.MaxAddresses)
	for i := range addresses {
		addresses[i] = strings.Repeat("a", wire.MaxAddress-5) + ":9443"
	}
	out = append(out, fleet.Connector{Member: fleet.Member{Workload: connector("c-01"), EnrolledAt: time.Unix(1, 0)}})
	for i := range c.connectors {
		out = append(out, fleet.Connector{Member: fleet.Member{Workload: connector(long(i)), EnrolledAt: since(i)}, Addresses: addresses})
	}
	return out, nil
}

func (crowd) Denials(context.Context, uint64, time.Time) ([]fleet.Denial, error) { return nil, nil }

func (c crowd) Tunnelers(context.Context) (out []fleet.Tunneler, err error) {
	for i := range c.tunnelers {
		out = append(out, fleet.Tunneler{Member: fleet.Member{Workload: tunneler(long(i)), EnrolledAt: since(i)}})
	}
	return out, nil
}

func long(i int) string { return fmt.Sprintf("%063d", i) }

func since(i int) time.Time {
	return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(-time.Duration(i) * time.Second)
}

// kept is a stream that keeps what it is sent.
type kept struct {
	*inner

	got [][]byte
}

// SendMsg gets what was encoded for many streams.
func (k *kept) SendMsg(m any) error {
	k.got = append(k.got, reflect.ValueOf(m).Bytes())
	return nil
}

type watched struct {
	*kept
}

func (w *watched) Send(*zerotrustv1.WatchResponse) error { return nil }

// TestNoMessageGrowsWithTheFleet: 50,000 tunnelers and 1,200 connectors with the longest
// names and addresses go out in parts that each have a place, and nobody is left out. A
// message over the cap would end each stream it is sent on.
func TestNoMessageGrowsWithTheFleet(t *testing.T) {
	t.Parallel()
	fleetOf := crowd{connectors: 1200, tunnelers: 50000}
	published := policy.NewPublisher(td, fleetOf, zap.NewNop(), time.Now)
	require.NoError(t, published.Refresh(t.Context()))
	ca := mtlstest.NewCA(t, td)
	own := ca.Identity(ca.SVID(t, "spiffe://mycorp.internal/controller/controller-01"))
	begin := func(id string) (*kept, context.CancelFunc) {
		_, caller := mtlstest.Connect(t, ca.Identity(ca.SVID(t, id)), own)
		ctx, cancel := context.WithCancel(peer.NewContext(t.Context(), &peer.Peer{Addr: addr("192.0.2.7:1"), AuthInfo: caller}))
		return &kept{inner: &inner{script: &script{ctx: ctx, says: []*zerotrustv1.ConnectRequest{hello("c-01")}}, ctx: ctx}}, cancel
	}
	_, intercept := control.ControlRules.Interceptors(zap.NewNop())
	roster := presence.NewRoster(time.Now)
	addresses := make([]string, wire.MaxAddresses)
	for i := range addresses {
		addresses[i] = strings.Repeat("a", wire.MaxAddress-5) + ":9443"
	}
	endpoints := func() control.Endpoints { return control.Endpoints{ControlPlane: addresses} }

	k, end := begin("spiffe://mycorp.internal/connector/c-01")
	defer end()
	plane := &control.ControlPlane{Fleet: gate{t: t}, Roster: roster, Policy: published, Endpoints: endpoints, PolicyAge: time.Hour, Log: zap.NewNop()}
	_ = intercept(nil, k, &grpc.StreamServerInfo{FullMethod: zerotrustv1.ControlPlaneService_Connect_FullMethodName}, func(_ any, s grpc.ServerStream) error {
		k.ctx = s.Context()
		return plane.Connect(k)
	})
	tunnelers := controltest.Tunnelers()
	for _, raw := range k.got {
		require.LessOrEqual(t, len(raw), wire.MaxUpdate)
		var m zerotrustv1.ConnectResponse
		require.NoError(t, proto.Unmarshal(raw, &m))
		if m.GetDenials() != nil {
			continue
		}
		_, err := tunnelers.Take(controltest.PolicyPart(m.GetPolicy()))
		require.NoError(t, err)
	}
	require.Equal(t, fleetOf.tunnelers, tunnelers.Len())

	k, end = begin("spiffe://mycorp.internal/tunneler/" + long(7))
	end() // after the first update
	w := &watched{k}
	directory := &control.Directory{Fleet: gate{t: t}, Roster: roster, Policy: published, Endpoints: endpoints, Log: zap.NewNop()}
	_ = intercept(nil, w, &grpc.StreamServerInfo{FullMethod: zerotrustv1.DirectoryService_Watch_FullMethodName}, func(_ any, s grpc.ServerStream) error {
		w.ctx = s.Context()
		return directory.Watch(&zerotrustv1.WatchRequest{Protocol: wire.Protocol, TunnelerId: long(7)}, w)
	})
	connectors := controltest.Connectors()
	for _, raw := range w.got {
		require.LessOrEqual(t, len(raw), wire.MaxUpdate)
		var m zerotrustv1.WatchResponse
		require.NoError(t, proto.Unmarshal(raw, &m))
		_, err := connectors.Take(controltest.DirectoryPart(m.GetDirectory()))
		require.NoError(t, err)
	}
	require.Equal(t, fleetOf.connectors+1, connectors.Len())
}
