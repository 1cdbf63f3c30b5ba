package auth_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/authtest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

func owner(code string) auth.Setup {
	return auth.Setup{Code: code, Name: "Ada", Email: ada, Password: authtest.Password}
}

func TestTheFirstOwnerComesByTheLink(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	called := 0
	e.Config.OwnerSignedIn = func() { called++ }
	e.Again(t)
	needed, err := e.People.SetupNeeded(t.Context())
	require.NoError(t, err)
	require.True(t, needed)
	code, err := e.People.FirstLink(t.Context())
	require.NoError(t, err)
	require.Regexp(t, `^ztl_[a-z2-7]{39}$`, code)
	_, err = e.Store.AuthRows().LinkByHash(t.Context(), keys.HashSecret(code))
	require.NoError(t, err, "only its hash is kept")

	e.Add(t, "op@example.com", auth.Operator)
	require.Zero(t, called, "an operator is no owner")

	in, err := e.People.Redeem(t.Context(), owner(code), from("192.0.2.1"))
	require.NoError(t, err)
	require.Equal(t, auth.Owner, e.Active(t, in).Principal.Role)
	require.Equal(t, 1, called)

	needed, err = e.People.SetupNeeded(t.Context())
	require.NoError(t, err)
	require.False(t, needed)
	again, err := e.People.FirstLink(t.Context())
	require.NoError(t, err)
	require.Empty(t, again, "a restart makes no link any more")
}

func TestSetupLinksAreRefused(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, e *authtest.Env, code string) auth.Setup{
		"unknown":   func(*testing.T, *authtest.Env, string) auth.Setup { return owner(keys.NewSecret("ztl_")) },
		"malformed": func(_ *testing.T, _ *authtest.Env, code string) auth.Setup { return owner(code + "a") },
		"empty":     func(*testing.T, *authtest.Env, string) auth.Setup { return owner("") },
		"used": func(t *testing.T, e *authtest.Env, code string) auth.Setup {
			t.Helper()
			_, err := e.People.Redeem(t.Context(), owner(code), from("192.0.2.1"))
			require.NoError(t, err)
			return auth.Setup{Code: code, Name: "Eve", Email: "eve@example.com", Password: authtest.Password}
		},
		"replaced by a restart": func(t *testing.T, e *authtest.Env, code string) auth.Setup {
			t.Helper()
			_, err := e.People.FirstLink(t.Context())
			require.NoError(t, err)
			return owner(code)
		},
		"expired": func(_ *testing.T, e *authtest.Env, code string) auth.Setup {
			e.Clock.Advance(auth.LinkLife)
			return owner(code)
		},
		"of an owner who came another way": func(t *testing.T, e *authtest.Env, code string) auth.Setup {
			t.Helper()
			e.Add(t, "other@example.com", auth.Owner)
			return owner(code)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := authtest.New(t, nil)
			code, err := e.People.FirstLink(t.Context())
			require.NoError(t, err)
			q := spoil(t, e, code)
			_, err = e.People.Redeem(t.Context(), q, from("192.0.2.1"))
			require.ErrorIs(t, err, auth.ErrLinkRefused)
			last := e.Events(t, audit.PersonSetup)
			require.Equal(t, audit.Denied, last[len(last)-1].Outcome)
		})
	}
	t.Run("after too many guesses, but not the right one from the same address", func(t *testing.T) {
		t.Parallel()
		e := authtest.New(t, nil)
		code, err := e.People.FirstLink(t.Context())
		require.NoError(t, err)
		for range 20 {
			_, err = e.People.Redeem(t.Context(), owner(keys.NewSecret("ztl_")), from("192.0.2.1"))
			require.ErrorIs(t, err, auth.ErrLinkRefused)
		}
		var many *auth.TooManyError
		_, err = e.People.Redeem(t.Context(), owner(keys.NewSecret("ztl_")), from("192.0.2.1"))
		require.ErrorAs(t, err, &many)
		require.Len(t, e.Events(t, audit.PersonSetup), 1, "the first has a row, the others of the minute are counted")
		_, err = e.People.Redeem(t.Context(), owner(code), from("192.0.2.1"))
		require.NoError(t, err)
	})
	t.Run("but for one of those who use it at the same time", func(t *testing.T) {
		t.Parallel()
		e := authtest.New(t, nil)
		code, err := e.People.FirstLink(t.Context())
		require.NoError(t, err)
		var mu sync.Mutex
		won := 0
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				q := owner(code)
				q.Email = fmt.Sprintf("p%d@example.com", i)
				if _, err := e.People.Redeem(t.Context(), q, from("192.0.2.1")); err == nil {
					mu.Lock()
					won++
					mu.Unlock()
				} else if !errors.Is(err, auth.ErrLinkRefused) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, won)
	})
}

