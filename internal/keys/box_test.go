package keys_test

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

func openBox(t *testing.T, path string) *keys.Box {
	t.Helper()
	b, err := keys.OpenBox(path)
	require.NoError(t, err)
	return b
}

func TestOpensOnlyWhatWasSealedForThePurpose(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "seal.key")
	b := openBox(t, path)
	plain := []byte("a seed")
	sealed := b.Seal("totp/p1", plain)
	require.NotContains(t, string(sealed), "seed")
	require.NotEqual(t, sealed, b.Seal("totp/p1", plain), "a nonce is used once")

	got, err := openBox(t, path).Open("totp/p1", sealed)
	require.NoError(t, err)
	require.Equal(t, plain, got)

	_, err = b.Open("totp/p2", sealed)
	require.ErrorIs(t, err, keys.ErrNotOpened, "a row that was copied to another person")
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		_, err = b.Open("totp/p1", changed)
		require.ErrorIs(t, err, keys.ErrNotOpened, i)
		_, err = b.Open("totp/p1", sealed[:i])
		require.ErrorIs(t, err, keys.ErrNotOpened, i)
	}
	_, err = openBox(t, filepath.Join(t.TempDir(), "seal.key")).Open("totp/p1", sealed)
	require.ErrorIs(t, err, keys.ErrNotOpened, "another key file")
}

func TestKeyFileIsPrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "seal.key")
	openBox(t, path)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left beside it")

	for name, spoil := range map[string]func(t *testing.T, path string){
		"that others may read": func(t *testing.T, path string) {
			t.Helper()
			openBox(t, path)
			require.NoError(t, os.Chmod(path, 0o640))
		},
		"that is a symbolic link": func(t *testing.T, path string) {
			t.Helper()
			openBox(t, path+".real")
			require.NoError(t, os.Symlink(path+".real", path))
		},
		"that is too short": func(t *testing.T, path string) {
			t.Helper()
			require.NoError(t, os.WriteFile(path, make([]byte, 31), 0o600))
		},
		"that is too long": func(t *testing.T, path string) {
			t.Helper()
			require.NoError(t, os.WriteFile(path, make([]byte, 33), 0o600))
		},
		"that is a directory": func(t *testing.T, path string) { t.Helper(); require.NoError(t, os.Mkdir(path, 0o700)) },
	} {
		t.Run("refuses one "+name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "seal.key")
			spoil(t, path)
			_, err := keys.OpenBox(path)
			require.ErrorContains(t, err, "sealing key")
		})
	}
}

func TestProcessesThatStartTogetherShareOneKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "seal.key")
	boxes := make([]*keys.Box, 8)
	var wg sync.WaitGroup
	for i := range boxes {
		wg.Go(func() { boxes[i], _ = keys.OpenBox(path) })
	}
	wg.Wait()
	sealed := boxes[0].Seal("x", []byte("y"))
	for _, b := range boxes {
		_, err := b.Open("x", sealed)
		require.NoError(t, err)
	}
}

func FuzzOpenBox(f *testing.F) {
	b, err := keys.NewBox(make([]byte, 32))
	require.NoError(f, err)
	f.Add([]byte{})
	f.Add(b.Seal("p", []byte("x"))[:30])
	f.Fuzz(func(t *testing.T, sealed []byte) {
		_, err := b.Open("p", sealed)
		require.ErrorIs(t, err, keys.ErrNotOpened)
	})
}
