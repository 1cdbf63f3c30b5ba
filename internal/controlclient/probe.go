package controlclient

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"time"
)

const (
	// ProbeEvery is the mean time between two rounds of probes, while there is no stream
	// and a peer could not be reached. It bounds how long a fleet stays away from a
	// controller that is back, which the waits alone (up to MaxWait) do not.
	ProbeEvery = 10 * time.Second
	// probeTimeout bounds TCP and TLS of one probe, probeBudget a round of them.
	probeTimeout = 3 * time.Second
	probeBudget  = 5 * time.Second
)

// Probe returns nil when the right peer answers at the address.
type Probe func(ctx context.Context, addr string) error

// handshake is the Probe of a TLS configuration: TCP and TLS and nothing more. Our
// certificate is shown, so that the peer's limits for the unauthenticated are not
// spent on it. It reaches the address as the link does: by dial, and by no proxy.
func handshake(config *tls.Config, dial func(ctx context.Context, address string) (net.Conn, error)) Probe {
	config = config.Clone()
	config.NextProtos = []string{"h2"}
	if dial == nil {
		dial = func(ctx context.Context, addr string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		}
	}
	return func(ctx context.Context, addr string) error {
		socket, err := dial(ctx, addr)
		if err != nil {
			return err
		}
		defer func() { _ = socket.Close() }()
		conn := tls.Client(socket, config)
		if err := conn.HandshakeContext(ctx); err != nil {
			return err
		}
		return conn.Close()
	}
}

// prober says when the next round of probes is due. A peer that answers probes and
// then takes no stream is probed ever more seldom, or probes would undo the
// back-off that it needs.
type prober struct {
	jitter Jitter
	every  time.Duration
	due    time.Time
	cursor int
	found  bool // the last round did
}

func newProber(jitter Jitter) *prober {
	if jitter == nil {
		jitter = FullJitter
	}
	p := &prober{jitter: jitter, every: ProbeEvery}
	p.stagger()
	return p
}

// stagger draws the first round from a whole interval: everybody lost the same peer
// in the same second.
func (p *prober) stagger() { p.due = time.Now().Add(p.jitter(p.every + p.every/5)) }

// round notes what a round found, and draws the next from every +-20 %.
func (p *prober) round(found bool) {
	p.found = found
	if !found {
		p.every = ProbeEvery
	}
	p.due = time.Now().Add(p.every - p.every/5 + p.jitter(2*p.every/5))
}

// attempted notes how long the stream of an attempt lived.
func (p *prober) attempted(lived time.Duration) {
	switch {
	case lived > 0:
		p.every = ProbeEvery
		p.stagger()
	case p.found:
		p.every = min(2*p.every, MaxWait)
		p.round(true)
	}
	p.found = false
}

// probe looks once at the addresses that could not be reached when they were tried
// last, from the next one on, and has an address that answers tried next. One that
// refused us, or asked to be left alone, is left to the back-off.
func (c *Client) probe(ctx context.Context, p *prober) (found bool) {
	ctx, cancel := context.WithTimeout(ctx, probeBudget)
	defer cancel()
	defer func() { p.round(found) }()
	addresses := c.unreachable()
	for range addresses {
		if ctx.Err() != nil {
			return false
		}
		addr := addresses[p.cursor%len(addresses)]
		p.cursor = (p.cursor + 1) % len(addresses)
		if c.answers(ctx, addr) {
			return c.prefer(addr)
		}
	}
	return false
}

func (c *Client) answers(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return c.cfg.Probe(ctx, addr) == nil
}

// unreachable are the addresses where the last attempt found nobody, and those that
// were not tried yet.
func (c *Client) unreachable() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(c.rotation(), func(a string) bool {
		reason, tried := c.reasons[a]
		return tried && reason != reasonUnavailable
	})
}

// prefer has addr tried next, and is false if it left the rotation meanwhile.
func (c *Client) prefer(addr string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.rotation(), addr)
	if i >= 0 {
		c.next = i
	}
	return i >= 0
}
