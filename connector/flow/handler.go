package flow

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	transport "github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// Decider says who may reach what, by the resources and grants of the connector's network.
// It is safe for concurrent use.
type Decider interface {
	// Decide is asked before a name is looked up or anything is dialed.
	Decide(tunneler spiffeid.ID, t access.Target, now time.Time) access.Decision
	// DecideAddress is asked of each address that an allowed target leads to.
	DecideAddress(tunneler spiffeid.ID, d access.Decision, to netip.AddrPort, now time.Time) access.Decision
	// Names says whether a resource names this very address and port.
	Names(to netip.AddrPort) bool
	// Resource returns what a decision names; ok is false if it is not there any more.
	Resource(id string) (r access.Resource, ok bool)
}

// Resolver looks names up; net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Config configures a Handler. Zero durations are replaced by the defaults.
type Config struct {
	Decider Decider
	// Resolver is that of this host by default.
	Resolver Resolver
	// Dial connects to an address; TCP by default.
	Dial func(ctx context.Context, to netip.AddrPort) (net.Conn, error)
	// Own are the ports that this program listens on: a flow to one of them on this host is
	// refused unless a resource names the address.
	Own []uint16
	// DialWithin is how long look-up and dial may take together; 10 s.
	DialWithin time.Duration
	// RefuseAfter is when a refusal is sent, measured from the open, whatever led to it; 20 ms.
	RefuseAfter time.Duration
	// Ended gets each flow when it is over. It must not block. Optional.
	Ended func(Record)
	Log   *zap.Logger
}

// How many refusals a tunneler gets soon. Each further one takes a second, of which mostPaused run
// at once, however many opens it makes: whoever looks for what there is does it slowly, and a page
// with many hosts that are not granted still gets its answers.
const (
	refusalEvery, refusalBurst = time.Second, 50
	refusalPause               = time.Second
	mostPaused                 = 20
)

// Handler is a transport.Handler.
type Handler struct {
	cfg      Config
	refusals *sourcelimit.Keyed[string] // those that come soon
	pauses   pauses                     // before the others

	mu   sync.Mutex
	open map[*transport.Flow]*opened
}

// opened is a flow from its decision on.
type opened struct {
	flow *transport.Flow

	// Under the handler's lock.
	address netip.AddrPort // zero until it is about to be dialed
	last    access.Decision
	named   access.Resource // that of the last decision which named one that was there
	timer   *time.Timer     // to the end of the decision
	cut     error
}

// Record is a flow that is over.
type Record struct {
	Tunneler spiffeid.ID
	Target   transport.Target
	// Address that was dialed; zero if none was.
	Address  netip.AddrPort
	Decision access.Decision // the last one
	// Resource that the decision names, as it was then; zero if none, or if it was gone.
	Resource      access.Resource
	Opened, Ended time.Time
	Up, Down      int64 // bytes to and from the target
	Connected     bool
	Reason        error // nil after an orderly end
}

// New checks the configuration.
func New(cfg Config) (*Handler, error) {
	if cfg.Decider == nil || cfg.Log == nil {
		return nil, errors.New("flow handler needs Decider and Log")
	}
	if cfg.Resolver == nil {
		cfg.Resolver = net.DefaultResolver
	}
	if cfg.Dial == nil {
		cfg.Dial = func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", to.String())
		}
	}
	if cfg.DialWithin == 0 {
		cfg.DialWithin = 10 * time.Second
	}
	if cfg.RefuseAfter == 0 {
		cfg.RefuseAfter = 20 * time.Millisecond
	}
	if cfg.Ended == nil {
		cfg.Ended = func(Record) {}
	}
	return &Handler{
		cfg: cfg, refusals: sourcelimit.NewIdentities(refusalEvery, refusalBurst, time.Now), open: map[*transport.Flow]*opened{},
		pauses: pauses{of: map[spiffeid.ID]*pause{}},
	}, nil
}

