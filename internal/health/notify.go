package health

import (
	"context"
	"errors"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"
)

// asksPerInterval is how often the loops are asked within WatchdogSec: a late
// answer or two is load, four in a row are a loop that hangs.
const asksPerInterval = 4

// statusEvery is how often the status line follows without a watchdog.
const statusEvery = 15 * time.Second

// NotifyConfig says what there is to report.
type NotifyConfig struct {
	// Alive returns nil if every main loop answered. It should end with its
	// context; one that never returns counts as a loop that hangs.
	Alive func(ctx context.Context) error
	// Status is the line of `systemctl status`.
	Status func(ctx context.Context) string
	Log    *zap.Logger
}

// Notify says that the program is ready, and how it is until ctx ends; then that it
// stops. It returns nil.
func Notify(ctx context.Context, cfg NotifyConfig) error {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		cfg.Log.Warn("watchdog not used", zap.Error(err))
	}
	s := &notifier{cfg: cfg, watched: interval > 0, answer: max(interval/asksPerInterval, time.Second)}
	if !s.send(daemon.SdNotifyReady) {
		<-ctx.Done()
		return nil
	}
	every := statusEvery
	if s.watched {
		every = interval / asksPerInterval
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		s.round(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			s.send(daemon.SdNotifyStopping)
			return nil
		}
	}
}

// notifier is one Run under a service manager.
type notifier struct {
	cfg     NotifyConfig
	watched bool
	answer  time.Duration // that the loops may take
	hung    bool          // said already
	status  string        // sent last
}

func (s *notifier) round(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.answer)
	defer cancel()
	if s.watched {
		err := s.cfg.Alive(ctx)
		if err == nil {
			s.send(daemon.SdNotifyWatchdog)
		} else if !s.hung && !errors.Is(err, context.Canceled) {
			s.cfg.Log.Error("a main loop does not answer; the watchdog restarts this program if it stays so", zap.Error(err))
		}
		s.hung = err != nil
	}
	if status := s.cfg.Status(ctx); status != s.status && s.send("STATUS="+status) {
		s.status = status
	}
}

// send reports whether there is a service manager.
func (s *notifier) send(state string) bool {
	sent, err := daemon.SdNotify(false, state)
	if err != nil {
		s.cfg.Log.Warn("service manager not notified", zap.String("state", state), zap.Error(err))
	}
	return sent || err != nil
}
