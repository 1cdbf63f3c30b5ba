package wire_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

var huge = &timestamppb.Timestamp{Seconds: 1 << 62}

func ids(n int, id string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = id
	}
	return out
}

// relayed is the report that a connector makes of a heartbeat.
func relayed(hb *zerotrustv1.TunnelerHeartbeat) *zerotrustv1.TunnelerReport {
	return &zerotrustv1.TunnelerReport{
		TunnelerId: hb.GetTunnelerId(), Version: hb.GetVersion(), Svid: hb.GetSvid(), BundleAuthorityIds: hb.GetBundleAuthorityIds(),
		SessionStartedAt: timestamppb.New(time.Unix(1_800_000_000, 0)), RemoteAddress: "[fe80::1%eth0]:4711",
	}
}

// TestWhatATunnelerMayNotSay: the connector refuses it, and from a connector that
// relays it all the same the controller takes the rest.
func TestWhatATunnelerMayNotSay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*zerotrustv1.TunnelerHeartbeat)
		fault  string
	}{
		"a newline in its version":                {func(hb *zerotrustv1.TunnelerHeartbeat) { hb.Version = "v1\n" }, "version:"},
		"a version of 65 characters":              {func(hb *zerotrustv1.TunnelerHeartbeat) { hb.Version = strings.Repeat("a", 65) }, "version:"},
		"64 characters of 65 bytes":               {func(hb *zerotrustv1.TunnelerHeartbeat) { hb.Version = strings.Repeat("a", 63) + "é" }, "version:"},
		"NUL in its version":                      {func(hb *zerotrustv1.TunnelerHeartbeat) { hb.Version = "v\x001" }, "version:"},
		"an escape in its version":                {func(hb *zerotrustv1.TunnelerHeartbeat) { hb.Version = "\x1b[2J" }, "version:"},
		"a bidi override in its version":          {func(hb *zerotrustv1.TunnelerHeartbeat) { hb.Version = "v1\u202e" }, "version:"},
		"a bidi isolate in its version":           {func(hb *zerotrustv1.TunnelerHeartbeat) { hb.Version = "v1\u2066" }, "version:"},
		"a zero-width space in its version":       {func(hb *zerotrustv1.TunnelerHeartbeat) { hb.Version = "v1\u200b" }, "version:"},
		"invalid UTF-8 in its version":            {func(hb *zerotrustv1.TunnelerHeartbeat) { hb.Version = "v1\xff" }, "version:"},
		"30,837 authorities":                      {func(hb *zerotrustv1.TunnelerHeartbeat) { hb.BundleAuthorityIds = ids(30837, strings.Repeat("a", 32)) }, "bundle_authority_ids:"},
		"65 authorities":                          {func(hb *zerotrustv1.TunnelerHeartbeat) { hb.BundleAuthorityIds = ids(65, "ab") }, "bundle_authority_ids:"},
		"an authority of 81 digits":               {func(hb *zerotrustv1.TunnelerHeartbeat) { hb.BundleAuthorityIds = ids(1, strings.Repeat("a", 81)) }, "bundle_authority_ids:"},
		"an authority that is no number":          {func(hb *zerotrustv1.TunnelerHeartbeat) { hb.BundleAuthorityIds = ids(1, "AB") }, "bundle_authority_ids:"},
		"an escape in an authority":               {func(hb *zerotrustv1.TunnelerHeartbeat) { hb.BundleAuthorityIds = []string{"ab", "\x1b"} }, "bundle_authority_ids:"},
		"a serial that is no number":              {func(hb *zerotrustv1.TunnelerHeartbeat) { hb.Svid.Serial = "0x1" }, "svid:"},
		"a serial without end":                    {func(hb *zerotrustv1.TunnelerHeartbeat) { hb.Svid.Serial = strings.Repeat("1", 81) }, "svid:"},
		"an authority key id of another alphabet": {func(hb *zerotrustv1.TunnelerHeartbeat) { hb.Svid.AuthorityId = "é" }, "svid:"},
		"an expiry in the year 146 billion":       {func(hb *zerotrustv1.TunnelerHeartbeat) { hb.Svid.NotAfter = huge }, "svid:"},
		"an expiry of minus a nanosecond":         {func(hb *zerotrustv1.TunnelerHeartbeat) { hb.Svid.NotAfter = &timestamppb.Timestamp{Nanos: -1} }, "svid:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hb := good()
			require.NoError(t, wire.CheckHeartbeat(hb))
			c.change(hb)
			err := wire.CheckHeartbeat(hb)
			require.ErrorContains(t, err, c.fault)
			require.Less(t, len(err.Error()), 200, "it never quotes what was said")
			r := relayed(hb)
			before := proto.CloneOf(r)
			clipped, fault := wire.ClipReport(r)
			require.Equal(t, err, fault, "both sides judge by the same rule")
			require.NoError(t, wire.CheckReport(clipped))
			require.Equal(t, hb.GetTunnelerId(), clipped.GetTunnelerId())
			require.NotEmpty(t, clipped.GetSessionStartedAt(), "the rest is kept")
			require.True(t, proto.Equal(before, r), "what was given stays")
		})
	}
}

func good() *zerotrustv1.TunnelerHeartbeat {
	return &zerotrustv1.TunnelerHeartbeat{
		TunnelerId: "t-01", Version: "v1.2.3-4-gabcdef (é)", BundleAuthorityIds: ids(64, strings.Repeat("f", 80)),
		Svid: &zerotrustv1.SVIDStatus{Serial: strings.Repeat("e", 80), AuthorityId: "", NotAfter: timestamppb.Now()},
	}
}

