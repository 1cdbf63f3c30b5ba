package controlclient_test

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
)

func tcp(t *testing.T, at string) net.Addr {
	t.Helper()
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(at))
}

func TestAPeerMayTell(t *testing.T) {
	t.Parallel()
	const (
		remote, remote6   = "192.0.2.7:8444", "[2001:db8::7]:8444"
		local, local6     = "127.0.0.1:40000", "[::1]:40000"
		mapped            = "[::ffff:127.0.0.1]:40000"
		onLink4, onLink6  = "169.254.3.4:8444", "[fe80::7%eth0]:8444"
		everybody, nobody = "everybody", "nobody"
	)
	for told, from := range map[string]string{
		"198.51.100.1:8444": everybody, "10.0.0.1:1": everybody, "[2001:db8::1]:65535": everybody, "[fd00::1]:8444": everybody,
		"controller.mycorp.example:8444": everybody, "controller:8444": everybody, "grpccontroller.zero_trust.svc.:8444": everybody, "1a:8444": everybody,

		"127.0.0.1:8444": "loopback", "127.8.9.10:8444": "loopback", "[::1]:8444": "loopback", "[::ffff:127.0.0.1]:8444": "loopback",
		"localhost:8444": "loopback", "LocalHost.:8444": "loopback", "x.localhost:8444": "loopback", "[::1%lo]:8444": "loopback",
		"ip6-localhost:1": "loopback", "ip6-loopback:1": "loopback", "localhost6:1": "loopback", "localhost4.localdomain4:1": "loopback", "localhost.localdomain:1": "loopback",

		"169.254.169.254:80": "the link", "[fe80::1%eth0]:8444": "the link",

		"[fe80::1]:8444": nobody, "0.0.0.0:8444": nobody, "[::]:8444": nobody, "[::ffff:0.0.0.0]:8444": nobody, "[::%1]:8444": nobody,
		"224.0.0.1:8444": nobody, "[ff02::1]:8444": nobody, "255.255.255.255:8444": nobody, "[2001:db8::1%eth0]:8444": nobody,
		"": nobody, ":8444": nobody, "a": nobody, "a:": nobody, "a:0": nobody, "a:65536": nobody, "a:-1": nobody, "a:+1": nobody, "a:https": nobody, "a:1:2": nobody,
		"2001:db8::1": nobody, "https://a:8444": nobody, "a/b:8444": nobody, "a b:1": nobody, "a\n:1": nobody, "a\":1": nobody, "a..b:1": nobody, ".:1": nobody,
		// The forms of inet_aton(3), and numbers that are none.
		"127.1:8444": nobody, "2130706433:8444": nobody, "0x7f000001:8444": nobody, "0x7f.0.0.1:8444": nobody, "127.0.0.0x1:1": nobody, "0177.0.0.1:8444": nobody,
		"1.2.3.4.5:1": nobody, "1.2.3.256:1": nobody, "127.0.0.1.:1": nobody,
		strings.Repeat("a", 64) + ":1": nobody, strings.Repeat("a.", 126) + "aa:1": nobody,
		"локалхост:1": nobody, "ⓛocalhost:1": nobody, "\xff:1": nobody,
	} {
		t.Run(told, func(t *testing.T) {
			t.Parallel()
			for peer, may := range map[string]bool{
				remote: from == everybody, remote6: from == everybody,
				local: from != nobody, local6: from != nobody, mapped: from != nobody,
				onLink4: from == everybody || from == "the link", onLink6: from == everybody || from == "the link",
			} {
				got := controlclient.Acceptable([]string{told}, tcp(t, peer))
				require.Equal(t, may, len(got) == 1, "told by %s: %v", peer, got)
			}
		})
	}
	t.Run("nothing of loopback if it has no IP address", func(t *testing.T) {
		t.Parallel()
		for _, from := range []net.Addr{nil, &net.UnixAddr{Name: "/run/x", Net: "unix"}, &net.TCPAddr{}} {
			require.Equal(t, []string{"a:1"}, controlclient.Acceptable([]string{"127.0.0.1:1", "a:1"}, from))
		}
	})
}

func TestAcceptableKeepsTheOrderAndDropsTheRest(t *testing.T) {
	t.Parallel()
	var told, want []string
	for i := range 40 {
		a := fmt.Sprintf("198.51.100.%d:8444", i)
		told = append(told, "127.0.0.1:8444", a, a)
		if i < 16 {
			want = append(want, a)
		}
	}
	require.Equal(t, want, controlclient.Acceptable(told, tcp(t, "192.0.2.7:8444")))
	require.Empty(t, controlclient.Acceptable(nil, tcp(t, "127.0.0.1:1")))
}

// FuzzAcceptable: whatever a remote peer tells, nothing of this host is kept, and
// what is kept can be dialed.
func FuzzAcceptable(f *testing.F) {
	for _, s := range []string{"127.0.0.1:1", "[::1%lo]:1", "localhost.:1", "[::ffff:7f00:1]:1", "0:1", "a:1", "[fe80::1%]:1", "0x0:1"} {
		f.Add(s)
	}
	remote := net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.7:8444"))
	f.Fuzz(func(t *testing.T, told string) {
		for _, a := range controlclient.Acceptable([]string{told}, remote) {
			host, port, err := net.SplitHostPort(a)
			require.NoError(t, err)
			require.NotEmpty(t, port)
			require.False(t, strings.ContainsFunc(a, func(r rune) bool { return r <= ' ' || r >= 0x7f }))
			if ip := net.ParseIP(host); ip != nil {
				require.True(t, ip.IsGlobalUnicast(), a)
			}
			require.NotEqual(t, "localhost", strings.ToLower(strings.TrimSuffix(host, ".")))
		}
	})
}
