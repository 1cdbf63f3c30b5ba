package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// RefusedError refuses a caller. Its text is always the same, so that nothing is
// learned about which keys, tokens and sessions exist.
type RefusedError struct {
	// Reason is for the log and the audit, never for the caller.
	Reason string
	// Actor is known when the credential itself is, such as an expired key.
	Actor string
}

// Error implements error.
func (*RefusedError) Error() string { return "the credential is not valid" }

// Keys authenticates programs and manages their API keys.
type Keys struct {
	*core
}

// NewKeys returns Keys that authenticate by API key and do nothing else.
func NewKeys(store Store, now func() time.Time) *Keys {
	return &Keys{core: &core{Config: Config{Store: store, Now: now, Log: zap.NewNop()}}}
}

// usedEvery is how exactly the last use of a key is kept.
const usedEvery = time.Minute

// Authenticate returns who holds bearer: an API key, an access token or the token of a
// command line that a person signed in. Errors:
// *RefusedError; any other error means that the store could not be asked.
//
// The comparison cannot be timed: the store compares SHA-256 values, of which a
// caller cannot choose a prefix.
func (k *Keys) Authenticate(ctx context.Context, bearer string) (Principal, error) {
	switch {
	case bearer == "":
		return Principal{}, &RefusedError{Reason: "no API key"}
	case strings.Count(bearer, ".") == 2:
		return k.byAccessToken(ctx, bearer)
	case strings.HasPrefix(bearer, loginPrefix):
		return k.byLogin(ctx, bearer)
	}
	key, err := k.bySecret(ctx, bearer)
	if err != nil {
		return Principal{}, err
	}
	return key.principal(), nil
}

// byLogin knows a command line that a person signed in, as far as its session lives.
func (k *Keys) byLogin(ctx context.Context, text string) (Principal, error) {
	if keys.CheckSecret(loginPrefix, text) != nil {
		return Principal{}, &RefusedError{Reason: "malformed login"}
	}
	a, err := k.live(ctx, keys.HashSecret(text), false)
	return a.Principal, err
}

func (k *Keys) bySecret(ctx context.Context, text string) (Key, error) {
	if keys.CheckSecret(KeyPrefix, text) != nil { // noise costs no look-up
		return Key{}, &RefusedError{Reason: "malformed API key"}
	}
	key, err := k.Store.AuthRows().KeyByHash(ctx, keys.HashSecret(text))
	if errors.Is(err, ErrKeyNotFound) {
		return Key{}, &RefusedError{Reason: "unknown API key"}
	}
	if err != nil {
		return Key{}, fmt.Errorf("look up API key: %w", err)
	}
	return key, k.usable(ctx, key)
}

// usable refuses a dead key and records the use of a live one.
func (k *Keys) usable(ctx context.Context, key Key) error {
	now := k.now()
	if why := key.refusal(now); why != "" {
		return &RefusedError{Reason: why, Actor: keyActor + key.ID}
	}
	if now.Sub(key.LastUsedAt) < usedEvery {
		return nil
	}
	if err := k.Store.AuthRows().UseKey(ctx, key.ID, now); err != nil {
		k.Log.Warn("use of an API key not recorded", zap.String("key_id", key.ID), zap.Error(err))
	}
	return nil
}

// NewAPIKey describes an API key to make. A Life of 0 is the default: DefaultKeyLife,
// or what is left of the key that makes it, if that is less.
type NewAPIKey struct {
	Name        string
	Permissions []Permission
	Life        time.Duration
}

// Create makes an API key and returns its secret, once. Whoever makes one gives it no
// permission that they do not have at that moment, and a key gives no longer life than its own. Errors:
// *FieldError, *RefusedError if the key that makes it is dead by now.
func (k *Keys) Create(ctx context.Context, n NewAPIKey, by By) (Key, string, error) {
	key, err := k.describe(n, by)
	if err != nil {
		return Key{}, "", err
	}
	text, hash := NewKey()
	err = k.Store.AuthTx(ctx, func(tx Tx) error {
		if err := k.mayGive(ctx, tx, by, key.Permissions); err != nil {
			return err
		}
		if err := k.boundByParent(ctx, tx, &key, n.Life != 0); err != nil {
			return err
		}
		if err := tx.InsertKey(ctx, key, hash); err != nil {
			return err
		}
		return k.record(ctx, tx, by, audit.Event{
			Action: audit.KeyCreate, Target: "key/" + key.ID, After: describeKey(key),
		})
	})
	if err != nil {
		return Key{}, "", err
	}
	return key, text, nil
}

