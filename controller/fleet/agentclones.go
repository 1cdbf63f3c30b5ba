package fleet

import (
	"context"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

const (
	// agentsEvery is how often the serial numbers of the agents are read.
	agentsEvery = 10 * time.Second
	// manySerials is how many changes within serialWindow one agent process does not
	// make: its renewal falls into such a window at most twice (as read every 10 s),
	// and one is left for an operator who evicts it, or for an SVID that expired.
	manySerials = 4
	// rotationSettles is how long after the end of a CA rotation changes do not
	// count: each taint makes every agent attest again.
	rotationSettles = time.Minute
)

// serialWindow is nine tenths of the half-life at which an agent renews (SPIRE
// spreads that by a tenth). An agent of less than 67 s of life makes it too short
// for manySerials readings: this signal is then blind, the other is not.
func serialWindow(life time.Duration) time.Duration { return life / 2 * 9 / 10 }

// agentTrace is what was seen of a host's agent since a program of the host first
// named its process.
type agentTrace struct {
	start   string // boot id and agent start
	serial  string // as read last; empty before the first reading
	changes []time.Time
	ripe    time.Time // when there were too many; a hello that began later decides
	asked   bool
}

// agentSeen notes which agent process a hello names, and says whether that process
// was there through more changes of the serial number than it can have made. It
// needs c.mu.
func (c *clones) agentSeen(id identity.HostID, h Hello) bool {
	start := h.BootID + " " + h.AgentStart
	t := c.agents[id]
	switch {
	case h.AgentStart == "": // it cannot tell
		delete(c.agents, id)
		return false
	case t == nil || t.start != start: // the restart explains whatever was seen
		c.agents[id] = &agentTrace{start: start}
		return false
	default:
		return !t.ripe.IsZero() && h.Began.After(t.ripe)
	}
}

// read notes the serial numbers that SPIRE lists, and returns the hosts whose
// members have to be heard again.
func (c *clones) read(serials map[identity.HostID]Agent) (suspects []identity.HostID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	for id, t := range c.agents {
		a, ok := serials[id]
		if !ok { // revoked, or not attested
			delete(c.agents, id)
			continue
		}
		if t.serial != "" && t.serial != a.SerialNumber {
			t.changes = append(t.changes, now)
		}
		t.serial = a.SerialNumber
		oldest := now.Add(-serialWindow(a.ExpiresAt.Sub(now)))
		t.changes = slices.DeleteFunc(t.changes, func(at time.Time) bool { return at.Before(oldest) })
		if t.ripe.IsZero() && len(t.changes) >= manySerials {
			t.ripe = now
		}
		if !t.ripe.IsZero() && !t.asked {
			t.asked = true
			suspects = append(suspects, id)
		}
	}
	return suspects
}

// unread forgets the changes seen so far, because something explains them.
func (c *clones) unread() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, t := range c.agents {
		c.agents[id] = &agentTrace{start: t.start}
	}
}

// tracing says whether there is an agent to look at.
func (c *clones) tracing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.agents) > 0
}

// ask ends the streams of w that wait on hearAgain.
func (c *clones) ask(w identity.Workload) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch := c.asked[w]; ch != nil {
		close(ch)
		delete(c.asked, w)
	}
}

// AgentWatchConfig configures NewAgentWatch.
type AgentWatchConfig struct {
	Fleet *Fleet
	SPIRE interface {
		Agents(ctx context.Context) ([]Agent, error)
	}
	// Rotation says when the last CA rotation ended, and whether one is unfinished:
	// agents attest again because of it.
	Rotation func(ctx context.Context) (ended time.Time, unfinished bool, err error)
	Log      *zap.Logger
}

// AgentWatch reads the serial numbers of the agents' SVIDs, and has the members of
// a host heard again whose serial changes more often than one agent's can.
type AgentWatch struct{ cfg AgentWatchConfig }

// NewAgentWatch returns an AgentWatch.
func NewAgentWatch(cfg AgentWatchConfig) *AgentWatch { return &AgentWatch{cfg} }

// Run reads until ctx ends, and returns nil then.
func (w *AgentWatch) Run(ctx context.Context) error {
	t := time.NewTicker(agentsEvery)
	defer t.Stop()
	var failing logging.Condition
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
		switch err := w.Read(ctx); {
		case ctx.Err() != nil:
		case err != nil:
			failing.Fails(w.cfg.Log, zap.WarnLevel, "agents not checked for clones, retrying at the next interval", err)
		default:
			failing.Over(w.cfg.Log, "")
		}
	}
}

// Read looks once.
func (w *AgentWatch) Read(ctx context.Context) error {
	f := w.cfg.Fleet
	if !f.clones.tracing() {
		return nil
	}
	agents, err := w.cfg.SPIRE.Agents(ctx)
	if err != nil {
		return err
	}
	// Asked after the agents were listed: a rotation that began in between explains
	// what the list shows.
	ended, unfinished, err := w.cfg.Rotation(ctx)
	if err != nil {
		return err
	}
	if unfinished || f.cfg.Now().Sub(ended) < rotationSettles {
		f.clones.unread()
		return nil
	}
	hosts, err := f.cfg.Store.Hosts(ctx)
	if err != nil {
		return err
	}
	for _, id := range f.clones.read(agentsOf(hosts, agents)) {
		if err := f.hearAgain(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// agentsOf finds the agents of the hosts that live.
func agentsOf(hosts []Host, agents []Agent) map[identity.HostID]Agent {
	byID := make(map[spiffeid.ID]Agent, len(agents))
	for _, a := range agents {
		byID[a.ID] = a
	}
	out := make(map[identity.HostID]Agent, len(hosts))
	for _, h := range hosts {
		if a, ok := byID[h.AgentID]; ok && h.RevokedAt.IsZero() && !a.Banned {
			out[h.ID] = a
		}
	}
	return out
}

// hearAgain ends the streams of a host's members, so that their next hello says
// which agent runs there now. Sessions and flows are not touched.
func (f *Fleet) hearAgain(ctx context.Context, id identity.HostID) error {
	var live []Member
	err := f.cfg.Store.FleetTx(ctx, func(tx Tx) (err error) {
		live, err = tx.LiveMembersOf(ctx, id)
		return err
	})
	for _, m := range live {
		f.clones.ask(m.Workload)
	}
	f.cfg.Log.Warn("SVID serial of the agent changes too often, asking the host which agent it runs", zap.String("host_id", string(id)))
	return err
}

// HearAgain is closed when the controller asks for a new hello of w, on a new
// connection. Ask for it before the hello is admitted, or a wish in between is
// missed.
func (f *Fleet) HearAgain(w identity.Workload) <-chan struct{} { return f.clones.hearAgain(w) }
