package app_test

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/app"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/doctor"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

var wildcard = [3]string{"[::]:8443", "[::]:8444", "0.0.0.0:8081"}

func TestAdvertises(t *testing.T) {
	t.Parallel()
	v4, v6 := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")
	for name, c := range map[string]struct {
		configured, spire string
		listeners         [3]string
		route             netip.Addr
		want              []string
		unready           bool
	}{
		"the address of the default route": {
			listeners: wildcard, route: v4, want: []string{"192.0.2.7:8443", "192.0.2.7:8444", "192.0.2.7:8081"},
		},
		"that of an IPv6-only host": {
			listeners: wildcard, route: v6, want: []string{"[2001:db8::7]:8443", "[2001:db8::7]:8444", "[2001:db8::7]:8081"},
		},
		"nothing without a route": {listeners: wildcard, want: []string{"", ""}, unready: true},
		"public_address before the route": {
			configured: "ctl.example", listeners: wildcard, route: v4, want: []string{"ctl.example:8443", "ctl.example:8444", "ctl.example:8081"},
		},
		"public_address without a route": {
			configured: "2001:db8::1", listeners: wildcard, want: []string{"[2001:db8::1]:8443", "[2001:db8::1]:8444", "[2001:db8::1]:8081"},
		},
		"a loopback that is configured": {
			configured: "127.0.0.1", listeners: wildcard, want: []string{"127.0.0.1:8443", "127.0.0.1:8444", "127.0.0.1:8081"},
		},
		"loopback listeners, which somebody configured": {
			listeners: [3]string{"127.0.0.1:1", "[::1]:2", "127.0.0.1:3"}, want: []string{"127.0.0.1:1", "[::1]:2", "127.0.0.1:3"},
		},
		"a bound listener beside one that needs the route": {
			listeners: [3]string{"192.0.2.9:1", "192.0.2.9:2", "0.0.0.0:3"}, want: []string{"192.0.2.9:1", "192.0.2.9:2", ""}, unready: true,
		},
		"the SPIRE server that is configured": {
			spire: "spire.example:8081", listeners: [3]string{"192.0.2.9:1", "192.0.2.9:2", "0.0.0.0:3"},
			want: []string{"192.0.2.9:1", "192.0.2.9:2", "spire.example:8081"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := app.NewAdvertised(c.configured, c.spire, c.listeners, func() netip.Addr { return c.route })
			a.Look(t.Context())
			require.Equal(t, c.want, a.All())
			if c.unready {
				require.ErrorContains(t, a.Check(t.Context()), "set public_address")
			} else {
				require.NoError(t, a.Check(t.Context()))
			}
			if c.configured == "" {
				require.NotContains(t, a.Explain(), "127.0.0.1")
			}
		})
	}
}

// TestAdvertisedFollowsTheRoute from a start before there is one.
func TestAdvertisedFollowsTheRoute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var route atomic.Value
		route.Store(netip.Addr{})
		a := app.NewAdvertised("", "", wildcard, func() netip.Addr { return route.Load().(netip.Addr) })
		require.False(t, a.Look(t.Context()))
		var moves atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- a.Run(ctx, func() { moves.Add(1) }) }()
		later := func(address string, wantMoves int32, want string) {
			var ip netip.Addr
			if address != "" {
				ip = netip.MustParseAddr(address)
			}
			route.Store(ip)
			<-time.After(app.LookEvery + time.Millisecond)
			synctest.Wait()
			require.Equal(t, wantMoves, moves.Load())
			require.Equal(t, want, a.All()[0])
		}
		later("", 0, "")
		require.ErrorContains(t, a.Check(ctx), "set public_address")
		later("192.0.2.7", 1, "192.0.2.7:8443")
		require.NoError(t, a.Check(ctx))
		later("192.0.2.7", 1, "192.0.2.7:8443")
		later("192.0.2.8", 2, "192.0.2.8:8443")

		t.Log("while the route is away, nobody is told anything else")
		later("", 2, "192.0.2.8:8443")
		require.ErrorContains(t, a.Check(ctx), "hosts still get the address 192.0.2.8")
		later("192.0.2.8", 2, "192.0.2.8:8443")
		require.NoError(t, a.Check(ctx))
		later("2001:db8::7", 3, "[2001:db8::7]:8443")
		cancel()
		require.NoError(t, <-done)
	})
}

func TestDoctorFaultsALoopbackThatNobodyConfigured(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		configured string
		listeners  [3]string
		told       [3]string
		faults     int
	}{
		"told by an older release":   {"", wildcard, [3]string{"127.0.0.1:8443", "[::1]:8444", "127.0.0.1:8081"}, 3},
		"one of three":               {"", wildcard, [3]string{"192.0.2.7:8443", "192.0.2.7:8444", "127.0.0.1:8081"}, 1},
		"beside a public_address":    {"192.0.2.7", wildcard, [3]string{"127.0.0.1:8443", "192.0.2.7:8444", "192.0.2.7:8081"}, 1},
		"as public_address":          {"127.0.0.1", wildcard, [3]string{"127.0.0.1:8443", "127.0.0.1:8444", "127.0.0.1:8081"}, 0},
		"as the listeners":           {"", [3]string{"127.0.0.1:1", "[::1]:2", "127.0.0.1:3"}, [3]string{"127.0.0.1:1", "[::1]:2", "127.0.0.1:3"}, 0},
		"an address of this network": {"", wildcard, [3]string{"192.0.2.7:8443", "192.0.2.7:8444", "192.0.2.7:8081"}, 0},
		"nothing":                    {"", wildcard, [3]string{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := app.NewAdvertised(c.configured, "", c.listeners, func() netip.Addr { return netip.Addr{} })
			found := a.Unconfigured(c.told[0], c.told[1], c.told[2])
			require.Len(t, found, c.faults)
			for _, f := range found {
				require.Equal(t, doctor.Fault, f.Level)
				require.Contains(t, f.Found, "not configured")
				require.Contains(t, f.Do, "set public_address")
			}
		})
	}
}

func TestDoctorSaysWhatHostsAreTold(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	cfg.DataDir = t.TempDir()
	cfg.PublicAddress = "ctl.example"
	found := app.PublicAddress(t.Context(), cfg)
	require.Len(t, found, 1)
	require.Equal(t, "hosts get the address ctl.example, as configured", found[0].Found)
	cfg.PublicAddress, cfg.Listen.Enrollment, cfg.Listen.Control, cfg.SPIRE.ServerListen = "", "127.0.0.1:1", "localhost:2", "[::1]:3"
	require.Equal(t, "hosts get the addresses that the listeners are bound to", app.PublicAddress(t.Context(), cfg)[0].Found)
}

func TestNoCommandWithoutAnAddress(t *testing.T) {
	t.Parallel()
	for _, delivery := range []enroll.Delivery{enroll.Plain, enroll.Sealed, enroll.ByClaim} {
		for _, scripts := range []bool{true, false} {
			got := app.InstallCommands(td, "", []byte("CA"), scripts)(enroll.Token{
				Workload: identity.Workload{Kind: identity.KindConnector, ID: "gw"}, Delivery: delivery,
			}, secret)
			require.NotNil(t, got, "a list, for the dashboard")
			require.Empty(t, got)
		}
	}
}
