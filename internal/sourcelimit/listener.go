package sourcelimit

import (
	"maps"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Caps bound the connections of a listener. Each connection is a descriptor, and an
// anonymous one is memory that anybody can ask for.
type Caps struct {
	// Most may be open.
	Most int
	// Anonymous may be open whose peer is not authenticated (yet), and AnonymousFrom
	// of one address.
	Anonymous, AnonymousFrom int
	// PerIdentity may be open of one authenticated peer; 0 leaves it to the caller.
	PerIdentity int
}

// How often one address may connect. A thousand hosts behind one address are back within
// a few seconds; a flood is not admitted, so that it cannot make others wait.
const (
	connectEvery = 5 * time.Millisecond
	connectBurst = 500
)

// Why a connection was closed. Reasons lists them.
const (
	// ReasonAddress: its address had too many that were not authenticated, or connects
	// too often.
	ReasonAddress = "address"
	// ReasonTotal: the listener had too many, and it was of the address with most.
	ReasonTotal = "total"
	// ReasonFlood: it sent more frames, or more requests, than a client has use for.
	ReasonFlood = "flood"
)

// Reasons are the values that Listener.Closed knows.
func Reasons() []string { return []string{ReasonAddress, ReasonFlood, ReasonTotal} }

// Listener keeps its connections within Caps. When there is no room, a newcomer
// takes the place of the connection that has been silent longest among those of the
// address with most anonymous ones: a single address never keeps another one out,
// and a handshake that makes progress outlives those that do not. An authenticated
// connection makes room for nobody.
type Listener struct {
	net.Listener

	caps     Caps
	arrivals *Limiter
	turns    *turns

	mu        sync.Mutex
	open      map[*Conn]struct{}
	anonymous map[netip.Prefix]map[*Conn]struct{}
	nameless  int // all of anonymous
	byPeer    map[string]int
	closed    map[string]uint64
}

// NewListener limits l.
func NewListener(l net.Listener, caps Caps) *Listener {
	return &Listener{
		Listener: l, caps: caps, arrivals: New(connectEvery, connectBurst, time.Now), turns: newTurns(runtime.GOMAXPROCS(0)), open: map[*Conn]struct{}{}, anonymous: map[netip.Prefix]map[*Conn]struct{}{},
		byPeer: map[string]int{}, closed: map[string]uint64{},
	}
}

// Limited returns l if it is limited already, else l limited to caps.
func Limited(l net.Listener, caps Caps) *Listener {
	if limited, ok := l.(*Listener); ok {
		return limited
	}
	return NewListener(l, caps)
}

// Caps are those in force.
func (l *Listener) Caps() Caps { return l.caps }

// Accept implements net.Listener. Its connections are Conns.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &Conn{Conn: raw, of: l, source: sourceOf(raw), since: time.Now()}
		c.used.Store(c.since.UnixNano())
		if !l.arrivals.AllowKey(c.source) {
			l.refuse(c)
			continue
		}
		evicted, ok := l.enter(c)
		if evicted != nil {
			evicted.reset()
		}
		if ok {
			return c, nil
		}
		c.reset()
	}
}

// refuse closes a connection that is one too many of its address in this second. That
// costs a fraction of what a handshake would: it keeps the queue of the kernel short,
// in which everybody waits.
func (l *Listener) refuse(c *Conn) {
	l.mu.Lock()
	l.closed[ReasonAddress]++
	l.mu.Unlock()
	c.reset()
}

// sourceOf is the address that a connection counts for: all whose address does not
// parse count as one.
func sourceOf(c net.Conn) netip.Prefix {
	from, _ := netip.ParseAddrPort(c.RemoteAddr().String())
	return Bucket(from.Addr())
}

// enter notes a connection, and which one made room for it. Not ok is a newcomer
// for which there is no room.
func (l *Listener) enter(c *Conn) (evicted *Conn, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch mine := l.anonymous[c.source]; {
	case len(mine) >= l.caps.AnonymousFrom:
		evicted = quietest(mine)
		l.closed[ReasonAddress]++
	case l.nameless >= l.caps.Anonymous, len(l.open) >= l.caps.Most:
		evicted = l.ofTheGreediest()
		l.closed[ReasonTotal]++
		if evicted == nil { // all are authenticated
			return nil, false
		}
	}
	if evicted != nil {
		l.forget(evicted)
	}
	l.open[c] = struct{}{}
	l.rename(c, "")
	return evicted, true
}

// ofTheGreediest is the quietest connection of the addresses with most anonymous
// ones, nil without any.
func (l *Listener) ofTheGreediest() *Conn {
	var victim *Conn
	most := 0
	for _, of := range l.anonymous {
		if len(of) < most {
			continue
		}
		q := quietest(of)
		if len(of) > most || q.used.Load() < victim.used.Load() {
			victim, most = q, len(of)
		}
	}
	return victim
}

