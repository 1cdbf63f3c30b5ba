package session_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/session"
)

// TestMeasuringIsRare: at most 4 connectors a minute, each once a minute, whatever the
// size of the fleet, and none that has a session.
func TestMeasuringIsRare(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		connectors  int
		least, most int // measurements in ten minutes
	}{
		"of two connectors":                       {2, 0, 0},
		"of three that have just failed, all":     {3, 0, 10},
		"of a hundred, of which some fail":        {100, 30, 50},
		"of an empty directory there are not any": {0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca := mtlstest.NewCA(t, td)
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				at := map[string][]time.Time{}
				var w *world
				w = start(t, ca, func(cfg *session.Config) {
					cfg.Measure = func(_ context.Context, c directory.Connector) (time.Duration, error) {
						mu.Lock()
						defer mu.Unlock()
						at[c.ID] = append(at[c.ID], time.Now())
						assert.Empty(t, w.info(c.ID).ConnectorID, "%s is in use", c.ID)
						if c.ID == "a0" {
							return 0, errors.New("connection refused")
						}
						return time.Millisecond, nil
					}
				})
				var list []directory.Connector
				for i := range c.connectors {
					list = append(list, plantAt("a", i))
				}
				w.book.turn(list...)
				<-time.After(10 * time.Minute)
				mu.Lock()
				defer mu.Unlock()
				n := 0
				for id, times := range at {
					n += len(times)
					for i, now := range times[1:] {
						require.GreaterOrEqual(t, now.Sub(times[i]), time.Minute, id)
					}
				}
				require.GreaterOrEqual(t, n, c.least)
				require.LessOrEqual(t, n, c.most)
				require.LessOrEqual(t, w.manager.Status().Wanted, 2)
			})
		})
	}
}

// plantAt has an address that fails without a packet.
func plantAt(id string, i int) directory.Connector {
	c := at(id+string(rune('0'+i/10))+string(rune('0'+i%10)), "nowhere")
	c.NetworkID = "plant"
	return c
}
