package auth_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/authtest"
)

var by = auth.By{Actor: auth.LocalActor, RequestID: "r1", Source: "192.0.2.1"}

func newKey(t testing.TB, e *authtest.Env, may ...auth.Permission) (auth.Key, string) {
	t.Helper()
	k, text, err := e.Keys.Create(contextOf(), auth.NewAPIKey{Name: "ci", Permissions: may}, by)
	require.NoError(t, err)
	return k, text
}

func requireKeyRefused(t testing.TB, e *authtest.Env, bearer, reason string) {
	t.Helper()
	got, err := e.Keys.Authenticate(contextOf(), bearer)
	var refused *auth.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, reason, refused.Reason)
	require.Zero(t, got)
}

func TestAPIKeys(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	k, text := newKey(t, e, auth.FleetRead, auth.TokensWrite)
	require.Equal(t, e.Clock.Now().Add(90*24*time.Hour), k.ExpiresAt)
	p, err := e.Keys.Authenticate(t.Context(), text)
	require.NoError(t, err)
	require.Equal(t, auth.Principal{Actor: "key:" + k.ID, Kind: auth.KindKey, Name: "ci", Permissions: []auth.Permission{auth.FleetRead, auth.TokensWrite}}, p)
	all, err := e.Store.AuthRows().Keys(t.Context())
	require.NoError(t, err)
	require.Equal(t, e.Clock.Now(), all[0].LastUsedAt)
	require.Equal(t, auth.LocalActor, all[0].CreatedBy)
	ev := e.Events(t, audit.KeyCreate)[0]
	require.Contains(t, ev.After, `"tokens:write"`)
	require.NotContains(t, ev.After, text)

	e.Clock.Advance(90 * 24 * time.Hour)
	requireKeyRefused(t, e, text, "expired API key")
	_, text = newKey(t, e, auth.FleetRead)
	all, err = e.Store.AuthRows().Keys(t.Context())
	require.NoError(t, err)
	require.NoError(t, e.Keys.Revoke(t.Context(), all[0].ID, by))
	requireKeyRefused(t, e, text, "revoked API key")
	require.NoError(t, e.Keys.Revoke(t.Context(), all[0].ID, by), "again")
	require.Len(t, e.Events(t, audit.KeyRevoke), 1)
	require.ErrorIs(t, e.Keys.Revoke(t.Context(), "key_no", by), auth.ErrKeyNotFound)
}

func TestRefusesKeysThatShouldNotBe(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	read := []auth.Permission{auth.FleetRead}
	for name, tc := range map[string]struct {
		key   auth.NewAPIKey
		field string
	}{
		"without a name":             {auth.NewAPIKey{Permissions: read}, "name"},
		"without a scope":            {auth.NewAPIKey{Name: "x"}, "scopes"},
		"for an account":             {auth.NewAPIKey{Name: "x", Permissions: []auth.Permission{auth.Self}}, "scopes"},
		"for oneself":                {auth.NewAPIKey{Name: "x", Permissions: []auth.Permission{auth.Self}}, "scopes"},
		"with a scope twice":         {auth.NewAPIKey{Name: "x", Permissions: []auth.Permission{auth.FleetRead, auth.FleetRead}}, "scopes"},
		"with a scope that is no":    {auth.NewAPIKey{Name: "x", Permissions: []auth.Permission{"*"}}, "scopes"},
		"for longer than a year":     {auth.NewAPIKey{Name: "x", Permissions: read, Life: 365*24*time.Hour + 1}, "ttl"},
		"for a second":               {auth.NewAPIKey{Name: "x", Permissions: read, Life: time.Second}, "ttl"},
		"for less than no time":      {auth.NewAPIKey{Name: "x", Permissions: read, Life: -time.Hour}, "ttl"},
		"whose name breaks the line": {auth.NewAPIKey{Name: "x\ny", Permissions: read}, "name"},
	} {
		var f *auth.FieldError
		_, text, err := e.Keys.Create(t.Context(), tc.key, by)
		require.ErrorAs(t, err, &f, name)
		require.Equal(t, tc.field, f.Field, name)
		require.Empty(t, text, name)
	}
	all, err := e.Store.AuthRows().Keys(t.Context())
	require.NoError(t, err)
	require.Empty(t, all)
}

