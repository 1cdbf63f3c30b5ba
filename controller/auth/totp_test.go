package auth_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/authtest"
)

func contextOf() context.Context { return context.Background() }

func TestSecondFactor(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	first := e.Add(t, ada, auth.Admin)
	other, err := signIn(e, ada, authtest.Password, "")
	require.NoError(t, err)
	seed, _ := e.EnableTOTP(t, first)
	_, err = e.Sessions.Authenticate(t.Context(), other.Secret, false)
	require.Error(t, err, "sessions that began without it end")
	e.Active(t, first)

	_, err = signIn(e, ada, authtest.Password, "")
	require.ErrorIs(t, err, auth.ErrTOTPRequired)
	_, err = signIn(e, ada, "wrong password", "")
	require.ErrorIs(t, err, auth.ErrRefused, "who has no password learns nothing of a second factor")

	code := e.Code(t, seed)
	_, err = signIn(e, ada, authtest.Password, code)
	require.ErrorIs(t, err, auth.ErrRefused, "the code that turned it on is spent")
	e.Clock.Advance(30 * time.Second)
	code = e.Code(t, seed)
	_, err = signIn(e, ada, authtest.Password, code)
	require.NoError(t, err)
	_, err = signIn(e, ada, authtest.Password, code)
	require.ErrorIs(t, err, auth.ErrRefused, "a replayed code")
	e.Clock.Advance(30 * time.Second)
	_, err = signIn(e, ada, authtest.Password, code)
	require.ErrorIs(t, err, auth.ErrRefused, "a replayed code within the skew")
	next := e.Code(t, seed)
	_, err = e.Sessions.StepUp(t.Context(), e.Active(t, first), auth.Proof{Code: next}, from("192.0.2.1"))
	require.NoError(t, err)
	_, err = signIn(e, ada, authtest.Password, next)
	require.ErrorIs(t, err, auth.ErrRefused, "a code that re-authenticated is spent for signing in")
}

func TestAcceptsOneStepOfSkewAndNoMore(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		off time.Duration
		ok  bool
	}{
		"two steps late": {-60 * time.Second, false}, "one step late": {-30 * time.Second, true},
		"one step early": {30 * time.Second, true}, "two steps early": {60 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := authtest.New(t, nil)
			seed, _ := e.EnableTOTP(t, e.Add(t, ada, auth.Admin))
			e.Clock.Advance(time.Hour + tc.off)
			code := e.Code(t, seed)
			e.Clock.Advance(-tc.off)
			_, err := signIn(e, ada, authtest.Password, code)
			if tc.ok {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, auth.ErrRefused)
			}
		})
	}
	t.Run("and an older step than the last is spent", func(t *testing.T) {
		t.Parallel()
		e := authtest.New(t, nil)
		seed, _ := e.EnableTOTP(t, e.Add(t, ada, auth.Admin))
		e.Clock.Advance(time.Hour)
		before := e.Code(t, seed)
		e.Clock.Advance(30 * time.Second)
		_, err := signIn(e, ada, authtest.Password, e.Code(t, seed))
		require.NoError(t, err)
		_, err = signIn(e, ada, authtest.Password, before)
		require.ErrorIs(t, err, auth.ErrRefused)
	})
}

func TestRefusesWhatIsNoCodeAndLocks(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	seed, _ := e.EnableTOTP(t, e.Add(t, ada, auth.Admin))
	for _, code := range []string{e.WrongCode(t, seed), "12345", "1234567", "abcdef", strings.Repeat("1", 1<<16)} {
		_, err := signIn(e, ada, authtest.Password, code)
		require.ErrorIs(t, err, auth.ErrRefused)
	}
	var many *auth.TooManyError
	_, err := signIn(e, ada, authtest.Password, e.WrongCode(t, seed))
	require.ErrorAs(t, err, &many, "codes are guessed no more than passwords are")
}

func TestAskingForTheCodeIsNeitherFailureNorSuccess(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	seed, _ := e.EnableTOTP(t, e.Add(t, ada, auth.Admin))
	for range 10 {
		_, err := signIn(e, ada, authtest.Password, "")
		require.ErrorIs(t, err, auth.ErrTOTPRequired)
	}
	for range 5 {
		_, err := signIn(e, ada, authtest.Password, "")
		require.ErrorIs(t, err, auth.ErrTOTPRequired)
		_, err = signIn(e, ada, authtest.Password, e.WrongCode(t, seed))
		require.ErrorIs(t, err, auth.ErrRefused)
	}
	var many *auth.TooManyError
	_, err := signIn(e, ada, authtest.Password, "")
	require.ErrorAs(t, err, &many, "the question does not start the count anew")
}

// The right password counts as an attempt until its code comes. After a lock that
// attempt would lock the account anew, so that its owner never gets to type the code.
func TestTheRightPasswordDoesNotLockBeforeItsCode(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	seed, _ := e.EnableTOTP(t, e.Add(t, ada, auth.Admin))
	for range 5 {
		_, err := signIn(e, ada, "wrong password", "")
		require.ErrorIs(t, err, auth.ErrRefused)
	}
	e.Clock.Advance(30 * time.Second)
	for range 3 { // of several visits, too
		_, err := signIn(e, ada, authtest.Password, "")
		require.ErrorIs(t, err, auth.ErrTOTPRequired)
	}
	_, err := signIn(e, ada, authtest.Password, e.Code(t, seed))
	require.NoError(t, err)

	for range 5 {
		_, err = signIn(e, ada, "wrong password", "")
		require.ErrorIs(t, err, auth.ErrRefused)
	}
	e.Clock.Advance(30 * time.Second)
	_, err = signIn(e, ada, authtest.Password, "")
	require.ErrorIs(t, err, auth.ErrTOTPRequired)
	_, err = signIn(e, ada, "wrong password", "")
	require.ErrorIs(t, err, auth.ErrRefused)
	var many *auth.TooManyError
	_, err = signIn(e, ada, authtest.Password, "")
	require.ErrorAs(t, err, &many, "what somebody else got wrong meanwhile still counts")
	require.Equal(t, time.Minute, many.RetryAfter)
}