func TestSetupChecksWhatWasTyped(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	code, err := e.People.FirstLink(t.Context())
	require.NoError(t, err)
	for field, bad := range map[string][]auth.Setup{
		"email": {
			{Code: code, Name: "A"},
			{Code: code, Name: "A", Email: "no address"},
			{Code: code, Name: "A", Email: "Ada <ada@example.com>"},
			{Code: code, Name: "A", Email: strings.Repeat("a", 250) + "@x.de"},
			{Code: code, Name: "A", Email: "a@b\r\nBcc: x@y"},
		},
		"name": {
			{Code: code, Email: ada},
			{Code: code, Email: ada, Name: " A"},
			{Code: code, Email: ada, Name: strings.Repeat("a", 101)},
			{Code: code, Email: ada, Name: "A\x1b[2J"},
			{Code: code, Email: ada, Name: "A\u202eB"},
		},
	} {
		for _, q := range bad {
			q.Password = authtest.Password
			_, err := e.People.Redeem(t.Context(), q, from("192.0.2."+fmt.Sprint(len(q.Name)+len(q.Email))))
			var f *auth.FieldError
			require.ErrorAs(t, err, &f, "%+v", q)
			require.Equal(t, field, f.Field)
		}
	}
	_, theirs, err := e.People.Create(t.Context(), auth.NewPerson{Email: "bob@example.com", Name: "Bob", Role: auth.Auditor}, auth.By{})
	require.NoError(t, err)
	var f *auth.FieldError
	_, err = e.People.Redeem(t.Context(), owner(theirs), from("192.0.2.1"))
	require.ErrorAs(t, err, &f, "an invitation is for the invited address")
	in, err := e.People.Redeem(t.Context(), auth.Setup{Code: theirs, Name: "Robert", Password: authtest.Password}, from("192.0.2.1"))
	require.NoError(t, err)
	require.Equal(t, auth.Auditor, in.Person.Role)
	require.Equal(t, "Robert", in.Person.Name)
	_, err = e.People.Redeem(t.Context(), auth.Setup{Code: theirs, Password: "another password"}, from("192.0.2.1"))
	require.ErrorIs(t, err, auth.ErrLinkRefused, "an invitation is used once, too")
	e.Active(t, in)
}

func TestInvites(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	for field, n := range map[string]auth.NewPerson{
		"email": {Name: "A", Role: auth.Admin}, "name": {Email: ada, Role: auth.Admin}, "role": {Email: ada, Name: "A", Role: "root"},
	} {
		var f *auth.FieldError
		_, _, err := e.People.Create(t.Context(), n, auth.By{})
		require.ErrorAs(t, err, &f)
		require.Equal(t, field, f.Field)
	}
	p, _, err := e.People.Create(t.Context(), auth.NewPerson{Email: "Ada@Example.com", Name: "A", Role: auth.Admin}, auth.By{Actor: auth.LocalActor})
	require.NoError(t, err)
	require.Equal(t, ada, p.Email)
	_, _, err = e.People.Create(t.Context(), auth.NewPerson{Email: ada, Name: "B", Role: auth.Admin}, auth.By{})
	require.ErrorIs(t, err, auth.ErrEmailTaken)
	events := e.Events(t, audit.PersonCreate)
	require.Len(t, events, 1)
	require.JSONEq(t, `{"email":"ada@example.com","name":"A","role":"admin"}`, events[0].After)
}