func exchange(t testing.TB, e *authtest.Env, k auth.Key, text string) string {
	t.Helper()
	at, err := e.Keys.Exchange(contextOf(), k.ID, text, nil, by)
	require.NoError(t, err)
	return at.Token
}

func TestAccessTokens(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	k, text := newKey(t, e, auth.FleetRead, auth.TokensWrite)
	at, err := e.Keys.Exchange(t.Context(), k.ID, text, []auth.Permission{auth.FleetRead}, by)
	require.NoError(t, err)
	require.Equal(t, e.Clock.Now().Add(10*time.Minute), at.ExpiresAt)
	p, err := e.Keys.Authenticate(t.Context(), at.Token)
	require.NoError(t, err)
	require.Equal(t, "key:"+k.ID, p.Actor)
	require.Equal(t, []auth.Permission{auth.FleetRead}, p.Permissions)
	require.NotContains(t, e.Events(t, audit.KeyIssueToken)[0].Reason, "ey")

	e.Clock.Advance(10*time.Minute - time.Second)
	_, err = e.Keys.Authenticate(t.Context(), at.Token)
	require.NoError(t, err)
	e.Clock.Advance(time.Second)
	requireKeyRefused(t, e, at.Token, "expired access token, or of another issuer or audience")

	live := exchange(t, e, k, text)
	require.NoError(t, e.Keys.Revoke(t.Context(), k.ID, by))
	requireKeyRefused(t, e, live, "revoked API key")
}

func TestExchangeRefuses(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	k, text := newKey(t, e, auth.FleetRead)
	other, _ := newKey(t, e, auth.CARotate)
	unknown, _ := auth.NewKey()
	for name, tc := range map[string]struct{ id, secret string }{
		"no secret": {k.ID, ""}, "a wrong secret": {k.ID, unknown}, "another key's id": {other.ID, text}, "no id": {"", text},
		"an access token": {k.ID, exchange(t, e, k, text)},
	} {
		var refused *auth.RefusedError
		_, err := e.Keys.Exchange(t.Context(), tc.id, tc.secret, nil, by)
		require.ErrorAs(t, err, &refused, name)
	}
	var f *auth.FieldError
	for _, more := range []auth.Permission{auth.CARotate, auth.Self, auth.PeopleManage, "*"} {
		_, err := e.Keys.Exchange(t.Context(), k.ID, text, []auth.Permission{more}, by)
		require.ErrorAs(t, err, &f, more)
	}
	source := by
	source.Source = "203.0.113.7"
	for range 20 {
		_, err := e.Keys.Exchange(t.Context(), k.ID, unknown, nil, source)
		require.Error(t, err)
	}
	var many *auth.TooManyError
	_, err := e.Keys.Exchange(t.Context(), k.ID, unknown, nil, source)
	require.ErrorAs(t, err, &many)
	_, err = e.Keys.Exchange(t.Context(), k.ID, text, nil, source)
	require.NoError(t, err, "one program of an address does not keep another out")
}

