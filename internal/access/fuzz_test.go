package access_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

// The fuzz tests hold that what is taken is spelled in one way, which is taken again.

func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"db.corp", "BÜCHER.de", "10.0.0.1", "::ffff:10.0.0.1", "0x7f.1", "xn--bcher-kva", "a_b", "例え。テスト", "a\u200db"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := access.ParseHost(s)
		if err != nil {
			return
		}
		again, err := access.ParseHost(h.String())
		require.NoError(t, err)
		require.Equal(t, h, again)
		if _, ok := h.Addr(); !ok {
			require.LessOrEqual(t, len(h.String()), 253)
			require.Equal(t, strings.ToLower(h.String()), h.String())
			require.Nil(t, net.ParseIP(h.String()))
		}
		p, err := access.ParsePattern(s)
		if err == nil {
			require.Equal(t, h.String(), p.String())
		}
	})
}

func FuzzParsePattern(f *testing.F) {
	for _, s := range []string{"*.dev.corp", "10.1.2.3/8", "::ffff:10.0.0.0/104", "fd00::/8", "*.*", "0.0.0.0/0", "*.Ü"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := access.ParsePattern(s)
		if err != nil {
			return
		}
		again, err := access.ParsePattern(p.String())
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}

func FuzzParsePrefix(f *testing.F) {
	for _, s := range []string{"10.1.2.3/8", "::ffff:10.0.0.0/104", "fd00::/8", "10.0.0.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := access.ParsePrefix(s)
		if err != nil {
			return
		}
		require.Equal(t, p.Masked(), p)
		require.False(t, p.Addr().Is4In6())
		again, err := access.ParsePrefix(access.PrefixText(p))
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"db.corp:22", "[::1]:1", "[::ffff:1.2.3.4]:65535", "a:022", ":1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		target, err := access.ParseTarget(s)
		if err != nil {
			return
		}
		require.NotZero(t, target.Port)
		again, err := access.ParseTarget(target.String())
		require.NoError(t, err)
		require.Equal(t, target, again)
		require.Equal(t, access.NoResource, access.NewSet(td).Decide(caller("a"), target, now).Code)
	})
}

func FuzzParseGrant(f *testing.F) {
	f.Add("tunneler/a", "resource/b", "Europe/Berlin", "mon-fri 08:00-18:00")
	f.Add("label/a=b", "label/c/d=e", "UTC", "sat,sun 22:00-06:00")
	f.Fuzz(func(t *testing.T, subject, object, zone, window string) {
		text := access.GrantText{ID: "g", Subject: subject, Object: object}
		if zone != "" || window != "" {
			text.TimeZone, text.Windows = zone, []string{window}
		}
		g, err := text.Parse(new(access.Zones))
		if err != nil {
			return
		}
		require.Equal(t, subject, g.Subject.String())
		require.Equal(t, object, g.Object.String())
		again, err := g.Text().Parse(new(access.Zones))
		require.NoError(t, err)
		require.Equal(t, g.Text(), again.Text())
		if until, ok := g.Schedule.Holds(now); ok && !until.IsZero() {
			require.True(t, until.After(now))
		}
	})
}

func FuzzParsePortRange(f *testing.F) {
	for _, s := range []string{"22", "1-65535", "022", "9-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := access.ParsePortRange(s)
		if err != nil {
			return
		}
		require.True(t, r.First > 0 && r.First <= r.Last)
		again, err := access.ParsePortRange(r.String())
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}

// FuzzDecideAddress: nothing that a resolver answers is allowed but what one can connect to.
func FuzzDecideAddress(f *testing.F) {
	s := set(resource(f, "db", "db.corp"), resource(f, "net", "10.0.0.0/8"), grant(f, "g1", "tunneler/a", "resource/db"))
	d := s.Decide(caller("a"), target("db.corp"), now)
	for _, a := range []string{"10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "192.168.0.1"} {
		addr := netip.MustParseAddr(a).As16()
		f.Add(addr[:], uint16(22))
	}
	f.Fuzz(func(t *testing.T, raw []byte, port uint16) {
		addr, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		if again := s.DecideAddress(caller("a"), d, netip.AddrPortFrom(addr, port), now); again.Allowed {
			at := addr.Unmap()
			require.True(t, at.IsPrivate() || netip.MustParsePrefix("100.64.0.0/10").Contains(at), at)
			require.False(t, netip.MustParsePrefix("10.0.0.0/8").Contains(at) && port == 22, at)
		}
	})
}
