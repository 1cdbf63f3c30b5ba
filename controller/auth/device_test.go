package auth_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/authtest"
)

const laptop = "192.0.2.9"

func askFor(t testing.TB, e *authtest.Env) auth.DeviceCodes {
	t.Helper()
	codes, err := e.Devices.Ask("laptop", laptop)
	require.NoError(t, err)
	return codes
}

func redeem(e *authtest.Env, codes auth.DeviceCodes) (auth.Login, error) {
	return e.Devices.Redeem(context.Background(), codes.DeviceCode, auth.By{Source: laptop})
}

func approve(t testing.TB, e *authtest.Env, in auth.SignedIn, codes auth.DeviceCodes) error {
	t.Helper()
	a := e.Active(t, in)
	_, err := e.Devices.Approve(context.Background(), a, codes.UserCode, auth.By{Actor: a.Principal.Actor, Source: "192.0.2.1"})
	return err
}

// login is a command line that in signed in.
func login(t testing.TB, e *authtest.Env, in auth.SignedIn) auth.Login {
	t.Helper()
	codes := askFor(t, e)
	require.NoError(t, approve(t, e, in, codes))
	l, err := redeem(e, codes)
	require.NoError(t, err)
	return l
}

func TestAPersonSignsACommandLineIn(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Owner)
	codes := askFor(t, e)
	require.Regexp(t, `^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`, codes.UserCode)
	_, err := redeem(e, codes)
	require.ErrorIs(t, err, auth.ErrDevicePending)
	ask, err := e.Devices.Look(e.Active(t, in), strings.ToLower(strings.ReplaceAll(codes.UserCode, "-", " ")))
	require.NoError(t, err, "as people type it")
	require.Equal(t, "laptop", ask.Host)
	require.Equal(t, laptop, ask.Source)
	require.NoError(t, approve(t, e, in, codes))
	e.Clock.Advance(auth.DeviceInterval)
	l, err := redeem(e, codes)
	require.NoError(t, err)

	p, err := e.Keys.Authenticate(t.Context(), l.Token)
	require.NoError(t, err)
	require.Equal(t, in.Person.Actor(), p.Actor)
	require.True(t, p.May(auth.TokensWrite))
	require.True(t, p.May(auth.CARotate))
	require.True(t, p.SteppedUp(e.Clock.Now()), "it was approved by a fresh sign-in, and is good for hours only")
	for _, no := range []auth.Permission{auth.Self, auth.PeopleManage, auth.KeysManage} {
		require.False(t, p.May(no), "a token of hours must not become a %s", no)
	}
	logins, _, err := e.Sessions.Page(t.Context(), auth.SessionQuery{Devices: true}, auth.Place{}, 9)
	require.NoError(t, err)
	require.Len(t, logins, 1)
	require.Equal(t, "laptop", logins[0].UserAgent)
	approved := e.Events(t, audit.DeviceApprove)
	require.Len(t, approved, 1)
	require.Equal(t, "192.0.2.1", approved[0].Source)
	require.Contains(t, approved[0].After, laptop)
	require.Contains(t, approved[0].After, "host_unverified")
}

func TestTheCodesAreUsedOnce(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Operator)
	codes := askFor(t, e)
	require.NoError(t, approve(t, e, in, codes))
	require.ErrorIs(t, approve(t, e, in, codes), auth.ErrDeviceCode, "approved before")
	require.ErrorIs(t, e.Devices.Deny(t.Context(), e.Active(t, in), codes.UserCode, auth.By{}), auth.ErrDeviceCode)
	_, err := redeem(e, codes)
	require.NoError(t, err)
	e.Clock.Advance(auth.DeviceInterval)
	_, err = redeem(e, codes)
	require.ErrorIs(t, err, auth.ErrDeviceExpired, "fetched before")
	require.ErrorIs(t, approve(t, e, in, codes), auth.ErrDeviceCode)
}

// meanwhile is a store in which something happens right before a transaction.
type meanwhile struct {
	auth.Store
	do func()
}

func (m *meanwhile) AuthTx(ctx context.Context, fn func(auth.Tx) error) error {
	if do := m.do; do != nil {
		m.do = nil
		do()
	}
	return m.Store.AuthTx(ctx, fn)
}

