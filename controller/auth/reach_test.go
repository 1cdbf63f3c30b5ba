package auth_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/authtest"
)

// keyWith makes a key with these scopes, as the host's owner, and returns who it is.
func keyWith(t *testing.T, e *authtest.Env, scopes ...auth.Permission) (auth.Key, auth.By) {
	t.Helper()
	k, _, err := e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "k", Permissions: scopes}, by)
	require.NoError(t, err)
	return k, auth.By{Actor: auth.KeyActor + k.ID}
}

func requireScopes(t *testing.T, err error) {
	t.Helper()
	var f *auth.FieldError
	require.ErrorAs(t, err, &f)
	require.Equal(t, "scopes", f.Field)
}

func TestAKeyHasWhateverItsMakerHas(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	owner := e.Add(t, ada, auth.Owner).Person
	for _, p := range auth.Scopes() {
		_, text, err := e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "k", Permissions: []auth.Permission{p}}, auth.By{Actor: owner.Actor()})
		require.NoError(t, err, p)
		who, err := e.Keys.Authenticate(t.Context(), text)
		require.NoError(t, err)
		require.Equal(t, []auth.Permission{p}, who.Permissions)
	}
	require.Contains(t, auth.Scopes(), auth.PeopleManage)
	require.NotContains(t, auth.Scopes(), auth.Self, "a program has no account of its own")
}

func TestNobodyGivesAKeyWhatTheyDoNotHave(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	admin := e.Add(t, "admin@example.com", auth.Admin).Person
	disabled, yes := e.Add(t, "disabled@example.com", auth.Owner).Person, true
	e.Add(t, ada, auth.Owner)
	_, err := e.People.Update(t.Context(), disabled.ID, auth.Change{Disabled: &yes}, by)
	require.NoError(t, err)
	create := func(by auth.By, scopes ...auth.Permission) error {
		_, _, err := e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "k", Permissions: scopes}, by)
		return err
	}
	_, narrow := keyWith(t, e, auth.KeysManage, auth.FleetRead)
	_, wide := keyWith(t, e, auth.Scopes()...)
	token := wide
	token.Scope = []auth.Permission{auth.KeysManage} // of an access token
	for name, err := range map[string]error{
		"an admin, who manages no people":          create(auth.By{Actor: admin.Actor()}, auth.PeopleManage),
		"somebody who was disabled meanwhile":      create(auth.By{Actor: disabled.Actor()}, auth.FleetRead),
		"a key with less":                          create(narrow, auth.FleetWrite),
		"a key with less, among others":            create(narrow, auth.FleetRead, auth.PeopleManage),
		"an access token with less than its key":   create(token, auth.FleetRead),
		"a session that asked for less":            create(auth.By{Actor: admin.Actor(), Scope: []auth.Permission{auth.FleetRead}}, auth.KeysManage),
		"the owner of the host, what no key can":   create(by, auth.Self),
		"the owner of the host, what there is not": create(by, "fleet:everything"),
	} {
		t.Run(name, func(t *testing.T) { requireScopes(t, err) })
	}
	var refused *auth.RefusedError
	require.ErrorAs(t, create(auth.By{Actor: "person:gone"}, auth.FleetRead), &refused)
	require.ErrorAs(t, create(auth.By{Actor: "key:gone"}, auth.FleetRead), &refused)
	require.NoError(t, create(token, auth.KeysManage))
}

func TestAChangeOfAKeyIsNoWayToMore(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	owner := e.Add(t, ada, auth.Owner).Person
	bob := e.Add(t, "bob@example.com", auth.Admin).Person
	change := func(id string, by auth.By, scopes ...auth.Permission) error {
		_, err := e.Keys.Update(t.Context(), id, auth.KeyChange{Permissions: scopes}, by)
		return err
	}
	mine, byMine := keyWith(t, e, auth.KeysManage, auth.FleetRead)
	strong, _ := keyWith(t, e, auth.KeysManage, auth.CARotate)
	child, _, err := e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "child", Permissions: []auth.Permission{auth.FleetRead}}, byMine)
	require.NoError(t, err)
	bobs, _, err := e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "bob's", Permissions: []auth.Permission{auth.FleetRead, auth.CARotate}}, auth.By{Actor: bob.Actor()})
	require.NoError(t, err)
	byOwner := auth.By{Actor: owner.Actor()}

	requireScopes(t, change(mine.ID, byMine, auth.KeysManage, auth.FleetRead, auth.CARotate)) // itself
	requireScopes(t, change(strong.ID, byMine, auth.KeysManage, auth.CARotate, auth.AuditRead))
	requireScopes(t, change(child.ID, byMine, auth.FleetRead, auth.TokensWrite))
	requireScopes(t, change(child.ID, byOwner, auth.FleetRead, auth.TokensWrite)) // its maker has not
	requireScopes(t, change(bobs.ID, byOwner, auth.PeopleManage))
	requireScopes(t, change(mine.ID, byOwner, auth.Self))
	requireScopes(t, change(mine.ID, byOwner, auth.FleetRead, auth.FleetRead))
	requireScopes(t, change(mine.ID, auth.By{Actor: byMine.Actor, Scope: []auth.Permission{auth.KeysManage}}, auth.KeysManage, auth.FleetRead, auth.AuditRead))

	auditor := auth.Operator
	_, err = e.People.Update(t.Context(), bob.ID, auth.Change{Role: &auditor, Keys: auth.KeepKeys}, by)
	require.NoError(t, err)
	requireScopes(t, change(bobs.ID, byOwner, auth.FleetRead, auth.CARotate, auth.KeysManage)) // who made it has lost that
	require.NoError(t, change(bobs.ID, byOwner, auth.FleetRead, auth.TokensWrite))
	requireScopes(t, change(bobs.ID, byOwner, auth.FleetRead, auth.CARotate)) // nor does it come back

	require.NoError(t, e.People.Delete(t.Context(), bob.ID, auth.KeepKeys, by))
	requireScopes(t, change(bobs.ID, byOwner, auth.FleetRead, auth.AuditRead)) // nobody is there to have it
	require.NoError(t, change(bobs.ID, byOwner, auth.FleetRead), "less is always possible")
	require.Empty(t, e.Events(t, audit.KeyRevoke))
}

