package session

import (
	"slices"
	"time"
)

// ProbeAgain is the least time between two probes of one connector. The caller bounds
// how many probes there are in all by how often it asks NextProbe.
const ProbeAgain = time.Minute

// NextProbe returns a connector without a session whose latency is to be measured: one
// that was found faster before others, then the first choices by the hash, then those
// not measured for the longest time. The networks have turns.
func (m *Mesh) NextProbe(now time.Time) (id string, ok bool) {
	for range m.names {
		n := m.networks[m.names[m.turn%len(m.names)]]
		m.turn++
		if p := n.toProbe(now); p != nil {
			p.probedAt = now
			return p.ID, true
		}
	}
	return "", false
}

func (n *network) toProbe(now time.Time) (best *peer) {
	if len(n.peers) <= PerNetwork {
		return nil
	}
	first := n.peers[:PerNetwork]
	for _, p := range n.peers {
		if p.chosen || !p.Dialable || now.Before(p.coolTill) || !p.probedAt.IsZero() && now.Before(p.probedAt.Add(ProbeAgain)) {
			continue
		}
		if best == nil || p.faster > best.faster || p.faster == best.faster && !slices.Contains(first, best) && p.probedAt.Before(best.probedAt) {
			best = p // the first choices come first in n.peers
		}
	}
	return best
}

// Measured takes the latency of a connector without a session.
func (m *Mesh) Measured(id string, latency time.Duration) {
	p := m.peers[id]
	if p == nil || p.chosen || latency <= 0 {
		return
	}
	p.latency, p.failures = latency, 0
	p.answers++
	slow := m.slowest(m.networks[p.Network], func(*peer) bool { return true })
	if slow != nil && clearlyFaster(latency, slow.latency) {
		p.faster++
	} else {
		p.faster = 0
	}
}

// Unreachable notes that a connector without a session did not answer a probe.
func (m *Mesh) Unreachable(now time.Time, id string) {
	p := m.peers[id]
	if p == nil || p.chosen {
		return
	}
	p.faster, p.answers, p.returnAfter = 0, 0, time.Time{}
	p.coolTill = now.Add(m.cool(p.failures))
	p.failures++
}
