package control

import (
	"cmp"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

// Why a stream ends that did nothing wrong.
var (
	errReplaced    = status.Error(codes.Aborted, "replaced by a newer stream of this member")
	errHelloWanted = status.Error(codes.Aborted, "the controller asks for a new hello")
	errStopping    = status.Error(codes.Unavailable, "the controller is stopping")
	errSilent      = status.Error(codes.DeadlineExceeded, "no heartbeat within 30 s")
)

// Patience is what peers get that want too much. Zero values are the defaults.
type Patience struct {
	// Messages of a control stream are read at this rate, and Burst at once. What comes
	// sooner waits at the peer, which is not to blame for it: a connector passes on the
	// heartbeats of up to wire.MaxSessions tunnelers, one in ten seconds each, and reports
	// all of them when it comes back. By default 4,000 a second, and 40,000.
	Messages rate.Limit
	Burst    int
	// Stuck is how long a handler may take to end its stream. If it does not, it waits for
	// a peer that reads nothing, and the connection is closed. By default 5 s.
	Stuck time.Duration
}

func (p Patience) limiter() *rate.Limiter {
	return rate.NewLimiter(cmp.Or(p.Messages, 4_000), cmp.Or(p.Burst, 40_000))
}

// Signal gives hints; a topic.Topic is one.
type Signal interface {
	Notify(h topic.Hint) (stop func())
}

// wakeups is what a stream waits on beside its peer. It is one channel for all that may
// be new, and for its end: the runtime takes a lock and a place in a queue for each channel
// that a goroutine waits on, and with ten of them that is what a change costs most, after
// the message itself.
type wakeups struct {
	hint topic.Hint
	why  atomic.Pointer[error]
	stop []func()

	conn  *mtls.Conn // of the stream; nil: it is not cut
	stuck time.Duration
	gone  atomic.Bool // the handler has returned
}

func newWakeups() *wakeups { return &wakeups{hint: topic.NewHint()} }

// cuts has end close the connection if the handler is stuck.
func (w *wakeups) cuts(conn *mtls.Conn, p Patience) {
	w.conn, w.stuck = conn, cmp.Or(p.Stuck, 5*time.Second)
}

// follow subscribes to signals, which may be nil.
func (w *wakeups) follow(signals ...Signal) {
	for _, s := range signals {
		if s != nil {
			w.stop = append(w.stop, s.Notify(w.hint))
		}
	}
}

// leave ends the subscriptions.
func (w *wakeups) leave() {
	for _, stop := range w.stop {
		stop()
	}
}

// end has the stream end. The first reason counts. A handler that waits in a Send for a
// peer which reads nothing does not learn of it: each newer stream of such a peer would
// leave another one behind, with what it was to be sent.
func (w *wakeups) end(why error) {
	w.why.CompareAndSwap(nil, &why)
	w.hint.Wake()
	if w.conn != nil {
		time.AfterFunc(w.stuck, func() {
			if !w.gone.Load() {
				w.conn.Close(why)
			}
		})
	}
}

// over says that the handler returns.
func (w *wakeups) over() { w.gone.Store(true) }

// ended is why the stream is to end, nil if it is not.
func (w *wakeups) ended() error {
	if why := w.why.Load(); why != nil {
		return *why
	}
	return nil
}