// TestWhatIsBeingApprovedIsDecided: a second session would be of nobody, and a command line
// that was denied would be signed in.
func TestWhatIsBeingApprovedIsDecided(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	s := &meanwhile{Store: e.Store}
	e.Config.Store = s
	e.Again(t)
	in, bob := e.Add(t, ada, auth.Operator), e.Add(t, "bob@example.com", auth.Owner)
	codes := askFor(t, e)
	a, b := e.Active(t, in), e.Active(t, bob)
	s.do = func() {
		_, err := e.Devices.Approve(t.Context(), b, codes.UserCode, auth.By{Actor: b.Principal.Actor})
		require.ErrorIs(t, err, auth.ErrDeviceCode)
		require.ErrorIs(t, e.Devices.Deny(t.Context(), b, codes.UserCode, auth.By{Actor: b.Principal.Actor}), auth.ErrDeviceCode)
		_, err = e.Devices.Look(b, codes.UserCode)
		require.ErrorIs(t, err, auth.ErrDeviceCode)
		_, err = redeem(e, codes)
		require.ErrorIs(t, err, auth.ErrDevicePending)
	}
	_, err := e.Devices.Approve(t.Context(), a, codes.UserCode, auth.By{Actor: a.Principal.Actor})
	require.NoError(t, err)
	e.Clock.Advance(auth.DeviceInterval)
	l, err := redeem(e, codes)
	require.NoError(t, err)
	require.Equal(t, in.Person.ID, l.Person.ID)
	require.Len(t, e.Events(t, audit.DeviceApprove), 1)
	require.Empty(t, e.Events(t, audit.DeviceDeny))
}

func TestManyApprovalsAtOnceAreOne(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	codes := askFor(t, e)
	var mu sync.Mutex
	ok := 0
	var all sync.WaitGroup
	for i := range 8 {
		in := e.Add(t, fmt.Sprintf("p%d@example.com", i), auth.Operator)
		a := e.Active(t, in)
		all.Go(func() {
			_, err := e.Devices.Approve(context.Background(), a, codes.UserCode, auth.By{Actor: a.Principal.Actor})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				ok++
			}
		})
	}
	all.Wait()
	require.Equal(t, 1, ok)
	logins, _, err := e.Sessions.Page(t.Context(), auth.SessionQuery{Devices: true}, auth.Place{}, 9)
	require.NoError(t, err)
	require.Len(t, logins, 1)
}

func TestRefusesCodesThatNobodyGaveOrThatAreOver(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Owner)
	codes := askFor(t, e)
	for _, typed := range []string{"", "-", "BBBB-BBBB", codes.UserCode[:8], codes.UserCode + "B", codes.UserCode[:8] + "É", codes.UserCode[:8] + "A", strings.Repeat("B", 1<<16), codes.DeviceCode} {
		e.Clock.Advance(6 * time.Second)
		_, err := e.Devices.Look(e.Active(t, in), typed)
		require.ErrorIs(t, err, auth.ErrDeviceCode, "%.20q", typed)
	}
	for _, code := range []string{"", "x", codes.UserCode, codes.DeviceCode[:len(codes.DeviceCode)-1], "ztp_" + codes.DeviceCode[4:], strings.ToUpper(codes.DeviceCode)} {
		_, err := e.Devices.Redeem(t.Context(), code, auth.By{})
		require.ErrorIs(t, err, auth.ErrDeviceExpired, "%.20q", code)
	}
	e.Clock.Advance(auth.AskLife)
	in = e.Add(t, "b@example.com", auth.Owner)
	require.ErrorIs(t, approve(t, e, in, codes), auth.ErrDeviceCode, "ten minutes later")
	_, err := redeem(e, codes)
	require.ErrorIs(t, err, auth.ErrDeviceExpired)
}

func TestADeniedCommandLineHearsItOnce(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Owner)
	codes := askFor(t, e)
	require.NoError(t, e.Devices.Deny(t.Context(), e.Active(t, in), codes.UserCode, auth.By{Actor: in.Person.Actor()}))
	require.ErrorIs(t, approve(t, e, in, codes), auth.ErrDeviceCode)
	_, err := redeem(e, codes)
	require.ErrorIs(t, err, auth.ErrDeviceDenied)
	e.Clock.Advance(auth.DeviceInterval)
	_, err = redeem(e, codes)
	require.ErrorIs(t, err, auth.ErrDeviceExpired)
	require.Len(t, e.Events(t, audit.DeviceDeny), 1)
}

