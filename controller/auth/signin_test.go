package auth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/authtest"
)

const ada = "ada@example.com"

func from(source string) auth.From {
	return auth.From{RequestID: "r1", Source: source, UserAgent: "test"}
}

func signIn(e *authtest.Env, email, password, code string) (auth.SignedIn, error) {
	return e.Sessions.SignIn(contextOf(), auth.Credentials{Email: email, Password: password, Code: code}, from("192.0.2.1"))
}

func TestSignInWithPassword(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	first := e.Add(t, ada, auth.Operator)
	in, err := signIn(e, "ADA@example.com", authtest.Password, "")
	require.NoError(t, err)
	require.NotEqual(t, first.Secret, in.Secret)
	a := e.Active(t, in)
	require.Equal(t, "person:"+first.Person.ID, a.Principal.Actor)
	require.Equal(t, auth.Operator.Permissions(), a.Principal.Permissions)
	require.Equal(t, e.Clock.Now().Add(auth.StepUpLife), a.Principal.StepUpUntil)
	ev := e.Events(t, audit.SignIn)
	require.Equal(t, audit.Event{
		Time: e.Clock.Now(), Actor: a.Principal.Actor, Action: audit.SignIn, Target: "session/" + in.Session.ID,
		Outcome: audit.Success, Reason: "password", RequestID: "r1", Source: "192.0.2.1",
	}, ev[len(ev)-1])
}

func TestRefusesEverySignInAlikeAndRecordsWhy(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		prepare         func(t *testing.T, e *authtest.Env)
		email, password string
		reason          string
	}{
		"an unknown person":   {email: "eve@example.com", password: authtest.Password, reason: "unknown person"},
		"nobody":              {password: authtest.Password, reason: "unknown person"},
		"a wrong password":    {email: ada, password: authtest.Password + "x", reason: "wrong password"},
		"an empty password":   {email: ada, reason: "wrong password"},
		"a cut password":      {email: ada, password: authtest.Password[:20], reason: "wrong password"},
		"another case":        {email: ada, password: strings.ToUpper(authtest.Password), reason: "wrong password"},
		"an endless password": {email: ada, password: strings.Repeat("a", 60<<10), reason: "wrong password"},
		"an SQL wildcard":     {email: "%", password: authtest.Password, reason: "unknown person"},
		"a disabled person": {email: ada, password: authtest.Password, reason: "disabled person", prepare: func(t *testing.T, e *authtest.Env) {
			p, err := e.Store.AuthRows().LocalPerson(t.Context(), ada)
			require.NoError(t, err)
			p.DisabledAt = e.Clock.Now()
			require.NoError(t, e.Store.AuthRows().PutPerson(t.Context(), p))
		}},
		"a person who did not use the setup link": {email: "new@example.com", reason: "setup link not used yet", prepare: func(t *testing.T, e *authtest.Env) {
			_, _, err := e.People.Create(t.Context(), auth.NewPerson{Email: "new@example.com", Name: "N", Role: auth.Owner}, auth.By{})
			require.NoError(t, err)
		}},
		"a federated person": {email: "fed@example.com", reason: "unknown person", prepare: func(t *testing.T, e *authtest.Env) {
			_, err := e.Sessions.SignInFederated(t.Context(), auth.Federated{Issuer: "i", Subject: "s", Email: "fed@example.com", Name: "F", Role: auth.Admin}, from("192.0.2.9"))
			require.NoError(t, err)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := authtest.New(t, nil)
			e.Add(t, ada, auth.Admin)
			if tc.prepare != nil {
				tc.prepare(t, e)
			}
			before := len(e.Events(t, audit.SignIn))
			in, err := signIn(e, tc.email, tc.password, "")
			require.ErrorIs(t, err, auth.ErrRefused)
			require.Equal(t, auth.ErrRefused.Error(), err.Error(), "one text for all")
			require.Zero(t, in)
			events := e.Events(t, audit.SignIn)[before:]
			require.Len(t, events, 1)
			require.Equal(t, tc.reason, events[0].Reason)
			require.Equal(t, audit.Denied, events[0].Outcome)
			require.Empty(t, events[0].Actor, "whoever it was, it is not known to be that person")
			require.NotContains(t, fmt.Sprintf("%+v", events[0]), "eve", "what was typed may be a password")
		})
	}
}

