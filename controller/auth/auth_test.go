package auth_test

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/authtest"
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
	clock := authtest.NewClock()
	store := authtest.NewKeyStore()
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
