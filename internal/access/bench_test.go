package access_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

const many10k = 10_000

// large has 10,000 resources and 10,000 grants: names, stars and prefixes of many lengths,
// granted by id and by label. Each length of a prefix that there is costs an address about 50 ns.
func large(b testing.TB) *access.Set {
	b.Helper()
	s := access.NewSet(td)
	for i := range many10k {
		within := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), byte(i >> 8), byte(i % 7)}), 16+i%17).Masked()
		hosts := []string{fmt.Sprintf("r%d.corp", i), fmt.Sprintf("*.r%d.dev.corp", i), within.String(), fmt.Sprintf("fd00:%x::/%d", i, 32+i%25*4)}
		r := resource(b, fmt.Sprintf("r%d", i), hosts...)
		r.Labels = access.Labels{"env": fmt.Sprintf("e%d", i%50), "team": fmt.Sprintf("t%d", i%200), "tier": "web"}
		s.PutResource(r)
		subject, object := fmt.Sprintf("tunneler/t%d", i%1000), fmt.Sprintf("resource/r%d", i)
		if i%3 == 0 {
			subject = fmt.Sprintf("label/team=t%d", i%200)
		}
		if i%5 == 0 {
			object = fmt.Sprintf("label/env=e%d", i%50)
		}
		s.PutGrant(grant(b, fmt.Sprintf("g%d", i), subject, object))
	}
	return s
}

// TestDecisionsAmongMany are right, in the set that the benchmarks have.
func TestDecisionsAmongMany(t *testing.T) {
	t.Parallel()
	s, c := large(t), caller("t7", "team=t9", "env=dev")
	for to, want := range map[string]access.Code{
		"r7.corp": access.Granted, "a.b.r7.dev.corp": access.Granted, "r8.corp": access.NotGranted, "a.b.c.d.e.f.corp": access.NoResource,
		"10.7.0.7": access.Granted, "10.8.0.1": access.NotGranted, "2001:db8::1": access.NoResource,
	} {
		require.Equal(t, want, s.Decide(c, target(to), now).Code, to)
	}
}

func BenchmarkDecide(b *testing.B) {
	s := large(b)
	scheduled := parsed(b, access.GrantText{ID: "s", Subject: "tunneler/t1", Object: "resource/r1", TimeZone: "Europe/Berlin", Windows: []string{"mon-fri 08:00-18:00"}})
	s.RemoveGrant("g1")
	s.PutGrant(scheduled)
	c := caller("t7", "team=t9", "env=dev", "os=linux", "site=berlin", "owner=ann")
	for name, bc := range map[string]struct {
		caller access.Caller
		target access.Target
	}{
		"granted name": {c, target("r7.corp")}, "granted star": {c, target("a.b.r7.dev.corp")}, "name of others": {c, target("r8.corp")}, "unknown name": {c, target("a.b.c.d.e.f.corp")},
		"address": {c, target("10.7.0.7")}, "unknown IPv6": {c, target("2001:db8::1")}, "schedule": {caller("t1"), target("r1.corp")},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Decide(bc.caller, bc.target, now)
			}
		})
	}
	d := s.Decide(c, target("r7.corp"), now)
	to := netip.MustParseAddrPort("192.168.1.1:22")
	b.Run("address of a name", func(b *testing.B) {
		for b.Loop() {
			s.DecideAddress(c, d, to, now)
		}
	})
}

func BenchmarkEdit(b *testing.B) {
	s := large(b)
	r, _ := s.Resource("r7")
	g, _ := s.Grant("g7")
	b.Run("resource", func(b *testing.B) {
		for b.Loop() {
			s.PutResource(r)
		}
	})
	b.Run("grant", func(b *testing.B) {
		for b.Loop() {
			s.PutGrant(g)
		}
	})
}
