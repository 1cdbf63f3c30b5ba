package hostcmd_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEnrollDropsWhatIsKeptOfAFormerController: a policy of before would be held against
// the controller that enrolls the host now.
func TestEnrollDropsWhatIsKeptOfAFormerController(t *testing.T) {
	t.Parallel()
	keep := func(t *testing.T, dir string) (state string) {
		t.Helper()
		state = filepath.Join(dir, "state")
		require.NoError(t, os.MkdirAll(state, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(state, "kept"), nil, 0o600))
		return state
	}
	t.Run("once the host is enrolled", func(t *testing.T) {
		t.Parallel()
		args, dir := enrollArgs(t, startController(t))
		state := keep(t, dir)
		out := run(token, args...)
		require.Zero(t, out.code, out.stderr)
		require.Equal(t, []forgotten{{state, false}}, out.forgot)
	})
	t.Run("of the state directory in the conf file too", func(t *testing.T) {
		t.Parallel()
		args, dir := enrollArgs(t, startController(t))
		state, former := keep(t, dir), keep(t, filepath.Join(dir, "former"))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "tunneler.conf"), []byte("STATE_DIR="+former+"\n"), 0o600))
		out := run(token, args...)
		require.Zero(t, out.code, out.stderr)
		require.Equal(t, []forgotten{{state, false}, {former, false}}, out.forgot)
	})
	t.Run("and says that it is another one by its CA", func(t *testing.T) {
		t.Parallel()
		args, dir := enrollArgs(t, startController(t))
		require.Zero(t, run(token, args...).code)
		state := keep(t, dir)
		next, other := enrollArgs(t, startController(t))
		for i, a := range next { // the same host
			if len(a) > len(other) && a[:len(other)] == other && filepath.Base(a) != "ca.crt" {
				next[i] = dir + a[len(other):]
			}
		}
		out := run(token, append(next, "--new-host")...)
		require.Zero(t, out.code, out.stderr)
		require.Equal(t, []forgotten{{state, true}}, out.forgot)
	})
	t.Run("but not when the controller refuses", func(t *testing.T) {
		t.Parallel()
		args, dir := enrollArgs(t, startController(t))
		state := keep(t, dir)
		out := run(unknownToken, args...)
		require.NotZero(t, out.code)
		require.Empty(t, out.forgot)
		require.FileExists(t, filepath.Join(state, "kept"))
	})
	t.Run("and fails where it cannot", func(t *testing.T) {
		t.Parallel()
		args, dir := enrollArgs(t, startController(t))
		require.NoError(t, os.Remove(filepath.Join(keep(t, dir), "kept")))
		out := run(token, args...)
		require.Equal(t, 1, out.code)
		require.Contains(t, out.stderr, "was not dropped")
	})
}
