package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/authtest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

func requireRefused(t *testing.T, e *authtest.Env, cookie, reason string) {
	t.Helper()
	_, err := e.Sessions.Authenticate(t.Context(), cookie, false)
	var refused *auth.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, reason, refused.Reason)
}

func TestSessionsEndByThemselves(t *testing.T) {
	t.Parallel()
	t.Run("when they are idle", func(t *testing.T) {
		t.Parallel()
		e := authtest.New(t, nil)
		in := e.Add(t, ada, auth.Admin)
		for range 3 {
			e.Clock.Advance(auth.SessionIdle - time.Second)
			e.Active(t, in)
		}
		e.Clock.Advance(auth.SessionIdle)
		requireRefused(t, e, in.Secret, "expired session")
	})
	t.Run("when only their page asks", func(t *testing.T) {
		t.Parallel()
		e := authtest.New(t, nil)
		in := e.Add(t, ada, auth.Admin)
		for range 29 {
			e.Clock.Advance(time.Minute)
			_, err := e.Sessions.Authenticate(t.Context(), in.Secret, true)
			require.NoError(t, err)
		}
		e.Clock.Advance(time.Minute)
		requireRefused(t, e, in.Secret, "expired session")
	})
	t.Run("after half a day of use", func(t *testing.T) {
		t.Parallel()
		e := authtest.New(t, nil)
		in := e.Add(t, ada, auth.Admin)
		for range 12*4 - 1 {
			e.Clock.Advance(15 * time.Minute)
			e.Active(t, in)
		}
		e.Clock.Advance(15 * time.Minute)
		requireRefused(t, e, in.Secret, "expired session")
		live, _, err := e.Sessions.Page(t.Context(), auth.SessionQuery{}, auth.Place{}, 9)
		require.NoError(t, err)
		require.Empty(t, live)
	})
}

func TestRefusesWhatIsNoSession(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Admin)
	for reason, cookies := range map[string][]string{
		"malformed session": {"", "x", in.Secret + "a", in.Secret[:len(in.Secret)-1], strings.ToUpper(in.Secret), in.Session.ID, strings.Repeat("z", 1<<20), "zta_" + in.Secret[4:]},
		"unknown session":   {keys.NewSecret("zts_")},
	} {
		for _, c := range cookies {
			requireRefused(t, e, c, reason)
		}
	}
}

func TestOnlyTheHashOfASessionIsKept(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Admin)
	_, err := e.Store.AuthRows().SessionByHash(t.Context(), []byte(in.Secret))
	require.ErrorIs(t, err, auth.ErrSessionNotFound)
	got, err := e.Store.AuthRows().SessionByHash(t.Context(), keys.HashSecret(in.Secret))
	require.NoError(t, err)
	require.Equal(t, in.Session.ID, got.ID)
}

func TestNobodyFixesASessionInAdvance(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	e.Add(t, ada, auth.Admin)
	attacker := e.Add(t, "eve@example.com", auth.Auditor)
	planted := from("192.0.2.1")
	planted.Replaces = attacker.Secret // Eve's cookie in Ada's browser
	in, err := e.Sessions.SignIn(t.Context(), auth.Credentials{Email: ada, Password: authtest.Password}, planted)
	require.NoError(t, err)
	require.NotEqual(t, attacker.Secret, in.Secret)
	requireRefused(t, e, attacker.Secret, "unknown session")
	require.Equal(t, in.Person.ID, e.Active(t, in).Person.ID)

	made := keys.NewSecret("zts_") // a secret that the attacker made up
	planted.Replaces = made
	_, err = e.Sessions.SignIn(t.Context(), auth.Credentials{Email: ada, Password: authtest.Password}, planted)
	require.NoError(t, err)
	requireRefused(t, e, made, "unknown session")
}

func TestStepUpRenewsTheSecret(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Admin)
	e.Clock.Advance(auth.StepUpLife)
	a := e.Active(t, in)
	require.False(t, a.Principal.SteppedUp(e.Clock.Now()))
	for _, wrong := range []auth.Proof{{}, {Password: "wrong password"}, {Code: "123456"}} {
		_, err := e.Sessions.StepUp(t.Context(), a, wrong, from("192.0.2.1"))
		require.ErrorIs(t, err, auth.ErrRefused)
		require.False(t, e.Active(t, in).Principal.SteppedUp(e.Clock.Now()))
	}
	up, err := e.Sessions.StepUp(t.Context(), a, auth.Proof{Password: authtest.Password}, from("192.0.2.1"))
	require.NoError(t, err)
	requireRefused(t, e, in.Secret, "unknown session")
	now := e.Active(t, up)
	require.True(t, now.Principal.SteppedUp(e.Clock.Now()))
	require.Equal(t, in.Session.ID, now.Session.ID)
	require.Equal(t, in.Session.ExpiresAt, now.Session.ExpiresAt, "the session does not live longer for it")
	require.False(t, auth.CheckCSRF(up.Secret, auth.CSRFToken(in.Secret)), "the CSRF token is another too")
	e.Clock.Advance(auth.StepUpLife)
	require.False(t, e.Active(t, up).Principal.SteppedUp(e.Clock.Now()))
}

