package auth_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/authtest"
)

// TestEachChangeSaysWhatWasBeforeAndAfter is of people, keys and sessions.
func TestEachChangeSaysWhatWasBeforeAndAfter(t *testing.T) {
	t.Parallel()
	by := auth.By{Actor: auth.LocalActor}
	key := auth.NewAPIKey{Name: "ci", Permissions: []auth.Permission{auth.FleetRead}}
	const (
		invited = `{"email":"ada@example.com","name":"ada@example.com","role":"operator"}`
		set     = `{"email":"ada@example.com","name":"ada@example.com","role":"operator","password":true}`
		second  = `{"email":"ada@example.com","name":"ada@example.com","role":"operator","password":true,"totp":true}`
		active  = `{"name":"ci","scopes":["fleet:read"],"expires_at":"2030-04-02T03:04:05Z"}`
	)
	for name, tc := range map[string]struct {
		do            func(t *testing.T, e *authtest.Env, in auth.SignedIn) error
		action        audit.Action
		before, after string
	}{
		"a person is invited": {nil, audit.PersonCreate, "", invited},
		"a person sets up":    {nil, audit.PersonSetup, invited, set},
		"a person is changed": {func(t *testing.T, e *authtest.Env, in auth.SignedIn) error {
			role, disabled := auth.Auditor, true
			_, err := e.People.Update(t.Context(), in.Person.ID, auth.Change{Role: &role, Disabled: &disabled}, by)
			return err
		}, audit.PersonUpdate, set, `{"email":"ada@example.com","name":"ada@example.com","role":"auditor","disabled":true,"password":true}`},
		"a person is reset": {func(t *testing.T, e *authtest.Env, in auth.SignedIn) error {
			e.EnableTOTP(t, in)
			_, _, err := e.People.Reset(t.Context(), in.Person.ID, by)
			return err
		}, audit.PersonReset, second, invited},
		"a person is deleted": {func(t *testing.T, e *authtest.Env, in auth.SignedIn) error {
			return e.People.Delete(t.Context(), in.Person.ID, auth.RevokeKeys, by)
		}, audit.PersonDelete, set, ""},
		"a second factor is turned on": {func(t *testing.T, e *authtest.Env, in auth.SignedIn) error {
			e.EnableTOTP(t, in)
			return nil
		}, audit.PersonTOTPOn, set, second},
		"a second factor is turned off": {func(t *testing.T, e *authtest.Env, in auth.SignedIn) error {
			e.EnableTOTP(t, in)
			return e.Account.StopTOTP(t.Context(), e.Active(t, in), auth.From{})
		}, audit.PersonTOTPOff, second, set},
		"a key is made": {func(t *testing.T, e *authtest.Env, _ auth.SignedIn) error {
			_, _, err := e.Keys.Create(t.Context(), key, by)
			return err
		}, audit.KeyCreate, "", active},
		"a key is revoked": {func(t *testing.T, e *authtest.Env, _ auth.SignedIn) error {
			k, _, err := e.Keys.Create(t.Context(), key, by)
			require.NoError(t, err)
			e.Clock.Advance(time.Hour)
			return e.Keys.Revoke(t.Context(), k.ID, by)
		}, audit.KeyRevoke, active, `{"name":"ci","scopes":["fleet:read"],"expires_at":"2030-04-02T03:04:05Z","revoked_at":"2030-01-02T04:04:05Z"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := authtest.New(t, nil)
			in := e.Add(t, "ada@example.com", auth.Operator)
			if tc.do != nil {
				require.NoError(t, tc.do(t, e, in))
			}
			events := e.Events(t, tc.action)
			require.Len(t, events, 1)
			require.Equal(t, tc.before, events[0].Before, "to the letter: the same state is the same text")
			require.Equal(t, tc.after, events[0].After)
		})
	}
	t.Run("a session is revoked", func(t *testing.T) {
		t.Parallel()
		e := authtest.New(t, nil)
		in := e.Add(t, "ada@example.com", auth.Operator)
		require.NoError(t, e.Sessions.Revoke(t.Context(), "", in.Session.ID, by))
		got := e.Events(t, audit.SessionRevoke)[0]
		require.JSONEq(t, `{"person":"`+in.Person.ID+`","method":"setup","source":"192.0.2.250",
			"created_at":"2030-01-02T03:04:05Z","expires_at":"2030-01-02T15:04:05Z"}`, got.Before)
		require.Empty(t, got.After)
	})
}
