package auth

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

const (
	// DeclaredOwnerID is the id of the owner that the configuration declares: another
	// e-mail address there is another address of the same person.
	DeclaredOwnerID = "per_declared"
	// DeclaredActor is the actor of what Declare does, and the maker of declared keys.
	DeclaredActor = "declared"
)

// Errors of changing by hand what the configuration declares; the next start would
// undo it.
var (
	ErrDeclaredOwner = errors.New("this owner is declared in the controller's configuration (declared.owner): change it there, then restart the controller")
	ErrDeclaredKey   = errors.New("this API key is declared in the controller's configuration (declared.api_key): put another key into its file, then restart the controller")
)

// Declared is what the configuration declares; nil leaves what there is.
type Declared struct {
	Owner *DeclaredOwner
	Key   *DeclaredKey
}

// DeclaredOwner is an owner with a password.
type DeclaredOwner struct {
	Email, Name, Password string
}

// DeclaredKey is an API key that does not expire: it ends when another one takes its
// place.
type DeclaredKey struct {
	Name        string
	Permissions []Permission
	Secret      string
}

// Check says what is wrong with a declaration before anything is changed. Errors:
// *FieldError with the field owner.email, owner.name, owner.password, api_key.name,
// api_key.scopes or api_key.secret.
func (d Declared) Check() error {
	if o := d.Owner; o != nil {
		email, err := parseEmail(o.Email)
		if err != nil {
			return inField("owner.email", err)
		}
		if _, err := parseName(o.Name); err != nil {
			return inField("owner.name", err)
		}
		if err := checkNewPassword(o.Password, email); err != nil {
			return inField("owner.password", err)
		}
	}
	if k := d.Key; k != nil {
		if _, err := parseName(k.Name); err != nil {
			return inField("api_key.name", err)
		}
		if err := CheckScopes(k.Permissions); err != nil {
			return inField("api_key.scopes", err)
		}
		if err := keys.CheckSecret(KeyPrefix, k.Secret); err != nil {
			return fieldError("api_key.secret", "is no API key: %w; `grpccontroller key generate` makes one", err)
		}
	}
	return nil
}

// inField renames the field of a *FieldError.
func inField(field string, err error) error {
	if f, ok := errors.AsType[*FieldError](err); ok {
		return &FieldError{Field: field, Err: f.Err}
	}
	return err
}

// declaring is what is declared now.
type declaring struct{ owner, key bool }

// Declare makes what d says there is: it creates what is missing and changes what
// differs, all or nothing. What was declared before and is not any more stays, and
// becomes like what people made. Call it before anything is served. Errors:
// *FieldError, as of Check.
func (a *Auth) Declare(ctx context.Context, d Declared) error {
	if err := d.Check(); err != nil {
		return err
	}
	k := a.Keys.core
	hash, err := k.declaredHash(ctx, d.Owner)
	if err != nil {
		return err
	}
	err = k.Store.AuthTx(ctx, func(tx Tx) error {
		if d.Owner != nil {
			if err := k.declareOwner(ctx, tx, *d.Owner, hash); err != nil {
				return err
			}
		}
		if d.Key != nil {
			return k.declareKey(ctx, tx, *d.Key)
		}
		return nil
	})
	if err != nil {
		return err
	}
	k.declared = declaring{owner: d.Owner != nil, key: d.Key != nil}
	return nil
}

// declaredHash is the stored hash if it is of the declared password, else a new one.
func (k *core) declaredHash(ctx context.Context, o *DeclaredOwner) (string, error) {
	if o == nil {
		return "", nil
	}
	p, err := k.Store.AuthRows().Person(ctx, DeclaredOwnerID)
	if err != nil && !errors.Is(err, ErrPersonNotFound) {
		return "", err
	}
	ok, stale, err := k.hasher.check(ctx, o.Password, p.PasswordHash)
	if err != nil {
		return "", err
	}
	if ok && !stale {
		return p.PasswordHash, nil
	}
	return k.hasher.hash(ctx, o.Password)
}

func (k *core) declareOwner(ctx context.Context, tx Tx, o DeclaredOwner, hash string) error {
	email, err := parseEmail(o.Email)
	if err != nil {
		return err
	}
	before, err := tx.Person(ctx, DeclaredOwnerID)
	known := err == nil
	if err != nil && !errors.Is(err, ErrPersonNotFound) {
		return err
	}
	after := before
	after.ID, after.Email, after.Name, after.Role, after.PasswordHash, after.DisabledAt = DeclaredOwnerID, email, o.Name, Owner, hash, time.Time{}
	if known && sameOwner(before, after) {
		return nil
	}
	if before.Email != email {
		if err := free(ctx, tx, email); err != nil {
			return fieldOr("owner.email", err, ErrEmailTaken, "another person signs in with this address: remove that person in the dashboard, or declare another address")
		}
	}
	e := audit.Event{Action: audit.PersonUpdate, Target: "person/" + after.ID, Reason: "declared", After: describe(after)}
	if known {
		e.Before = describe(before)
	} else {
		e.Action, after.CreatedAt = audit.PersonCreate, k.now()
	}
	if err := tx.PutPerson(ctx, after); err != nil {
		return err
	}
	// Whoever knew only the old password is out.
	if before.PasswordHash != hash || before.Role != after.Role {
		if err := errors.Join(tx.DeleteSessions(ctx, after.ID, ""), tx.DeleteLinks(ctx, after.ID), tx.DropFailures(ctx, accountKey(email))); err != nil {
			return err
		}
		e.Reason = "declared, with another password"
	}
	return k.record(ctx, tx, By{Actor: DeclaredActor}, e)
}

