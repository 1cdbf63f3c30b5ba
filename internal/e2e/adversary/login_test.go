package adversary_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/authtest"
)

// approved is a command line that in let in, and has not fetched its token yet.
func approved(t *testing.T, e *authtest.Env, in auth.SignedIn) auth.DeviceCodes {
	t.Helper()
	codes, err := e.Devices.Ask("laptop", "192.0.2.9")
	require.NoError(t, err)
	a := e.Active(t, in)
	_, err = e.Devices.Approve(t.Context(), a, codes.UserCode, auth.By{Actor: a.Principal.Actor})
	require.NoError(t, err)
	return codes
}

func fetch(e *authtest.Env, codes auth.DeviceCodes) (auth.Login, error) {
	return e.Devices.Redeem(context.Background(), codes.DeviceCode, auth.By{Source: "192.0.2.9"})
}

// Whoever reads the device code later, in a log or a proxy, must not get a token of
// their own for it.
func TestADeviceCodeGivesOneToken(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	codes := approved(t, e, e.Add(t, ada, auth.Operator))
	_, err := fetch(e, codes)
	require.NoError(t, err)
	e.Clock.Advance(auth.DeviceInterval)
	_, err = fetch(e, codes)
	require.ErrorIs(t, err, auth.ErrDeviceExpired)
}

// Somebody who is disabled must not come back by a command line, nor by one that was
// approved and fetches its token only now (Teleport: sessions outlive a lock).
func TestACommandLineEndsWithItsPerson(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Operator)
	live, err := fetch(e, approved(t, e, in))
	require.NoError(t, err)
	later := approved(t, e, in)
	require.NoError(t, e.Sessions.EndAll(t.Context(), e.Active(t, in), auth.By{Actor: in.Person.Actor()}))
	_, err = e.Keys.Authenticate(t.Context(), live.Token)
	require.Error(t, err)
	_, err = fetch(e, later)
	require.ErrorIs(t, err, auth.ErrDeviceDenied)
}

// RFC 8628 section 5.1: a person with the least rights must not find the code that
// somebody else is about to type, and deny it, or approve it as somebody else.
func TestUserCodesAreNotGuessed(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	a := e.Active(t, e.Add(t, ada, auth.Auditor))
	codes, err := e.Devices.Ask("laptop", "192.0.2.9")
	require.NoError(t, err)
	for range 100 {
		_, err := e.Devices.Look(a, "BBBB-BBBB")
		require.Error(t, err)
	}
	var many *auth.TooManyError
	_, err = e.Devices.Look(a, codes.UserCode)
	require.ErrorAs(t, err, &many, "the right one at last")
}

// Anybody may ask, so whoever asks without end must push out only their own asks.
func TestAFloodOfAsksKeepsNobodyFromSigningIn(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Operator)
	mine, err := e.Devices.Ask("laptop", "192.0.2.9")
	require.NoError(t, err)
	e.Clock.Advance(time.Second) // it is the oldest
	for n := range 400 {
		_, _ = e.Devices.Ask("x", fmt.Sprintf("198.51.100.%d", n/20))
	}
	late, err := e.Devices.Ask("laptop", "203.0.113.1")
	require.NoError(t, err)
	a := e.Active(t, in)
	for _, code := range []string{mine.UserCode, late.UserCode} {
		_, err = e.Devices.Approve(t.Context(), a, code, auth.By{Actor: a.Principal.Actor})
		require.NoError(t, err)
	}
}

// A token of hours, stolen from a file, must not buy its thief a key of a year, a
// password or another owner.
func TestATokenOfHoursMakesNothingThatLasts(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	l, err := fetch(e, approved(t, e, e.Add(t, ada, auth.Owner)))
	require.NoError(t, err)
	p, err := e.Keys.Authenticate(t.Context(), l.Token)
	require.NoError(t, err)
	require.True(t, p.May(auth.TokensWrite))
	for _, lasts := range []auth.Permission{auth.KeysManage, auth.PeopleManage, auth.Self} {
		require.False(t, p.May(lasts), lasts)
	}
}