func TestAKeyGivesAnotherNoMoreThanItHas(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	parent, _, err := e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "parent", Permissions: []auth.Permission{auth.KeysManage, auth.FleetRead}, Life: time.Hour}, by)
	require.NoError(t, err)
	byParent := auth.By{Actor: "key:" + parent.ID}
	read := []auth.Permission{auth.FleetRead}

	var f *auth.FieldError
	_, _, err = e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "longer", Permissions: read, Life: time.Hour + time.Second}, byParent)
	require.ErrorAs(t, err, &f)
	require.Equal(t, "ttl", f.Field)
	require.ErrorContains(t, err, "2030-01-02T04:04:05Z")
	_, _, err = e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "more", Permissions: []auth.Permission{auth.CARotate}, Life: time.Minute}, byParent)
	require.ErrorAs(t, err, &f)
	require.Equal(t, "scopes", f.Field)

	child, text, err := e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "child", Permissions: []auth.Permission{auth.KeysManage, auth.FleetRead}}, byParent)
	require.NoError(t, err)
	require.Equal(t, parent.ExpiresAt, child.ExpiresAt, "the default is no longer than the parent's")
	_, grandchild, err := e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "grandchild", Permissions: read}, auth.By{Actor: "key:" + child.ID})
	require.NoError(t, err)
	_, other := newKey(t, e, auth.FleetRead)

	require.NoError(t, e.Keys.Revoke(t.Context(), parent.ID, by))
	requireKeyRefused(t, e, text, "revoked API key")
	requireKeyRefused(t, e, grandchild, "revoked API key")
	_, err = e.Keys.Authenticate(t.Context(), other)
	require.NoError(t, err)
	revoked := e.Events(t, audit.KeyRevoke)
	require.Len(t, revoked, 3, "each is in the audit log")
	require.Equal(t, "made by key:"+parent.ID, revoked[1].Reason)

	var refused *auth.RefusedError
	_, _, err = e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "late", Permissions: read}, byParent)
	require.ErrorAs(t, err, &refused, "revoked between the check of the caller and the key")
	_, _, err = e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "x", Permissions: read}, auth.By{Actor: "key:gone"})
	require.ErrorAs(t, err, &refused)
}

func TestKeysDoNotOutliveTheRightsOfTheirMaker(t *testing.T) {
	t.Parallel()
	no, yes, operator := false, true, auth.Operator
	for name, tc := range map[string]struct {
		lose           func(e *authtest.Env, id string) error
		strong, modest bool // whether the key survives: one with ca:rotate, one with fleet:read
	}{
		"removed":            {func(e *authtest.Env, id string) error { return e.People.Delete(contextOf(), id, auth.RevokeKeys, by) }, no, no},
		"removed, keys kept": {func(e *authtest.Env, id string) error { return e.People.Delete(contextOf(), id, auth.KeepKeys, by) }, yes, yes},
		"disabled":           {func(e *authtest.Env, id string) error { return update(e, id, auth.Change{Disabled: &yes}) }, no, no},
		"disabled, keys kept": {func(e *authtest.Env, id string) error {
			return update(e, id, auth.Change{Disabled: &yes, Keys: auth.KeepKeys})
		}, yes, yes},
		"a smaller role": {func(e *authtest.Env, id string) error { return update(e, id, auth.Change{Role: &operator}) }, no, yes},
		"a smaller role, kept": {func(e *authtest.Env, id string) error {
			return update(e, id, auth.Change{Role: &operator, Keys: auth.KeepKeys})
		}, yes, yes},
		"nothing but the name": {func(e *authtest.Env, id string) error { n := "New"; return update(e, id, auth.Change{Name: &n}) }, yes, yes},
		"a refused removal":    {refusedDelete, yes, yes},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := authtest.New(t, nil)
			p := e.Add(t, ada, auth.Admin).Person
			mine := auth.By{Actor: p.Actor()}
			create := func(may auth.Permission, by auth.By) (auth.Key, string) {
				k, text, err := e.Keys.Create(contextOf(), auth.NewAPIKey{Name: "k", Permissions: []auth.Permission{may}}, by)
				require.NoError(t, err)
				return k, text
			}
			strong, strongText := create(auth.CARotate, mine)
			_, modestText := create(auth.FleetRead, mine)
			_, childText := create(auth.CARotate, auth.By{Actor: "key:" + strong.ID})
			_, otherText := create(auth.CARotate, by)
			require.NoError(t, tc.lose(e, p.ID))
			for what, k := range map[string]struct {
				text  string
				lives bool
			}{
				"strong": {strongText, tc.strong}, "modest": {modestText, tc.modest}, "made by strong": {childText, tc.strong}, "somebody else's": {otherText, true},
			} {
				if k.lives {
					_, err := e.Keys.Authenticate(contextOf(), k.text)
					require.NoError(t, err, what)
				} else {
					requireKeyRefused(t, e, k.text, "revoked API key")
				}
			}
		})
	}
}

