package access_test

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

// world is what a Set is made of, as lists that are gone through.
type world struct {
	resources map[string]access.Resource
	grants    map[string]access.Grant
	declared  []netip.Prefix
}

// specific says how specifically a pattern covers a host; -1 if it does not.
func specific(pattern, host string) int {
	addr, err := netip.ParseAddr(host)
	if name, ok := strings.CutPrefix(pattern, "*."); ok {
		if err != nil && strings.HasSuffix(host, "."+name) {
			return len(name)
		}
		return -1
	}
	if prefix, wrong := access.ParsePrefix(pattern); wrong == nil {
		if err == nil && prefix.Contains(addr) {
			return prefix.Bits()
		}
		return -1
	}
	if pattern == host {
		return 1000
	}
	return -1
}

func covers(r access.Resource, t access.Target) int {
	text, most := r.Text(), -1
	in := slices.ContainsFunc(text.Ports, func(p string) bool {
		ports, err := access.ParsePortRange(p)
		return err == nil && t.Port >= ports.First && t.Port <= ports.Last
	})
	for _, pattern := range text.Hosts {
		if in {
			most = max(most, specific(pattern, t.Host))
		}
	}
	return most
}

// decide goes through everything.
func (w world) decide(c access.Caller, t access.Target, now time.Time) (best access.Decision, deciders []string) {
	most := -1
	for _, r := range w.resources {
		most = max(most, covers(r, t))
	}
	if most < 0 {
		return access.Decision{Code: access.NoResource}, nil
	}
	tunneler := "tunneler/" + c.ID.Path()[len("/tunneler/"):]
	var all []access.Decision
	proxy := access.ProxyProtocol("")
	for id, r := range w.resources {
		if covers(r, t) != most {
			continue
		}
		proxy += r.ProxyProtocol
		deciders = append(deciders, id)
		all = append(all, access.Decision{Code: access.NotGranted, ResourceID: id})
		for _, g := range w.grants {
			text, mine, about := g.Text(), false, g.Text().Object == "resource/"+id
			mine = text.Subject == tunneler
			for k, v := range c.Labels {
				mine = mine || text.Subject == "label/"+k+"="+v
			}
			for k, v := range r.Labels {
				about = about || text.Object == "label/"+k+"="+v
			}
			if !mine || !about {
				continue
			}
			d := access.Decision{ResourceID: id, GrantID: g.ID}
			until, holds := g.Schedule.Holds(now)
			switch {
			case !g.Until.IsZero() && !g.Until.After(now):
				d.Code = access.Ended
			case !holds:
				d.Code = access.OutsideSchedule
			default:
				d.Allowed, d.Code, d.Until = true, access.Granted, until
				if until.IsZero() || !g.Until.IsZero() && g.Until.Before(until) {
					d.Until = g.Until
				}
			}
			all = append(all, d)
		}
	}
	worth := []access.Code{access.Granted, access.OutsideSchedule, access.Ended, access.NotGranted}
	never := now.Add(1000 * time.Hour)
	slices.SortFunc(all, func(a, b access.Decision) int {
		ua, ub := a.Until, b.Until
		if ua.IsZero() {
			ua = never
		}
		if ub.IsZero() {
			ub = never
		}
		if by := slices.Index(worth, a.Code) - slices.Index(worth, b.Code); by != 0 {
			return by
		}
		if by := ub.Compare(ua); by != 0 {
			return by
		}
		return strings.Compare(a.ResourceID+" "+a.GrantID, b.ResourceID+" "+b.GrantID)
	})
	if all[0].Allowed && proxy != "" {
		all[0].ProxyProtocol = access.ProxyV2
	}
	return all[0], deciders
}

func (w world) usable(d access.Decision, addr netip.Addr, covering string) access.Decision {
	exact := covering != "" && slices.Contains(w.resources[covering].Text().Hosts, addr.String())
	inside := slices.ContainsFunc(w.declared, func(p netip.Prefix) bool { return p.Contains(addr) })
	code := access.Granted
	switch {
	case addr.IsUnspecified() || addr.IsMulticast():
		code = access.AddressUnusable
	case (addr.IsLoopback() || addr.IsLinkLocalUnicast()) && !exact:
		code = access.AddressReserved
	case len(w.declared) > 0 && !inside, len(w.declared) == 0 && covering == "" && !addr.IsPrivate():
		code = access.AddressOutside
	}
	if code != access.Granted {
		return access.Decision{Code: code, ResourceID: d.ResourceID, GrantID: d.GrantID}
	}
	return d
}

func (w world) whole(c access.Caller, t access.Target, now time.Time) access.Decision {
	d, _ := w.decide(c, t, now)
	if addr, err := netip.ParseAddr(t.Host); err == nil && d.Allowed {
		return w.usable(d, addr, d.ResourceID)
	}
	return d
}

func (w world) address(c access.Caller, d access.Decision, to netip.AddrPort, now time.Time) access.Decision {
	if !d.Allowed {
		return d
	}
	again, deciders := w.decide(c, access.Target{Host: to.Addr().String(), Port: to.Port()}, now)
	switch {
	case len(deciders) == 0:
		return w.usable(d, to.Addr(), "")
	case !again.Allowed:
		again.Code = access.AddressNotGranted
		return again
	}
	if d.Until.IsZero() || !again.Until.IsZero() && again.Until.Before(d.Until) {
		d.Until = again.Until
	}
	if again.ProxyProtocol != "" {
		d.ProxyProtocol = again.ProxyProtocol
	}
	return w.usable(d, to.Addr(), again.ResourceID)
}