func quietest(of map[*Conn]struct{}) *Conn {
	var victim *Conn
	for c := range of {
		if victim == nil || c.used.Load() < victim.used.Load() {
			victim = c
		}
	}
	return victim
}

// rename counts a connection for an identity, or without one for its address. It
// needs l.mu.
func (l *Listener) rename(c *Conn, identity string) {
	l.uncount(c)
	c.counted, c.identity = true, identity
	if identity != "" {
		l.byPeer[identity]++
		return
	}
	if l.anonymous[c.source] == nil {
		l.anonymous[c.source] = map[*Conn]struct{}{}
	}
	l.anonymous[c.source][c] = struct{}{}
	l.nameless++
}

// uncount undoes rename. It needs l.mu.
func (l *Listener) uncount(c *Conn) {
	if !c.counted {
		return
	}
	c.counted = false
	if c.identity != "" {
		if l.byPeer[c.identity]--; l.byPeer[c.identity] == 0 {
			delete(l.byPeer, c.identity)
		}
		return
	}
	delete(l.anonymous[c.source], c)
	l.nameless--
	if len(l.anonymous[c.source]) == 0 {
		delete(l.anonymous, c.source)
	}
}

// forget needs l.mu.
func (l *Listener) forget(c *Conn) {
	l.uncount(c)
	delete(l.open, c)
}

// identify moves a connection to its identity, unless that has enough of them: then
// it stays anonymous.
func (l *Listener) identify(c *Conn, identity string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !c.counted || identity == "" {
		return false
	}
	if c.identity != "" {
		return true
	}
	if l.caps.PerIdentity > 0 && l.byPeer[identity] >= l.caps.PerIdentity {
		return false
	}
	l.rename(c, identity)
	return true
}

// Open counts the connections that are open, and those of them whose peer is not
// authenticated.
func (l *Listener) Open() (all, anonymous int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open), l.nameless
}

// Closed counts the connections that were closed for one of Reasons.
func (l *Listener) Closed(reason string) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed[reason]
}

// Cut closes all open connections, also those that a server does not know of yet: a
// peer that connects and then sends nothing would hold a shutdown up.
func (l *Listener) Cut() {
	l.mu.Lock()
	all := slices.Collect(maps.Keys(l.open))
	l.mu.Unlock()
	for _, c := range all {
		_ = c.Close()
	}
}

// Conn is a connection of a Listener. It is anonymous until Identify.
type Conn struct {
	net.Conn

	of     *Listener
	source netip.Prefix
	since  time.Time
	used   atomic.Int64 // when something was read or written last, Unix ns

	shaking atomic.Bool // between BeginHandshake and EndHandshake

	counted  bool   // by its listener, under whose mu this is
	identity string // so too
}

// Limited is the connection itself, also for what embeds it.
func (c *Conn) Limited() *Conn { return c }

// LimitedOf is the Conn below a connection that embeds it, nil for any other.
func LimitedOf(c net.Conn) *Conn {
	if l, ok := c.(interface{ Limited() *Conn }); ok {
		return l.Limited()
	}
	return nil
}

// Identify says who the peer is, once that is proved. It is false where the peer
// has too many connections, or this one is closed: it stays anonymous then.
func (c *Conn) Identify(identity string) bool { return c.of.identify(c, identity) }

// Since is when the connection was accepted.
func (c *Conn) Since() time.Time { return c.since }

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	resume := c.pause()
	n, err := c.Conn.Read(p)
	resume()
	c.touch(n)
	return n, err
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	resume := c.pause()
	n, err := c.Conn.Write(p)
	resume()
	c.touch(n)
	return n, err
}

func (c *Conn) touch(n int) {
	if n > 0 {
		c.used.Store(time.Now().UnixNano())
	}
}

// SetLinger is that of a TCP connection.
func (c *Conn) SetLinger(sec int) error {
	if t, ok := c.Conn.(interface{ SetLinger(sec int) error }); ok {
		return t.SetLinger(sec)
	}
	return nil
}

// SetWriteBuffer is that of a TCP connection.
func (c *Conn) SetWriteBuffer(bytes int) {
	if t, ok := c.Conn.(interface{ SetWriteBuffer(bytes int) error }); ok {
		_ = t.SetWriteBuffer(bytes)
	}
}

// Close implements net.Conn.
func (c *Conn) Close() error {
	c.of.mu.Lock()
	c.of.forget(c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// Flood closes a connection for what it sends.
func (c *Conn) Flood() {
	c.of.mu.Lock()
	c.of.closed[ReasonFlood]++
	c.of.mu.Unlock()
	c.reset()
}

// reset closes without waiting for what is on its way, so that neither end keeps
// anything of the connection.
func (c *Conn) reset() {
	_ = c.SetLinger(0)
	_ = c.Close()
}
