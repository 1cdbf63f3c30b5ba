package relayed_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/visible"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// bytesCodec sends what is no message, too.
type bytesCodec struct{}

func (bytesCodec) Name() string { return "proto" }

func (bytesCodec) Marshal(v any) ([]byte, error) {
	raw, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("%T", v)
	}
	return *raw, nil
}

func (bytesCodec) Unmarshal(data []byte, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return errors.New("not a message")
	}
	return proto.Unmarshal(data, m)
}

// numbered is a request with this heartbeat, whatever it is.
func numbered(sequence uint64, heartbeat []byte) []byte {
	out := protowire.AppendTag(nil, 1, protowire.BytesType)
	out = protowire.AppendBytes(out, heartbeat)
	out = protowire.AppendTag(out, 2, protowire.VarintType)
	return protowire.AppendVarint(out, sequence)
}

// saying is a heartbeat in the hostile tunneler's own name with this string field.
func saying(f testing.TB, change func(*zerotrustv1.TunnelerHeartbeat), more ...byte) []byte {
	hb := &zerotrustv1.TunnelerHeartbeat{TunnelerId: hostile, Version: "v1", Svid: &zerotrustv1.SVIDStatus{}}
	change(hb)
	raw, err := proto.Marshal(hb)
	require.NoError(f, err)
	return append(raw, more...)
}

// FuzzWhatATunnelerSays: a hostile tunneler sends a heartbeat of any bytes in good
// order, then any bytes at all. It is answered or cut; the connector keeps its control
// stream, the honest tunneler its session and both are ONLINE; what has reached the
// controller is what nobody need be afraid of.
func FuzzWhatATunnelerSays(f *testing.F) {
	version := func(v string) []byte {
		return saying(f, func(hb *zerotrustv1.TunnelerHeartbeat) { hb.Version = v })
	}
	authorities := func(n int, id string) []byte {
		return saying(f, func(hb *zerotrustv1.TunnelerHeartbeat) {
			for range n {
				hb.BundleAuthorityIds = append(hb.BundleAuthorityIds, id)
			}
		})
	}
	expiry := func(at *timestamppb.Timestamp) []byte {
		return saying(f, func(hb *zerotrustv1.TunnelerHeartbeat) { hb.Svid.NotAfter = at })
	}
	for _, seed := range [][]byte{
		version("v1"), version("v1\n"), version(strings.Repeat("a", 64)), version(strings.Repeat("a", 65)), version("\x00"),
		version("v1\u202egnp"), version("\u2066\u200b"), version("\x1b]0;\x07"), version(strings.Repeat("é", 64)),
		authorities(64, strings.Repeat("a", 80)), authorities(65, "aa"), authorities(30837, strings.Repeat("a", 32)), authorities(1, "\u202e"),
		expiry(&timestamppb.Timestamp{Seconds: 1 << 62}), expiry(&timestamppb.Timestamp{Seconds: -1 << 62, Nanos: -1}), expiry(timestamppb.New(time.Unix(253402300799, 0))),
		saying(f, func(hb *zerotrustv1.TunnelerHeartbeat) { hb.TunnelerId = honest }),
		saying(f, func(hb *zerotrustv1.TunnelerHeartbeat) { hb.Version = "" }, 0x12, 2, 'v', 0xff),  // invalid UTF-8
		saying(f, func(*zerotrustv1.TunnelerHeartbeat) {}, 0xfa, 0x7f, 3, 1, 2, 3),                  // a field nobody knows
		saying(f, func(*zerotrustv1.TunnelerHeartbeat) {}, 0x12, 0xff), []byte("\xff\xff\xff"), nil, // no message
	} {
		f.Add(seed, numbered(2, version("v2")))
		f.Add(version("v1"), numbered(2, seed))
		f.Add(version("v1"), seed)
	}
	w := newWorld(f)
	attacker := w.dial(f, hostile)
	f.Fuzz(func(t *testing.T, heartbeat, second []byte) {
		w.play(t, attacker, numbered(1, heartbeat), second)
		w.requireUnharmed(t)
	})
}

// play has the hostile tunneler say this in one session, and returns when the
// controller has heard of the session's end, if it had ever heard of it.
func (w *world) play(t *testing.T, attacker *grpc.ClientConn, messages ...[]byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	s, err := attacker.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, zerotrustv1.TunnelService_Session_FullMethodName,
		grpc.ForceCodec(bytesCodec{}), grpc.WaitForReady(true)) // whoever opens this many sessions is cut now and then
	require.NoError(t, err)
	for _, raw := range messages {
		_ = s.SendMsg(&raw) // where it fails, RecvMsg says why
	}
	_ = s.CloseSend()
	answered := 0
	for ; err == nil; answered++ {
		err = s.RecvMsg(&zerotrustv1.SessionResponse{})
	}
	require.NotEqual(t, codes.DeadlineExceeded, status.Code(err), "neither answered nor cut")
	if answered == 1 { // the end
		return
	}
	select {
	case r := <-w.roster.last:
		require.True(t, wire.Label(r.Version), "%q", r.Version)
		require.LessOrEqual(t, len(r.Trusts), wire.MaxAuthorities)
		require.True(t, visible.Text(strings.Join(r.Trusts, "")+r.RemoteAddr+r.SVID.Serial+r.SVID.AuthorityID))
	case <-ctx.Done():
		require.FailNow(t, "the controller did not hear of the session's end")
	}
}

// TestACutTunnelerIsInTheAuditLog: the controller hears who was cut.
func TestACutTunnelerIsInTheAuditLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	attacker := w.dial(t, hostile)
	w.play(t, attacker, numbered(1, saying(t, func(hb *zerotrustv1.TunnelerHeartbeat) { hb.Version = "v1\n" })))
	require.Eventually(t, func() bool { return w.refused.counted.Load() > 0 }, soon, time.Millisecond)
	w.requireUnharmed(t)
}
