package session

import (
	"fmt"
	"slices"
	"time"
)

// replace puts others in the place of those that are down.
func (m *Mesh) replace(now time.Time, n *network, links map[string]Link) {
	need := !slices.ContainsFunc(n.chosen, func(p *peer) bool { return links[p.ID].State == Up })
	for _, p := range slices.Clone(n.chosen) {
		l := links[p.ID]
		if l.State != Down {
			continue
		}
		if now.Before(n.fillAfter) {
			return
		}
		next := n.next(now, need)
		if next == nil {
			return // p tries again by itself
		}
		if m.pinned == p.ID {
			m.pinned = ""
		}
		n.drop(p)
		p.coolTill = now.Add(m.cool(p.failures))
		p.failures++
		n.choose(next, fmt.Sprintf("in place of %s, which is down: %s", p.ID, l.Why))
		n.fillAfter = now.Add(m.spacing(n.streak))
		n.streak++
	}
}

// cool is at least half of its ceiling, so that a fleet does not return at once.
func (m *Mesh) cool(failures int) time.Duration {
	ceiling := min(minCool<<min(failures, 8), maxCool)
	return ceiling + m.jitter(ceiling/2)
}

// spacing lets both sessions of a network be replaced at once.
func (m *Mesh) spacing(streak int) time.Duration {
	if streak < PerNetwork-1 {
		return 0
	}
	ceiling := min(minSpacing<<min(streak-PerNetwork+1, 8), maxSpacing)
	return ceiling/2 + m.jitter(ceiling/2)
}

// pin makes the pinned connector one of the chosen ones, in the place of the last.
func (m *Mesh) pin(n *network, now time.Time) {
	p := m.peers[m.pinned]
	if p == nil || p.chosen || m.networks[p.Network] != n {
		return
	}
	if len(n.chosen) >= PerNetwork {
		n.drop(n.chosen[len(n.chosen)-1])
		n.moveAfter = m.nextMove(now)
	}
	n.choose(p, "CONNECTOR_ADDR leads to it")
}

// fill chooses while there is room. Connectors without an address come last: they may
// name one, or CONNECTOR_ADDR may lead to them.
func (m *Mesh) fill(n *network, now time.Time) {
	for len(n.chosen) < PerNetwork {
		p := n.next(now, false)
		if p == nil {
			i := slices.IndexFunc(n.peers, func(p *peer) bool { return !p.chosen })
			if i < 0 {
				return
			}
			p = n.peers[i]
		}
		why := "the hash of both ids selects it"
		if len(n.peers) <= PerNetwork {
			why = "the network has no other connector"
		}
		n.choose(p, why)
	}
}

// move leaves the slowest of the chosen for one that is clearly faster.
func (m *Mesh) move(now time.Time, n *network, links map[string]Link) {
	if now.Before(n.moveAfter) {
		return
	}
	slow := m.slowest(n, func(p *peer) bool { return links[p.ID].State == Up })
	fast := n.fastest(now)
	if slow == nil || fast == nil || !clearlyFaster(fast.latency, slow.latency) {
		return
	}
	why := fmt.Sprintf("in place of %s: it answers in %s, not %s", slow.ID, fast.latency.Round(time.Millisecond), slow.latency.Round(time.Millisecond))
	n.drop(slow)
	n.choose(fast, why)
	n.moveAfter = m.nextMove(now)
}

// slowest of the chosen ones whose latency is known and which may be left.
func (m *Mesh) slowest(n *network, use func(*peer) bool) (slow *peer) {
	for _, p := range n.chosen {
		if p.ID != m.pinned && p.latency > 0 && use(p) && (slow == nil || p.latency > slow.latency) {
			slow = p
		}
	}
	return slow
}

// fastest of those that were found faster often enough.
func (n *network) fastest(now time.Time) (fast *peer) {
	for _, p := range n.peers {
		if !p.chosen && p.faster >= measurements && !now.Before(p.coolTill) && (fast == nil || p.latency < fast.latency) {
			fast = p
		}
	}
	return fast
}

func clearlyFaster(a, b time.Duration) bool {
	return b-a >= minGain && a <= b*(100-minGainPercent)/100
}

// home returns to a connector that the hash selects and that has been well again for
// some minutes: else all sessions stay where they went when it was down. It does not
// leave a connector that is clearly faster.
func (m *Mesh) home(now time.Time, n *network, links map[string]Link) {
	for _, p := range n.peers[:min(PerNetwork, len(n.peers))] {
		if p.chosen || !p.Dialable || p.answers < measurements || now.Before(p.coolTill) {
			continue
		}
		if p.returnAfter.IsZero() {
			p.returnAfter = m.nextMove(now)
		}
		guest := m.guest(n, links)
		if guest == nil || clearlyFaster(guest.latency, p.latency) || now.Before(p.returnAfter) || now.Before(n.moveAfter) {
			continue
		}
		n.drop(guest)
		n.choose(p, fmt.Sprintf("the hash of both ids selects it, and it works again (%s was used meanwhile)", guest.ID))
		n.moveAfter = m.nextMove(now)
		return
	}
}

// guest is the last of the chosen ones by the hash that is not one of the first choices.
func (m *Mesh) guest(n *network, links map[string]Link) *peer {
	for _, p := range slices.Backward(n.peers[min(PerNetwork, len(n.peers)):]) {
		if p.chosen && p.ID != m.pinned && p.latency > 0 && links[p.ID].State == Up {
			return p
		}
	}
	return nil
}