// TestUnknownAccountCostsTheSame measures processor time, which a busy machine does
// not change; nothing else runs meanwhile, for the test is not parallel.
func TestUnknownAccountCostsTheSame(t *testing.T) {
	e := authtest.New(t, nil)
	e.Config.Passwords = auth.PasswordCost{MemoryKiB: 32 << 10, Iterations: 4, Lanes: 1, AtOnce: 1}
	e.Again(t)
	e.Add(t, ada, auth.Admin)
	cost := func(email string) time.Duration {
		least := time.Hour
		for i := range 3 {
			began := cpuTime(t)
			_, err := e.Sessions.SignIn(t.Context(), auth.Credentials{Email: email, Password: "not the password"}, from(fmt.Sprint("198.51.100.", i)))
			require.ErrorIs(t, err, auth.ErrRefused)
			least = min(least, cpuTime(t)-began)
		}
		return least
	}
	known, unknown := cost(ada), cost("eve@example.com")
	require.Greater(t, unknown, known/2)
	require.Less(t, unknown, known*2)
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestLocksAnAccountWithBackoff(t *testing.T) {
	t.Parallel()
	for name, email := range map[string]string{"that exists": ada, "that does not exist": "eve@example.com"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := authtest.New(t, nil)
			session := e.Add(t, ada, auth.Admin)
			n := 0
			try := func(password string) error {
				n++
				_, err := e.Sessions.SignIn(t.Context(), auth.Credentials{Email: email, Password: password}, from(fmt.Sprintf("198.51.%d.1", n)))
				return err
			}
			for range 5 {
				require.ErrorIs(t, try("wrong"), auth.ErrRefused)
			}
			for _, lock := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute} {
				var many *auth.TooManyError
				for range 3 { // attempts while it is locked do not make it longer
					require.ErrorAs(t, try(authtest.Password), &many, "even the right password, from any address")
					require.Equal(t, lock, many.RetryAfter)
				}
				e.Clock.Advance(lock - time.Second)
				require.ErrorAs(t, try("wrong"), &many)
				e.Clock.Advance(time.Second)
				if lock < 15*time.Minute {
					_, err := e.Sessions.Authenticate(t.Context(), session.Secret, false)
					require.NoError(t, err, "who is signed in stays so")
				}
				require.ErrorIs(t, try("wrong"), auth.ErrRefused)
			}
			e.Clock.Advance(15 * time.Minute)
			if email != ada {
				require.ErrorIs(t, try(authtest.Password), auth.ErrRefused)
				return
			}
			require.NoError(t, try(authtest.Password), "nobody is locked out for ever")
			for range 4 {
				require.ErrorIs(t, try("wrong"), auth.ErrRefused)
			}
			require.NoError(t, try(authtest.Password), "a success starts the count anew")
		})
	}
}

func TestManyGuessesAtOnceAreNoWayAroundTheLock(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	e.Add(t, ada, auth.Admin)
	var mu sync.Mutex
	checked := 0
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			_, err := e.Sessions.SignIn(t.Context(), auth.Credentials{Email: ada, Password: "wrong"}, from(fmt.Sprintf("198.51.%d.1", i)))
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, auth.ErrRefused) {
				checked++
			}
		})
	}
	wg.Wait()
	require.Equal(t, 5, checked)
}

// TestNamesThatAreMadeUpFillNoDatabase: each attempt is counted, also on accounts that
// do not exist, and anybody can make those up.
func TestNamesThatAreMadeUpFillNoDatabase(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	few := fewFailures{Store: e.Config.Store, asked: new(int)}
	e.Config.Store = few
	e.Again(t)
	for n := range 12 {
		e.Clock.Advance(time.Second)
		_, err := signIn(e, fmt.Sprintf("eve%d@example.com", n), "wrong", "")
		require.ErrorIs(t, err, auth.ErrRefused)
	}
	require.Equal(t, 10_000, *few.asked)
	require.Equal(t, 3, few.left(t, e, 12), "the oldest make room")
	e.Clock.Advance(24 * time.Hour)
	_, err := signIn(e, ada, "wrong", "")
	require.ErrorIs(t, err, auth.ErrRefused)
	require.Equal(t, 1, few.left(t, e, 12), "after a day nothing is counted any more")
}

// fewFailures is a store that keeps three accounts, whatever it is asked to keep.
type fewFailures struct {
	auth.Store

	asked *int
}

// AuthTx implements auth.Store.
func (f fewFailures) AuthTx(ctx context.Context, fn func(auth.Tx) error) error {
	return f.Store.AuthTx(ctx, func(tx auth.Tx) error { return fn(fewTx{tx, f.asked}) })
}

// left is how many of the first n made-up accounts are counted.
func (f fewFailures) left(t *testing.T, e *authtest.Env, n int) (left int) {
	t.Helper()
	for i := range n {
		counted, err := e.Store.AuthRows().Failures(t.Context(), auth.AccountKey(fmt.Sprintf("eve%d@example.com", i)))
		require.NoError(t, err)
		left += counted.Count
	}
	return left
}

type fewTx struct {
	auth.Tx

	asked *int
}

// KeepFailures implements auth.FailuresTx.
func (f fewTx) KeepFailures(ctx context.Context, most int) error {
	*f.asked = most
	return f.Tx.KeepFailures(ctx, 3)
}

