package membudget_test

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
)

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

// budget of one object, in bytes.
type budget struct{ heap, stacks int64 }

// What one object may take; docs/fleet.md says what that makes of a fleet.
var (
	streamBudget    = budget{36 << 10, 39 << 10} // a control stream, at the controller
	directoryBudget = budget{34 << 10, 35 << 10} // a directory stream, at the controller
	sessionBudget   = budget{36 << 10, 44 << 10} // a session, at its connector
	awayBudget      = budget{2<<10 + 128, 256}   // a member that is away, at the controller
	reportBudget    = budget{1280, 256}          // a session, at the controller
)

// used is what the heap and the stacks hold after a collection.
func used() (u budget) {
	// A buffer outlives one collection in its pool, and a collection halves a stack that is
	// too large at most once.
	for range 4 {
		runtime.GC()
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return budget{int64(m.HeapAlloc), int64(m.StackInuse)}
}

// aloneEnv is the name of the test that this process runs alone.
const aloneEnv = "MEMBUDGET_ALONE"

// alone runs the test in a process of its own and is false in this one: what an earlier
// test leaves in the runtime, goroutines to be used again and stacks, would not be
// counted for the next.
func alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv(aloneEnv) == t.Name() {
		return true
	}
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), aloneEnv+"="+t.Name())
	said, err := cmd.CombinedOutput()
	t.Logf("%s", said)
	require.NoError(t, err)
	return false
}

// perObject fails if what makes makes takes more than the budget, divided by n. What
// was made must be held until the test ends.
func perObject(t *testing.T, what string, n int, most budget, makes func(t *testing.T)) {
	t.Helper()
	before := used()
	makes(t)
	after := used()
	each := budget{(after.heap - before.heap) / int64(n), (after.stacks - before.stacks) / int64(n)}
	t.Logf("%s: %d bytes of the heap (budget %d), %d of stacks (budget %d)", what, each.heap, most.heap, each.stacks, most.stacks)
	require.LessOrEqual(t, each.heap, most.heap, "bytes of the heap, %s", what)
	require.LessOrEqual(t, each.stacks, most.stacks, "bytes of stacks, %s", what)
}
