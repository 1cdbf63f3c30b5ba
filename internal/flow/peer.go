package flow

import (
	"maps"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"golang.org/x/time/rate"
)

// peer is what one tunneler makes us hold.
type peer struct {
	conns, unbound, flows int
	budget                *Budget
	opens                 *rate.Limiter
}

// opensWait is how long the open of a tunneler that opens many waits at most.
const opensWait = 5 * time.Second

// turn is when a tunneler's next open may begin. Alone it may have all that this host can do; beside
// others a flood of opens would take their time. It needs the lock.
func (a *Acceptor) turn(p *peer) (wait time.Duration, err error) {
	others := a.active
	if p.flows > 0 {
		others--
	}
	now := time.Now()
	if others == 0 {
		p.opens.AllowN(now, 1) // it counts for when there are
		return 0, nil
	}
	r := p.opens.ReserveN(now, 1)
	if wait = r.DelayFrom(now); wait > opensWait {
		r.CancelAt(now)
		return 0, ErrBusy
	}
	if wait > 0 {
		a.waited++
	}
	return wait, nil
}

// gone says that nothing is to be remembered of a tunneler: whoever has opened many flows does not
// begin anew with a new connection.
func (p *peer) gone(now time.Time) bool {
	return p.conns == 0 && p.opens.TokensAt(now) >= float64(p.opens.Burst())
}

// forgetPeers drops those that are gone since their last connection ended. It needs the lock.
func (a *Acceptor) forgetPeers() {
	now := time.Now()
	if now.Sub(a.forgot) < time.Second {
		return
	}
	a.forgot = now
	maps.DeleteFunc(a.peers, func(_ spiffeid.ID, p *peer) bool { return p.gone(now) })
}