func TestWhoAsksTooOftenIsSlowedDown(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Owner)
	codes := askFor(t, e)
	_, err := redeem(e, codes)
	require.ErrorIs(t, err, auth.ErrDevicePending)
	require.NoError(t, approve(t, e, in, codes))
	for range 20 {
		_, err = redeem(e, codes)
		require.ErrorIs(t, err, auth.ErrDeviceSlowDown, "not even for a token")
	}
	e.Clock.Advance(auth.DeviceInterval)
	_, err = redeem(e, codes)
	require.ErrorIs(t, err, auth.ErrDeviceSlowDown, "the interval has grown")
	e.Clock.Advance(time.Minute)
	_, err = redeem(e, codes)
	require.NoError(t, err, "and has an end")
}

// TestWhateverSignsAPersonOutSignsTheCommandLineOut: also between the approval and the
// moment when the command line fetches its token.
func TestWhateverSignsAPersonOutSignsTheCommandLineOut(t *testing.T) {
	t.Parallel()
	auditor, disabled := auth.Auditor, true
	ends := map[string]func(ctx context.Context, e *authtest.Env, in auth.SignedIn, a auth.Active) error{
		"disabled": func(ctx context.Context, e *authtest.Env, in auth.SignedIn, _ auth.Active) error {
			_, err := e.People.Update(ctx, in.Person.ID, auth.Change{Disabled: &disabled}, auth.By{})
			return err
		},
		"deleted": func(ctx context.Context, e *authtest.Env, in auth.SignedIn, _ auth.Active) error {
			return e.People.Delete(ctx, in.Person.ID, auth.KeepKeys, auth.By{})
		},
		"another role": func(ctx context.Context, e *authtest.Env, in auth.SignedIn, _ auth.Active) error {
			_, err := e.People.Update(ctx, in.Person.ID, auth.Change{Role: &auditor}, auth.By{})
			return err
		},
		"reset": func(ctx context.Context, e *authtest.Env, in auth.SignedIn, _ auth.Active) error {
			_, _, err := e.People.Reset(ctx, in.Person.ID, auth.By{})
			return err
		},
		"signed out everywhere": func(ctx context.Context, e *authtest.Env, _ auth.SignedIn, a auth.Active) error {
			return e.Sessions.EndAll(ctx, a, auth.By{Actor: a.Principal.Actor})
		},
		"another password": func(ctx context.Context, e *authtest.Env, _ auth.SignedIn, a auth.Active) error {
			return e.Account.SetPassword(ctx, a, authtest.Password, "another good password", auth.From{Source: "192.0.2.1"})
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := authtest.New(t, nil)
			e.Add(t, "owner@example.com", auth.Owner)
			in := e.Add(t, ada, auth.Operator)
			l := login(t, e, in)
			codes := askFor(t, e)
			require.NoError(t, approve(t, e, in, codes), "and its token is not fetched yet")
			_, err := e.Keys.Authenticate(t.Context(), l.Token)
			require.NoError(t, err)
			require.NoError(t, end(t.Context(), e, in, e.Active(t, in)))
			requireKeyRefused(t, e, l.Token, "unknown session")
			_, err = redeem(e, codes)
			require.ErrorIs(t, err, auth.ErrDeviceDenied)
		})
	}
}

func TestALoginEndsByItselfByHandAndByItsHolder(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Operator)
	byHand, byHolder, old := login(t, e, in), login(t, e, in), login(t, e, in)
	require.ErrorIs(t, e.Sessions.RevokeLogin(t.Context(), in.Session.ID, auth.By{}), auth.ErrSessionNotFound, "a browser is no command line")
	require.NoError(t, e.Sessions.RevokeLogin(t.Context(), byHand.Session.ID, auth.By{}))
	requireKeyRefused(t, e, byHand.Token, "unknown session")
	known, err := e.Devices.Revoke(t.Context(), byHolder.Token, auth.By{})
	require.NoError(t, err)
	require.True(t, known)
	requireKeyRefused(t, e, byHolder.Token, "unknown session")
	for _, other := range []string{"", in.Secret, byHolder.Token, old.Token + "a", "zta_" + old.Token[4:]} {
		known, err = e.Devices.Revoke(t.Context(), other, auth.By{})
		require.NoError(t, err)
		require.False(t, known, "%.8q", other)
	}
	e.Clock.Advance(auth.LoginLife - time.Second)
	e.Add(t, "b@example.com", auth.Operator) // whose sign-in forgets sessions that were idle
	_, err = e.Keys.Authenticate(t.Context(), old.Token)
	require.NoError(t, err, "it does not idle out")
	e.Clock.Advance(time.Second)
	requireKeyRefused(t, e, old.Token, "expired session")
}

