package access

import (
	"cmp"
	"net/netip"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Decide says whether a caller may reach a target: the most specific resources that cover
// it, and no others, must have a grant that holds now. If the target is an address, all is
// decided; the addresses that a name leads to are decided by DecideAddress.
func (s *Set) Decide(c Caller, t Target, now time.Time) Decision {
	host, err := ParseHost(t.Host)
	if err != nil || t.Port == 0 {
		return Decision{Code: NoTarget}
	}
	d := s.decideHost(c, host, t.Port, now)
	if addr, ok := host.Addr(); ok && d.Allowed {
		return s.usable(d, addr, d.ResourceID)
	}
	return d
}

// WhyNot says better why a target is refused that no resource covers, if its host is an alias: a
// tunneler knows only those of what it may reach, and sends any other one as it is. It never allows.
func (s *Set) WhyNot(c Caller, t Target, d Decision, now time.Time) Decision {
	host, err := ParseHost(t.Host)
	if err != nil || d.Code != NoResource {
		return d
	}
	for _, p := range s.aliases[host.name] {
		if len(p.Hosts) != 1 {
			continue
		}
		if why := s.Decide(c, Target{Host: p.Hosts[0].String(), Port: t.Port}, now); !why.Allowed {
			return why
		}
	}
	return d
}

// DecideAddress decides again, for an address that the name of an allowed target leads to.
// If resources cover the address, the caller needs a grant of the most specific of them too:
// whoever writes the DNS of a name that is granted must not choose among what is protected.
// Otherwise the address must be in the prefixes of the network; those of a network that
// declares none are the private ones. What may only be reached by its very address is
// refused unless such a resource is granted.
func (s *Set) DecideAddress(c Caller, d Decision, to netip.AddrPort, now time.Time) Decision {
	addr := to.Addr()
	if !d.Allowed {
		return d
	}
	if !addr.IsValid() || addr.Zone() != "" || to.Port() == 0 {
		return Decision{Code: NoTarget, ResourceID: d.ResourceID, GrantID: d.GrantID}
	}
	addr = addr.Unmap()
	covering := s.decideHost(c, Host{addr: addr}, to.Port(), now)
	switch {
	case covering.Code == NoResource:
		return s.usable(d, addr, "")
	case !covering.Allowed:
		covering.Code = AddressNotGranted
		return covering
	}
	d.Until, d.ProxyProtocol = earlier(d.Until, covering.Until), cmp.Or(d.ProxyProtocol, covering.ProxyProtocol)
	return s.usable(d, addr, covering.ResourceID)
}

// usable refuses addresses that no grant leads to. covering is the granted resource that
// covers the address; empty for none.
func (s *Set) usable(d Decision, addr netip.Addr, covering string) Decision {
	p, ok := s.resources[covering]
	exactly := ok && p.namesExactly(addr)
	if code := isUsable(addr, s.prefixes, covering != "", exactly); code != Granted {
		return Decision{Code: code, ResourceID: d.ResourceID, GrantID: d.GrantID}
	}
	return d
}

// Names says whether the resources that decide about an address name this very one, and not
// a prefix that it is in.
func (s *Set) Names(to netip.AddrPort) bool {
	addr := to.Addr().Unmap()
	for _, p := range s.covering(Host{addr: addr}, to.Port()) {
		if hasPort(p.Ports, to.Port()) && p.namesExactly(addr) {
			return true
		}
	}
	return false
}

func (p *protected) namesExactly(addr netip.Addr) bool {
	for _, h := range p.Hosts {
		if h.prefix.IsSingleIP() && h.prefix.Addr() == addr {
			return true
		}
	}
	return false
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// decideHost finds the grant that holds longest among the most specific resources. Of
// equals the first by id is taken, so that everybody who asks gets the same answer.
func (s *Set) decideHost(c Caller, host Host, port uint16, now time.Time) Decision {
	w, err := identity.ParseWorkload(c.ID)
	if err != nil || w.Kind != identity.KindTunneler || c.ID.TrustDomain() != s.td {
		return Decision{Code: NoCaller}
	}
	best, proxy := Decision{Code: NoResource}, ProxyProtocol("")
	var room [4]Subject
	subjects := s.subjectsOf(w, c.Labels, room[:0])
	for _, p := range s.covering(host, port) {
		if !hasPort(p.Ports, port) {
			continue
		}
		proxy = cmp.Or(proxy, p.ProxyProtocol)
		best = better(best, Decision{Code: NotGranted, ResourceID: p.ID})
		for _, object := range p.objects {
			if s.objects[object] == 0 {
				continue
			}
			for _, subject := range subjects {
				for _, g := range s.edges[edge{subject, object}] {
					best = better(best, g.decide(p.ID, now))
				}
			}
		}
	}
	if best.Allowed {
		best.ProxyProtocol = proxy
	}
	return best
}

// subjectsOf are those that have grants at all.
func (s *Set) subjectsOf(w identity.Workload, labels Labels, out []Subject) []Subject {
	if self := TunnelerSubject(w.ID); s.subjects[self] > 0 {
		out = append(out, self)
	}
	for key, value := range labels {
		if label := (Subject{kindLabel, key, value}); s.subjects[label] > 0 {
			out = append(out, label)
		}
	}
	return out
}

// decide says what a grant of a resource is worth now.
func (g Grant) decide(resource string, now time.Time) Decision {
	d := Decision{ResourceID: resource, GrantID: g.ID}
	until, holds, ended := g.Holds(now)
	switch {
	case ended:
		d.Code = Ended
	case !holds:
		d.Code = OutsideSchedule
	default:
		d.Allowed, d.Code, d.Until = true, Granted, until
	}
	return d
}

// better of two decisions allows, for longer; of two that refuse it is the one that is
// nearer to a grant.
func better(a, b Decision) Decision {
	if order := cmp.Or(
		cmp.Compare(rank(b), rank(a)), longer(a, b),
		cmp.Compare(a.ResourceID, b.ResourceID), cmp.Compare(a.GrantID, b.GrantID),
	); order > 0 {
		return b
	}
	return a
}

func rank(d Decision) int {
	switch d.Code { //nolint:exhaustive // no others are compared
	case Granted:
		return 4
	case OutsideSchedule:
		return 3
	case Ended:
		return 2
	case NotGranted:
		return 1
	}
	return 0
}

// longer is before 0 if a lasts longer than b.
func longer(a, b Decision) int {
	switch {
	case a.Until.Equal(b.Until):
		return 0
	case a.Until.IsZero():
		return -1
	case b.Until.IsZero():
		return 1
	}
	return b.Until.Compare(a.Until)
}
