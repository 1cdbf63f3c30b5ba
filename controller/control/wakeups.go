package control

import (
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

// Why a stream ends that did nothing wrong.
var (
	errReplaced  = status.Error(codes.Aborted, "replaced by a newer stream of this member")
	errHearAgain = status.Error(codes.Aborted, "the controller asks for a new hello")
	errStopping  = status.Error(codes.Unavailable, "the controller is stopping")
	errSilent    = status.Error(codes.DeadlineExceeded, "no heartbeat within 30 s")
)

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
}

func newWakeups() *wakeups { return &wakeups{hint: topic.NewHint()} }

// hear subscribes to signals, which may be nil.
func (w *wakeups) hear(signals ...Signal) {
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

// end has the stream end. The first reason counts.
func (w *wakeups) end(why error) {
	w.why.CompareAndSwap(nil, &why)
	w.hint.Wake()
}

// ended is why the stream is to end, nil if it is not.
func (w *wakeups) ended() error {
	if why := w.why.Load(); why != nil {
		return *why
	}
	return nil
}