// Open implements transport.Handler.
func (h *Handler) Open(ctx context.Context, f *transport.Flow) (net.Conn, error) {
	o := &opened{flow: f}
	// Known before it is decided: a change of policy that comes now finds it.
	h.mu.Lock()
	h.open[f] = o
	h.mu.Unlock()
	if d := h.decide(o); !d.Allowed {
		return nil, h.refuse(ctx, f, d)
	}
	dialing, cancel := context.WithTimeout(ctx, h.cfg.DialWithin)
	defer cancel()
	conn, err := h.connect(dialing, o)
	var no *refusal
	switch {
	case errors.As(err, &no):
		return nil, h.refuse(ctx, f, no.Decision) // not within dialing: its end would cut the pause short
	case err != nil:
		return nil, err
	}
	// Again, now with the address: what changed while it was dialed counts.
	d := h.decide(o)
	if !d.Allowed {
		_ = conn.Close()
		return nil, h.refuse(ctx, f, d)
	}
	if err := h.introduce(dialing, conn, o, d.ProxyProtocol); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// decide asks the policy about a flow, and when to ask again. In the end access.Set.Decide
// decides; what is around it only refuses more.
func (h *Handler) decide(o *opened) access.Decision {
	h.mu.Lock()
	address := o.address
	h.mu.Unlock()
	now := time.Now()
	d := h.cfg.Decider.Decide(o.flow.Tunneler, access.Target(o.flow.Target), now)
	if d.Allowed && address.IsValid() {
		d = h.decideAddress(o, d, address, now)
	}
	h.note(o, d, now)
	return d
}

// decideAddress is DecideAddress, and keeps flows away from this very program: whoever reached
// its listeners from here would come from an address that is trusted more.
func (h *Handler) decideAddress(o *opened, d access.Decision, to netip.AddrPort, now time.Time) access.Decision {
	d = h.cfg.Decider.DecideAddress(o.flow.Tunneler, d, to, now)
	if d.Allowed && h.isOwn(to) && !h.cfg.Decider.Names(to) {
		d.Allowed, d.Code = false, access.AddressOwn
	}
	return d
}

// note keeps the last decision, and sets the timer to its end.
func (h *Handler) note(o *opened, d access.Decision, now time.Time) {
	resource, there := access.Resource{}, false
	if d.ResourceID != "" {
		resource, there = h.cfg.Decider.Resource(d.ResourceID)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	o.last = d
	if there || d.ResourceID != o.named.ID {
		o.named = resource
	}
	if o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
	if _, there := h.open[o.flow]; there && d.Allowed && !d.Until.IsZero() {
		o.timer = time.AfterFunc(d.Until.Sub(now), func() { h.again(o) })
	}
}

// again decides an open flow once more, and cuts it if it is not allowed any more.
func (h *Handler) again(o *opened) (cut bool) {
	d := h.decide(o)
	if d.Allowed {
		return false
	}
	reason := fmt.Errorf("%w: %s", transport.ErrRevoked, d.Code)
	h.mu.Lock()
	first, at := o.cut == nil, o.address
	o.cut = reason
	h.mu.Unlock()
	if first {
		h.cfg.Log.Info("flow ended: it is not allowed any more", append(fields(o.flow, d), zap.Stringer("address", at))...)
	}
	o.flow.Cut(reason)
	return first
}

// Recheck decides all open flows again, after a change of policy, and counts those that it
// ended.
func (h *Handler) Recheck() (cut int) {
	h.mu.Lock()
	all := make([]*opened, 0, len(h.open))
	for _, o := range h.open {
		if o.cut == nil {
			all = append(all, o)
		}
	}
	h.mu.Unlock()
	for _, o := range all {
		if h.again(o) {
			cut++
		}
	}
	return cut
}

// refuse waits until a refusal is due, so that nobody measures how long it took to decide. Its
// record is made where those of all flows are: Handler.Ended.
func (h *Handler) refuse(ctx context.Context, f *transport.Flow, d access.Decision) error {
	soon := h.refusals.AllowKey(f.Tunneler.String())
	if soon {
		h.cfg.Log.Info("flow refused", fields(f, d)...)
	}
	sleep(ctx, h.cfg.RefuseAfter-time.Since(f.Opened))
	if !soon {
		h.pauses.wait(ctx, f.Tunneler)
	}
	return fmt.Errorf("%w: %s", transport.ErrRefused, d.Code)
}

func fields(f *transport.Flow, d access.Decision) []zap.Field {
	return []zap.Field{
		zap.Stringer("spiffe_id", f.Tunneler), zap.Stringer("target", f.Target), zap.String("code", string(d.Code)),
		zap.String("resource_id", d.ResourceID), zap.String("grant_id", d.GrantID),
	}
}

// Ended implements transport.Handler. The controller stores the record: Recorder.write of
// controller/flows.
func (h *Handler) Ended(f *transport.Flow, e transport.End) {
	h.mu.Lock()
	o := h.open[f]
	delete(h.open, f)
	if o == nil {
		h.mu.Unlock()
		return
	}
	if o.timer != nil {
		o.timer.Stop()
	}
	r := Record{
		Tunneler: f.Tunneler, Target: f.Target, Address: o.address, Decision: o.last, Resource: o.named, Opened: f.Opened, Ended: time.Now(),
		Up: e.Up, Down: e.Down, Connected: e.Connected, Reason: e.Reason,
	}
	h.mu.Unlock()
	h.cfg.Ended(r)
}

// Len counts the open flows, with those that are being decided or dialed.
func (h *Handler) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.open)
}
