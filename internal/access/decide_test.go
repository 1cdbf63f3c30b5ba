package access_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

func TestWhatNoGrantAllowsIsRefused(t *testing.T) {
	t.Parallel()
	db := labeled(resource(t, "db", "db.corp", "*.dev.corp", "10.1.0.0/16"), "env", "prod")
	prod := labeled(resource(t, "web", "web.corp"), "env", "prod")
	s := set(db, prod,
		grant(t, "g1", "tunneler/a", "resource/db"), grant(t, "g2", "label/team=dev", "label/env=dev"), grant(t, "g3", "label/team=ops", "label/env=prod"),
		grant(t, "g4", "tunneler/c", "resource/gone"))
	stranger := caller("a")
	stranger.ID = spiffeid.RequireFromString("spiffe://other.internal/tunneler/a")
	connector := caller("a")
	connector.ID = spiffeid.RequireFromString("spiffe://mycorp.internal/connector/a")
	agent := caller("a")
	agent.ID = spiffeid.RequireFromString("spiffe://mycorp.internal/spire/agent/x509pop/a")
	for name, tc := range map[string]struct {
		caller access.Caller
		target access.Target
		want   access.Code
	}{
		"nobody":                           {access.Caller{}, target("db.corp"), access.NoCaller},
		"another trust domain":             {stranger, target("db.corp"), access.NoCaller},
		"a connector of that id":           {connector, target("db.corp"), access.NoCaller},
		"an agent":                         {agent, target("db.corp"), access.NoCaller},
		"another tunneler":                 {caller("b"), target("db.corp"), access.NotGranted},
		"one whose id begins the same":     {caller("aa"), target("db.corp"), access.NotGranted},
		"another label's value":            {caller("b", "team=ops2"), target("db.corp"), access.NotGranted},
		"another label's key":              {caller("b", "teams=ops"), target("db.corp"), access.NotGranted},
		"a label of the resource":          {caller("b", "env=prod"), target("db.corp"), access.NotGranted},
		"a label that has another object":  {caller("b", "team=dev"), target("db.corp"), access.NotGranted},
		"a grant of another resource":      {caller("a"), target("web.corp"), access.NotGranted},
		"a grant of what is not there":     {caller("c"), target("gone"), access.NoResource},
		"another name":                     {caller("a"), target("db2.corp"), access.NoResource},
		"a name below":                     {caller("a"), target("x.db.corp"), access.NoResource},
		"the name above":                   {caller("a"), target("corp"), access.NoResource},
		"the name that the star is below":  {caller("a"), target("dev.corp"), access.NoResource},
		"a name that ends the same":        {caller("a"), target("xdev.corp"), access.NoResource},
		"another port":                     {caller("a"), access.Target{Host: "db.corp", Port: 23}, access.NoResource},
		"below a range":                    {caller("a"), access.Target{Host: "db.corp", Port: 7999}, access.NoResource},
		"above a range":                    {caller("a"), access.Target{Host: "db.corp", Port: 8101}, access.NoResource},
		"no port":                          {caller("a"), access.Target{Host: "db.corp"}, access.NoTarget},
		"no host":                          {caller("a"), access.Target{Port: 22}, access.NoTarget},
		"a pattern":                        {caller("a"), target("*.dev.corp"), access.NoTarget},
		"a prefix":                         {caller("a"), target("10.1.0.0/16"), access.NoTarget},
		"an address with a zone":           {caller("a"), target("fe80::1%eth0"), access.NoTarget},
		"an address in another notation":   {caller("a"), target("10.1.1"), access.NoTarget},
		"an address outside the prefix":    {caller("a"), target("10.2.0.0"), access.NoResource},
		"an IPv6 address with those bytes": {caller("a"), target("0a01:0001::"), access.NoResource},
	} {
		d := s.Decide(tc.caller, tc.target, now)
		require.Equal(t, tc.want, d.Code, name)
		require.False(t, d.Allowed, name)
	}
	require.Equal(t, access.NoResource, access.NewSet(td).Decide(caller("a"), target("db.corp"), now).Code, "an empty set")
	var none access.Decision
	require.False(t, none.Allowed, "a decision that nobody took")
}