func TestATokenIsNoCookieAndACookieIsNoToken(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Owner)
	l := login(t, e, in)
	requireRefused(t, e, l.Token, "malformed session")
	requireRefused(t, e, "zts_"+l.Token[4:], "malformed session")
	requireKeyRefused(t, e, in.Secret, "malformed API key")
	requireKeyRefused(t, e, "ztp_"+in.Secret[4:], "malformed login")
	requireKeyRefused(t, e, l.Token+"a", "malformed login")
	codes := askFor(t, e)
	requireKeyRefused(t, e, codes.DeviceCode, "malformed API key")
}

func TestAPersonGuessesSlowly(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	a, other := e.Active(t, e.Add(t, ada, auth.Auditor)), e.Active(t, e.Add(t, "b@example.com", auth.Owner))
	codes := askFor(t, e)
	for range 10 {
		_, err := e.Devices.Look(a, "BBBB-BBBB")
		require.ErrorIs(t, err, auth.ErrDeviceCode)
	}
	var many *auth.TooManyError
	_, err := e.Devices.Look(a, codes.UserCode)
	require.ErrorAs(t, err, &many, "not even the right one")
	_, err = e.Devices.Approve(t.Context(), a, codes.UserCode, auth.By{})
	require.ErrorAs(t, err, &many)
	require.ErrorAs(t, e.Devices.Deny(t.Context(), a, codes.UserCode, auth.By{}), &many)
	_, err = e.Devices.Look(other, codes.UserCode)
	require.NoError(t, err, "others are not held up")
}

// TestAFloodOfAsksTakesBoundedMemoryAndNoPlaceOfAnother: who asks is unknown.
func TestAFloodOfAsksTakesBoundedMemoryAndNoPlaceOfAnother(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Owner)
	var many *auth.TooManyError
	refused := 0
	for range 100 { // from one network, which a host may have whole
		if _, err := e.Devices.Ask("x", "2001:db8::"+fmt.Sprint(refused%10)); err != nil {
			require.ErrorAs(t, err, &many)
			refused++
		}
	}
	require.Equal(t, 80, refused)
	mine := askFor(t, e)
	taken := 0
	for n := range 50 { // from many networks
		for range 20 {
			if _, err := e.Devices.Ask("x", fmt.Sprintf("198.51.100.%d", n)); err == nil {
				taken++
			}
		}
	}
	require.Equal(t, 192-21+41, taken, "as many as there is room, then one for each network that has none")
	late := askWith(t, e, "203.0.113.1") // whoever has no ask still gets a place
	for _, codes := range []auth.DeviceCodes{mine, late} {
		require.NoError(t, approve(t, e, in, codes))
		_, err := redeem(e, codes)
		require.NoError(t, err)
	}
	e.Clock.Advance(auth.AskLife)
	askFor(t, e)
	require.Equal(t, 1, e.Devices.Waiting(), "what has expired is forgotten")
	require.Empty(t, e.Events(t, audit.AdminSignIn), "and nothing of it was written")
}

func askWith(t testing.TB, e *authtest.Env, source string) auth.DeviceCodes {
	t.Helper()
	codes, err := e.Devices.Ask("laptop", source)
	require.NoError(t, err, source)
	return codes
}

// TestNoNumberOfNetworksPushesAWaitingAskOut: a holder of an IPv6 /32 has 65536 /48s.
func TestNoNumberOfNetworksPushesAWaitingAskOut(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Owner)
	var honest []auth.DeviceCodes
	for n := range 20 { // they are the oldest
		honest = append(honest, askWith(t, e, fmt.Sprintf("192.0.2.%d", n)))
	}
	e.Clock.Advance(time.Second)
	for n := range 600 {
		_, err := e.Devices.Ask("x", fmt.Sprintf("2001:db8:%x:1::1", n))
		require.Equal(t, n < 236, err == nil, n)
	}
	require.Equal(t, 256, e.Devices.Waiting())
	var many *auth.TooManyError
	_, err := e.Devices.Ask("laptop", "203.0.113.1")
	require.ErrorAs(t, err, &many, "the newcomer waits")
	for n, codes := range honest {
		require.NoError(t, approve(t, e, in, codes), "ask %d", n)
		_, err := redeem(e, codes)
		require.NoError(t, err, "ask %d", n)
		e.Clock.Advance(6 * time.Second) // a person may type so many codes
	}
	askWith(t, e, "203.0.113.1")
}