func TestOneOwnerWithAPasswordAlwaysRemains(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	ada := e.Add(t, ada, auth.Owner)
	fed, err := e.Sessions.SignInFederated(t.Context(), auth.Federated{Issuer: "i", Subject: "s", Name: "F", Role: auth.Owner}, from("192.0.2.1"))
	require.NoError(t, err)
	_, _, err = e.People.Create(t.Context(), auth.NewPerson{Email: "new@example.com", Name: "N", Role: auth.Owner}, auth.By{})
	require.NoError(t, err, "who has not used the link cannot let anybody in")
	by := auth.By{Actor: fed.Person.Actor()}
	admin, yes := auth.Admin, true
	attempts := map[string]func() error{
		"demoted": func() error {
			_, err := e.People.Update(t.Context(), ada.Person.ID, auth.Change{Role: &admin}, by)
			return err
		},
		"disabled": func() error {
			_, err := e.People.Update(t.Context(), ada.Person.ID, auth.Change{Disabled: &yes}, by)
			return err
		},
		"deleted": func() error { return e.People.Delete(t.Context(), ada.Person.ID, auth.RevokeKeys, by) },
		"reset":   func() error { _, _, err := e.People.Reset(t.Context(), ada.Person.ID, by); return err },
	}
	for name, attempt := range attempts {
		require.ErrorIs(t, attempt(), auth.ErrLastOwner, "the last one cannot be %s, though a federated owner is there", name)
		e.Active(t, ada)
	}
	require.Empty(t, e.Events(t, audit.PersonUpdate, audit.PersonDelete, audit.PersonReset))
	e.Add(t, "second@example.com", auth.Owner)
	require.NoError(t, attempts["demoted"]())
}

func TestNobodyChangesHimself(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	in := e.Add(t, ada, auth.Owner)
	e.Add(t, "second@example.com", auth.Owner)
	by := auth.By{Actor: in.Person.Actor()}
	admin, yes := auth.Admin, true
	_, err := e.People.Update(t.Context(), in.Person.ID, auth.Change{Role: &admin}, by)
	require.ErrorIs(t, err, auth.ErrOwnRole)
	_, err = e.People.Update(t.Context(), in.Person.ID, auth.Change{Disabled: &yes}, by)
	require.ErrorIs(t, err, auth.ErrOwnRole)
	require.ErrorIs(t, e.People.Delete(t.Context(), in.Person.ID, auth.RevokeKeys, by), auth.ErrOwnRole)
	_, _, err = e.People.Reset(t.Context(), in.Person.ID, by)
	require.ErrorIs(t, err, auth.ErrOwnRole)
	e.Active(t, in)
	name := "Ada L."
	p, err := e.People.Update(t.Context(), in.Person.ID, auth.Change{Name: &name}, by)
	require.NoError(t, err)
	require.Equal(t, name, p.Name)
	e.Active(t, in)
}

func TestLosingARoleEndsSessionsAtOnce(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	e.Add(t, ada, auth.Owner)
	yes, no, auditor := true, false, auth.Auditor
	for name, change := range map[string]auth.Change{"disabled": {Disabled: &yes}, "another role": {Role: &auditor}} {
		in := e.Add(t, strings.ReplaceAll(name, " ", "")+"@example.com", auth.Admin)
		_, err := e.People.Update(t.Context(), in.Person.ID, change, auth.By{Actor: auth.LocalActor})
		require.NoError(t, err)
		requireRefused(t, e, in.Secret, "unknown session")
		ev := e.Events(t, audit.PersonUpdate)
		require.Contains(t, ev[len(ev)-1].Before, `"role":"admin"`)
		require.NotEqual(t, ev[len(ev)-1].Before, ev[len(ev)-1].After)
		_, err = e.People.Update(t.Context(), in.Person.ID, auth.Change{Disabled: &no}, auth.By{Actor: auth.LocalActor})
		require.NoError(t, err)
		_, err = e.Sessions.SignIn(t.Context(), auth.Credentials{Email: in.Person.Email, Password: authtest.Password}, from("192.0.2.1"))
		require.NoError(t, err)
		requireRefused(t, e, in.Secret, "unknown session")
	}
	in := e.Add(t, "gone@example.com", auth.Admin)
	require.NoError(t, e.People.Delete(t.Context(), in.Person.ID, auth.RevokeKeys, auth.By{Actor: auth.LocalActor}))
	requireRefused(t, e, in.Secret, "unknown session")
	require.ErrorIs(t, e.People.Delete(t.Context(), in.Person.ID, auth.RevokeKeys, auth.By{}), auth.ErrPersonNotFound)
	_, err := e.People.Update(t.Context(), in.Person.ID, auth.Change{}, auth.By{})
	require.ErrorIs(t, err, auth.ErrPersonNotFound)
	in = e.Add(t, "same@example.com", auth.Admin)
	changes := len(e.Events(t, audit.PersonUpdate))
	name, admin := in.Person.Name, auth.Admin
	for _, none := range []auth.Change{{}, {Name: &name}, {Role: &admin, Disabled: &no}} {
		_, err = e.People.Update(t.Context(), in.Person.ID, none, auth.By{Actor: auth.LocalActor})
		require.NoError(t, err)
		e.Active(t, in)
	}
	require.Len(t, e.Events(t, audit.PersonUpdate), changes, "what is as it was is not written")
}

