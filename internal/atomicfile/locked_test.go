package atomicfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
)

func TestLockedIsForOneAtATime(t *testing.T) {
	t.Parallel()
	dir, failed := t.TempDir(), errors.New("failed")
	path := filepath.Join(dir, "f")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				err := atomicfile.Locked(dir, func() error {
					return errors.Join(os.Mkdir(path, 0o700), os.Remove(path), failed)
				})
				if !errors.Is(err, failed) || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	require.ErrorIs(t, atomicfile.Locked(filepath.Join(dir, "none"), func() error { return nil }), fs.ErrNotExist)
}
