package auth_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/authtest"
)

func declaredOwner() *auth.DeclaredOwner {
	return &auth.DeclaredOwner{Email: ada, Name: "Ada", Password: authtest.Password}
}

func declaredKey(text string) *auth.DeclaredKey {
	return &auth.DeclaredKey{Name: "ci", Permissions: []auth.Permission{auth.FleetRead, auth.KeysManage}, Secret: text}
}

// state is all that a declaration could change.
func state(t *testing.T, e *authtest.Env) (people []auth.Person, keys []auth.Key, events []audit.Event) {
	t.Helper()
	var err error
	people, err = e.Store.AuthRows().People(t.Context())
	require.NoError(t, err)
	keys, err = e.Store.AuthRows().Keys(t.Context())
	require.NoError(t, err)
	return people, keys, e.Events(t, audit.PersonCreate, audit.PersonUpdate, audit.KeyCreate, audit.KeyUpdate, audit.KeyRevoke)
}

func declaredSignIn(t *testing.T, e *authtest.Env, email, password string) (auth.SignedIn, error) {
	t.Helper()
	return e.Sessions.SignIn(t.Context(), auth.Credentials{Email: email, Password: password}, auth.From{Source: "192.0.2.1"})
}

func TestADeclaredOwnerSignsInWithoutASetupLink(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	require.NoError(t, e.Declare(t.Context(), auth.Declared{Owner: declaredOwner()}))
	needed, err := e.People.SetupNeeded(t.Context())
	require.NoError(t, err)
	require.False(t, needed)
	code, err := e.People.FirstLink(t.Context())
	require.NoError(t, err)
	require.Empty(t, code, "nobody gets to make another owner")
	in, err := declaredSignIn(t, e, ada, authtest.Password)
	require.NoError(t, err)
	require.Equal(t, auth.Owner, in.Person.Role)
	events := e.Events(t, audit.PersonCreate)
	require.Len(t, events, 1)
	require.Equal(t, auth.DeclaredActor, events[0].Actor)
}

func TestTheSameDeclarationAtEachStartChangesNothing(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	text, _ := auth.NewKey()
	d := auth.Declared{Owner: declaredOwner(), Key: declaredKey(text)}
	require.NoError(t, e.Declare(t.Context(), d))
	in, err := declaredSignIn(t, e, ada, authtest.Password)
	require.NoError(t, err)
	people, keys, events := state(t, e)
	for range 3 {
		e.Again(t)
		require.NoError(t, e.Declare(t.Context(), d))
	}
	morePeople, moreKeys, moreEvents := state(t, e)
	require.Equal(t, people, morePeople)
	require.Equal(t, keys, moreKeys)
	require.Equal(t, events, moreEvents, "nothing happened, so nothing is recorded")
	e.Active(t, in) // and nobody was signed out
}

func TestAnotherPasswordInTheFileEndsWhatTheOldOneOpened(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	require.NoError(t, e.Declare(t.Context(), auth.Declared{Owner: declaredOwner()}))
	in, err := declaredSignIn(t, e, ada, authtest.Password)
	require.NoError(t, err)
	next := declaredOwner()
	next.Email, next.Password = "ada@example.org", "another good password"
	require.NoError(t, e.Declare(t.Context(), auth.Declared{Owner: next}))
	_, err = e.Sessions.Authenticate(t.Context(), in.Secret, false)
	require.Error(t, err, "the session")
	for _, old := range []struct{ email, password string }{
		{ada, authtest.Password}, {ada, next.Password}, {next.Email, authtest.Password},
	} {
		_, err = declaredSignIn(t, e, old.email, old.password)
		require.ErrorIs(t, err, auth.ErrRefused)
	}
	in, err = declaredSignIn(t, e, next.Email, next.Password)
	require.NoError(t, err)
	require.Equal(t, auth.DeclaredOwnerID, in.Person.ID, "the same person")
	events := e.Events(t, audit.PersonUpdate)
	require.Len(t, events, 1)
	require.Equal(t, auth.DeclaredActor, events[0].Actor)
	require.Equal(t, "declared, with another password", events[0].Reason)
}

