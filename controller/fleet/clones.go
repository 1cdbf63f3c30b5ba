package fleet

import (
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// clones looks for two machines with one host key. It is in memory: what it found
// is stored, what it has not found yet shows again within seconds of a restart.
//
// The danger is not to miss a clone for a minute, it is to call a host cloned that
// restarts, reboots, flaps or crashes in a loop. Hence it never counts what such a
// host can do too, but asks for a contradiction: something that no order of starts
// and ends on one machine explains.
//
// Programs. Each start of a program has a random instance id, so on one machine
// instances follow one another and none returns. X, then Y, then X again, where
// the handshake of Y began after X was here, and that of the second X after Y was:
// X ran before Y and after Y, so it ran beside Y. Handshakes, because a hello can
// lie in a buffer and be read long after its program has died; a handshake that
// began after a moment was signed by a program that ran after that moment.
//
// Agents. With two agents of one identity, each makes the other attest again: the
// serial number in SPIRE changes with every sync. So does one agent's that crashes
// in a loop. But an agent process that a program of the host saw before the changes
// and, over a new connection, after them has not been restarted in between, and of
// itself changes its serial at half-life only. That is in agentclones.go.
type clones struct {
	now func() time.Time

	mu      sync.Mutex
	members map[identity.Workload]*sightings
	agents  map[identity.HostID]*agentTrace
	hosts   map[spiffeid.ID]identity.HostID // of the agents in agents
	asked   map[identity.Workload]chan struct{}
	settled map[identity.HostID]bool // found and stored
}

func newClones(now func() time.Time) *clones {
	return &clones{
		now: now, members: map[identity.Workload]*sightings{}, agents: map[identity.HostID]*agentTrace{},
		hosts: map[spiffeid.ID]identity.HostID{},
		asked: map[identity.Workload]chan struct{}{}, settled: map[identity.HostID]bool{},
	}
}

// sightings are the last instances of one member on one host, the newest at the
// end. Whoever enrolls the id anew starts clean.
type sightings struct {
	host identity.HostID
	seen []instance
}

// instance is one start of a program.
type instance struct {
	Sighting           // its last hello
	first    time.Time // when its first hello was here
}

// keptInstances bounds the memory of a member. A true program comes back right
// after each stream that replaced its own, so a thief who changes his instance id
// each time cannot push it out.
const keptInstances = 8

// arrive notes an admitted hello, and says whether it shows a clone.
func (c *clones) arrive(m Member, h Hello) (Clone, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Sighting{Address: h.From, InstanceID: h.InstanceID, BootID: h.BootID, At: c.now().UTC()}
	if c.settled[m.HostID] {
		return Clone{}, false
	}
	if other, twice := c.sighted(m, s, h.Began); twice {
		return Clone{Signal: TwoPrograms, Member: m.String(), Sightings: []Sighting{s, other}}, true
	}
	if c.agentSeen(m.HostID, h) {
		return Clone{Signal: TwoAgents, Member: m.String(), Sightings: []Sighting{s}}, true
	}
	return Clone{}, false
}

// sighted returns the other program when s is one that was superseded by it. It
// needs c.mu.
func (c *clones) sighted(m Member, s Sighting, began time.Time) (other Sighting, twice bool) {
	h := c.members[m.Workload]
	if h == nil || h.host != m.HostID {
		c.members[m.Workload] = &sightings{host: m.HostID, seen: []instance{{s, s.At}}}
		return Sighting{}, false
	}
	newest := &h.seen[len(h.seen)-1]
	if newest.InstanceID == s.InstanceID {
		newest.Sighting = s
		return Sighting{}, false
	}
	if !began.After(newest.first) {
		return Sighting{}, false // its program may have ended before the newest began
	}
	for _, older := range h.seen[:len(h.seen)-1] {
		if older.InstanceID == s.InstanceID {
			return newest.Sighting, true
		}
	}
	h.seen = append(h.seen, instance{s, s.At})
	if len(h.seen) > keptInstances {
		h.seen = append([]instance(nil), h.seen[1:]...)
	}
	return Sighting{}, false
}

// settle stops looking at a host whose finding is stored.
func (c *clones) settle(id identity.HostID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settled[id] = true
	c.untrace(id)
	for w, s := range c.members {
		if s.host == id {
			delete(c.members, w)
		}
	}
}

// forget drops what was seen of a member that was revoked.
func (c *clones) forget(m Member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.members, m.Workload)
	delete(c.asked, m.Workload)
}

// helloWanted is closed when the controller wants a hello of w on a new connection.
func (c *clones) helloWanted(w identity.Workload) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked[w] == nil {
		c.asked[w] = make(chan struct{})
	}
	return c.asked[w]
}