func TestAnAttackerDoesNotLockOutAKnownDevice(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	device := e.Add(t, ada, auth.Owner).Device
	require.NotEmpty(t, device)
	attack := func(device string, n int) (last error) {
		for i := range n {
			f := from(fmt.Sprintf("198.51.%d.1", i))
			f.Device = device
			_, last = e.Sessions.SignIn(t.Context(), auth.Credentials{Email: ada, Password: "wrong"}, f)
		}
		return last
	}
	var many *auth.TooManyError
	require.ErrorAs(t, attack("", 6), &many)
	for name, forged := range map[string]string{"garbage": "AAAA", "cut": device[:len(device)-2], "changed": "B" + device[1:], "huge": strings.Repeat("A", 1<<20)} {
		require.ErrorAs(t, attack(forged, 1), &many, name)
	}
	own := from("192.0.2.7")
	own.Device = device
	in, err := e.Sessions.SignIn(t.Context(), auth.Credentials{Email: ada, Password: authtest.Password}, own)
	require.NoError(t, err, "the browser at which she signed in before")
	require.Empty(t, in.Device, "it has one")

	require.ErrorAs(t, attack(device, 6), &many, "a stolen device cookie has five guesses too")
	e.Add(t, "bob@example.com", auth.Admin)
	bob := from("192.0.2.8")
	bob.Device = device
	for range 5 {
		_, err = e.Sessions.SignIn(t.Context(), auth.Credentials{Email: "bob@example.com", Password: "wrong"}, bob)
		require.ErrorIs(t, err, auth.ErrRefused)
	}
	_, err = e.Sessions.SignIn(t.Context(), auth.Credentials{Email: "bob@example.com", Password: authtest.Password}, from("192.0.2.8"))
	require.ErrorAs(t, err, &many, "a device is known for its own account only")
	e.Clock.Advance(91 * 24 * time.Hour)
	require.ErrorAs(t, attack(device, 6), &many)
}

func TestLimitsASourceWhateverTheAccount(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	e.Add(t, ada, auth.Admin)
	try := func(source string, i int) error {
		_, err := e.Sessions.SignIn(t.Context(), auth.Credentials{Email: fmt.Sprintf("p%d@example.com", i), Password: "password spraying"}, from(source))
		return err
	}
	for i := range 20 {
		require.ErrorIs(t, try("2001:db8::1", i), auth.ErrRefused)
	}
	var many *auth.TooManyError
	require.ErrorAs(t, try("2001:db8::ffff", 21), &many, "an IPv6 host has a whole /64")
	require.ErrorIs(t, try("2001:db8:1::1", 22), auth.ErrRefused)
	e.Clock.Advance(6 * time.Second)
	require.ErrorIs(t, try("2001:db8::1", 23), auth.ErrRefused)
	require.ErrorAs(t, try("2001:db8::1", 24), &many)

	for range 50 { // behind one address translator, all with the right password
		_, err := e.Sessions.SignIn(t.Context(), auth.Credentials{Email: ada, Password: authtest.Password}, from("203.0.113.1"))
		require.NoError(t, err)
	}
}

// Every process of the host, and every visitor of a proxy on it, has this address.
func TestOneProcessDoesNotShutLoopbackOut(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"} {
		e := authtest.New(t, nil)
		e.Add(t, ada, auth.Admin)
		for i := range 100 {
			_, err := e.Sessions.SignIn(t.Context(), auth.Credentials{Email: fmt.Sprintf("p%d@example.com", i), Password: "password spraying"}, from(source))
			require.ErrorIs(t, err, auth.ErrRefused, source)
		}
		in, err := e.Sessions.SignIn(t.Context(), auth.Credentials{Email: ada, Password: authtest.Password}, from(source))
		require.NoError(t, err, source)
		for range 5 {
			_, err = e.Sessions.SignIn(t.Context(), auth.Credentials{Email: ada, Password: "wrong"}, from(source))
			require.ErrorIs(t, err, auth.ErrRefused)
		}
		var many *auth.TooManyError
		_, err = e.Sessions.SignIn(t.Context(), auth.Credentials{Email: ada, Password: authtest.Password}, from(source))
		require.ErrorAs(t, err, &many, "each account is counted")
		own := from(source)
		own.Device = in.Device
		_, err = e.Sessions.SignIn(t.Context(), auth.Credentials{Email: ada, Password: authtest.Password}, own)
		require.NoError(t, err, "but not against the browser in which she signed in before")
	}
}

