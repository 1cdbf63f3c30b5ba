package directory

import (
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/timeline"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// follow takes what the controller says of its timeline. The first full directory of a new
// one is taken whatever its revision.
func (w *Watcher) follow(m *zerotrustv1.Timeline) {
	w.timeline.Take(m, func(timeline.Statement, timeline.Kept) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.set.Forget()
		w.refused = 0
	})
}

// follows says whether the directory of a controller counts that is in a timeline. What
// is in use stays otherwise, and the tunneler is not ready.
func (w *Watcher) follows(number uint64) bool {
	err := w.timeline.Follows(number)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil && w.astray == nil {
		w.cfg.Log.Error("directory of another timeline refused", zap.Error(err))
	}
	w.astray = err
	return err == nil
}

func (w *Watcher) strays() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.astray != nil
}

// Timeline is what is kept of timelines, and whether two statements stopped this tunneler.
func (w *Watcher) Timeline() (kept timeline.Kept, stopped bool) {
	return w.timeline.Kept(), w.timeline.Stopped() != nil
}
