package relay

import (
	"sync"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

// maxPending bounds the tunnelers the outbox holds while no controller listens.
const maxPending = 8192

// outbox holds the newest report of each tunneler until the control stream takes
// it. put never blocks: a slow controller must not slow the sessions.
type outbox struct {
	ready topic.Hint // has a value when there is something to take

	mu      sync.Mutex
	pending map[string]*zerotrustv1.TunnelerReport
}

func newOutbox() *outbox {
	return &outbox{ready: topic.NewHint(), pending: map[string]*zerotrustv1.TunnelerReport{}}
}

// put keeps r in place of an older report of the same tunneler. A report that
// finds the outbox full is dropped: whoever is attached is reported again when
// the stream is back, and whoever is not goes OFFLINE by itself.
func (o *outbox) put(r *zerotrustv1.TunnelerReport) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.pending[r.GetTunnelerId()]; !known && len(o.pending) >= maxPending {
		return
	}
	o.pending[r.GetTunnelerId()] = r
	o.ready.Wake()
}

// take empties the outbox.
func (o *outbox) take() map[string]*zerotrustv1.TunnelerReport {
	o.mu.Lock()
	defer o.mu.Unlock()
	taken := o.pending
	o.pending = map[string]*zerotrustv1.TunnelerReport{}
	return taken
}
