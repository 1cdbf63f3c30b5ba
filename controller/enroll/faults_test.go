package enroll

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog/changelogtest"
)

// TestHostsThatWaitBearTheFaultsOfTheirLog: whatever happens to the log, a host whose
// request is decided is woken to read it. White-box: a host is woken again and again, and
// nobody outside sees it.
func TestHostsThatWaitBearTheFaultsOfTheirLog(t *testing.T) {
	t.Parallel()
	changelogtest.Faults(t, func(*testing.T) changelogtest.Subject {
		log := &changelogtest.Log{}
		var s *Service
		requests := 0
		owed := map[string]*waiter{} // decided since they read their request last
		sit := func() *waiter { return s.waiting.enter(fmt.Sprintf("request-%02d", requests)) }
		var waits *waiter
		return changelogtest.Subject{
			Log: log,
			Start: func() func(context.Context) error {
				s = New(Config{Changes: log, Now: time.Now, Log: zap.NewNop()})
				waits = sit() // those that were decided read it when they are back
				clear(owed)
				return s.follower.CatchUp
			},
			Commit: func() {
				id := fmt.Sprintf("request-%02d", requests)
				owed[id] = waits
				log.Add(changelog.Change{Kind: changelog.Tunneler, ID: "t-01", Op: changelog.Changed},
					changelog.Change{Kind: changelog.Request, ID: id, Op: changelog.Changed})
				requests++
				waits = sit()
			},
			Agrees: func(t *testing.T) {
				t.Helper()
				for id, one := range owed {
					select {
					case <-one.wake:
					default:
						require.Fail(t, "it waits", id)
					}
				}
				clear(owed)
			},
		}
	})
}