func TestWhatAConnectorMayNotSayOfASession(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*zerotrustv1.TunnelerReport){
		"a beginning in no calendar":       func(r *zerotrustv1.TunnelerReport) { r.SessionStartedAt = huge },
		"an address without end":           func(r *zerotrustv1.TunnelerReport) { r.RemoteAddress = strings.Repeat("1", 81) },
		"an escape in the address":         func(r *zerotrustv1.TunnelerReport) { r.RemoteAddress = "\x1b[2J" },
		"a half of a character at the cut": func(r *zerotrustv1.TunnelerReport) { r.RemoteAddress = "a" + strings.Repeat("é", 50) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := relayed(good())
			change(r)
			clipped, fault := wire.ClipReport(r)
			require.Error(t, fault)
			require.NoError(t, wire.CheckReport(clipped))
			require.Equal(t, r.GetVersion(), clipped.GetVersion(), "what was right is kept")
			require.Equal(t, r.GetBundleAuthorityIds(), clipped.GetBundleAuthorityIds())
			_, err := proto.Marshal(clipped)
			require.NoError(t, err)
		})
	}
}

// FuzzReport: whatever a connector accepts of a tunneler passes the controller
// unchanged, and whatever the controller makes of a report is one that it accepts.
func FuzzReport(f *testing.F) {
	f.Add("v1\n", "ab", "ab", int64(1<<62), int32(-1), "ab", 65, "[::1]:1")
	f.Add(strings.Repeat("a", 65), "\x1b", "", int64(0), int32(0), "\xff", 1, "\u202e")
	f.Add("v\x00", strings.Repeat("0", 81), "é", int64(-1<<62), int32(0), "0", 64, strings.Repeat("é", 80))
	f.Fuzz(func(t *testing.T, version, serial, authority string, seconds int64, nanos int32, key string, n int, remote string) {
		at := &timestamppb.Timestamp{Seconds: seconds, Nanos: nanos}
		hb := &zerotrustv1.TunnelerHeartbeat{
			TunnelerId: "t-01", Version: version, BundleAuthorityIds: ids(min(max(n, 0), 100), key),
			Svid: &zerotrustv1.SVIDStatus{Serial: serial, AuthorityId: authority, NotAfter: at},
		}
		accepted := wire.CheckHeartbeat(hb) == nil
		r := relayed(hb)
		clipped, fault := wire.ClipReport(r)
		require.Equal(t, accepted, fault == nil, "connector and controller disagree")
		if accepted {
			require.True(t, proto.Equal(r, clipped))
			require.LessOrEqual(t, proto.Size(hb), wire.MaxFromTunneler)
		}
		r.RemoteAddress, r.SessionStartedAt = remote, at
		clipped, _ = wire.ClipReport(r)
		require.NoError(t, wire.CheckReport(clipped))
		raw, err := proto.Marshal(clipped)
		require.NoError(t, err, "a report that cannot be sent")
		require.Less(t, len(raw), wire.MaxFromTunneler)
		again, fault := wire.ClipReport(clipped)
		require.NoError(t, fault)
		require.True(t, proto.Equal(clipped, again))
	})
}

// TestCapsNest: the largest message that each sender may make fits its receiver.
func TestCapsNest(t *testing.T) {
	t.Parallel()
	hb := good()
	hb.TunnelerId, hb.Version = strings.Repeat("t", 63), strings.Repeat("v", wire.MaxLabel)
	hb.Svid.AuthorityId = hb.GetSvid().GetSerial()
	require.NoError(t, wire.CheckHeartbeat(hb))
	require.Less(t, proto.Size(&zerotrustv1.SessionRequest{Heartbeat: hb, Sequence: 1 << 63}), wire.MaxFromTunneler)

	r := relayed(hb)
	r.RemoteAddress = strings.Repeat("1", wire.MaxRemoteAddress)
	require.NoError(t, wire.CheckReport(r))
	require.Less(t, proto.Size(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Tunneler{Tunneler: r}}), wire.MaxFromMember)

	chain := &zerotrustv1.ReproofFrame{Frame: &zerotrustv1.ReproofFrame_Proof{Proof: &zerotrustv1.ReproofProof{
		Nonce: make([]byte, 32), Chain: [][]byte{make([]byte, 16<<10)}, Signature: make([]byte, 512),
	}}}
	require.Less(t, proto.Size(&zerotrustv1.ProveRequest{Frame: chain}), wire.MaxFromTunneler)
	require.Less(t, proto.Size(&zerotrustv1.ProveResponse{Frame: chain}), wire.MaxToTunneler)
	require.Less(t, wire.MaxUpdate, wire.MaxFromController)
	require.Less(t, wire.MaxFromTunneler, wire.MaxFromMember)

	full := &zerotrustv1.SessionRefusals{More: 1 << 63}
	for range wire.MaxRefusals {
		full.Refusals = append(full.Refusals, &zerotrustv1.SessionRefusal{
			SpiffeId: strings.Repeat("i", 2048), Reason: strings.Repeat("r", wire.MaxReason), RemoteAddress: r.GetRemoteAddress(),
			Count: 1 << 63, FirstAt: timestamppb.Now(), LastAt: timestamppb.Now(),
		})
	}
	require.Less(t, proto.Size(full), wire.MaxFromMember)
}