func update(e *authtest.Env, id string, c auth.Change) error {
	_, err := e.People.Update(contextOf(), id, c, by)
	return err
}

// refusedDelete is nil if the removal was refused: nobody removes themselves.
func refusedDelete(e *authtest.Env, id string) error {
	if err := e.People.Delete(contextOf(), id, auth.RevokeKeys, auth.By{Actor: "person:" + id}); !errors.Is(err, auth.ErrOwnRole) {
		return fmt.Errorf("not refused: %w", err)
	}
	return nil
}

func TestKeysEndWithTheGroupsOfTheirMaker(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	f := auth.Federated{Issuer: "i", Subject: "s", Email: "fed@example.com", Name: "F", Role: auth.Admin}
	in, err := e.Sessions.SignInFederated(t.Context(), f, from("192.0.2.9"))
	require.NoError(t, err)
	mine := auth.By{Actor: in.Person.Actor()}
	_, strong, err := e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "k", Permissions: []auth.Permission{auth.CARotate}}, mine)
	require.NoError(t, err)
	_, modest, err := e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "k", Permissions: []auth.Permission{auth.FleetRead}}, mine)
	require.NoError(t, err)
	f.Role = auth.Auditor
	_, err = e.Sessions.SignInFederated(t.Context(), f, from("192.0.2.9"))
	require.NoError(t, err)
	requireKeyRefused(t, e, strong, "revoked API key")
	_, err = e.Keys.Authenticate(t.Context(), modest)
	require.NoError(t, err)
	f.Role = ""
	_, err = e.Sessions.SignInFederated(t.Context(), f, from("192.0.2.9"))
	require.ErrorIs(t, err, auth.ErrRefused)
	requireKeyRefused(t, e, modest, "revoked API key")
}

func TestSigningKeysRotateWithoutBreakingLiveTokens(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	k, text := newKey(t, e, auth.FleetRead)
	kid := func(token string) string {
		parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA})
		require.NoError(t, err)
		return parsed.Headers[0].KeyID
	}
	first := exchange(t, e, k, text)
	e.Clock.Advance(7*24*time.Hour - time.Minute)
	last := exchange(t, e, k, text)
	require.Equal(t, kid(first), kid(last))
	e.Clock.Advance(time.Minute)
	next := exchange(t, e, k, text)
	require.NotEqual(t, kid(last), kid(next))
	for _, token := range []string{last, next} {
		_, err := e.Keys.Authenticate(t.Context(), token)
		require.NoError(t, err, "two signing keys are live")
	}
	e.Again(t)
	_, err := e.Keys.Authenticate(t.Context(), last)
	require.NoError(t, err, "over a restart too")
	e.Clock.Advance(7 * 24 * time.Hour)
	exchange(t, e, k, text)
	keys, err := e.Store.AuthRows().SigningKeys(t.Context())
	require.NoError(t, err)
	require.Len(t, keys, 2, "the first is forgotten")
	for _, s := range keys {
		require.NotContains(t, string(s.Seed), "sig_")
		require.Greater(t, len(s.Seed), ed25519.SeedSize+24, "sealed")
	}
}

// forge signs claims as somebody else would.
func forge(t testing.TB, alg jose.SignatureAlgorithm, key any, kid, typ string, claims map[string]any) string {
	t.Helper()
	opts := &jose.SignerOptions{}
	if typ != "" {
		opts = opts.WithType(jose.ContentType(typ))
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, opts)
	require.NoError(t, err)
	text, err := jwt.Signed(s).Claims(claims).Serialize()
	require.NoError(t, err)
	return text
}