func TestWhatAGrantAllows(t *testing.T) {
	t.Parallel()
	s := set(labeled(resource(t, "db", "db.corp", "*.dev.corp", "10.1.0.0/16", "fd00:1::/32"), "env", "prod"),
		grant(t, "g1", "tunneler/a", "resource/db"), grant(t, "g2", "label/team=dev", "resource/db"), grant(t, "g3", "label/team=ops", "label/env=prod"), grant(t, "g4", "tunneler/d", "label/env=prod"))
	for name, tc := range map[string]struct {
		caller access.Caller
		target access.Target
		grant  string
	}{
		"by its id":                    {caller("a"), target("db.corp"), "g1"},
		"by a label":                   {caller("b", "team=dev", "x=y"), target("db.corp"), "g2"},
		"a label by a label":           {caller("b", "team=ops"), target("db.corp"), "g3"},
		"a label by its id":            {caller("d"), target("db.corp"), "g4"},
		"by the first of two":          {caller("a", "team=dev"), target("db.corp"), "g1"},
		"in capitals, with a dot":      {caller("a"), target("DB.Corp."), "g1"},
		"below a star":                 {caller("a"), target("x.dev.corp"), "g1"},
		"far below a star":             {caller("a"), target("z.y.x.dev.corp"), "g1"},
		"an address":                   {caller("a"), target("10.1.255.255"), "g1"},
		"an address in IPv6":           {caller("a"), target("::ffff:10.1.0.0"), "g1"},
		"an IPv6 address":              {caller("a"), target("fd00:1:2::3"), "g1"},
		"the first port of a range":    {caller("a"), access.Target{Host: "db.corp", Port: 8000}, "g1"},
		"the last port of a range":     {caller("a"), access.Target{Host: "db.corp", Port: 8100}, "g1"},
		"a port in the middle of it":   {caller("a"), access.Target{Host: "db.corp", Port: 8050}, "g1"},
		"whatever the caller's labels": {caller("a", "team=none"), target("db.corp"), "g1"},
	} {
		require.Equal(t, access.Decision{Allowed: true, Code: access.Granted, ResourceID: "db", GrantID: tc.grant}, s.Decide(tc.caller, tc.target, now), name)
	}
}

// TestTheMostSpecificResourceDecides: a resource guards what it covers from grants of
// those that cover more.
func TestTheMostSpecificResourceDecides(t *testing.T) {
	t.Parallel()
	vault, err := access.ResourceText{ID: "vault", NetworkID: "default", Hosts: []string{"vault.dev.corp", "10.1.5.5"}, Ports: []string{"22"}}.Parse()
	require.NoError(t, err)
	s := set(resource(t, "corp", "*.corp", "10.0.0.0/8"), resource(t, "dev", "*.dev.corp", "10.1.0.0/16"), vault,
		grant(t, "g1", "tunneler/a", "resource/corp"), grant(t, "g2", "tunneler/b", "resource/dev"), grant(t, "g3", "tunneler/c", "resource/vault"), grant(t, "g4", "tunneler/d", "resource/dev"), grant(t, "g5", "tunneler/d", "resource/vault"))
	for name, tc := range map[string]struct {
		caller   string
		host     string
		resource string
		allowed  bool
	}{
		"a star":                                {"a", "x.corp", "corp", true},
		"below a longer star":                   {"a", "x.dev.corp", "dev", false},
		"below a longer star, granted":          {"b", "x.dev.corp", "dev", true},
		"a name below both stars":               {"b", "vault.dev.corp", "vault", false},
		"the name, granted":                     {"c", "vault.dev.corp", "vault", true},
		"the grant of a name is none of others": {"c", "x.dev.corp", "dev", false},
		"both granted":                          {"d", "vault.dev.corp", "vault", true},
		"a prefix":                              {"a", "10.2.0.1", "corp", true},
		"a longer prefix":                       {"a", "10.1.0.1", "dev", false},
		"an address in both":                    {"b", "10.1.5.5", "vault", false},
		"the address, granted":                  {"c", "10.1.5.5", "vault", true},
		"the grant of an address is none of its prefix": {"c", "10.1.5.6", "dev", false},
	} {
		d := s.Decide(caller(tc.caller), target(tc.host), now)
		require.Equal(t, tc.allowed, d.Allowed, name)
		require.Equal(t, tc.resource, d.ResourceID, name)
	}
	d := s.Decide(caller("b"), access.Target{Host: "vault.dev.corp", Port: 8080}, now)
	require.Equal(t, access.Decision{Allowed: true, Code: access.Granted, ResourceID: "dev", GrantID: "g2"}, d, "it guards its own ports only")

	// Of resources that are as specific as one another, any grant does.
	s.PutResource(resource(t, "a-vault", "vault.dev.corp"))
	s.PutGrant(grant(t, "g6", "tunneler/b", "resource/a-vault"))
	require.True(t, s.Decide(caller("b"), target("vault.dev.corp"), now).Allowed)
	require.True(t, s.Decide(caller("c"), target("vault.dev.corp"), now).Allowed)
	require.Equal(t, "a-vault", s.Decide(caller("a"), target("vault.dev.corp"), now).ResourceID)
}