func TestAnotherKeyInTheFileReplacesTheOldOneForGood(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	first, _ := auth.NewKey()
	second, _ := auth.NewKey()
	require.NoError(t, e.Declare(t.Context(), auth.Declared{Key: declaredKey(first)}))
	p, err := e.Keys.Authenticate(t.Context(), first)
	require.NoError(t, err)
	require.Equal(t, []auth.Permission{auth.FleetRead, auth.KeysManage}, p.Permissions)
	_, child, err := e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "child", Permissions: []auth.Permission{auth.FleetRead}}, auth.By{Actor: p.Actor})
	require.NoError(t, err)

	require.NoError(t, e.Declare(t.Context(), auth.Declared{Key: declaredKey(second)}))
	for name, dead := range map[string]string{"the old key": first, "what it made": child} {
		_, err = e.Keys.Authenticate(t.Context(), dead)
		require.Error(t, err, name)
	}
	_, err = e.Keys.Authenticate(t.Context(), second)
	require.NoError(t, err)
	revoked := e.Events(t, audit.KeyRevoke)
	require.Len(t, revoked, 2)
	require.Equal(t, auth.DeclaredActor, revoked[0].Actor)

	before, keysBefore, _ := state(t, e)
	err = e.Declare(t.Context(), auth.Declared{Owner: declaredOwner(), Key: declaredKey(first)})
	require.ErrorContains(t, err, "was revoked", "an old file brings no dead key back")
	after, keysAfter, _ := state(t, e)
	require.Equal(t, before, after, "nor is the owner beside it made")
	require.Equal(t, keysBefore, keysAfter)
}

func TestSmallerScopesEndWhatTheKeyMadeBefore(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	text, _ := auth.NewKey()
	require.NoError(t, e.Declare(t.Context(), auth.Declared{Key: declaredKey(text)}))
	p, err := e.Keys.Authenticate(t.Context(), text)
	require.NoError(t, err)
	_, child, err := e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "child", Permissions: []auth.Permission{auth.KeysManage}}, auth.By{Actor: p.Actor})
	require.NoError(t, err)
	less := declaredKey(text)
	less.Permissions = []auth.Permission{auth.FleetRead}
	require.NoError(t, e.Declare(t.Context(), auth.Declared{Key: less}))
	p, err = e.Keys.Authenticate(t.Context(), text)
	require.NoError(t, err)
	require.Equal(t, less.Permissions, p.Permissions)
	_, err = e.Keys.Authenticate(t.Context(), child)
	require.Error(t, err)
	require.Len(t, e.Events(t, audit.KeyUpdate), 1)
}

func TestAWrongDeclarationNamesItsFieldAndChangesNothing(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	text, hash := auth.NewKey()
	require.NoError(t, e.Store.AuthRows().InsertKey(t.Context(), auth.Key{ID: "key_x", Name: "by hand", CreatedBy: "person:x"}, hash))
	e.Add(t, "taken@example.com", auth.Auditor)
	fresh, _ := auth.NewKey()
	people, keys, events := state(t, e)
	for name, c := range map[string]struct {
		field  string
		change func(o *auth.DeclaredOwner, k *auth.DeclaredKey)
	}{
		"no e-mail address":         {"owner.email", func(o *auth.DeclaredOwner, _ *auth.DeclaredKey) { o.Email = "ada" }},
		"another person's address":  {"owner.email", func(o *auth.DeclaredOwner, _ *auth.DeclaredKey) { o.Email = "taken@example.com" }},
		"no name":                   {"owner.name", func(o *auth.DeclaredOwner, _ *auth.DeclaredKey) { o.Name = "" }},
		"a short password":          {"owner.password", func(o *auth.DeclaredOwner, _ *auth.DeclaredKey) { o.Password = "short" }},
		"the address as password":   {"owner.password", func(o *auth.DeclaredOwner, _ *auth.DeclaredKey) { o.Password = o.Email }},
		"a key without a name":      {"api_key.name", func(_ *auth.DeclaredOwner, k *auth.DeclaredKey) { k.Name = " " }},
		"no scope":                  {"api_key.scopes", func(_ *auth.DeclaredOwner, k *auth.DeclaredKey) { k.Permissions = nil }},
		"a scope of an account":     {"api_key.scopes", func(_ *auth.DeclaredOwner, k *auth.DeclaredKey) { k.Permissions = []auth.Permission{auth.Self} }},
		"an unknown scope":          {"api_key.scopes", func(_ *auth.DeclaredOwner, k *auth.DeclaredKey) { k.Permissions = []auth.Permission{"all"} }},
		"a password as key":         {"api_key.secret", func(_ *auth.DeclaredOwner, k *auth.DeclaredKey) { k.Secret = "hunter2hunter2" }},
		"a key with a slip":         {"api_key.secret", func(_ *auth.DeclaredOwner, k *auth.DeclaredKey) { k.Secret = fresh[:len(fresh)-1] + "1" }},
		"a key that somebody made":  {"api_key.secret", func(_ *auth.DeclaredOwner, k *auth.DeclaredKey) { k.Secret = text }},
		"the cookie of a session":   {"api_key.secret", func(_ *auth.DeclaredOwner, k *auth.DeclaredKey) { k.Secret = "zts_" + fresh[4:] }},
		"an address with a newline": {"owner.email", func(o *auth.DeclaredOwner, _ *auth.DeclaredKey) { o.Email = "a@b.c\n" }},
	} {
		o, k := declaredOwner(), declaredKey(fresh)
		c.change(o, k)
		err := e.Declare(t.Context(), auth.Declared{Owner: o, Key: k})
		var f *auth.FieldError
		require.ErrorAs(t, err, &f, name)
		require.Equal(t, c.field, f.Field, name)
		require.NotContains(t, err.Error(), fresh[10:], name)
		morePeople, moreKeys, moreEvents := state(t, e)
		require.Equal(t, people, morePeople, name)
		require.Equal(t, keys, moreKeys, name)
		require.Equal(t, events, moreEvents, name)
	}
}

