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
	// agentsEvery is how often serial numbers of agents are read, a page of them at least.
	agentsEvery = 10 * time.Second
	// learnAtOnce is how many hosts are asked for by id at once, learnALook how many a look.
	learnAtOnce, learnALook = 500, 5000
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
	start     string // boot id and agent start
	agent     spiffeid.ID
	learned   int    // the first round that can have read it in whole; with agent
	read      int    // the last round in which it was read
	serial    string // as read last; empty before the first reading
	changes   []time.Time
	confirmed time.Time // when there were too many; a hello that began later decides
	asked     bool
}

// agentSeen notes which agent process a hello names, and says whether that process
// was there through more changes of the serial number than it can have made. It
// needs c.mu.
func (c *clones) agentSeen(id identity.HostID, h Hello) bool {
	start := h.BootID + " " + h.AgentStart
	t := c.agents[id]
	switch {
	case h.AgentStart == "": // unknown
		c.untrace(id)
		return false
	case t == nil:
		c.agents[id] = &agentTrace{start: start}
		return false
	case t.start != start: // the restart explains whatever was seen
		c.agents[id] = t.anew(start)
		return false
	default:
		return !t.confirmed.IsZero() && h.Began.After(t.confirmed)
	}
}

// anew is the trace of the same agent, of which nothing was seen.
func (t *agentTrace) anew(start string) *agentTrace {
	return &agentTrace{start: start, agent: t.agent, learned: t.learned, read: t.read}
}

// read notes the serial number of an agent in a round, and says whether the members of
// its host have to send another hello.
func (c *clones) read(a Agent, round int) (id identity.HostID, suspect bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id = c.hosts[a.ID]
	now, t := c.now(), c.agents[id]
	if t == nil || t.agent != a.ID {
		return id, false
	}
	t.read = round
	if t.serial != "" && t.serial != a.SerialNumber {
		t.changes = append(t.changes, now)
	}
	t.serial = a.SerialNumber
	oldest := now.Add(-serialWindow(a.ExpiresAt.Sub(now)))
	t.changes = slices.DeleteFunc(t.changes, func(at time.Time) bool { return at.Before(oldest) })
	if t.confirmed.IsZero() && len(t.changes) >= manySerials {
		t.confirmed = now
	}
	if t.confirmed.IsZero() || t.asked {
		return id, false
	}
	t.asked = true
	return id, true
}

// unknown are hosts with an agent whose SPIFFE ID is to be learned.
func (c *clones) unknown(limit int) (ids []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, t := range c.agents {
		if t.agent.IsZero() && len(ids) < limit {
			ids = append(ids, string(id))
		}
	}
	return ids
}

// learn notes the agents of the hosts that were asked for. Those that were not found or
// are revoked are not looked at any more.
func (c *clones) learn(asked []string, found []Host, round int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range found {
		if t := c.agents[h.ID]; t != nil && h.RevokedAt.IsZero() {
			t.agent, t.learned = h.AgentID, round
			c.hosts[h.AgentID] = h.ID
		}
	}
	for _, id := range asked {
		if t := c.agents[identity.HostID(id)]; t != nil && t.agent.IsZero() {
			c.untrace(identity.HostID(id))
		}
	}
}

// ended drops the agents that a whole round has not found: they are banned, or not
// attested.
func (c *clones) ended(round int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, t := range c.agents {
		if !t.agent.IsZero() && t.learned <= round && t.read < round {
			c.untrace(id)
		}
	}
}

// untrace forgets an agent. It needs c.mu.
func (c *clones) untrace(id identity.HostID) {
	if t := c.agents[id]; t != nil {
		delete(c.hosts, t.agent)
	}
	delete(c.agents, id)
}

// unread forgets the changes seen so far, because something explains them.
func (c *clones) unread() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, t := range c.agents {
		c.agents[id] = t.anew(t.start)
	}
}

// tracing says whether there is an agent to look at.
func (c *clones) tracing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.agents) > 0
}

