package hosttest

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// WriteProgram writes a program that everybody may run to path, or fails the test.
func WriteProgram[Text string | []byte](tb testing.TB, path string, text Text) {
	tb.Helper()
	syscall.ForkLock.RLock() // nobody forks between open and close
	defer syscall.ForkLock.RUnlock()
	require.NoError(tb, os.WriteFile(path, []byte(text), 0o755)) //nolint:gosec // a program
}