// TestANetworkOfManyAddressesTakesTwentyPlaces: an IPv6 site has 65536 times a /64.
func TestANetworkOfManyAddressesTakesTwentyPlaces(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	for n := range 1500 {
		e.Clock.Advance(300 * time.Millisecond)
		_, _ = e.Devices.Ask("x", fmt.Sprintf("2001:db8:1:%x::1", n))
	}
	require.Equal(t, 20, e.Devices.Waiting())
	askFor(t, e)
}

// TestAnAskThatWasDeniedKeepsNoPlace, even if its command line never asks again.
func TestAnAskThatWasDeniedKeepsNoPlace(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Owner)
	first := askFor(t, e)
	for n := range 255 {
		askWith(t, e, fmt.Sprintf("198.51.100.%d", n))
	}
	_, err := e.Devices.Ask("x", "203.0.113.1")
	require.Error(t, err)
	a := e.Active(t, in)
	require.NoError(t, e.Devices.Deny(t.Context(), a, first.UserCode, auth.By{Actor: a.Principal.Actor}))
	askWith(t, e, "203.0.113.1")
	require.Equal(t, 256, e.Devices.Waiting())
}

// TestAFloodOfANetworkUsesUpNoAddresses: 4096 are told apart, and the others share.
func TestAFloodOfANetworkUsesUpNoAddresses(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	for n := range 5000 {
		_, _ = e.Devices.Ask("x", fmt.Sprintf("2001:db8:1:%x::1", n))
	}
	for n := range 30 {
		_, err := e.Devices.Ask("laptop", fmt.Sprintf("192.0.2.%d", n))
		require.NoError(t, err, n)
	}
}

// TestAnAddressTakesNothingFromItsNetwork: neighbours may share a /48, and what one of
// them asks too often is not counted for all.
func TestAnAddressTakesNothingFromItsNetwork(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	ask := func() error {
		_, err := e.Devices.Ask("x", "2001:db8:1:2::1")
		return err
	}
	for n := range 30 {
		require.Equal(t, n < 20, ask() == nil, n)
	}
	e.Clock.Advance(auth.AskLife - time.Second)
	for range 200 {
		require.Error(t, ask(), "the network has its twenty places taken")
	}
	e.Clock.Advance(time.Second)
	askWith(t, e, "2001:db8:1:3::1")
}

func TestRefusesAHostNameThatCouldSaySomethingElse(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	for _, host := range []string{"a b", "laptop\n", "<b>", "läptop", "-x", ".", strings.Repeat("a", 64), "a\u202eb", "https://x"} {
		_, err := e.Devices.Ask(host, laptop)
		var f *auth.FieldError
		require.ErrorAs(t, err, &f, "%q", host)
	}
	_, err := e.Devices.Ask("", laptop)
	require.NoError(t, err, "it may say nothing")
}

// FuzzUserCode: whatever a person types is the code, or is refused.
func FuzzUserCode(f *testing.F) {
	e := authtest.New(f, time.Now)
	in := e.Add(f, ada, auth.Owner)
	codes := askFor(f, e)
	f.Add(codes.UserCode)
	f.Add("bbbb bbbb")
	f.Add("\xff\u0130--")
	f.Fuzz(func(t *testing.T, typed string) {
		ask, err := e.Devices.Look(e.Active(t, in), typed)
		if err == nil {
			require.Equal(t, "laptop", ask.Host)
			require.Equal(t, strings.ReplaceAll(codes.UserCode, "-", ""), strings.NewReplacer("-", "", " ", "").Replace(strings.ToUpper(typed)))
		}
	})
}

// TestASessionThatEndedApprovesNothing: also if it ended while its request was on the way.
func TestASessionThatEndedApprovesNothing(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Owner)
	a, codes := e.Active(t, in), askFor(t, e)
	require.NoError(t, e.Sessions.SignOut(t.Context(), a, auth.By{Actor: a.Principal.Actor}))
	_, err := e.Devices.Approve(t.Context(), a, codes.UserCode, auth.By{Actor: a.Principal.Actor})
	require.ErrorIs(t, err, auth.ErrSessionNotFound)
	_, err = redeem(e, codes)
	require.ErrorIs(t, err, auth.ErrDevicePending, "somebody else still may")
	require.NoError(t, approve(t, e, e.Add(t, "b@example.com", auth.Owner), codes))
}