func TestWhatIsDeclaredIsNotChangedByHand(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	text, _ := auth.NewKey()
	require.NoError(t, e.Declare(t.Context(), auth.Declared{Owner: declaredOwner(), Key: declaredKey(text)}))
	other := e.Add(t, "other@example.com", auth.Owner)
	in, err := declaredSignIn(t, e, ada, authtest.Password)
	require.NoError(t, err)
	by, id := auth.By{Actor: other.Person.Actor()}, auth.DeclaredOwnerID
	keys, err := e.Store.AuthRows().Keys(t.Context())
	require.NoError(t, err)
	require.True(t, e.Keys.Declared(keys[0]))
	require.True(t, e.People.Declared(in.Person))
	require.False(t, e.People.Declared(other.Person))

	name, role, yes := "Eve", auth.Auditor, true
	for what, try := range map[string]func(ctx context.Context) error{
		"name": func(ctx context.Context) error {
			_, err := e.People.Update(ctx, id, auth.Change{Name: &name}, by)
			return err
		},
		"role": func(ctx context.Context) error {
			_, err := e.People.Update(ctx, id, auth.Change{Role: &role}, by)
			return err
		},
		"disabled": func(ctx context.Context) error {
			_, err := e.People.Update(ctx, id, auth.Change{Disabled: &yes}, by)
			return err
		},
		"deleted": func(ctx context.Context) error { return e.People.Delete(ctx, id, auth.RevokeKeys, by) },
		"reset":   func(ctx context.Context) error { _, _, err := e.People.Reset(ctx, id, by); return err },
		"password": func(ctx context.Context) error {
			return e.Account.SetPassword(ctx, e.Active(t, in), authtest.Password, "another good password", auth.From{})
		},
	} {
		require.ErrorIs(t, try(t.Context()), auth.ErrDeclaredOwner, what)
	}
	require.ErrorIs(t, e.Keys.Revoke(t.Context(), keys[0].ID, by), auth.ErrDeclaredKey)
	_, err = declaredSignIn(t, e, ada, authtest.Password)
	require.NoError(t, err)
	_, err = e.Keys.Authenticate(t.Context(), text)
	require.NoError(t, err)
}

// TestWhatIsNotDeclaredAnyMoreStays: a line that is missing in a file is no order to
// take somebody's access away; people do that.
func TestWhatIsNotDeclaredAnyMoreStays(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	text, _ := auth.NewKey()
	require.NoError(t, e.Declare(t.Context(), auth.Declared{Owner: declaredOwner(), Key: declaredKey(text)}))
	other := e.Add(t, "other@example.com", auth.Owner)
	e.Again(t)
	require.NoError(t, e.Declare(t.Context(), auth.Declared{}))
	_, err := declaredSignIn(t, e, ada, authtest.Password)
	require.NoError(t, err)
	_, err = e.Keys.Authenticate(t.Context(), text)
	require.NoError(t, err)
	left, err := auth.Leftovers(t.Context(), e.Store.AuthRows(), auth.Declared{})
	require.NoError(t, err)
	require.Len(t, left, 2)
	require.Contains(t, left[0], ada)

	by := auth.By{Actor: other.Person.Actor()}
	keys, err := e.Store.AuthRows().Keys(t.Context())
	require.NoError(t, err)
	require.False(t, e.Keys.Declared(keys[0]))
	require.NoError(t, e.Keys.Revoke(t.Context(), keys[0].ID, by))
	require.NoError(t, e.People.Delete(t.Context(), auth.DeclaredOwnerID, auth.RevokeKeys, by))
	left, err = auth.Leftovers(t.Context(), e.Store.AuthRows(), auth.Declared{})
	require.NoError(t, err)
	require.Empty(t, left)
	require.NoError(t, e.Declare(t.Context(), auth.Declared{Owner: declaredOwner()}), "declared anew")
}