// TestASetDecidesAsTheNaiveModel after any edits.
func TestASetDecidesAsTheNaiveModel(t *testing.T) {
	t.Parallel()
	patterns := []string{"db.corp", "a.dev.corp", "*.corp", "*.dev.corp", "*.a.dev.corp", "10.0.0.0/8", "10.1.0.0/16", "10.1.1.1", "127.0.0.1", "127.0.0.0/8", "0.0.0.0/0", "::/0", "fd00::/16", "fd00::1", "8.8.8.8"}
	hosts := []string{"db.corp", "corp", "a.dev.corp", "b.a.dev.corp", "x.corp", "10.0.0.1", "10.1.0.1", "10.1.1.1", "127.0.0.1", "127.0.0.2", "8.8.8.8", "169.254.1.1", "0.0.0.0", "224.0.0.1", "fd00::1", "fd00::2", "2001:db8::1", "::1", "fe80::1"}
	ports := [][]string{{"22"}, {"1-65535"}, {"22", "80-90"}, {"80"}}
	ids, labels := []string{"a", "b", "c", "d"}, []string{"x=1", "x=2", "y=1"}
	subjects := []string{"tunneler/a", "tunneler/b", "label/x=1", "label/x=2", "label/y=1"}
	objects := []string{"resource/a", "resource/b", "resource/c", "label/x=1", "label/x=2", "label/y=1"}
	untils := []time.Time{{}, now, now.Add(time.Hour), now.Add(-time.Hour)}
	windows := [][]string{nil, {"wed 08:00-13:00"}, {"mon-sun 00:00-24:00"}, {"thu 08:00-13:00"}}
	draw := func(t *rapid.T) access.Labels {
		out := access.Labels{}
		for _, text := range rapid.SliceOfDistinct(rapid.SampledFrom(labels), rapid.ID).Draw(t, "labels") {
			l, _ := access.ParseLabel(text)
			out[l.Key] = l.Value
		}
		return out
	}
	zones := new(access.Zones)
	rapid.Check(t, func(t *rapid.T) {
		w, s := world{resources: map[string]access.Resource{}, grants: map[string]access.Grant{}}, access.NewSet(td)
		t.Repeat(map[string]func(*rapid.T){
			"put a resource": func(t *rapid.T) {
				r, err := access.ResourceText{
					ID: rapid.SampledFrom(ids).Draw(t, "id"), NetworkID: "n", Labels: draw(t),
					Hosts: rapid.SliceOfNDistinct(rapid.SampledFrom(patterns), 1, 4, rapid.ID).Draw(t, "hosts"), Ports: rapid.SampledFrom(ports).Draw(t, "ports"),
					ProxyProtocol: rapid.SampledFrom([]string{"", "", "v2"}).Draw(t, "proxy protocol"),
				}.Parse()
				require.NoError(t, err)
				w.resources[r.ID] = r
				s.PutResource(r)
			},
			"remove a resource": func(t *rapid.T) {
				id := rapid.SampledFrom(ids).Draw(t, "id")
				delete(w.resources, id)
				s.RemoveResource(id)
			},
			"put a grant": func(t *rapid.T) {
				text := access.GrantText{
					ID: rapid.SampledFrom(ids).Draw(t, "id"), Subject: rapid.SampledFrom(subjects).Draw(t, "subject"), Object: rapid.SampledFrom(objects).Draw(t, "object"),
					Until: rapid.SampledFrom(untils).Draw(t, "until"), Windows: rapid.SampledFrom(windows).Draw(t, "windows"),
				}
				if text.Windows != nil {
					text.TimeZone = "UTC"
				}
				g, err := text.Parse(zones)
				require.NoError(t, err)
				w.grants[g.ID] = g
				s.PutGrant(g)
			},
			"remove a grant": func(t *rapid.T) {
				id := rapid.SampledFrom(ids).Draw(t, "id")
				delete(w.grants, id)
				s.RemoveGrant(id)
			},
			"declare": func(t *rapid.T) {
				w.declared = nil
				for _, text := range rapid.SliceOfN(rapid.SampledFrom([]string{"10.0.0.0/8", "127.0.0.0/8", "fd00::/8", "0.0.0.0/0"}), 0, 2).Draw(t, "declared") {
					w.declared = append(w.declared, netip.MustParsePrefix(text))
				}
				s.Declare(w.declared)
			},
			"": func(t *rapid.T) {
				c := caller(rapid.SampledFrom(ids).Draw(t, "caller"))
				c.Labels = draw(t)
				for range 4 {
					to := access.Target{Host: rapid.SampledFrom(hosts).Draw(t, "host"), Port: rapid.SampledFrom([]uint16{22, 85, 80, 443}).Draw(t, "port")}
					d := s.Decide(c, to, now)
					require.Equal(t, w.whole(c, to, now), d, "%v to %v: %v %v", c, to, slices.Collect(maps.Values(w.resources)), slices.Collect(maps.Values(w.grants)))
					if addr, err := netip.ParseAddr(rapid.SampledFrom(hosts).Draw(t, "address")); err == nil {
						ap := netip.AddrPortFrom(addr, to.Port)
						require.Equal(t, w.address(c, d, ap, now), s.DecideAddress(c, d, ap, now), "%v to %v: %v %v", c, ap, slices.Collect(maps.Values(w.resources)), slices.Collect(maps.Values(w.grants)))
					}
				}
				resources, grants := s.Len()
				require.Equal(t, [2]int{len(w.resources), len(w.grants)}, [2]int{resources, grants})
			},
		})
	})
}