func TestGrantsEnd(t *testing.T) {
	t.Parallel()
	timed := func(id, subject string, until time.Time, windows ...string) access.Grant {
		text := access.GrantText{ID: id, Subject: subject, Object: "resource/db", Until: until, Windows: windows}
		if len(windows) > 0 {
			text.TimeZone = "UTC"
		}
		return parsed(t, text)
	}
	six, two := now.Add(6*time.Hour), now.Add(2*time.Hour) // 18:00 and 14:00
	s := set(resource(t, "db", "db.corp"),
		timed("g1", "tunneler/a", two), timed("g2", "tunneler/b", time.Time{}, "mon-fri 08:00-18:00"), timed("g3", "tunneler/c", two, "mon-fri 08:00-18:00"), timed("g4", "tunneler/d", six, "mon-fri 08:00-14:00"),
		timed("g5", "tunneler/e", two), timed("g6", "tunneler/e", six), timed("g7", "tunneler/f", two), timed("g8", "tunneler/f", time.Time{}, "sat 00:00-24:00"),
		timed("g9", "tunneler/h", two), timed("h1", "tunneler/h", time.Time{}))
	for name, tc := range map[string]struct {
		caller string
		now    time.Time
		want   access.Decision
	}{
		"before the end":                      {"a", two.Add(-1), access.Decision{Allowed: true, Code: access.Granted, GrantID: "g1", Until: two}},
		"at the end":                          {"a", two, access.Decision{Code: access.Ended, GrantID: "g1"}},
		"after the end":                       {"a", two.Add(time.Hour), access.Decision{Code: access.Ended, GrantID: "g1"}},
		"within its hours":                    {"b", now, access.Decision{Allowed: true, Code: access.Granted, GrantID: "g2", Until: six}},
		"at the end of its hours":             {"b", six, access.Decision{Code: access.OutsideSchedule, GrantID: "g2"}},
		"the end is before that of the hours": {"c", now, access.Decision{Allowed: true, Code: access.Granted, GrantID: "g3", Until: two}},
		"the hours end before it does":        {"d", now, access.Decision{Allowed: true, Code: access.Granted, GrantID: "g4", Until: two}},
		"both are over":                       {"c", six, access.Decision{Code: access.Ended, GrantID: "g3"}},
		"of two the one that lasts":           {"e", now, access.Decision{Allowed: true, Code: access.Granted, GrantID: "g6", Until: six}},
		"the other goes on at its end":        {"e", two, access.Decision{Allowed: true, Code: access.Granted, GrantID: "g6", Until: six}},
		"of two ends the hours are nearer":    {"f", six, access.Decision{Code: access.OutsideSchedule, GrantID: "g8"}},
		"one without an end lasts longest":    {"h", now, access.Decision{Allowed: true, Code: access.Granted, GrantID: "h1"}},
	} {
		tc.want.ResourceID = "db"
		require.Equal(t, tc.want, s.Decide(caller(tc.caller), target("db.corp"), tc.now), name)
	}
}

