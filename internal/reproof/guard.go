package reproof

import (
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

const (
	// Grace is how long a connection outlives the SVID that its peer proved last.
	Grace = 30 * time.Second
	// OpenWithin is how long a connection may be used without a Prove stream.
	OpenWithin = 10 * time.Second
	// recheck bounds the sleep of a guard. Timers stand still while a host is
	// suspended and certificates do not: the wall clock is asked again and again.
	recheck = 30 * time.Second
)

// Why a guard cuts.
var (
	ErrNotReproved   = errors.New("not re-proved")
	ErrNoStream      = errors.New("no re-proof stream")
	ErrAuthorityGone = errors.New("last proved under an authority that is no longer trusted")
)

// guard cuts a connection when its time has come. It is a timer, so it works
// whatever the peer, the stream and its handler do.
type guard struct {
	conn    guarded
	bundles x509bundle.Source

	mu         sync.Mutex
	timer      *time.Timer
	attended   bool      // a Prove stream is open
	alone      time.Time // since when it is used without; zero when it is not
	distrusted time.Time // since when the proven chain has no authority; zero when it has
	judged     judged
}

// guarded is an mtls.Conn, or what a lost one has left.
type guarded interface {
	Peer() spiffeid.ID
	ProvenChain() []*x509.Certificate
	Reason() error
	Close(error)
	OnClose(func(error)) (forget func())
}

// judged remembers what trusts looked at: bundles are replaced, never changed.
type judged struct {
	leaf   *x509.Certificate
	bundle *x509bundle.Bundle
}

// newGuard starts to guard conn, until it closes.
func newGuard(conn guarded, bundles x509bundle.Source) *guard {
	g := &guard{conn: conn, bundles: bundles}
	g.trusted(conn.ProvenChain()[0])
	g.mu.Lock()
	g.timer = time.AfterFunc(0, g.check)
	g.mu.Unlock()
	conn.OnClose(func(error) { g.timer.Stop() })
	return g
}

// used notes an RPC that needs a Prove stream beside it.
func (g *guard) used() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.attended && g.alone.IsZero() {
		g.alone = time.Now()
		g.timer.Reset(0)
	}
}

// attend notes that the Prove stream is open; there is one.
func (g *guard) attend() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.attended {
		return false
	}
	g.attended, g.alone = true, time.Time{}
	return true
}

func (g *guard) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.attended, g.alone = false, time.Now()
	g.timer.Reset(0)
}

// proved notes a new proof to go by.
func (g *guard) proved(leaf *x509.Certificate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trusted(leaf)
	g.timer.Reset(0)
}

// trusted notes that leaf was verified a moment ago, by a handshake or a proof.
func (g *guard) trusted(leaf *x509.Certificate) {
	g.distrusted = time.Time{}
	if bundle, err := g.bundles.GetX509BundleForTrustDomain(g.conn.Peer().TrustDomain()); err == nil {
		g.judged = judged{leaf, bundle}
	}
}

// check cuts, or sleeps until it may have to.
func (g *guard) check() {
	if g.conn.Reason() != nil {
		return // a timer that was set again while the connection closed
	}
	g.mu.Lock()
	now := time.Now()
	at, reason := g.deadline(now)
	left := at.Sub(now)
	if left > 0 {
		g.timer.Reset(min(left, recheck))
	}
	g.mu.Unlock()
	if left <= 0 {
		g.conn.Close(reason)
	}
}

// deadline needs the lock.
func (g *guard) deadline(now time.Time) (at time.Time, reason error) {
	chain := g.conn.ProvenChain()
	at = chain[0].NotAfter.Add(Grace)
	reason = fmt.Errorf("%w: the last proven SVID ended at %s", ErrNotReproved, chain[0].NotAfter.UTC().Format(time.RFC3339))
	if until := g.alone.Add(OpenWithin); !g.alone.IsZero() && until.Before(at) {
		at, reason = until, fmt.Errorf("%w within %s", ErrNoStream, OpenWithin)
	}
	g.judge(chain, now)
	if until := g.distrusted.Add(Grace); !g.distrusted.IsZero() && until.Before(at) {
		at, reason = until, ErrAuthorityGone
	}
	return at, reason
}

// judge asks whether the proven chain still leads to an authority that we trust.
// Without it a certificate that was made for years with a stolen authority key
// would keep its connection for years after that authority was revoked. It needs
// the lock.
func (g *guard) judge(chain []*x509.Certificate, now time.Time) {
	bundle, err := g.bundles.GetX509BundleForTrustDomain(g.conn.Peer().TrustDomain())
	if err != nil || g.judged == (judged{chain[0], bundle}) {
		return
	}
	g.judged = judged{chain[0], bundle}
	// At its own end, because a chain that expired has its own deadline.
	_, _, err = x509svid.Verify(chain, bundle, x509svid.WithTime(chain[0].NotAfter))
	var unknown x509.UnknownAuthorityError
	switch {
	case !errors.As(err, &unknown):
		g.distrusted = time.Time{}
	case g.distrusted.IsZero():
		g.distrusted = now
	}
}
