package auth

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// People manages who may sign in.
type People struct {
	*core
	sessions *Sessions
}

// Page returns up to limit people behind a place, by creation, and how many there are.
func (p *People) Page(ctx context.Context, after Place, limit int) (page []Person, total int, err error) {
	return p.Store.AuthRows().PersonPage(ctx, after, limit)
}

// Get returns one person. Errors: ErrPersonNotFound.
func (p *People) Get(ctx context.Context, id string) (Person, error) {
	return p.Store.AuthRows().Person(ctx, id)
}

// NewPerson describes somebody to invite.
type NewPerson struct {
	Email, Name string
	Role        Role
}

// Validate says what is wrong with the fields. Errors: a *FieldError for each field that
// is at fault, joined.
func (n NewPerson) Validate() error {
	_, email := parseEmail(n.Email)
	_, name := parseName(n.Name)
	_, role := parseRole(n.Role)
	return errors.Join(email, name, role)
}

// Create invites a local person and returns the code of the setup link. Errors:
// *FieldError, ErrEmailTaken, ErrMore.
func (p *People) Create(ctx context.Context, n NewPerson, by By) (it Person, code string, err error) {
	if err := n.Validate(); err != nil {
		return Person{}, "", err
	}
	it = Person{ID: newID("per_"), CreatedAt: p.now(), Name: n.Name, Role: n.Role}
	if it.Email, err = parseEmail(n.Email); err != nil {
		return it, "", err
	}
	err = p.Store.AuthTx(ctx, func(tx Tx) error {
		if err := p.mayManage(ctx, tx, by, it.Role); err != nil {
			return err
		}
		if err := free(ctx, tx, it.Email); err != nil {
			return err
		}
		if err := tx.PutPerson(ctx, it); err != nil {
			return err
		}
		if code, err = p.newLink(ctx, tx, it.ID); err != nil {
			return err
		}
		return p.record(ctx, tx, by, audit.Event{Action: audit.PersonCreate, Target: "person/" + it.ID, After: describe(it)})
	})
	return it, code, err
}

// PeopleTx keeps people.
type PeopleTx interface {
	// Person, LocalPerson and FederatedPerson return ErrPersonNotFound.
	Person(ctx context.Context, id string) (Person, error)
	LocalPerson(ctx context.Context, email string) (Person, error)
	FederatedPerson(ctx context.Context, issuer, subject string) (Person, error)
	// People lists everybody by creation.
	People(ctx context.Context) ([]Person, error)
	// PersonPage lists up to limit people behind a place, by creation, and counts all; the
	// zero Place is the beginning.
	PersonPage(ctx context.Context, after Place, limit int) (page []Person, total int, err error)
	PutPerson(ctx context.Context, p Person) error
	// DeletePerson takes sessions, links and recovery codes along.
	DeletePerson(ctx context.Context, id string) error
}

func free(ctx context.Context, tx PeopleTx, email string) error {
	_, err := tx.LocalPerson(ctx, email)
	switch {
	case err == nil:
		return ErrEmailTaken
	case errors.Is(err, ErrPersonNotFound):
		return nil
	}
	return err
}

// KeysOf says what becomes of the API keys that a person made when the person is
// removed or disabled, or gets a smaller role.
type KeysOf string

const (
	// RevokeKeys revokes them, and the keys that those made: after a removal all, after
	// a smaller role those that may do more than the person may now. It is the default.
	RevokeKeys KeysOf = ""
	// KeepKeys leaves them, for programs that others depend on.
	KeepKeys KeysOf = "keep"
)

// endKeys revokes what the person may not have any more; may is what is left.
func (k *core) endKeys(ctx context.Context, tx Tx, p Person, may []Permission, by By) error {
	return k.revokeMadeBy(ctx, tx, []string{p.Actor()}, func(key Key) bool {
		return len(may) == 0 || slices.ContainsFunc(key.KeyPermissions(), func(has Permission) bool { return !slices.Contains(may, has) })
	}, by)
}

// Change says what becomes of a person; nil leaves it.
type Change struct {
	Name     *string
	Role     *Role
	Disabled *bool
	// Keys are those that the person made, if the change takes permissions away.
	Keys KeysOf
}

// Validate says what is wrong with the fields. Errors: a *FieldError for each field that
// is at fault, joined.
func (c Change) Validate() error {
	var name, role error
	if c.Name != nil {
		_, name = parseName(*c.Name)
	}
	if c.Role != nil {
		_, role = parseRole(*c.Role)
	}
	return errors.Join(name, role)
}

// rights are what a person may do now: nothing while disabled.
func (p Person) rights() []Permission {
	if !p.DisabledAt.IsZero() {
		return nil
	}
	return p.Role.Permissions()
}