func TestAddressesThatANameLeadsTo(t *testing.T) {
	t.Parallel()
	vault := resource(t, "vault", "vault.corp", "10.1.5.5")
	s := set(resource(t, "dev", "*.dev.corp"), vault, resource(t, "admin", "10.9.0.0/16"), resource(t, "own", "127.0.0.1", "169.254.169.254", "203.0.113.7", "::1"), resource(t, "all", "0.0.0.0/0", "::/0"),
		grant(t, "g1", "tunneler/a", "resource/dev"), grant(t, "g2", "tunneler/b", "resource/dev"), grant(t, "g3", "tunneler/b", "label/env=prod"),
		grant(t, "g4", "tunneler/b", "resource/vault"), grant(t, "g5", "tunneler/b", "resource/admin"), grant(t, "g6", "tunneler/b", "resource/own"), grant(t, "g8", "tunneler/c", "resource/dev"), grant(t, "g9", "tunneler/c", "resource/all"))
	s.RemoveResource("all") // at first
	decide := func(who, addr string) access.Code {
		d := s.Decide(caller(who), target("x.dev.corp"), now)
		require.True(t, d.Allowed)
		to := netip.AddrPortFrom(netip.MustParseAddr(addr), 22)
		again := s.DecideAddress(caller(who), d, to, now)
		require.Equal(t, again.Code == access.Granted, again.Allowed, addr)
		return again.Code
	}
	for addr, want := range map[string]access.Code{
		"10.0.0.1": access.Granted, "172.16.0.1": access.Granted, "192.168.1.1": access.Granted, "100.64.0.1": access.Granted, "fd00::1": access.Granted, "::ffff:10.0.0.1": access.Granted,
		"10.1.5.5": access.AddressNotGranted, "::ffff:10.1.5.5": access.AddressNotGranted, "10.9.1.1": access.AddressNotGranted, "127.0.0.1": access.AddressNotGranted, "203.0.113.7": access.AddressNotGranted,
		"203.0.113.8": access.AddressOutside, "8.8.8.8": access.AddressOutside, "172.15.255.255": access.AddressOutside, "172.32.0.0": access.AddressOutside, "192.169.0.0": access.AddressOutside, "100.128.0.0": access.AddressOutside, "2001:db8::1": access.AddressOutside, "fe00::1": access.AddressOutside,
		"127.0.0.2": access.AddressReserved, "::ffff:127.0.0.2": access.AddressReserved, "169.254.0.1": access.AddressReserved, "fe80::1": access.AddressReserved, "100.100.100.200": access.AddressReserved, "168.63.129.16": access.AddressReserved, "192.0.0.192": access.AddressReserved, "fd00:ec2::254": access.AddressReserved, "fd20:ce::254": access.AddressReserved,
		"64:ff9b::a01:505": access.AddressReserved, "64:ff9b:1::a01:505": access.AddressReserved, "2002:a01:505::1": access.AddressReserved, "2001::1": access.AddressReserved, "::a01:505": access.AddressReserved,
		"0.0.0.0": access.AddressUnusable, "0.1.2.3": access.AddressUnusable, "::": access.AddressUnusable, "::ffff:0.0.0.0": access.AddressUnusable, "224.0.0.1": access.AddressUnusable, "255.255.255.255": access.AddressUnusable, "240.0.0.1": access.AddressUnusable, "ff02::1": access.AddressUnusable,
		"fe80::1%lo": access.NoTarget,
	} {
		require.Equal(t, want, decide("a", addr), addr)
	}
	for addr, want := range map[string]access.Code{ // b has a grant of what covers them
		"10.1.5.5": access.Granted, "10.9.1.1": access.Granted, "127.0.0.1": access.Granted, "::1": access.Granted, "169.254.169.254": access.Granted, "203.0.113.7": access.Granted,
		"127.0.0.2": access.AddressReserved, "169.254.169.253": access.AddressReserved, "203.0.113.8": access.AddressOutside, "8.8.8.8": access.AddressOutside,
	} {
		require.Equal(t, want, decide("b", addr), addr)
	}
	s.PutResource(resource(t, "all", "0.0.0.0/0", "::/0"))
	for addr, want := range map[string]access.Code{ // c has a grant of all, and all covers what nothing else does
		"8.8.8.8": access.Granted, "2001:db8::1": access.Granted, "10.0.0.1": access.Granted,
		"10.1.5.5": access.AddressNotGranted, "127.0.0.1": access.AddressNotGranted,
		"127.0.0.2": access.AddressReserved, "169.254.1.1": access.AddressReserved, "fe80::1": access.AddressReserved, "64:ff9b::a01:505": access.AddressReserved, "fd00:ec2::254": access.AddressReserved,
		"0.0.0.0": access.AddressUnusable, "255.255.255.255": access.AddressUnusable,
	} {
		require.Equal(t, want, decide("c", addr), addr)
	}
	require.Equal(t, access.AddressNotGranted, decide("a", "10.0.0.1"), "what a resource covers is protected by it")
	s.RemoveResource("all")

	s.Declare([]netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("127.0.0.0/8")})
	for addr, want := range map[string]access.Code{
		"10.1.0.1": access.Granted, "198.51.100.1": access.Granted, "10.1.5.5": access.AddressNotGranted, "127.0.0.2": access.AddressReserved,
		"10.2.0.1": access.AddressOutside, "192.168.1.1": access.AddressOutside, "198.51.101.1": access.AddressOutside, "fd00::1": access.AddressOutside,
	} {
		require.Equal(t, want, decide("a", addr), addr)
	}
	for addr, want := range map[string]access.Code{"127.0.0.1": access.Granted, "10.1.5.5": access.Granted, "203.0.113.7": access.AddressOutside, "169.254.169.254": access.AddressOutside, "10.9.1.1": access.AddressOutside} {
		require.Equal(t, want, decide("b", addr), addr)
	}
}