func TestRefusesForgedAccessTokens(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	k, text := newKey(t, e, auth.FleetRead)
	good := exchange(t, e, k, text)
	rows, err := e.Store.AuthRows().SigningKeys(t.Context())
	require.NoError(t, err)
	kid := rows[0].ID
	seed, err := e.Config.Seal.Open("signing-key/"+kid, rows[0].Seed)
	require.NoError(t, err)
	ours := ed25519.NewKeyFromSeed(seed) // what the thief of a key could do is not the point: one claim is wrong at a time
	_, theirs, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	now := e.Clock.Now().Unix()
	claims := func(edit func(map[string]any)) map[string]any {
		c := map[string]any{
			"iss": "urn:grpccontroller:mycorp.internal", "aud": "grpccontroller/admin", "sub": "key:" + k.ID, "jti": "at_1",
			"iat": now, "nbf": now, "exp": now + 600, "scope": "fleet:read",
		}
		edit(c)
		return c
	}
	none := func(map[string]any) {}
	_, err = e.Keys.Authenticate(t.Context(), forge(t, jose.EdDSA, ours, kid, "at+jwt", claims(none)))
	require.NoError(t, err, "the test's own tokens are good when nothing is wrong")

	part := strings.Split(good, ".")
	enc := base64.RawURLEncoding.EncodeToString
	body, err := json.Marshal(claims(none))
	require.NoError(t, err)
	for name, token := range map[string]string{
		"signed by another key":         forge(t, jose.EdDSA, theirs, kid, "at+jwt", claims(none)),
		"of an unknown kid":             forge(t, jose.EdDSA, ours, "sig_x", "at+jwt", claims(none)),
		"without a kid":                 forge(t, jose.EdDSA, ours, "", "at+jwt", claims(none)),
		"of another type":               forge(t, jose.EdDSA, ours, kid, "JWT", claims(none)),
		"without a type":                forge(t, jose.EdDSA, ours, kid, "", claims(none)),
		"HS256 with the public key":     forge(t, jose.HS256, []byte(ours.Public().(ed25519.PublicKey)), kid, "at+jwt", claims(none)),
		"alg none":                      enc([]byte(`{"alg":"none","typ":"at+jwt","kid":"`+kid+`"}`)) + "." + enc(body) + ".",
		"alg none with a signature":     enc([]byte(`{"alg":"none","typ":"at+jwt","kid":"`+kid+`"}`)) + "." + enc(body) + "." + part[2],
		"another body":                  part[0] + "." + enc(body) + "." + part[2],
		"a cut signature":               good[:len(good)-4],
		"of another issuer":             forge(t, jose.EdDSA, ours, kid, "at+jwt", claims(func(c map[string]any) { c["iss"] = "urn:grpccontroller:other" })),
		"for another audience":          forge(t, jose.EdDSA, ours, kid, "at+jwt", claims(func(c map[string]any) { c["aud"] = "elsewhere" })),
		"for no audience":               forge(t, jose.EdDSA, ours, kid, "at+jwt", claims(func(c map[string]any) { delete(c, "aud") })),
		"without an expiry":             forge(t, jose.EdDSA, ours, kid, "at+jwt", claims(func(c map[string]any) { delete(c, "exp") })),
		"expired":                       forge(t, jose.EdDSA, ours, kid, "at+jwt", claims(func(c map[string]any) { c["exp"] = now })),
		"not yet valid":                 forge(t, jose.EdDSA, ours, kid, "at+jwt", claims(func(c map[string]any) { c["nbf"] = now + 60 })),
		"from the future":               forge(t, jose.EdDSA, ours, kid, "at+jwt", claims(func(c map[string]any) { c["iat"] = now + 60 })),
		"of an unknown key":             forge(t, jose.EdDSA, ours, kid, "at+jwt", claims(func(c map[string]any) { c["sub"] = "key:no" })),
		"of a person":                   forge(t, jose.EdDSA, ours, kid, "at+jwt", claims(func(c map[string]any) { c["sub"] = "person:" + k.ID })),
		"with its own key in its head":  embedded(t, theirs, claims(none)),
		"huge":                          good + strings.Repeat("a", 1<<20),
		"huge, and signed by us":        forge(t, jose.EdDSA, ours, kid, "at+jwt", claims(func(c map[string]any) { c["jti"] = strings.Repeat("a", 4<<10) })),
		"empty parts":                   "..",
		"something with two dots in it": "a.b.c",
	} {
		var refused *auth.RefusedError
		got, err := e.Keys.Authenticate(t.Context(), token)
		require.ErrorAs(t, err, &refused, name)
		require.Zero(t, got, name)
	}
	more, err := e.Keys.Authenticate(t.Context(), forge(t, jose.EdDSA, ours, kid, "at+jwt", claims(func(c map[string]any) { c["scope"] = "fleet:read people:manage self ca:rotate" })))
	require.NoError(t, err)
	require.Equal(t, []auth.Permission{auth.FleetRead}, more.Permissions, "never more than the key has")
}

