package events_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog/changelogtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/events"
)

// TestAFeedBearsTheFaultsOfItsLog: a reader that asks for everything when it is told that
// events were lost knows all there is.
func TestAFeedBearsTheFaultsOfItsLog(t *testing.T) {
	t.Parallel()
	changelogtest.Faults(t, func(t *testing.T) changelogtest.Subject {
		t.Helper()
		log, all, known := &changelogtest.Log{}, map[string]bool{}, map[string]bool{}
		var sub *events.Subscription
		read := func() {
			news, _, err := sub.Read()
			if errors.Is(err, events.ErrLost) {
				known = maps.Clone(all)
			} else {
				require.NoError(t, err)
			}
			for _, e := range news {
				known[e.ID] = true
			}
		}
		return changelogtest.Subject{
			Log: log,
			Start: func() func(context.Context) error {
				f := &events.Feed{Hub: events.NewHub(time.Now)}
				sub = subscribe(t, f.Hub, "a", "")
				return changelog.NewFollower(changelog.Config{Name: "events", Log: log, Reader: f, Now: time.Now, Logger: zap.NewNop()}).CatchUp
			},
			Commit: func() {
				read()
				id := fmt.Sprint(len(all))
				all[id] = true
				log.Add(changelog.Change{Kind: changelog.Token, ID: id, Op: changelog.Created})
			},
			Agrees: func(t *testing.T) {
				t.Helper()
				read()
				require.Equal(t, all, known)
			},
		}
	})
}