// ask ends the streams of w that wait on helloWanted.
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
		// AgentPage lists attested agents after those of the page that named this token, ""
		// at first; next is "" after the last page.
		AgentPage(ctx context.Context, token string) (page []Agent, next string, err error)
	}
	// Rotation says when the last CA rotation ended, and whether one is unfinished:
	// agents attest again because of it.
	Rotation func(ctx context.Context) (ended time.Time, unfinished bool, err error)
	Log      *zap.Logger
}

// AgentWatch reads the serial numbers of the agents' SVIDs, and asks the members of
// a host for another hello whose serial changes more often than one agent's can. A look reads
// one page of SPIRE's list, and more only where a round through all pages would take so
// long that too few readings fall into serialWindow.
type AgentWatch struct {
	cfg   AgentWatchConfig
	token string // of the next page
	round int
	pages int           // read in this round
	life  time.Duration // the longest of an agent's SVID in this round
	each  int           // pages a look
}

// NewAgentWatch returns an AgentWatch.
func NewAgentWatch(cfg AgentWatchConfig) *AgentWatch { return &AgentWatch{cfg: cfg, round: 1, each: 1} }

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
	if err := w.learn(ctx); err != nil {
		return err
	}
	agents, last, err := w.readPages(ctx)
	if err != nil {
		return err
	}
	// Asked after the agents were listed: a rotation that began in between explains
	// what the list shows.
	ended, unfinished, err := w.cfg.Rotation(ctx)
	if err != nil {
		return err
	}
	explained := unfinished || f.cfg.Now().Sub(ended) < rotationSettles
	for _, a := range agents {
		if a.Banned {
			continue
		}
		id, suspect := f.clones.read(a, w.round)
		if !suspect || explained {
			continue
		}
		if err := f.askHello(ctx, id); err != nil {
			return err
		}
	}
	if explained {
		f.clones.unread()
	}
	if last {
		f.clones.ended(w.round)
		w.round++
	}
	return nil
}

// learn looks up the agents of the hosts that are new, by id.
func (w *AgentWatch) learn(ctx context.Context) error {
	f, first := w.cfg.Fleet, w.round
	if w.token != "" { // part of this round is over
		first++
	}
	for ids := range slices.Chunk(f.clones.unknown(learnALook), learnAtOnce) {
		found, err := f.cfg.Store.HostsByID(ctx, ids)
		if err != nil {
			return err
		}
		f.clones.learn(ids, found, first)
	}
	return nil
}

// readPages reads the next pages, and says whether the last one is among them.
func (w *AgentWatch) readPages(ctx context.Context) (agents []Agent, last bool, err error) {
	for range w.each {
		page, next, err := w.cfg.SPIRE.AgentPage(ctx, w.token)
		if err != nil {
			return nil, false, err
		}
		w.token, w.pages = next, w.pages+1
		agents = append(agents, page...)
		for _, a := range page {
			w.life = max(w.life, a.ExpiresAt.Sub(w.cfg.Fleet.cfg.Now()))
		}
		if next == "" {
			w.each = pagesALook(w.pages, w.life)
			w.pages, w.life = 0, 0
			return agents, true, nil
		}
	}
	return agents, false, nil
}

// pagesALook is how many of all pages a look reads, so that twice manySerials readings of
// an agent fall into serialWindow.
func pagesALook(pages int, life time.Duration) int {
	looks := max(1, int(serialWindow(life)/(2*manySerials)/agentsEvery))
	return max(1, (pages+looks-1)/looks)
}

// askHello ends the streams of a host's members, so that their next hello says
// which agent runs there now. Sessions and flows are not touched.
func (f *Fleet) askHello(ctx context.Context, id identity.HostID) error {
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

// HelloWanted is closed when the controller asks for a new hello of w, on a new
// connection. Ask for it before the hello is admitted, or a wish in between is
// missed.
func (f *Fleet) HelloWanted(w identity.Workload) <-chan struct{} { return f.clones.helloWanted(w) }