func TestAKnownBrowserIsNotHeldUpByItsAddress(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	device := e.Add(t, ada, auth.Admin).Device
	f := from("203.0.113.1")
	for i := range 21 {
		_, _ = e.Sessions.SignIn(t.Context(), auth.Credentials{Email: fmt.Sprintf("p%d@example.com", i), Password: "password spraying"}, f)
	}
	var many *auth.TooManyError
	_, err := e.Sessions.SignIn(t.Context(), auth.Credentials{Email: ada, Password: authtest.Password}, f)
	require.ErrorAs(t, err, &many)
	f.Device = device
	_, err = e.Sessions.SignIn(t.Context(), auth.Credentials{Email: ada, Password: authtest.Password}, f)
	require.NoError(t, err)
}

func TestAnAttemptThatCouldNotBeCheckedIsNoFailure(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	e.Add(t, ada, auth.Admin)
	p, err := e.Store.AuthRows().LocalPerson(t.Context(), ada)
	require.NoError(t, err)
	right := p.PasswordHash
	p.PasswordHash = "no hash"
	require.NoError(t, e.Store.AuthRows().PutPerson(t.Context(), p))
	for range 10 {
		_, err = signIn(e, ada, authtest.Password, "")
		require.ErrorContains(t, err, "stored password hash")
	}
	p.PasswordHash = right
	require.NoError(t, e.Store.AuthRows().PutPerson(t.Context(), p))
	_, err = signIn(e, ada, authtest.Password, "")
	require.NoError(t, err)
}

func TestRehashesWhenTheCostChanges(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	e.Add(t, ada, auth.Admin)
	hash := func() string {
		p, err := e.Store.AuthRows().LocalPerson(t.Context(), ada)
		require.NoError(t, err)
		return p.PasswordHash
	}
	before := hash()
	require.Contains(t, before, "$argon2id$v=19$m=8,t=1,p=1$")
	e.Config.Passwords.Iterations = 2
	e.Again(t)
	_, err := signIn(e, ada, "wrong", "")
	require.ErrorIs(t, err, auth.ErrRefused)
	require.Equal(t, before, hash(), "a wrong password changes nothing")
	_, err = signIn(e, ada, authtest.Password, "")
	require.NoError(t, err)
	require.Contains(t, hash(), "$argon2id$v=19$m=8,t=2,p=1$")
	_, err = signIn(e, ada, authtest.Password, "")
	require.NoError(t, err)
}

func TestDefaultPasswordCost(t *testing.T) {
	t.Parallel()
	require.Equal(t, auth.PasswordCost{MemoryKiB: 65536, Iterations: 3, Lanes: 4, AtOnce: 2}, auth.DefaultPasswordCost())
}

func TestPasswordRules(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		password string
		ok       bool
	}{
		"11 characters":              {"abcdefghijk", false},
		"12 characters":              {"abcdefghijkl", true},
		"12 letters of 2 bytes":      {"äöüäöüäöüäöü", true},
		"11 letters of 2 bytes":      {"äöüäöüäöüäö", false},
		"128 characters":             {strings.Repeat("ab", 64), true},
		"129 characters":             {strings.Repeat("ab", 64) + "c", false},
		"words and spaces":           {"one two three", true},
		"the e-mail address":         {"ada.lovelace@example.com", false},
		"the address in capitals":    {"ADA.Lovelace@example.com", false},
		"its local part":             {"ada.lovelace", false},
		"one character repeated":     {"aaaaaaaaaaaaaa", false},
		"one wide character of many": {strings.Repeat("ä", 20), false},
		"no UTF-8":                   {"abcdefghijkl\xff", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := authtest.New(t, nil)
			_, code, err := e.People.Create(t.Context(), auth.NewPerson{Email: "ada.lovelace@example.com", Name: "A", Role: auth.Owner}, auth.By{})
			require.NoError(t, err)
			_, err = e.People.Redeem(t.Context(), auth.Setup{Code: code, Password: tc.password}, from("192.0.2.1"))
			if tc.ok {
				require.NoError(t, err)
				_, err = signIn(e, "ada.lovelace@example.com", tc.password, "")
				require.NoError(t, err)
				return
			}
			var field *auth.FieldError
			require.ErrorAs(t, err, &field)
			require.Equal(t, "password", field.Field)
			_, err = e.People.Redeem(t.Context(), auth.Setup{Code: code, Password: authtest.Password}, from("192.0.2.1"))
			require.NoError(t, err, "a password that was refused does not spend the link")
		})
	}
	t.Run("is one password however a keyboard composes it", func(t *testing.T) {
		t.Parallel()
		e := authtest.New(t, nil)
		_, code, err := e.People.Create(t.Context(), auth.NewPerson{Email: ada, Name: "A", Role: auth.Owner}, auth.By{})
		require.NoError(t, err)
		_, err = e.People.Redeem(t.Context(), auth.Setup{Code: code, Password: "b\u00f6ses Passwort"}, from("192.0.2.1"))
		require.NoError(t, err)
		_, err = signIn(e, ada, "bo\u0308ses Passwort", "")
		require.NoError(t, err)
	})
}