// Update changes a person. Whoever loses a role or is disabled loses the open
// sessions with it. What is as it was before is not written. Errors: *FieldError, ErrPersonNotFound, ErrOwnRole, ErrMore,
// ErrLastOwner, ErrFederated, ErrDeclaredOwner.
func (p *People) Update(ctx context.Context, id string, c Change, by By) (it Person, err error) {
	err = p.Store.AuthTx(ctx, func(tx Tx) error {
		if it, err = tx.Person(ctx, id); err != nil {
			return err
		}
		if p.Declared(it) {
			return ErrDeclaredOwner
		}
		before := it
		if err := p.apply(&it, c); err != nil {
			return err
		}
		if err := p.mayManage(ctx, tx, by, before.Role, it.Role); err != nil {
			return err
		}
		rights := it.Role != before.Role || it.DisabledAt.IsZero() != before.DisabledAt.IsZero()
		if !rights && it.Name == before.Name {
			return nil
		}
		if rights {
			if it.Actor() == by.Actor {
				return ErrOwnRole
			}
			if err := tx.DeleteSessions(ctx, id, ""); err != nil {
				return err
			}
			if c.Keys == RevokeKeys {
				if err := p.endKeys(ctx, tx, it, it.rights(), by); err != nil {
					return err
				}
			}
		}
		if err := tx.PutPerson(ctx, it); err != nil {
			return err
		}
		if err := requireOwner(ctx, tx, before); err != nil {
			return err
		}
		return p.record(ctx, tx, by, audit.Event{
			Action: audit.PersonUpdate, Target: "person/" + id, Before: describe(before), After: describe(it),
		})
	})
	return it, err
}

func (p *People) apply(it *Person, c Change) (err error) {
	if c.Name != nil {
		if it.Name, err = parseName(*c.Name); err != nil {
			return err
		}
	}
	if c.Role != nil && *c.Role != it.Role {
		if it.Role, err = parseRole(*c.Role); err != nil {
			return err
		}
		if !it.Local() { // the next sign-in would undo it
			return ErrFederated
		}
	}
	if c.Disabled != nil && *c.Disabled == it.DisabledAt.IsZero() {
		it.DisabledAt = time.Time{}
		if *c.Disabled {
			it.DisabledAt = p.now()
		}
	}
	return nil
}

// requireOwner fails the transaction if no active owner would remain. before is the person
// that was changed.
func requireOwner(ctx context.Context, tx PeopleTx, before Person) error {
	if !before.activeOwner() {
		return nil
	}
	all, err := tx.People(ctx)
	if err == nil && !slices.ContainsFunc(all, Person.activeOwner) {
		err = ErrLastOwner
	}
	return err
}

// Delete removes a person and all that is theirs; keys says whether that includes the
// API keys that they made. Errors: ErrPersonNotFound,
// ErrOwnRole, ErrLastOwner, ErrDeclaredOwner.
func (p *People) Delete(ctx context.Context, id string, keys KeysOf, by By) error {
	return p.Store.AuthTx(ctx, func(tx Tx) error {
		it, err := tx.Person(ctx, id)
		if err != nil {
			return err
		}
		if it.Actor() == by.Actor {
			return ErrOwnRole
		}
		if p.Declared(it) {
			return ErrDeclaredOwner
		}
		if err := p.mayManage(ctx, tx, by, it.Role); err != nil {
			return err
		}
		if err := tx.DeletePerson(ctx, id); err != nil {
			return err
		}
		if err := requireOwner(ctx, tx, it); err != nil {
			return err
		}
		if keys == RevokeKeys {
			if err := p.endKeys(ctx, tx, it, nil, by); err != nil {
				return err
			}
		}
		return p.record(ctx, tx, by, audit.Event{Action: audit.PersonDelete, Target: "person/" + id, Before: describe(it)})
	})
}

// Reset takes password, second factor and sessions from a person and returns the
// code of a new setup link. Errors: ErrPersonNotFound, ErrOwnRole, ErrFederated,
// ErrLastOwner, ErrDeclaredOwner.
func (p *People) Reset(ctx context.Context, id string, by By) (it Person, code string, err error) {
	err = p.Store.AuthTx(ctx, func(tx Tx) error {
		if it, err = tx.Person(ctx, id); err != nil {
			return err
		}
		if it.Actor() == by.Actor {
			return ErrOwnRole
		}
		if !it.Local() {
			return ErrFederated
		}
		if p.Declared(it) {
			return ErrDeclaredOwner
		}
		if err := p.mayManage(ctx, tx, by, it.Role); err != nil {
			return err
		}
		before := it
		if code, err = p.reset(ctx, tx, &it); err != nil {
			return err
		}
		if err := requireOwner(ctx, tx, before); err != nil {
			return err
		}
		return p.record(ctx, tx, by, audit.Event{
			Action: audit.PersonReset, Target: "person/" + id, Before: describe(before), After: describe(it),
		})
	})
	return it, code, err
}

// describe is a person in the audit log: of what they sign in with, only that there
// is such a thing.
func describe(p Person) string {
	return audit.State(struct {
		Email    string `json:"email"`
		Name     string `json:"name"`
		Role     Role   `json:"role"`
		Disabled bool   `json:"disabled,omitempty"`
		Password bool   `json:"password,omitempty"`
		TOTP     bool   `json:"totp,omitempty"`
	}{p.Email, p.Name, p.Role, !p.DisabledAt.IsZero(), p.PasswordHash != "", p.HasTOTP()})
}
