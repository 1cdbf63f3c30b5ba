package proc_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
)

// TestAChildThatIsOfNoUseIsStartedSeldom: SPIRE refuses the agent of a revoked host, and
// the pauses between its deaths began at 10 ms here.
func TestAChildThatIsOfNoUseIsStartedSeldom(t *testing.T) {
	t.Parallel()
	var futile atomic.Bool
	futile.Store(true)
	p, _, _ := run(t, "crash", func(c *proc.Config) { c.Futile = futile.Load })
	eventually(t, "the first death", func() bool { return p.Status().State == proc.StateBackoff })
	select {
	case <-time.After(500 * time.Millisecond): // 50 starts of a child that is not hopeless
	case <-t.Context().Done():
	}
	require.Equal(t, 1, p.Status().Restarts)
	require.NoError(t, p.Restart(t.Context(), nil), "whoever knows better is not held up")
	eventually(t, "the second death", func() bool { return p.Status().Restarts == 2 })
	futile.Store(false)
	require.NoError(t, p.Restart(t.Context(), nil))
	eventually(t, "many deaths", func() bool { return p.Status().Restarts > 5 })
}