func TestAKeyThatLosesAScopeTakesItFromThoseThatItMade(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	parent, byParent := keyWith(t, e, auth.KeysManage, auth.FleetRead, auth.AuditRead)
	_, reads, err := e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "reads", Permissions: []auth.Permission{auth.FleetRead}}, byParent)
	require.NoError(t, err)
	_, audits, err := e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "audits", Permissions: []auth.Permission{auth.AuditRead}}, byParent)
	require.NoError(t, err)
	name := "Terraform"
	k, err := e.Keys.Update(t.Context(), parent.ID, auth.KeyChange{Name: &name, Permissions: []auth.Permission{auth.KeysManage, auth.FleetRead}}, by)
	require.NoError(t, err)
	require.Equal(t, name, k.Name)
	requireKeyRefused(t, e, audits, "revoked API key")
	_, err = e.Keys.Authenticate(t.Context(), reads)
	require.NoError(t, err)
	changed := e.Events(t, audit.KeyUpdate)
	require.Len(t, changed, 1)
	require.Contains(t, changed[0].Before, "audit:read")
	require.NotContains(t, changed[0].After, "audit:read")

	for _, none := range []auth.KeyChange{{}, {Name: &name}, {Permissions: []auth.Permission{auth.KeysManage, auth.FleetRead}}} {
		k, err = e.Keys.Update(t.Context(), parent.ID, none, by)
		require.NoError(t, err)
		require.Equal(t, name, k.Name)
	}
	require.Len(t, e.Events(t, audit.KeyUpdate), 1, "what is as it was is not written")
	_, err = e.Keys.Update(t.Context(), parent.ID, auth.KeyChange{Permissions: []auth.Permission{}}, by)
	requireScopes(t, err)
	_, err = e.Keys.Update(t.Context(), "key_no", auth.KeyChange{Name: &name}, by)
	require.ErrorIs(t, err, auth.ErrKeyNotFound)
	require.NoError(t, e.Keys.Revoke(t.Context(), parent.ID, by))
	_, err = e.Keys.Update(t.Context(), parent.ID, auth.KeyChange{Name: &name}, by)
	require.ErrorIs(t, err, auth.ErrKeyEnded)
}

// TestAKeyThatManagesPeopleIsNobodyElse: it could invite an owner, or reset one, and use
// the link.
func TestAKeyThatManagesPeopleIsNobodyElse(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	owner := e.Add(t, ada, auth.Owner).Person
	e.Add(t, "second@example.com", auth.Owner)
	auditor := e.Add(t, "auditor@example.com", auth.Auditor).Person
	_, people := keyWith(t, e, auth.PeopleManage)
	_, small := keyWith(t, e, auth.PeopleManage, auth.FleetRead, auth.AuditRead, auth.SettingsRead)
	_, all := keyWith(t, e, auth.Scopes()...)
	token := all
	token.Scope = []auth.Permission{auth.PeopleManage}
	toOwner, toAdmin, yes, name := auth.Owner, auth.Admin, true, "New"
	create := func(by auth.By, role auth.Role) error {
		_, _, err := e.People.Create(t.Context(), auth.NewPerson{Email: string(role) + "-new@example.com", Name: "N", Role: role}, by)
		return err
	}
	update := func(by auth.By, id string, c auth.Change) error {
		_, err := e.People.Update(t.Context(), id, c, by)
		return err
	}
	reset := func(by auth.By, id string) error {
		_, _, err := e.People.Reset(t.Context(), id, by)
		return err
	}
	for name, err := range map[string]error{
		"invites an owner":            create(people, auth.Owner),
		"invites an auditor":          create(people, auth.Auditor),
		"invites an operator":         create(small, auth.Operator),
		"by a token, invites":         create(token, auth.Auditor),
		"makes somebody owner":        update(small, auditor.ID, auth.Change{Role: &toOwner}),
		"makes somebody admin":        update(small, auditor.ID, auth.Change{Role: &toAdmin}),
		"makes an owner less":         update(small, owner.ID, auth.Change{Role: &toAdmin}),
		"disables an owner":           update(small, owner.ID, auth.Change{Disabled: &yes}),
		"renames an owner":            update(small, owner.ID, auth.Change{Name: &name}),
		"resets an owner":             reset(small, owner.ID),
		"resets an auditor with less": reset(people, auditor.ID),
		"removes an owner":            e.People.Delete(t.Context(), owner.ID, auth.KeepKeys, small),
		"removes an owner by a token": e.People.Delete(t.Context(), owner.ID, auth.KeepKeys, token),
	} {
		t.Run(name, func(t *testing.T) { require.ErrorIs(t, err, auth.ErrMore) })
	}
	require.Empty(t, e.Events(t, audit.PersonUpdate, audit.PersonDelete, audit.PersonReset))
	require.NoError(t, create(small, auth.Auditor), "no more than it has itself")
	require.NoError(t, reset(small, auditor.ID))
	require.NoError(t, create(all, auth.Owner))

	e.Clock.Advance(auth.DefaultKeyLife + time.Minute)
	var refused *auth.RefusedError
	require.ErrorAs(t, create(all, auth.Admin), &refused, "it has expired meanwhile")
}
