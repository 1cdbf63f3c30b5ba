package control_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog/changelogtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
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

// kept is a stream that keeps what it is sent and then ends.
type kept struct {
	*inner

	end context.CancelFunc
	got proto.Message
}

func (k *kept) Send(m *zerotrustv1.ConnectResponse) error { k.got = m; k.end(); return nil }

type watched struct {
	*kept
}

func (k *watched) Send(m *zerotrustv1.WatchResponse) error { k.got = m; k.end(); return nil }

// TestAPolicyJustOverTheCapStillGoesOut: with whoever has been enrolled longest, and
// not without saying so. A message over the cap would end each stream it is sent on.
func TestAPolicyJustOverTheCapStillGoesOut(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.ErrorLevel)
	published := policy.NewPublisher(td, crowd{connectors: 1200, tunnelers: 45000}, zap.New(core), time.Now)
	require.NoError(t, published.Refresh(t.Context()))
	now := published.Current()
	require.Equal(t, 1, logs.FilterMessageSnippet("policy does not fit one message").Len())
	require.Positive(t, now.LeftOut.Tunnelers)
	require.Positive(t, now.LeftOut.Connectors)
	require.True(t, now.Names(tunneler(long(0))), "its own streams to the controller go on")

	ca := mtlstest.NewCA(t, td)
	own := ca.Identity(ca.SVID(t, "spiffe://mycorp.internal/controller/controller-01"))
	begin := func(id string) (*inner, context.CancelFunc) {
		_, caller := mtlstest.Connect(t, ca.Identity(ca.SVID(t, id)), own)
		ctx, cancel := context.WithCancel(peer.NewContext(t.Context(), &peer.Peer{Addr: addr("192.0.2.7:1"), AuthInfo: caller}))
		return &inner{script: &script{ctx: ctx, says: []*zerotrustv1.ConnectRequest{hello("c-01")}}, ctx: ctx}, cancel
	}
	_, intercept := control.ControlRules.Interceptors(zap.NewNop())
	roster := presence.NewRoster(time.Now)
	endpoints := func() control.Endpoints { return control.Endpoints{ControlPlane: []string{"controller:8444"}} }

	in, end := begin("spiffe://mycorp.internal/connector/c-01")
	defer end()
	k := &kept{inner: in, end: end}
	plane := &control.ControlPlane{Fleet: gate{t: t}, Roster: roster, Policy: published, Endpoints: endpoints, PolicyAge: time.Hour, Log: zap.NewNop()}
	_ = intercept(nil, k, &grpc.StreamServerInfo{FullMethod: zerotrustv1.ControlPlaneService_Connect_FullMethodName}, func(_ any, s grpc.ServerStream) error {
		k.ctx = s.Context()
		return plane.Connect(k)
	})
	require.LessOrEqual(t, proto.Size(k.got), wire.MaxSnapshot)
	require.Greater(t, proto.Size(k.got), wire.MaxSnapshot*8/10, "and not by leaving out many more")
	names := k.got.(*zerotrustv1.ConnectResponse).GetPolicy().GetTunnelers()
	require.Len(t, names, len(now.Tunnelers))
	require.Equal(t, "spiffe://mycorp.internal/tunneler/"+long(44999), names[0].GetSpiffeId(), "who enrolled first")

	in, end = begin("spiffe://mycorp.internal/tunneler/" + long(7))
	defer end()
	w := &watched{&kept{inner: in, end: end}}
	directory := &control.Directory{Fleet: gate{t: t}, Roster: roster, Policy: published, Endpoints: endpoints, Log: zap.NewNop()}
	_ = intercept(nil, w, &grpc.StreamServerInfo{FullMethod: zerotrustv1.DirectoryService_Watch_FullMethodName}, func(_ any, s grpc.ServerStream) error {
		w.ctx = s.Context()
		return directory.Watch(&zerotrustv1.WatchRequest{TunnelerId: long(7)}, w)
	})
	require.LessOrEqual(t, proto.Size(w.got), wire.MaxSnapshot)
	require.Greater(t, proto.Size(w.got), wire.MaxSnapshot*8/10)
	require.Equal(t, "c-01", w.got.(*zerotrustv1.WatchResponse).GetDirectory().GetConnectors()[0].GetId())
}
