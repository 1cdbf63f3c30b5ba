package wire_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
)

func TestHostPort(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"10.0.0.7:9443", "[::1]:1", "[fe80::1%eth0]:65535", "gw.example.com:443"} {
		require.True(t, wire.HostPort(good), good)
	}
	for _, bad := range []string{"", ":", "10.0.0.7", ":9443", "a:0", "a:65536", "a:https", "a:-1", "a\x1b:1", "a\xff:1", strings.Repeat("a", 254) + ":1"} {
		require.False(t, wire.HostPort(bad), "%q", bad)
	}
}

func TestAddressesKeepsWhatCanBeDialed(t *testing.T) {
	t.Parallel()
	many := []string{"no port"}
	for range 20 {
		many = append(many, "a:1")
	}
	kept, left := wire.Addresses(many)
	require.Len(t, kept, wire.MaxAddresses)
	require.Equal(t, 5, left)
	kept, left = wire.Addresses(nil)
	require.Empty(t, kept)
	require.Zero(t, left)
}

func TestClipNeverCutsACharacterInHalf(t *testing.T) {
	t.Parallel()
	require.Equal(t, "aé", wire.Clip("aéé", 4))
	require.Equal(t, "ab", wire.Clip("a\x1b\u202e\x00b\xff", 64))
	require.Empty(t, wire.Clip("é", 1))
}

func TestTime(t *testing.T) {
	t.Parallel()
	at, ok := wire.Time(nil)
	require.True(t, ok)
	require.Zero(t, at.Unix())
	_, ok = wire.Time(&timestamppb.Timestamp{Seconds: 1 << 62})
	require.False(t, ok)
	_, ok = wire.Time(&timestamppb.Timestamp{Nanos: -1})
	require.False(t, ok)
}