func TestCodesThatConfirmAreCountedByPerson(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	a := e.Active(t, e.Add(t, ada, auth.Admin))
	enrollment, err := e.Account.StartTOTP(t.Context(), a)
	require.NoError(t, err)
	for i := range 5 {
		_, err = e.Account.ConfirmTOTP(t.Context(), a, e.WrongCode(t, enrollment.Secret), from(fmt.Sprintf("198.51.100.%d", i)))
		require.ErrorIs(t, err, auth.ErrRefused)
	}
	var many *auth.TooManyError
	_, err = e.Account.ConfirmTOTP(t.Context(), a, e.Code(t, enrollment.Secret), from("192.0.2.1"))
	require.ErrorAs(t, err, &many)
	e.Clock.Advance(30 * time.Second)
	_, err = e.Account.ConfirmTOTP(t.Context(), a, e.Code(t, enrollment.Secret), from("192.0.2.1"))
	require.NoError(t, err)
}

func TestRecoveryCodes(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	_, codes := e.EnableTOTP(t, e.Add(t, ada, auth.Admin))
	require.Len(t, codes, 10)
	require.Regexp(t, `^[a-z2-7]{4}(-[a-z2-7]{4}){3}$`, codes[0])
	in, err := signIn(e, ada, authtest.Password, strings.ToUpper(codes[0]))
	require.NoError(t, err)
	_, err = signIn(e, ada, authtest.Password, codes[0])
	require.ErrorIs(t, err, auth.ErrRefused, "used")
	left, err := e.Account.RecoveryCodesLeft(t.Context(), e.Active(t, in))
	require.NoError(t, err)
	require.Equal(t, 9, left)
	require.Len(t, e.Events(t, audit.PersonRecovery), 1)

	bob := e.Add(t, "bob@example.com", auth.Admin)
	e.EnableTOTP(t, bob)
	_, err = signIn(e, "bob@example.com", authtest.Password, codes[1])
	require.ErrorIs(t, err, auth.ErrRefused, "another person's")

	require.NoError(t, e.Account.StopTOTP(t.Context(), e.Active(t, in), from("192.0.2.1")))
	again, err := signIn(e, ada, authtest.Password, "")
	require.NoError(t, err)
	require.ErrorIs(t, e.Account.StopTOTP(t.Context(), e.Active(t, again), from("192.0.2.1")), auth.ErrTOTPState)
	_, fresh := e.EnableTOTP(t, again)
	_, err = signIn(e, ada, authtest.Password, codes[2])
	require.ErrorIs(t, err, auth.ErrRefused, "of the factor before")
	_, err = signIn(e, ada, authtest.Password, fresh[0])
	require.NoError(t, err)
}

func TestASeedCountsOnceItsFirstCodeWasSeen(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	a := e.Active(t, e.Add(t, ada, auth.Admin))
	_, err := e.Account.ConfirmTOTP(t.Context(), a, "123456", from("192.0.2.1"))
	require.ErrorIs(t, err, auth.ErrTOTPState, "none was begun")
	one, err := e.Account.StartTOTP(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, []byte("\x89PNG"), one.PNG[:4])
	two, err := e.Account.StartTOTP(t.Context(), a)
	require.NoError(t, err)
	require.NotEqual(t, one.Secret, two.Secret)
	_, err = signIn(e, ada, authtest.Password, "")
	require.NoError(t, err, "not on yet")
	_, err = e.Account.ConfirmTOTP(t.Context(), a, e.Code(t, one.Secret), from("192.0.2.1"))
	require.ErrorIs(t, err, auth.ErrRefused, "of the seed before")
	_, err = e.Account.ConfirmTOTP(t.Context(), a, e.Code(t, two.Secret), from("192.0.2.1"))
	require.NoError(t, err)
	_, err = e.Account.StartTOTP(t.Context(), a)
	require.ErrorIs(t, err, auth.ErrTOTPState, "whoever has the session does not swap the factor")
}

func TestSeedsAreSealedForTheirPerson(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Admin)
	seed, _ := e.EnableTOTP(t, in)
	rows := e.Store.AuthRows()
	p, err := rows.LocalPerson(t.Context(), ada)
	require.NoError(t, err)
	require.NotContains(t, string(p.TOTPSeed), seed)

	bob := e.Add(t, "bob@example.com", auth.Owner).Person
	bob, err = rows.Person(t.Context(), bob.ID)
	require.NoError(t, err)
	bob.TOTPSeed = p.TOTPSeed // by somebody who can write rows and has no key file
	require.NoError(t, rows.PutPerson(t.Context(), bob))
	e.Clock.Advance(time.Minute)
	_, err = signIn(e, "bob@example.com", authtest.Password, e.Code(t, seed))
	require.ErrorContains(t, err, "does not open")
	require.NotErrorIs(t, err, auth.ErrRefused)
}
