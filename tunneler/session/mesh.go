package session

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

const (
	// PerNetwork is how many connectors of one network are used at once.
	PerNetwork = 2
	// MoveEvery is the least time between two moves to a faster connector in one
	// network. Up to half of it is added at random.
	MoveEvery = 5 * time.Minute
	// measurements is how many in a row have to say that another one is faster.
	measurements = 3
	// A faster connector is faster by minGain and by minGainPercent.
	minGain        = 10 * time.Millisecond
	minGainPercent = 30
	// A connector that went down is not chosen again for minCool to maxCool.
	minCool, maxCool = time.Minute, 4 * time.Minute
	// The waits after replacements that did not come up; the first two come at once.
	minSpacing, maxSpacing = time.Second, time.Minute
)

// Candidate is a connector that may be used.
type Candidate struct {
	ID, Network string
	// Dialable says that it lists an address.
	Dialable bool
}

// State of a session.
type State int

// The states. Trying is neither up nor given up.
const (
	Trying State = iota
	Up
	Down
)

// Link is the session with a chosen connector.
type Link struct {
	State State
	// Why it is down, for people.
	Why string
	// Latency of an answer on it, zero if it is not known.
	Latency time.Duration
}

// Choice is one connector to keep a session with.
type Choice struct {
	ID, Network string
	Why         string // it was chosen, for people
}

// Mesh holds what was learned of the connectors.
type Mesh struct {
	self   string
	jitter func(ceiling time.Duration) time.Duration
	pinned string

	peers    map[string]*peer
	networks map[string]*network
	names    []string // of networks, sorted
	turn     int      // of networks, for probes
}

type peer struct {
	Candidate

	rank     uint64
	chosen   bool
	why      string
	coolTill time.Time // it is not chosen again before
	failures int       // in a row
	latency  time.Duration
	probedAt time.Time
	faster   int // measurements in a row that say so
	// answers are measurements in a row that it answered; returnAfter is when the tunneler
	// may return to it, zero while it has answered too few.
	answers     int
	returnAfter time.Time
}

type network struct {
	peers     []*peer // best first
	chosen    []*peer
	moveAfter time.Time // to a faster one
	streak    int       // replacements since a session was up
	fillAfter time.Time // the next replacement
}

// NewMesh makes a Mesh for the tunneler self. jitter draws from [0, ceiling].
func NewMesh(self string, jitter func(ceiling time.Duration) time.Duration) *Mesh {
	return &Mesh{self: self, jitter: jitter, peers: map[string]*peer{}, networks: map[string]*network{}}
}

// Set replaces the candidates. What is known of those that stay is kept.
func (m *Mesh) Set(now time.Time, candidates []Candidate) {
	before, networks := m.peers, m.networks
	m.peers, m.networks, m.names = make(map[string]*peer, len(candidates)), map[string]*network{}, nil
	for _, c := range candidates {
		p := before[c.ID]
		if p == nil || p.Network != c.Network {
			p = &peer{rank: rank(m.self, c.ID)}
		}
		p.Candidate, m.peers[c.ID] = c, p
		n := m.networks[c.Network]
		if n == nil {
			n = networks[c.Network]
			if n == nil {
				n = &network{moveAfter: m.nextMove(now)}
			}
			n.peers, n.chosen = nil, nil
			m.networks[c.Network], m.names = n, append(m.names, c.Network)
		}
		n.peers = append(n.peers, p)
		if p.chosen {
			n.chosen = append(n.chosen, p)
		}
	}
	slices.Sort(m.names)
	for _, n := range m.networks {
		slices.SortFunc(n.peers, better)
	}
	if m.peers[m.pinned] == nil {
		m.pinned = ""
	}
}

// rank is the weight of rendezvous hashing: the highest is the first choice.
func rank(self, id string) uint64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(self), self, id))
	return binary.BigEndian.Uint64(sum[:8])
}

// better sorts by what never changes with measurements.
func better(a, b *peer) int {
	if a.Dialable != b.Dialable {
		if a.Dialable {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(b.rank, a.rank), cmp.Compare(a.ID, b.ID))
}

// Pin makes id one of the choices of its network until it is down: CONNECTOR_ADDR leads
// to it. It is false for what is no candidate.
func (m *Mesh) Pin(id string) bool {
	if m.peers[id] == nil {
		return false
	}
	m.pinned = id
	return true
}

// Spare says whether id could be replaced by another connector of its network.
func (m *Mesh) Spare(id string) bool {
	p := m.peers[id]
	return p != nil && len(m.networks[p.Network].peers) > PerNetwork
}

// Spares says whether any connector could be replaced.
func (m *Mesh) Spares() bool {
	for _, n := range m.networks {
		if len(n.peers) > PerNetwork {
			return true
		}
	}
	return false
}

func (m *Mesh) nextMove(now time.Time) time.Time {
	return now.Add(MoveEvery + m.jitter(MoveEvery/2))
}

// Decide returns the connectors to keep sessions with, at most PerNetwork of each
// network, given the sessions by connector.
func (m *Mesh) Decide(now time.Time, links map[string]Link) []Choice {
	var out []Choice
	for _, name := range m.names {
		n := m.networks[name]
		m.note(n, links)
		m.replace(now, n, links)
		m.pin(n, now)
		m.fill(n, now)
		m.move(now, n, links)
		m.home(now, n, links)
		for _, p := range n.chosen {
			out = append(out, Choice{ID: p.ID, Network: name, Why: p.why})
		}
	}
	return out
}

// note takes what the sessions say.
func (m *Mesh) note(n *network, links map[string]Link) {
	up := 0
	for _, p := range n.chosen {
		l := links[p.ID]
		if l.State != Up {
			continue
		}
		up++
		p.failures = 0
		if l.Latency > 0 {
			p.latency = l.Latency
		}
	}
	if up == len(n.chosen) {
		n.streak = 0
	}
}

func (n *network) choose(p *peer, why string) {
	p.chosen, p.why, p.faster = true, why, 0
	p.answers, p.returnAfter = 0, time.Time{}
	n.chosen = append(n.chosen, p)
}

func (n *network) drop(p *peer) {
	p.chosen, p.faster = false, 0
	n.chosen = slices.DeleteFunc(n.chosen, func(o *peer) bool { return o == p })
}

// next is the best connector that may be chosen now, nil if there is none. In need, if
// no session of the network is up, it may also be one that went down, the one of the
// longest ago.
func (n *network) next(now time.Time, need bool) (oldest *peer) {
	for _, p := range n.peers {
		switch {
		case p.chosen, !p.Dialable:
		case !now.Before(p.coolTill):
			return p
		case need && (oldest == nil || p.coolTill.Before(oldest.coolTill)):
			oldest = p
		}
	}
	return oldest
}
