package relay_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// TestATunnelerIsCutForWhatNobodyMayRelay: the sender loses its session, the
// controller hears of it as a refusal, and neither the control stream nor anybody
// else's session ends.
func TestATunnelerIsCutForWhatNobodyMayRelay(t *testing.T) {
	t.Parallel()
	ids := func(n int) (out []string) {
		for range n {
			out = append(out, strings.Repeat("a", 32))
		}
		return out
	}
	for name, c := range map[string]struct {
		say  *zerotrustv1.TunnelerHeartbeat
		code codes.Code
		text string
	}{
		"a newline in its version":   {&zerotrustv1.TunnelerHeartbeat{Version: "v1\n"}, codes.InvalidArgument, "version:"},
		"a version of 65 characters": {&zerotrustv1.TunnelerHeartbeat{Version: strings.Repeat("a", 65)}, codes.InvalidArgument, "version:"},
		"text that runs backwards":   {&zerotrustv1.TunnelerHeartbeat{Version: "\u202e1v"}, codes.InvalidArgument, "version:"},
		"65 authorities":             {&zerotrustv1.TunnelerHeartbeat{BundleAuthorityIds: ids(65)}, codes.InvalidArgument, "bundle_authority_ids:"},
		"30,837 authorities":         {&zerotrustv1.TunnelerHeartbeat{BundleAuthorityIds: ids(30837)}, codes.ResourceExhausted, "larger than max"},
		"an expiry of no calendar": {
			&zerotrustv1.TunnelerHeartbeat{Svid: &zerotrustv1.SVIDStatus{NotAfter: &timestamppb.Timestamp{Seconds: 1 << 62}}},
			codes.InvalidArgument, "svid:",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca := mtlstest.NewCA(t, td)
			controller := startController(t, ca, anyAddress, controllerID)
			w := startConnector(t, ca, controller.addr, func(c *relay.Config) { c.Timing.Refusals = 10 * time.Millisecond })
			stream := controller.next(t)
			stream.policy(t, 1, laptopID, phoneID)
			stream.applied(t, 1)
			honest, sender := w.attach(t, "phone"), w.attach(t, "laptop")
			stream.report(t, "laptop", false)

			c.say.TunnelerId = "laptop"
			_ = sender.Send(&zerotrustv1.SessionRequest{Sequence: 2, Heartbeat: c.say})
			requireStatus(t, sender.ends(t), c.code, c.text)
			refused := stream.until(t, "the refusal", func(m *zerotrustv1.ConnectRequest) bool {
				require.NoError(t, wire.CheckReport(m.GetTunneler()), "it was relayed")
				return m.GetRefusals() != nil
			}).GetRefusals().GetRefusals()
			require.Equal(t, laptopID, refused[0].GetSpiffeId())
			require.Equal(t, "the tunneler broke the session protocol", refused[0].GetReason())
			require.NoError(t, honest.beat())
			require.NoError(t, w.relay.ControlReady(t.Context()))
			require.Empty(t, controller.streams, "the control stream is the first one")
		})
	}
}

// TestATunnelerThatBreaksTheSessionProtocolAgainAndAgainFillsNoLog: the audit log counts each
// time.
func TestATunnelerThatBreaksTheSessionProtocolAgainAndAgainFillsNoLog(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.WarnLevel)
	ca := mtlstest.NewCA(t, td)
	controller := startController(t, ca, anyAddress, controllerID)
	w := startConnector(t, ca, controller.addr, func(c *relay.Config) { c.Log, c.Timing.Refusals = zap.New(core), 100*time.Millisecond })
	s := controller.next(t)
	s.policy(t, 1, laptopID)
	s.applied(t, 1)
	own := ca.Identity(ca.SVID(t, laptopID))
	const times = 25
	for range times {
		sender, err := w.open(t, own, "laptop")
		require.NoError(t, err)
		require.NoError(t, sender.Send(&zerotrustv1.SessionRequest{Sequence: 1})) // without a heartbeat
		requireStatus(t, sender.ends(t), codes.InvalidArgument, "")
	}
	for total := uint64(0); total < times; {
		for _, r := range s.until(t, "refusals", func(m *zerotrustv1.ConnectRequest) bool { return m.GetRefusals() != nil }).GetRefusals().GetRefusals() {
			require.Equal(t, laptopID, r.GetSpiffeId())
			require.Equal(t, "the tunneler broke the session protocol", r.GetReason())
			total += r.GetCount()
		}
	}
	lines := logs.FilterMessage("tunneler broke the session protocol, session closed").Len()
	require.GreaterOrEqual(t, lines, 10)
	require.Less(t, lines, times/2+2)
}

// TestALongVersionOfOursIsClipped: the controller would refuse the hello, each time.
func TestALongVersionOfOursIsClipped(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	c := startController(t, ca, anyAddress, controllerID)
	startConnector(t, ca, c.addr, func(c *relay.Config) { c.Version = "v1\n" + strings.Repeat("a", 100) })
	require.True(t, wire.Label(c.next(t).hello(t).GetVersion()))
}

// TestALargePolicyIsApplied: it comes in many messages, and none of them grows with the
// fleet.
func TestALargePolicyIsApplied(t *testing.T) {
	t.Parallel()
	w, c, stream := linked(t, laptopID)
	all := named(phoneID)
	for i := range 5000 {
		all = append(all, named(fmt.Sprintf("spiffe://mycorp.internal/tunneler/t-%05d", i))...)
	}
	stream.sendPolicy(t, 2, nil, all...)
	stream.applied(t, 2)
	w.attach(t, "phone")
	require.NoError(t, w.relay.ControlReady(t.Context()))
	require.Empty(t, c.streams)
}

// TestWhatAPolicyMayNotSayIsLeftOut: the rest is applied, and kept over a restart.
func TestWhatAPolicyMayNotSayIsLeftOut(t *testing.T) {
	t.Parallel()
	ca, dir := mtlstest.NewCA(t, td), t.TempDir()
	c := startController(t, ca, anyAddress, controllerID)
	w := startConnector(t, ca, c.addr, withState(dir))
	stream, never := c.next(t), &timestamppb.Timestamp{Seconds: 1 << 62}
	stream.sendPolicy(t, 1, &zerotrustv1.PolicyUpdate{IssuedAt: never, ControlPlaneAddresses: []string{c.addr, "\x1b[2J:1", "no port"}},
		&zerotrustv1.PolicyTunneler{SpiffeId: phoneID, SvidNotBefore: never}, &zerotrustv1.PolicyTunneler{SpiffeId: "\x00"}, &zerotrustv1.PolicyTunneler{SpiffeId: laptopID})
	stream.applied(t, 1)
	w.attach(t, "laptop")
	_, err := w.attempt(t, ca.Identity(ca.SVID(t, phoneID)), "phone")
	requireStatus(t, err, codes.PermissionDenied, "does not name")
	w.stop()
	c.stop()
	again := startConnector(t, ca, c.addr, withState(dir))
	require.NoError(t, again.relay.PolicyReady(t.Context()))
	again.attach(t, "laptop")
}