// TestAnAddressAsTheTargetHasTheSameRules: there is no way around them by not using a name.
func TestAnAddressAsTheTargetHasTheSameRules(t *testing.T) {
	t.Parallel()
	s := set(resource(t, "all", "0.0.0.0/0", "::/0"), resource(t, "own", "127.0.0.1"), grant(t, "g1", "tunneler/a", "resource/all"), grant(t, "g2", "tunneler/b", "resource/own"))
	for addr, want := range map[string]access.Code{
		"8.8.8.8": access.Granted, "127.0.0.2": access.AddressReserved, "::1": access.AddressReserved, "169.254.169.254": access.AddressReserved, "0.0.0.0": access.AddressUnusable, "::": access.AddressUnusable, "224.0.0.1": access.AddressUnusable,
		"127.0.0.1": access.NotGranted,
	} {
		require.Equal(t, want, s.Decide(caller("a"), target(addr), now).Code, addr)
	}
	require.Equal(t, access.Granted, s.Decide(caller("b"), target("127.0.0.1"), now).Code)
	s.Declare([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	require.Equal(t, access.AddressOutside, s.Decide(caller("a"), target("8.8.8.8"), now).Code)
	require.Equal(t, access.AddressOutside, s.Decide(caller("b"), target("127.0.0.1"), now).Code)
	require.Equal(t, access.Granted, s.Decide(caller("a"), target("10.8.8.8"), now).Code)
}

func TestAnAddressIsDecidedWithTheTimeOfBothGrants(t *testing.T) {
	t.Parallel()
	hour, day := now.Add(time.Hour), now.Add(24*time.Hour)
	s := set(resource(t, "dev", "*.dev.corp"), resource(t, "net", "10.0.0.0/8"),
		parsed(t, access.GrantText{ID: "g1", Subject: "tunneler/a", Object: "resource/dev", Until: day}), parsed(t, access.GrantText{ID: "g2", Subject: "tunneler/a", Object: "resource/net", Until: hour}))
	to := netip.MustParseAddrPort("10.0.0.1:22")
	d := s.Decide(caller("a"), target("x.dev.corp"), now)
	require.Equal(t, day, d.Until)
	again := s.DecideAddress(caller("a"), d, to, now)
	require.Equal(t, access.Decision{Allowed: true, Code: access.Granted, ResourceID: "dev", GrantID: "g1", Until: hour}, again)
	require.Equal(t, access.Decision{Code: access.AddressNotGranted, ResourceID: "net", GrantID: "g2"}, s.DecideAddress(caller("a"), d, to, hour))
	refused := s.Decide(caller("b"), target("x.dev.corp"), now)
	require.Equal(t, refused, s.DecideAddress(caller("b"), refused, to, now), "a refusal stays one")
	for name, ap := range map[string]netip.AddrPort{"nothing": {}, "no port": netip.AddrPortFrom(to.Addr(), 0)} {
		require.Equal(t, access.NoTarget, s.DecideAddress(caller("a"), d, ap, now).Code, name)
	}
	require.Equal(t, access.Granted, s.DecideAddress(caller("a"), d, netip.AddrPortFrom(to.Addr(), 23), now).Code, "another port of a host is not covered")
}

func TestEditsOfASet(t *testing.T) {
	t.Parallel()
	s := access.NewSet(td)
	allowed := func(host string) bool { return s.Decide(caller("a", "team=dev"), target(host), now).Allowed }
	s.PutGrant(grant(t, "g1", "tunneler/a", "resource/db"))
	require.False(t, allowed("db.corp"), "a grant of what is not there yet")
	s.PutResource(resource(t, "db", "db.corp", "*.db.corp", "10.0.0.1", "fd00::/16"))
	for _, host := range []string{"db.corp", "a.db.corp", "10.0.0.1", "fd00::1"} {
		require.True(t, allowed(host), host)
	}
	s.PutResource(resource(t, "db", "db2.corp"))
	for _, host := range []string{"db.corp", "a.db.corp", "10.0.0.1", "fd00::1"} {
		require.False(t, allowed(host), host)
	}
	require.True(t, allowed("db2.corp"))
	s.PutGrant(grant(t, "g1", "tunneler/b", "resource/db"))
	require.False(t, allowed("db2.corp"), "the grant is for another one now")
	s.PutGrant(grant(t, "g2", "label/team=dev", "label/env=prod"))
	require.False(t, allowed("db2.corp"))
	s.PutResource(labeled(resource(t, "db", "db2.corp"), "env", "prod"))
	require.True(t, allowed("db2.corp"))
	s.PutGrant(grant(t, "g3", "label/team=dev", "label/env=prod"))
	s.RemoveGrant("g2")
	require.True(t, allowed("db2.corp"), "another grant says the same")
	s.RemoveGrant("g3")
	require.False(t, allowed("db2.corp"))
	s.RemoveGrant("g3")
	s.RemoveResource("none")
	resources, grants := s.Len()
	require.Equal(t, [2]int{1, 1}, [2]int{resources, grants})
	_, ok := s.Resource("db")
	require.True(t, ok)
	g, ok := s.Grant("g1")
	require.True(t, ok)
	require.Equal(t, "tunneler/b", g.Subject.String())
	s.RemoveResource("db")
	_, ok = s.Resource("db")
	require.False(t, ok)
	require.Equal(t, access.NoResource, s.Decide(caller("b"), target("db2.corp"), now).Code)
}

// TestAConnectionHasTheHeaderOfAnyResourceThatDecides: whoever got around it could write one
// of its own.
func TestAConnectionHasTheHeaderOfAnyResourceThatDecides(t *testing.T) {
	t.Parallel()
	with := func(r access.Resource) access.Resource {
		r.ProxyProtocol = access.ProxyV2
		return r
	}
	web, twin, wide, address := with(resource(t, "web", "web.corp")), resource(t, "twin", "web.corp"), resource(t, "wide", "*.corp", "10.0.0.0/8"), with(resource(t, "address", "10.1.1.1"))
	s := set(web, twin, wide, address,
		grant(t, "g1", "tunneler/a", "resource/twin"), grant(t, "g2", "tunneler/a", "resource/wide"), grant(t, "g3", "tunneler/a", "resource/address"), grant(t, "g4", "tunneler/b", "resource/web"))
	leads := func(host, to string) access.ProxyProtocol {
		t.Helper()
		d := s.Decide(caller("a"), target(host), now)
		require.True(t, d.Allowed)
		d = s.DecideAddress(caller("a"), d, netip.AddrPortFrom(netip.MustParseAddr(to), 22), now)
		require.True(t, d.Allowed)
		return d.ProxyProtocol
	}
	require.Equal(t, access.ProxyV2, leads("web.corp", "10.2.2.2"), "of one that is granted to others only")
	require.Equal(t, access.ProxyV2, leads("x.corp", "10.1.1.1"), "of the address that a name leads to")
	require.Empty(t, leads("x.corp", "10.2.2.2"))
	require.Equal(t, access.ProxyV2, s.Decide(caller("a"), target("10.1.1.1"), now).ProxyProtocol)
	require.Empty(t, s.Decide(caller("c"), target("web.corp"), now).ProxyProtocol, "a refusal has none")
}

func TestEveryCodeIsASentence(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, code := range access.Codes() {
		require.NotContains(t, code.Reason(), string(code))
		require.False(t, seen[code.Reason()], code)
		seen[code.Reason()] = true
	}
	require.Equal(t, "The code of the decision is on_the_moon.", access.Code("on_the_moon").Reason())
}