func TestStepUpIsLimitedLikeSignIn(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Admin)
	a := e.Active(t, in)
	for range 5 {
		_, err := e.Sessions.StepUp(t.Context(), a, auth.Proof{Password: "wrong password"}, from("192.0.2.1"))
		require.ErrorIs(t, err, auth.ErrRefused)
	}
	var many *auth.TooManyError
	_, err := e.Sessions.StepUp(t.Context(), a, auth.Proof{Password: authtest.Password}, from("192.0.2.1"))
	require.ErrorAs(t, err, &many)
	require.ErrorAs(t, e.Account.SetPassword(t.Context(), a, authtest.Password, "another password", from("192.0.2.1")), &many)
}

func TestWithASecondFactorStepUpNeedsIt(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Admin)
	seed, _ := e.EnableTOTP(t, in)
	e.Clock.Advance(time.Minute)
	a := e.Active(t, in)
	for _, wrong := range []auth.Proof{{Password: authtest.Password}, {Password: "wrong", Code: e.Code(t, seed)}} {
		_, err := e.Sessions.StepUp(t.Context(), a, wrong, from("192.0.2.1"))
		require.ErrorIs(t, err, auth.ErrRefused)
	}
	_, err := e.Sessions.StepUp(t.Context(), a, auth.Proof{Code: e.Code(t, seed)}, from("192.0.2.1"))
	require.NoError(t, err)
}

func TestSessionsAreRevoked(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Admin)
	bob := e.Add(t, "bob@example.com", auth.Admin)
	require.ErrorIs(t, e.Sessions.Revoke(t.Context(), in.Person.ID, bob.Session.ID, auth.By{Actor: in.Person.Actor()}), auth.ErrSessionNotFound, "another's, by who may revoke his own")
	e.Active(t, bob)
	require.NoError(t, e.Sessions.Revoke(t.Context(), "", bob.Session.ID, auth.By{Actor: "person:owner"}))
	requireRefused(t, e, bob.Secret, "unknown session")
	require.Equal(t, "session/"+bob.Session.ID, e.Events(t, audit.SessionRevoke)[0].Target)
	require.ErrorIs(t, e.Sessions.Revoke(t.Context(), "", bob.Session.ID, auth.By{}), auth.ErrSessionNotFound)

	require.NoError(t, e.Sessions.SignOut(t.Context(), e.Active(t, in), auth.By{Actor: in.Person.Actor()}))
	requireRefused(t, e, in.Secret, "unknown session")
	require.Len(t, e.Events(t, audit.SignOut), 1)
}

func TestANewPasswordEndsOtherSessions(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Admin)
	other, err := signIn(e, ada, authtest.Password, "")
	require.NoError(t, err)
	a := e.Active(t, in)
	require.ErrorIs(t, e.Account.SetPassword(t.Context(), a, "wrong password", "another password", from("192.0.2.1")), auth.ErrRefused)
	var field *auth.FieldError
	require.ErrorAs(t, e.Account.SetPassword(t.Context(), a, authtest.Password, "short", from("192.0.2.1")), &field)
	require.NoError(t, e.Account.SetPassword(t.Context(), a, authtest.Password, "another password", from("192.0.2.1")))
	e.Active(t, in)
	requireRefused(t, e, other.Secret, "unknown session")
	_, err = signIn(e, ada, authtest.Password, "")
	require.ErrorIs(t, err, auth.ErrRefused)
	_, err = signIn(e, ada, "another password", "")
	require.NoError(t, err)
	require.Len(t, e.Events(t, audit.PersonPassword), 1)
}

func FuzzSessionCookie(f *testing.F) {
	e := authtest.New(f, nil)
	in := e.Add(f, ada, auth.Admin)
	f.Add("")
	f.Add(in.Secret[:10])
	f.Add(keys.NewSecret("zts_"))
	f.Fuzz(func(t *testing.T, cookie string) {
		_, err := e.Sessions.Authenticate(t.Context(), cookie, true)
		var refused *auth.RefusedError
		if cookie != in.Secret {
			require.ErrorAs(t, err, &refused)
		}
		require.Equal(t, cookie == in.Secret, err == nil)
	})
}

func FuzzDeviceCookie(f *testing.F) {
	e := authtest.New(f, nil)
	f.Add("", ada)
	f.Add(e.Add(f, ada, auth.Admin).Device, ada)
	f.Add("AAAA", ada)
	f.Fuzz(func(t *testing.T, device, email string) {
		src := from("192.0.2.1")
		src.Device = device
		_, err := e.Sessions.SignIn(t.Context(), auth.Credentials{Email: email, Password: "wrong password"}, src)
		require.Error(t, err)
		e.Clock.Advance(20 * time.Minute)
	})
}