// Validate says what is wrong with the fields by themselves. Errors: a *FieldError for
// each field that is at fault, joined.
func (n NewAPIKey) Validate() error {
	_, name := parseName(n.Name)
	var life error
	if n.Life != 0 && (n.Life < shortestKey || n.Life > LongestKeyLife) {
		life = fieldError("ttl", "must be %s to %s", shortestKey, LongestKeyLife)
	}
	return errors.Join(name, CheckScopes(n.Permissions), life)
}

func (k *Keys) describe(n NewAPIKey, by By) (Key, error) {
	if err := n.Validate(); err != nil {
		return Key{}, err
	}
	return Key{
		ID: newID("key_"), Name: n.Name, Permissions: n.Permissions, CreatedBy: by.Actor, CreatedAt: k.now(), ExpiresAt: k.now().Add(cmp.Or(n.Life, DefaultKeyLife)),
	}, nil
}

// CheckScopes says what is wrong with the permissions of a key. Errors: *FieldError.
func CheckScopes(scopes []Permission) error {
	if len(scopes) == 0 {
		return fieldError("scopes", "must name at least one of %s", listed(Scopes()))
	}
	for i, p := range scopes {
		if !p.Grantable() {
			return fieldError("scopes", "%q is no permission that a key can have: choose from %s", clip(string(p)), listed(Scopes()))
		}
		if slices.Contains(scopes[:i], p) {
			return fieldError("scopes", "%q is given twice", p)
		}
	}
	return nil
}

func listed(scopes []Permission) string {
	all := make([]string, len(scopes))
	for i, p := range scopes {
		all[i] = string(p)
	}
	return strings.Join(all, ", ")
}

// boundByParent holds a key that another key makes against that one. Otherwise a key
// of a minute, stolen, would buy its thief a year.
func (k *Keys) boundByParent(ctx context.Context, tx KeysTx, child *Key, asked bool) error {
	id, byKey := strings.CutPrefix(child.CreatedBy, keyActor)
	if !byKey {
		return nil
	}
	parent, err := tx.KeyByID(ctx, id)
	if errors.Is(err, ErrKeyNotFound) {
		return &RefusedError{Reason: "unknown API key", Actor: child.CreatedBy}
	}
	if err != nil {
		return err
	}
	if why := parent.refusal(k.now()); why != "" {
		return &RefusedError{Reason: why, Actor: child.CreatedBy}
	}
	for _, p := range child.Permissions {
		if !slices.Contains(parent.KeyPermissions(), p) {
			return fieldError("scopes", "%q is more than the key has that makes this one", p)
		}
	}
	if parent.ExpiresAt.IsZero() || !child.ExpiresAt.After(parent.ExpiresAt) {
		return nil
	}
	if asked {
		return fieldError("ttl", "must end by %s, when the key ends that makes this one", parent.ExpiresAt.UTC().Format(time.RFC3339))
	}
	child.ExpiresAt = parent.ExpiresAt
	return nil
}

// Page returns up to limit keys behind a place, dead ones too, the newest first, and how
// many there are.
func (k *Keys) Page(ctx context.Context, after Place, limit int) (page []Key, total int, err error) {
	return k.Store.AuthRows().KeyPage(ctx, after, limit)
}

// Get returns one key, also a dead one. Errors: ErrKeyNotFound.
func (k *Keys) Get(ctx context.Context, id string) (Key, error) {
	return k.Store.AuthRows().KeyByID(ctx, id)
}

// Revoke ends a key at once, with every access token that it got, every key that it made,
// and every enrollment token of these that waits for its host. Errors: ErrKeyNotFound, ErrDeclaredKey.
func (k *Keys) Revoke(ctx context.Context, id string, by By) error {
	return k.Store.AuthTx(ctx, func(tx Tx) error {
		key, err := tx.KeyByID(ctx, id)
		if err != nil || !key.RevokedAt.IsZero() {
			return err
		}
		if k.declaredKey(key) {
			return ErrDeclaredKey
		}
		return k.revoke(ctx, tx, key, by, "")
	})
}

