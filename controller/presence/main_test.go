package presence_test

import (
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

func connector(id string) identity.Workload {
	return identity.Workload{Kind: identity.KindConnector, ID: id}
}

func tunneler(id string) identity.Workload {
	return identity.Workload{Kind: identity.KindTunneler, ID: id}
}

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now().UTC().Truncate(time.Microsecond)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