func sameOwner(a, b Person) bool {
	return a.Email == b.Email && a.Name == b.Name && a.Role == b.Role && a.PasswordHash == b.PasswordHash && a.DisabledAt.IsZero() == b.DisabledAt.IsZero()
}

// fieldOr is a *FieldError with this text if err is of the kind, else err.
func fieldOr(field string, err, kind error, text string) error {
	if errors.Is(err, kind) {
		return fieldError(field, "%s", text)
	}
	return err
}

// declareKey puts the key of the file into the place of the one before. A key that
// was revoked never comes back, whatever the file says.
func (k *core) declareKey(ctx context.Context, tx Tx, d DeclaredKey) error {
	by := By{Actor: DeclaredActor}
	key, err := tx.KeyByHash(ctx, keys.HashSecret(d.Secret))
	switch {
	case errors.Is(err, ErrKeyNotFound):
		key = Key{ID: newID("key_"), Name: d.Name, Permissions: d.Permissions, CreatedBy: DeclaredActor, CreatedAt: k.now()}
		if err := tx.InsertKey(ctx, key, keys.HashSecret(d.Secret)); err != nil {
			return err
		}
		if err := k.record(ctx, tx, by, audit.Event{Action: audit.KeyCreate, Target: "key/" + key.ID, Reason: "declared", After: describeKey(key)}); err != nil {
			return err
		}
	case err != nil:
		return err
	case key.CreatedBy != DeclaredActor:
		return fieldError("api_key.secret", "is the key %s, which %s made: declare a key of its own, made by `grpccontroller key generate`", key.ID, key.CreatedBy)
	case !key.RevokedAt.IsZero():
		return fieldError("api_key.secret", "is a key that was revoked on %s: make a new one with `grpccontroller key generate`", key.RevokedAt.UTC().Format(time.RFC3339))
	case key.Name != d.Name || !slices.Equal(key.Permissions, d.Permissions):
		if err := k.changeKey(ctx, tx, key, d); err != nil {
			return err
		}
	}
	return k.endOtherDeclared(ctx, tx, key.ID)
}

func (k *core) changeKey(ctx context.Context, tx Tx, key Key, d DeclaredKey) error {
	before := describeKey(key)
	key.Name, key.Permissions = d.Name, d.Permissions
	return k.saveKey(ctx, tx, key, before, "declared", By{Actor: DeclaredActor})
}

func (k *core) endOtherDeclared(ctx context.Context, tx Tx, id string) error {
	all, err := tx.Keys(ctx)
	if err != nil {
		return err
	}
	for _, old := range all {
		if old.CreatedBy != DeclaredActor || old.ID == id || !old.RevokedAt.IsZero() {
			continue
		}
		if err := k.revoke(ctx, tx, old, By{Actor: DeclaredActor}, "declared: another key is in the file"); err != nil {
			return err
		}
	}
	return nil
}

// Declared says whether the configuration declares this person.
func (p *People) Declared(it Person) bool { return p.declared.owner && it.ID == DeclaredOwnerID }

// Declared says whether the configuration declares this key.
func (k *core) declaredKey(key Key) bool {
	return k.declared.key && key.CreatedBy == DeclaredActor && key.RevokedAt.IsZero()
}

// Declared says whether the configuration declares this key.
func (k *Keys) Declared(key Key) bool { return k.declaredKey(key) }

// Leftovers are what was declared once and is not any more, for people to read:
// nothing is taken away because a line is missing in a file.
func Leftovers(ctx context.Context, rows Tx, d Declared) (out []string, err error) {
	if d.Owner == nil {
		p, err := rows.Person(ctx, DeclaredOwnerID)
		switch {
		case err == nil && p.DisabledAt.IsZero():
			out = append(out, "the owner "+p.Email)
		case err != nil && !errors.Is(err, ErrPersonNotFound):
			return nil, err
		}
	}
	if d.Key == nil {
		all, err := rows.Keys(ctx)
		if err != nil {
			return nil, err
		}
		for _, k := range all {
			if k.CreatedBy == DeclaredActor && k.RevokedAt.IsZero() {
				out = append(out, "the API key "+k.ID+" ("+k.Name+")")
			}
		}
	}
	return out, nil
}
