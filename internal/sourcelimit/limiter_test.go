package sourcelimit_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

func TestLimitsEachAddressAlone(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	l := sourcelimit.New(time.Minute, 2, func() time.Time { return now })
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	require.True(t, l.Allow(a))
	require.True(t, l.Allow(netip.MustParseAddr("::ffff:192.0.2.1")), "the same address")
	require.False(t, l.Allow(a))
	require.True(t, l.Allow(b))
	now = now.Add(time.Minute)
	require.True(t, l.Allow(a))
	require.False(t, l.Allow(a))

	six := netip.MustParseAddr("2001:db8::1")
	require.True(t, l.Allow(six))
	require.True(t, l.Allow(netip.MustParseAddr("2001:db8::2")))
	require.False(t, l.Allow(netip.MustParseAddr("2001:db8::3%eth0")), "a /64 is one address")
	require.Equal(t, netip.Prefix{}, sourcelimit.Bucket(netip.Addr{}))
}

func TestManyAddressesFillNoMemoryAndAreNoWayAround(t *testing.T) {
	t.Parallel()
	l := sourcelimit.New(time.Minute, 2, func() time.Time { return time.Unix(0, 0) })
	allowed := 0
	for i := range 3 * sourcelimit.MaxSources {
		if l.Allow(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})) {
			allowed++
		}
	}
	require.Equal(t, sourcelimit.MaxSources, l.Size())
	require.Equal(t, sourcelimit.MaxSources+2, allowed)
}

// TestAFullLimiterLooksForRoomOnceASecond: a look costs the time of all keys, and a
// flood of new addresses must not buy one each.
func TestAFullLimiterLooksForRoomOnceASecond(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	l := sourcelimit.New(time.Millisecond, 1, func() time.Time { return now })
	fill := func(first byte, n int) {
		for i := range n {
			l.Allow(netip.AddrFrom4([4]byte{first, byte(i >> 16), byte(i >> 8), byte(i)}))
		}
	}
	fill(10, sourcelimit.MaxSources+1) // it is full, and has looked
	now = now.Add(500 * time.Millisecond)
	fill(11, 100)
	require.Equal(t, sourcelimit.MaxSources, l.Size(), "all have recovered, and nobody looks yet")
	now = now.Add(500 * time.Millisecond)
	fill(12, 100)
	require.Equal(t, 100, l.Size())
}

func TestTurnstileCountsWhoIsInside(t *testing.T) {
	t.Parallel()
	turnstile := sourcelimit.NewTurnstile(3, 2)
	a, b, c := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")
	leave, ok := turnstile.Enter(a)
	require.True(t, ok)
	_, ok = turnstile.Enter(a)
	require.True(t, ok)
	_, ok = turnstile.Enter(a)
	require.False(t, ok, "no third one of an address")
	_, ok = turnstile.Enter(b)
	require.True(t, ok)
	_, ok = turnstile.Enter(c)
	require.False(t, ok, "no fourth one at all")
	leave()
	_, ok = turnstile.Enter(c)
	require.True(t, ok)
}

// TestIdentitiesDoNotShareAnAllowance: a fleet that comes back at once is no flood.
func TestIdentitiesDoNotShareAnAllowance(t *testing.T) {
	t.Parallel()
	l := sourcelimit.NewIdentities(time.Minute, 2, func() time.Time { return time.Unix(0, 0) })
	for i := range 20_000 {
		id := fmt.Sprint("spiffe://mycorp.internal/tunneler/t-", i)
		require.True(t, l.AllowKey(id))
		require.True(t, l.AllowKey(id))
		require.False(t, l.AllowKey(id))
	}
}