func TestResetTakesEverythingAndGivesALink(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	e.Add(t, ada, auth.Owner)
	in := e.Add(t, "bob@example.com", auth.Admin)
	_, codes := e.EnableTOTP(t, in)
	_, code, err := e.People.Reset(t.Context(), in.Person.ID, auth.By{Actor: auth.LocalActor})
	require.NoError(t, err)
	requireRefused(t, e, in.Secret, "unknown session")
	_, err = e.Sessions.SignIn(t.Context(), auth.Credentials{Email: "bob@example.com", Password: authtest.Password, Code: codes[0]}, from("192.0.2.1"))
	require.ErrorIs(t, err, auth.ErrRefused)
	back, err := e.People.Redeem(t.Context(), auth.Setup{Code: code, Password: "another password"}, from("192.0.2.1"))
	require.NoError(t, err)
	require.Equal(t, in.Person.ID, back.Person.ID)
	require.False(t, e.Active(t, back).Person.HasTOTP())
}

func TestResetOwnerIsTheWayBackIn(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	host := auth.By{Actor: "host:uid-0"}
	code, email, err := e.People.ResetOwner(t.Context(), "", host)
	require.NoError(t, err)
	require.Empty(t, email, "nobody to reset: the first owner's link")
	in, err := e.People.Redeem(t.Context(), owner(code), from("192.0.2.1"))
	require.NoError(t, err)
	e.EnableTOTP(t, in)
	for range 6 {
		_, _ = signIn(e, ada, "wrong", "")
	}
	code, email, err = e.People.ResetOwner(t.Context(), "", host)
	require.NoError(t, err)
	require.Equal(t, ada, email)
	requireRefused(t, e, in.Secret, "unknown session")
	require.Len(t, e.Events(t, audit.OwnerReset), 2)
	require.Equal(t, "host:uid-0", e.Events(t, audit.OwnerReset)[1].Actor)
	_, err = e.People.Redeem(t.Context(), auth.Setup{Code: code, Password: "another password"}, from("192.0.2.1"))
	require.NoError(t, err)
	_, err = signIn(e, ada, "another password", "")
	require.NoError(t, err, "no lock is left over")

	e.Add(t, "second@example.com", auth.Owner)
	var f *auth.FieldError
	_, _, err = e.People.ResetOwner(t.Context(), "", host)
	require.ErrorAs(t, err, &f, "which one?")
	_, _, err = e.People.ResetOwner(t.Context(), "nobody@example.com", host)
	require.ErrorAs(t, err, &f)
	e.Add(t, "op@example.com", auth.Operator)
	_, _, err = e.People.ResetOwner(t.Context(), "op@example.com", host)
	require.ErrorAs(t, err, &f, "no owner")
	_, email, err = e.People.ResetOwner(t.Context(), ada, host)
	require.NoError(t, err)
	require.Equal(t, ada, email)
}

