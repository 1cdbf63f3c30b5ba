package hostprogram

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// The readiness checks that rest on what the supervisor of the host's agent says.
const (
	CheckHost  = "host"
	CheckClock = "clock"
)

// AgentChecks makes the readiness checks of what this program cannot see itself: whether the
// controller still wants this host and this member (spiffeID), and whether the clock is
// right. A supervisor that reports nothing, because another agent runs here, fails none.
func AgentChecks(checks *health.Checks, socket, spiffeID string) {
	var member atomic.Bool // it was one of the host's
	read := hostagent.NewNotices(socket, time.Now).Read
	checks.Register(CheckHost, func(context.Context) error {
		n, err := read()
		if err != nil {
			return nil //nolint:nilerr // nothing is said
		}
		if err := n.Standing.Err(); err != nil {
			return err
		}
		if slices.Contains(n.Members, spiffeID) {
			member.Store(true)
		} else if member.Load() && n.Standing == hostagent.StandingActive {
			return errors.New("the controller has revoked " + spiffeID + "; its other members stay enrolled: enroll this one again with a new token")
		}
		return nil
	})
	checks.Explain(CheckHost, func() string {
		if n, err := read(); err == nil && n.Standing == hostagent.StandingActive {
			return "the controller knows this host"
		}
		return "the agent's supervisor reports no problem"
	})
	checks.Register(CheckClock, func(context.Context) error {
		if n, err := read(); err == nil && n.Clock != "" {
			return health.Degraded(errors.New(n.Clock))
		}
		return nil
	})
	checks.Explain(CheckClock, func() string { return "not known to differ from the controller's" })
}
