package auth_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDisk = errors.New("disk full")

func TestNewKey(t *testing.T) {
	t.Parallel()
	secret, hash := auth.NewKey()
	require.Regexp(t, `^zta_[a-z2-7]{39}$`, secret)
	want := sha256.Sum256([]byte(secret))
	require.Equal(t, want[:], hash)
	again, _ := auth.NewKey()
	require.NotEqual(t, secret, again)
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	clock := apitest.NewClock()
	store := apitest.NewKeyStore()
	keys := auth.NewKeys(store, clock.Now)
	add := func(k auth.Key) string {
		secret, hash := auth.NewKey()
		require.NoError(t, store.InsertKey(t.Context(), k, hash))
		return secret
	}
	good := add(auth.Key{ID: "k1", Name: "ci", Permissions: []auth.Permission{auth.FleetRead}})
	expired := add(auth.Key{ID: "old", ExpiresAt: clock.Now()})
	unknown, _ := auth.NewKey()

	got, err := keys.Authenticate(t.Context(), good)
	require.NoError(t, err)
	require.Equal(t, auth.Principal{
		Actor: "key:k1", Kind: auth.KindKey, Name: "ci", Permissions: []auth.Permission{auth.FleetRead},
	}, got)

	asked := store.Asked()
	for reason, bad := range map[string][]string{
		"no API key":      {""},
		"unknown API key": {unknown},
		"expired API key": {expired},
		"malformed API key": {
			"x", good[:len(good)-1], good + "a", strings.ToUpper(good), " " + good, "ztc_" + good[4:], good[:10] + "0" + good[11:],
			strings.Repeat("a", 1<<20), "\x00", good + "\n",
		},
	} {
		for _, key := range bad {
			got, err := keys.Authenticate(t.Context(), key)
			var refused *auth.RefusedError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, reason, refused.Reason)
			require.Equal(t, "the credential is not valid", err.Error(), "one text for all")
			require.Zero(t, got)
		}
	}
	require.Equal(t, asked+2, store.Asked(), "the store is not asked for malformed keys")

	t.Run("a failing store is no refusal and no entry", func(t *testing.T) {
		store.Fail(errDisk)
		got, err := keys.Authenticate(t.Context(), good)
		require.ErrorIs(t, err, errDisk)
		var refused *auth.RefusedError
		require.NotErrorAs(t, err, &refused)
		require.Zero(t, got)
	})
}

func TestEnsureBootstrapKey(t *testing.T) {
	t.Parallel()
	store := apitest.NewKeyStore()
	path := filepath.Join(t.TempDir(), "bootstrap-api-key")
	ensure := func() auth.Bootstrap {
		got, err := auth.EnsureBootstrapKey(t.Context(), store, path)
		require.NoError(t, err)
		return got
	}
	require.Equal(t, auth.BootstrapCreated, ensure())
	secret := read(t, path)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	leftovers, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, leftovers, 1)
	requireAccepted(t, store, secret)

	require.Equal(t, auth.BootstrapKept, ensure())
	require.Equal(t, secret, read(t, path))

	require.NoError(t, os.Remove(path))
	require.Equal(t, auth.BootstrapFileGone, ensure())
	require.NoFileExists(t, path)
	requireAccepted(t, store, secret)
}

func TestEnsureBootstrapKeyHealsACrashBeforeTheHashWasStored(t *testing.T) {
	t.Parallel()
	store := apitest.NewKeyStore()
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path+".new", []byte("half"), 0o600)) // of an even earlier crash
	store.Fail(errDisk)
	_, err := auth.EnsureBootstrapKey(t.Context(), store, path)
	require.ErrorIs(t, err, errDisk)
	require.NoFileExists(t, path, "a store that cannot be read starts nothing")

	_, err = auth.EnsureBootstrapKey(t.Context(), failingInsert{store}, path)
	require.ErrorIs(t, err, errDisk)
	secret := read(t, path)

	store.Fail(nil)
	got, err := auth.EnsureBootstrapKey(t.Context(), store, path)
	require.NoError(t, err)
	require.Equal(t, auth.BootstrapCreated, got)
	require.Equal(t, secret, read(t, path))
	requireAccepted(t, store, secret)
}

func TestEnsureBootstrapKeyTakesNoPlantedFile(t *testing.T) {
	t.Parallel()
	good, _ := auth.NewKey()
	for name, plant := range map[string]func(t *testing.T, path string){
		"readable by others": func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, []byte(good), 0o600))
			require.NoError(t, os.Chmod(path, 0o644))
		},
		"a symbolic link": func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path+".target", []byte(good), 0o600))
			require.NoError(t, os.Symlink(path+".target", path))
		},
		"a dangling link": func(t *testing.T, path string) { require.NoError(t, os.Symlink(path+".target", path)) },
		"a directory":     func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) },
		"something else":  func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, []byte("root:x:0:0"), 0o600)) },
		"an empty file":   func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, nil, 0o600)) },
		"a weak key":      func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, []byte("zta_password"), 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := apitest.NewKeyStore()
			path := filepath.Join(t.TempDir(), "key")
			plant(t, path)
			_, err := auth.EnsureBootstrapKey(t.Context(), store, path)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "zta_")
			_, err = store.KeyByID(t.Context(), auth.BootstrapID)
			require.ErrorIs(t, err, auth.ErrKeyNotFound)
			require.NoFileExists(t, path+".new")
		})
	}
}

// failingInsert knows no key and cannot store one.
type failingInsert struct{ *apitest.KeyStore }

func (failingInsert) KeyByID(context.Context, string) (auth.Key, error) {
	return auth.Key{}, auth.ErrKeyNotFound
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return strings.TrimSpace(string(b))
}

func requireAccepted(t *testing.T, store *apitest.KeyStore, secret string) {
	t.Helper()
	_, err := auth.NewKeys(store, time.Now).Authenticate(t.Context(), secret)
	require.NoError(t, err)
}