// KeysTx keeps API keys.
type KeysTx interface {
	// KeyByHash and KeyByID return ErrKeyNotFound.
	KeyByHash(ctx context.Context, hash []byte) (Key, error)
	KeyByID(ctx context.Context, id string) (Key, error)
	// Keys lists all, also dead ones, the newest first.
	Keys(ctx context.Context) ([]Key, error)
	// KeyPage lists up to limit keys behind a place, also dead ones, the newest first, and
	// counts all; the zero Place is the beginning.
	KeyPage(ctx context.Context, after Place, limit int) (page []Key, total int, err error)
	InsertKey(ctx context.Context, k Key, hash []byte) error
	RevokeKey(ctx context.Context, id string, at time.Time) error
	// UpdateKey gives a key another name and other permissions.
	UpdateKey(ctx context.Context, id, name string, permissions []Permission) error
	// UseKey only moves LastUsedAt forward.
	UseKey(ctx context.Context, id string, at time.Time) error
}

// MadeByKeyTx ends what a key has made.
type MadeByKeyTx interface {
	// RevokeTokensBy revokes the pending enrollment tokens that an actor made, and
	// returns their ids.
	RevokeTokensBy(ctx context.Context, actor string, at time.Time) ([]string, error)
}

// revoking is what it takes to revoke a key.
type revoking interface {
	audit.Store
	KeysTx
	MadeByKeyTx
}

// revoke ends a key and those that it made.
func (k *core) revoke(ctx context.Context, tx revoking, key Key, by By, reason string) error {
	if err := k.revokeOne(ctx, tx, key, by, reason); err != nil {
		return err
	}
	return k.revokeMadeBy(ctx, tx, []string{keyActor + key.ID}, everyKey, by)
}

// revokeMadeBy ends the live keys of which one of these actors is the maker and
// which match, and whatever those made in turn.
func (k *core) revokeMadeBy(ctx context.Context, tx revoking, makers []string, match func(Key) bool, by By) error {
	all, err := tx.Keys(ctx)
	if err != nil {
		return err
	}
	for len(makers) > 0 {
		var next []string
		for _, key := range all {
			if !slices.Contains(makers, key.CreatedBy) || !match(key) {
				continue
			}
			next = append(next, keyActor+key.ID)
			if key.refusal(k.now()) != "" {
				continue // dead, but what it made may live
			}
			if err := k.revokeOne(ctx, tx, key, by, "made by "+key.CreatedBy); err != nil {
				return err
			}
		}
		makers, match = next, everyKey
	}
	return nil
}

func everyKey(Key) bool { return true }

func (k *core) revokeOne(ctx context.Context, tx revoking, key Key, by By, reason string) error {
	before := describeKey(key)
	key.RevokedAt = k.now()
	if err := tx.RevokeKey(ctx, key.ID, key.RevokedAt); err != nil {
		return err
	}
	if err := k.record(ctx, tx, by, audit.Event{
		Action: audit.KeyRevoke, Target: "key/" + key.ID, Reason: reason, Before: before, After: describeKey(key),
	}); err != nil {
		return err
	}
	tokens, err := tx.RevokeTokensBy(ctx, keyActor+key.ID, key.RevokedAt)
	if err != nil {
		return err
	}
	for _, id := range tokens {
		e := audit.Event{Action: audit.TokenRevoke, Target: "token/" + id, Reason: "made by " + keyActor + key.ID}
		if err := k.record(ctx, tx, by, e); err != nil {
			return err
		}
	}
	return nil
}

// describeKey is a key in the audit log.
func describeKey(k Key) string {
	return audit.State(struct {
		Name      string       `json:"name"`
		Scopes    []Permission `json:"scopes"`
		ExpiresAt time.Time    `json:"expires_at,omitzero"`
		RevokedAt time.Time    `json:"revoked_at,omitzero"`
	}{k.Name, k.KeyPermissions(), k.ExpiresAt, k.RevokedAt})
}
