package app

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

const (
	// readyEvery is how often a controller that starts checks whether it is ready.
	readyEvery = 200 * time.Millisecond
	// readyWithin is how long a healthy one may take: the first round of the reconciler
	// and of the audit log. One that takes longer lacks something.
	readyWithin = 10 * time.Second
	// unreadyEvery is how often a controller looks that was not ready in that time.
	unreadyEvery = 5 * time.Second
)

// announce says in the log that the controller is ready once /readyz does, and until
// then, if it takes long, why it is not. It closes ready when there is nothing more to
// wait for: a controller that lacks something serves all the same, and the service
// manager must not kill it for that.
func announce(ctx context.Context, checks *health.Checks, log *zap.Logger, say func(), ready chan<- struct{}) error {
	begun := time.Now()
	var waiting logging.Reminder
	done := sync.OnceFunc(func() { close(ready) })
	soon, later := context.WithCancel(ctx)
	defer later()
	notYet := func(r health.Report) {
		now := time.Now()
		if now.Sub(begun) < readyWithin {
			return
		}
		later()
		done()
		if due, _ := waiting.Due(now); due {
			log.Warn("the controller is running but not ready: `grpccontroller doctor` says what to do", zap.String("reason", r.Summary()))
		}
	}
	err := checks.WaitReady(soon, readyEvery, notYet)
	if err != nil && ctx.Err() == nil {
		err = checks.WaitReady(ctx, unreadyEvery, notYet)
	}
	if err == nil {
		say()
		done()
	}
	return nil // ctx has ended otherwise
}

// notify reports to systemd, once announced is closed.
func (c *controller) notify(ctx context.Context, announced <-chan struct{}) error {
	select {
	case <-announced:
	case <-ctx.Done():
		return nil
	}
	c.health.Live().Register("policy", c.policy.Alive)
	return health.Notify(ctx, health.NotifyConfig{Alive: c.health.Alive, Status: c.health.Summary, Log: c.log.Named("notify")})
}
