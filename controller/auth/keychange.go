package auth

import (
	"context"
	"errors"
	"slices"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// KeyChange says what becomes of a key; nil leaves it as it is.
type KeyChange struct {
	Name        *string
	Permissions []Permission
}

// Validate says what is wrong with a change by itself. Errors: a *FieldError for each field
// that is at fault, joined.
func (c KeyChange) Validate() (err error) {
	if c.Name != nil {
		_, err = parseName(*c.Name)
	}
	if c.Permissions != nil {
		err = errors.Join(err, CheckScopes(c.Permissions))
	}
	return err
}

// ErrKeyEnded is returned for a key that has expired or was revoked.
var ErrKeyEnded = errors.New("this API key has expired or was revoked, and does not change any more: create another one")

// Update gives a key another name or other scopes. It gets none that its caller, or
// whoever made it, does not have; keys that it made and that may do more than it may now
// are revoked. What is as it was before is not written. Errors: *FieldError, ErrKeyNotFound, ErrKeyEnded, ErrDeclaredKey, *RefusedError.
func (k *Keys) Update(ctx context.Context, id string, c KeyChange, by By) (key Key, err error) {
	if err := c.Validate(); err != nil {
		return key, err
	}
	err = k.Store.AuthTx(ctx, func(tx Tx) error {
		if key, err = tx.KeyByID(ctx, id); err != nil {
			return err
		}
		if key.refusal(k.now()) != "" {
			return ErrKeyEnded
		}
		if k.declaredKey(key) {
			return ErrDeclaredKey
		}
		before := describeKey(key)
		if c.Name != nil {
			if key.Name, err = parseName(*c.Name); err != nil {
				return err
			}
		}
		if c.Permissions != nil {
			if err := k.mayChange(ctx, tx, key, c.Permissions, by); err != nil {
				return err
			}
			key.Permissions = c.Permissions
		}
		if describeKey(key) == before {
			return nil
		}
		return k.saveKey(ctx, tx, key, before, "", by)
	})
	return key, err
}

// mayChange refuses scopes that are new to a key and that its caller or its maker does
// not have. A maker that is gone has nothing to give any more.
func (k *Keys) mayChange(ctx context.Context, tx Tx, key Key, scopes []Permission, by By) error {
	if err := CheckScopes(scopes); err != nil {
		return err
	}
	added := slices.DeleteFunc(slices.Clone(scopes), func(p Permission) bool { return slices.Contains(key.KeyPermissions(), p) })
	if err := k.mayGive(ctx, tx, by, added); err != nil {
		return err
	}
	makers, err := k.rightsOf(ctx, tx, key.CreatedBy)
	if _, gone := errors.AsType[*RefusedError](err); err != nil && !gone {
		return err
	}
	for _, p := range added {
		if !slices.Contains(makers, p) {
			return fieldError("scopes", "%q is more than %s has, who made this key", p, key.CreatedBy)
		}
	}
	return nil
}

// saveKey writes a key that has changed, and ends those that it made and that may do more
// than it may now.
func (k *core) saveKey(ctx context.Context, tx Tx, key Key, before, reason string, by By) error {
	if err := tx.UpdateKey(ctx, key.ID, key.Name, key.Permissions); err != nil {
		return err
	}
	if err := k.record(ctx, tx, by, audit.Event{
		Action: audit.KeyUpdate, Target: "key/" + key.ID, Reason: reason, Before: before, After: describeKey(key),
	}); err != nil {
		return err
	}
	return k.revokeMadeBy(ctx, tx, []string{keyActor + key.ID}, func(made Key) bool {
		return slices.ContainsFunc(made.KeyPermissions(), func(p Permission) bool { return !slices.Contains(key.KeyPermissions(), p) })
	}, by)
}
