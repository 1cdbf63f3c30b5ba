package reproof

import (
	"sync"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// Lapse calls over once, when what the peer of a connection has proved is not enough any more,
// by the deadlines of a connection that is open: Grace after the expiry of the SVID that it
// proved last, or after its authority was found to be gone. The connection itself may have
// ended: what belongs to it lives on by that. stop ends the watch; it does not wait for over.
func Lapse(c *mtls.Conn, bundles x509bundle.Source, over func(error)) (stop func()) {
	r := &remains{Conn: c, over: over}
	g := newGuard(r, bundles)
	return func() {
		r.Close(errStopping)
		g.timer.Stop()
	}
}

// remains are a connection to a guard that is to outlive it.
type remains struct {
	*mtls.Conn

	over func(error)

	mu     sync.Mutex
	reason error
}

// Reason implements guarded.
func (r *remains) Reason() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reason
}

// Close implements guarded.
func (r *remains) Close(reason error) {
	r.mu.Lock()
	first := r.reason == nil
	if first {
		r.reason = reason
	}
	r.mu.Unlock()
	if first && reason != errStopping { //nolint:errorlint // of stop itself
		r.over(reason)
	}
}

// OnClose implements guarded. Nothing closes remains but the guard.
func (*remains) OnClose(func(error)) (forget func()) { return func() {} }