func TestFederatedPeople(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	local := e.Add(t, ada, auth.Owner)
	ident := auth.Federated{Issuer: "https://idp", Subject: "sub-1", Email: ada, Name: "Ada at the provider", Role: auth.Operator}
	in, err := e.Sessions.SignInFederated(t.Context(), ident, from("192.0.2.1"))
	require.NoError(t, err)
	require.NotEqual(t, local.Person.ID, in.Person.ID, "an address at the provider takes over no local person")
	require.Equal(t, auth.Operator, e.Active(t, in).Principal.Role)

	ident.Role = auth.Auditor
	again, err := e.Sessions.SignInFederated(t.Context(), ident, from("192.0.2.1"))
	require.NoError(t, err)
	require.Equal(t, in.Person.ID, again.Person.ID, "known by issuer and subject")
	require.Equal(t, auth.Auditor, e.Active(t, in).Principal.Role, "the groups count, in open sessions too")

	elsewhere := ident
	elsewhere.Issuer = "https://evil"
	other, err := e.Sessions.SignInFederated(t.Context(), elsewhere, from("192.0.2.1"))
	require.NoError(t, err)
	require.NotEqual(t, in.Person.ID, other.Person.ID, "the same subject of another issuer is somebody else")

	admin := auth.Admin
	_, err = e.People.Update(t.Context(), in.Person.ID, auth.Change{Role: &admin}, auth.By{})
	require.ErrorIs(t, err, auth.ErrFederated)
	_, _, err = e.People.Reset(t.Context(), in.Person.ID, auth.By{})
	require.ErrorIs(t, err, auth.ErrFederated)
	a := e.Active(t, again)
	_, err = e.Account.StartTOTP(t.Context(), a)
	require.ErrorIs(t, err, auth.ErrFederated)
	require.ErrorIs(t, e.Account.SetPassword(t.Context(), a, "x", authtest.Password, from("192.0.2.1")), auth.ErrFederated)
	_, err = e.Sessions.StepUp(t.Context(), a, auth.Proof{}, from("192.0.2.1"))
	require.ErrorIs(t, err, auth.ErrFederated)
	_, err = e.Sessions.StepUpFederated(t.Context(), a, elsewhere, from("192.0.2.1"))
	require.ErrorIs(t, err, auth.ErrRefused, "somebody else at the provider")
	up, err := e.Sessions.StepUpFederated(t.Context(), a, ident, from("192.0.2.1"))
	require.NoError(t, err)
	requireRefused(t, e, again.Secret, "unknown session")

	ident.Role = ""
	_, err = e.Sessions.SignInFederated(t.Context(), ident, from("192.0.2.1"))
	require.ErrorIs(t, err, auth.ErrRefused, "in no group that has a role")
	requireRefused(t, e, up.Secret, "unknown session")

	ident.Role = auth.Owner
	yes := true
	_, err = e.People.Update(t.Context(), in.Person.ID, auth.Change{Disabled: &yes}, auth.By{})
	require.NoError(t, err)
	_, err = e.Sessions.SignInFederated(t.Context(), ident, from("192.0.2.1"))
	require.ErrorIs(t, err, auth.ErrRefused, "disabled here, whatever the provider says")
	e.Clock.Advance(time.Second)
}

// TestTheLinkOfADisabledPersonIsRefused: an invitation that is still in somebody's mail would
// let them in again.
func TestTheLinkOfADisabledPersonIsRefused(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	e.Add(t, ada, auth.Owner)
	bob, code, err := e.People.Create(t.Context(), auth.NewPerson{Email: "bob@example.com", Name: "Bob", Role: auth.Admin}, auth.By{Actor: auth.LocalActor})
	require.NoError(t, err)
	disable := func(yes bool) {
		_, err := e.People.Update(t.Context(), bob.ID, auth.Change{Disabled: &yes}, auth.By{Actor: auth.LocalActor})
		require.NoError(t, err)
	}
	disable(true)
	_, err = e.People.Redeem(t.Context(), auth.Setup{Code: code, Password: authtest.Password}, from("192.0.2.1"))
	require.ErrorIs(t, err, auth.ErrLinkRefused)
	disable(false)
	in, err := e.People.Redeem(t.Context(), auth.Setup{Code: code, Password: authtest.Password}, from("192.0.2.1"))
	require.NoError(t, err)
	require.Equal(t, bob.ID, in.Person.ID)
}