// embedded is a token that brings the key to verify it with.
func embedded(t testing.TB, key ed25519.PrivateKey, claims map[string]any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key}, (&jose.SignerOptions{EmbedJWK: true}).WithType("at+jwt"))
	require.NoError(t, err)
	text, err := jwt.Signed(s).Claims(claims).Serialize()
	require.NoError(t, err)
	return text
}

// TestAnUpgradeRetiresTheFirstKey: releases before the local admin socket left a key for
// everything in a file.
func TestAnUpgradeRetiresTheFirstKey(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	text, hash := auth.NewKey()
	childText, childHash := auth.NewKey()
	rows := e.Store.AuthRows()
	require.NoError(t, rows.InsertKey(t.Context(), auth.Key{ID: auth.FirstKeyID, CreatedAt: e.Clock.Now(), ExpiresAt: e.Clock.Now().Add(time.Hour)}, hash))
	require.NoError(t, rows.InsertKey(t.Context(), auth.Key{ID: "key_made", CreatedBy: "key:" + auth.FirstKeyID, Permissions: []auth.Permission{auth.FleetRead}}, childHash))
	p, err := e.Keys.Authenticate(t.Context(), text)
	require.NoError(t, err)
	require.Empty(t, p.Permissions, "even before it is retired")

	path := filepath.Join(t.TempDir(), "bootstrap-api-key")
	require.NoError(t, os.WriteFile(path, []byte(text+"\n"), 0o600))
	retired, err := e.Keys.RetireFirstKey(t.Context(), path)
	require.NoError(t, err)
	require.True(t, retired)
	require.NoFileExists(t, path)
	requireKeyRefused(t, e, text, "revoked API key")
	requireKeyRefused(t, e, childText, "revoked API key")
	revoked := e.Events(t, audit.KeyRevoke)
	require.Len(t, revoked, 2)
	require.Equal(t, []string{"key/bootstrap", "controller"}, []string{revoked[0].Target, revoked[0].Actor})
	require.NotContains(t, revoked[0].Before, "revoked_at")
	require.Contains(t, revoked[0].After, `"revoked_at":"2030-01-02T03:04:05Z"`)

	retired, err = e.Keys.RetireFirstKey(t.Context(), path)
	require.NoError(t, err)
	require.False(t, retired, "it is said once")
	require.Len(t, e.Events(t, audit.KeyRevoke), 2)

	require.NoError(t, os.WriteFile(path, []byte(text+"\n"), 0o600))
	retired, err = e.Keys.RetireFirstKey(t.Context(), path)
	require.NoError(t, err)
	require.True(t, retired, "a file that came back, as from a backup")
	require.NoFileExists(t, path)
}

func TestANewControllerHasNoFirstKey(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	retired, err := e.Keys.RetireFirstKey(t.Context(), filepath.Join(t.TempDir(), "bootstrap-api-key"))
	require.NoError(t, err)
	require.False(t, retired)
	keys, err := e.Store.AuthRows().Keys(t.Context())
	require.NoError(t, err)
	require.Empty(t, keys)
}

func FuzzBearer(f *testing.F) {
	e := authtest.New(f, nil)
	k, text := newKey(f, e, auth.FleetRead)
	token := exchange(f, e, k, text)
	f.Add("")
	f.Add(token[:len(token)-1])
	f.Add("zta_x")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, bearer string) {
		p, err := e.Keys.Authenticate(t.Context(), bearer)
		var refused *auth.RefusedError
		if err != nil {
			require.ErrorAs(t, err, &refused)
			return
		}
		require.Equal(t, "key:"+k.ID, p.Actor)
		require.Contains(t, []string{text[:4], token[:4]}, bearer[:4])
	})
}
