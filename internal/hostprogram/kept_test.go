package hostprogram_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
)

func TestKept(t *testing.T) {
	t.Parallel()
	t.Run("says what is in memory only, and writes what it can once it can", func(t *testing.T) {
		t.Parallel()
		inTheWay := filepath.Join(t.TempDir(), "state")
		require.NoError(t, os.WriteFile(inTheWay, nil, 0o600)) // no directory can be made here, not even by root
		dir := filepath.Join(inTheWay, "grpcconnector")
		k := hostprogram.NewKept(dir, zap.NewNop())
		forget := k.Addresses(map[string]any{"health": "127.0.0.1:4711"})
		k.Note("policy.json", syscall.ENOSPC)
		err := k.Ready(t.Context())
		require.ErrorContains(t, err, "everything works")
		require.ErrorContains(t, err, dir)
		require.ErrorContains(t, err, "policy.json: no space left on device")
		require.ErrorContains(t, err, "run.json: ")

		require.NoError(t, os.Remove(inTheWay))
		require.NotContains(t, k.Ready(t.Context()).Error(), "run.json")
		at, err := hostprogram.Address("127.0.0.1:0", dir)
		require.NoError(t, err)
		require.Equal(t, "127.0.0.1:4711", at)
		k.Note("policy.json", nil)
		require.NoError(t, k.Ready(t.Context()))
		forget()
		require.NoFileExists(t, filepath.Join(dir, "run.json"))
	})
	t.Run("of a program that keeps nothing is content", func(t *testing.T) {
		t.Parallel()
		k := hostprogram.NewKept("", zap.NewNop())
		k.Addresses(map[string]any{"health": "127.0.0.1:4711"})()
		require.NoError(t, k.Ready(t.Context()))
	})
	t.Run("leaves no run.json behind after the end", func(t *testing.T) {
		t.Parallel()
		inTheWay := filepath.Join(t.TempDir(), "state")
		require.NoError(t, os.WriteFile(inTheWay, nil, 0o600))
		k := hostprogram.NewKept(inTheWay, zap.NewNop())
		k.Addresses(map[string]any{"health": "127.0.0.1:4711"})()
		require.NoError(t, os.Remove(inTheWay))
		require.Error(t, k.Ready(t.Context()), "it was never written")
		require.NoDirExists(t, inTheWay)
	})
}
