package presence

import (
	"container/list"
	"math"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Nothing happens at the moment when a member falls silent, and it would cost the time
// of the fleet to look for such members each time that somebody asks. So connectors and
// sessions are kept in the order of their last heartbeats: what has expired is
// at the front. A heartbeat moves one to the back, which costs the same whatever the
// fleet.

// sessionKey names a session in that order.
type sessionKey struct{ tunneler, connector string }

// expire ends the sessions that fell silent, and notes the connectors that did. Each
// reader and each change calls it first, so that all of them see the same; it costs
// what has expired since the call before. It needs r.mu.
func (r *Roster) expire() {
	now := r.now()
	for front := r.sessionOrder.Front(); front != nil; front = r.sessionOrder.Front() {
		key, _ := front.Value.(sessionKey)
		if now.Sub(r.tunnelers[key.tunneler].open[key.connector].LastSeen) <= OfflineAfter {
			break
		}
		r.expireSessions(key.tunneler, now)
	}
	for front := r.connectorOrder.Front(); front != nil; front = r.connectorOrder.Front() {
		id, _ := front.Value.(string)
		if now.Sub(r.connectors[id].LastSeen) <= OfflineAfter {
			break
		}
		w := identity.Workload{Kind: identity.KindConnector, ID: id}
		r.changeConnector(id, func() {})
		r.kick(w, Offline)
	}
}

// expireSessions ends all sessions of a tunneler that fell silent. It needs r.mu.
func (r *Roster) expireSessions(id string, now time.Time) {
	s := r.tunnelers[id]
	for connector, one := range s.open {
		if now.Sub(one.LastSeen) > OfflineAfter {
			r.changeSession(id, s, connector, func() { delete(s.open, connector) })
		}
	}
	s.choose()
	r.kick(identity.Workload{Kind: identity.KindTunneler, ID: id}, s.presence().Status)
}

// changeConnector runs do, which may change what is known of a connector, and keeps what
// is counted and ordered true. It needs r.mu.
func (r *Roster) changeConnector(id string, do func()) {
	var place *list.Element
	before := r.presence(r.connectors[id], time.Time{}).LastSeen
	if a := r.connectors[id]; a != nil && a.place != nil {
		place, a.place = a.place, nil
		r.connectorAges.remove(r.since(a.LastSeen))
		r.applying(a.PolicyRevision, -1)
	}
	do()
	a := r.connectors[id]
	now := r.presence(a, time.Time{})
	is := now.Status == Online
	// The last heartbeat of one that is OFFLINE is part of what it is.
	if is != (place != nil) || !is && !now.LastSeen.Equal(before) {
		r.turned(identity.Workload{Kind: identity.KindConnector, ID: id})
	}
	if !is {
		remove(&r.connectorOrder, place)
		return
	}
	a.place = toBack(&r.connectorOrder, place, func() any { return id })
	r.connectorAges.add(r.since(a.LastSeen))
	r.applying(a.PolicyRevision, 1)
}

// applying counts the ONLINE connectors by the policy that they apply. One that has not
// had its first policy yet does not lag behind it.
func (r *Roster) applying(revision uint64, n int) {
	if revision == 0 {
		return
	}
	if r.policies[revision] += n; r.policies[revision] == 0 {
		delete(r.policies, revision)
	}
}

// changeSession runs do, which may change the session of a tunneler at a connector, and
// keeps what is counted and ordered true. It needs r.mu.
func (r *Roster) changeSession(id string, s *sessions, connector string, do func()) {
	was, version := len(s.open) > 0, s.version
	if was {
		r.tunnelerAges.remove(r.since(s.lastSeen))
	}
	var place *list.Element
	if one := s.open[connector]; one != nil {
		place = one.place
	}
	do()
	is := len(s.open) > 0
	if is {
		r.tunnelerAges.add(r.since(s.lastSeen))
	}
	if one := s.open[connector]; one != nil {
		one.place = toBack(&r.sessionOrder, place, func() any { return sessionKey{id, connector} })
		if place == nil {
			r.attached(id, connector)
		}
	} else {
		remove(&r.sessionOrder, place)
		if place != nil {
			r.detached(id, connector)
		}
	}
	if is != was || s.version != version {
		r.turned(identity.Workload{Kind: identity.KindTunneler, ID: id})
	}
}

// attached notes that a tunneler has an open session at a connector. It needs r.mu.
func (r *Roster) attached(tunneler, connector string) {
	if r.at[connector] == nil {
		r.at[connector] = map[string]struct{}{}
	}
	r.at[connector][tunneler] = struct{}{}
}

// detached notes that it has none there any more. It needs r.mu.
func (r *Roster) detached(tunneler, connector string) {
	if delete(r.at[connector], tunneler); len(r.at[connector]) == 0 {
		delete(r.at, connector)
	}
}

// endSession ends the session of a tunneler at a connector. It needs r.mu.
func (r *Roster) endSession(id string, s *sessions, connector string) {
	r.changeSession(id, s, connector, func() { s.end(connector) })
	r.kick(identity.Workload{Kind: identity.KindTunneler, ID: id}, s.presence().Status)
}

// toBack moves a place to the end of an order; nil is one that is not there yet.
func toBack(order *list.List, place *list.Element, name func() any) *list.Element {
	if place == nil {
		return order.PushBack(name())
	}
	order.MoveToBack(place)
	return place
}

func remove(order *list.List, place *list.Element) {
	if place != nil {
		order.Remove(place)
	}
}

// since is a time of this roster, counted from its beginning.
func (r *Roster) since(t time.Time) time.Duration { return t.Sub(r.began) }

// ageStep is how exact the quantiles of ages are.
const ageStep = 100 * time.Millisecond

// ageCounts are the ages of ONLINE members, in steps. None is older than OfflineAfter
// after expire, so that a ring of a little more has a place for each.
type ageCounts struct {
	n    int
	sum  time.Duration // of their last heartbeats
	ring [OfflineAfter/ageStep + 3]int32
}

func (c *ageCounts) at(at time.Duration) *int32 {
	n := time.Duration(len(c.ring))
	return &c.ring[((at/ageStep)%n+n)%n] // a clock that was set back is before the beginning
}

func (c *ageCounts) add(at time.Duration) {
	c.n++
	c.sum += at
	*c.at(at)++
}

func (c *ageCounts) remove(at time.Duration) {
	c.n--
	c.sum -= at
	*c.at(at)--
}

// ages are those at a moment. A quantile is by nearest rank, to ageStep and never less
// than it is.
func (c *ageCounts) ages(now time.Duration, quantiles []float64) Ages {
	out := Ages{Online: c.n, Sum: time.Duration(c.n)*now - c.sum, At: make([]time.Duration, 0, len(quantiles))}
	for _, p := range quantiles {
		if c.n == 0 {
			break
		}
		left := max(1, int(math.Ceil(p*float64(c.n)))) // nearest rank
		for at := now.Truncate(ageStep); ; at -= ageStep {
			if left -= int(*c.at(at)); left <= 0 || now-at > OfflineAfter+ageStep {
				out.At = append(out.At, now-at)
				break
			}
		}
	}
	return out
}
