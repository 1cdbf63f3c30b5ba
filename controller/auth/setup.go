package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// LinkLife is how long a setup link can be used.
const LinkLife = 24 * time.Hour

// linkPrefix begins the code of a setup link.
const linkPrefix = "ztl_"

// Link lets somebody set a password, once. PersonID is empty for the link that
// makes the first owner.
type Link struct {
	PersonID  string
	CreatedAt time.Time
	ExpiresAt time.Time
}

// LinksTx keeps setup links.
type LinksTx interface {
	// LinkByHash returns ErrLinkNotFound.
	LinkByHash(ctx context.Context, hash []byte) (Link, error)
	InsertLink(ctx context.Context, l Link, hash []byte) error
	// DeleteLinks deletes the links of a person; "" is the first owner's.
	DeleteLinks(ctx context.Context, personID string) error
}

// linking is what a setup link is judged by.
type linking interface {
	PeopleTx
	LinksTx
}

// SetupNeeded says whether there is no active owner: then, and only then, a
// link makes an owner out of nothing.
func (p *People) SetupNeeded(ctx context.Context) (bool, error) {
	return setupNeeded(ctx, p.Store.AuthRows())
}

func setupNeeded(ctx context.Context, tx PeopleTx) (bool, error) {
	all, err := tx.People(ctx)
	return !slices.ContainsFunc(all, Person.activeOwner), err
}

// FirstLink makes the code of the first owner's link, and the one before useless.
// It returns "" if there is an owner.
func (p *People) FirstLink(ctx context.Context) (code string, err error) {
	err = p.Store.AuthTx(ctx, func(tx Tx) error {
		needed, err := setupNeeded(ctx, tx)
		if err != nil || !needed {
			return err
		}
		code, err = p.newLink(ctx, tx, "")
		if err != nil {
			return err
		}
		return p.record(ctx, tx, By{Actor: "controller"}, audit.Event{Action: audit.PersonSetupLink, Target: "person/first-owner"})
	})
	if err != nil {
		return "", fmt.Errorf("make setup link: %w", err)
	}
	return code, nil
}

// ResetOwner is the way back in for whoever has the controller's host: it takes
// password, second factor and sessions from an owner and returns the code of a
// setup link. email may be empty if there is one owner with a password or none;
// with none it is the first owner's link. Errors: *FieldError.
func (p *People) ResetOwner(ctx context.Context, email string, by By) (code, owner string, err error) {
	err = p.Store.AuthTx(ctx, func(tx Tx) error {
		all, err := tx.People(ctx)
		if err != nil {
			return err
		}
		owners := slices.DeleteFunc(all, func(o Person) bool { return o.Role != Owner || !o.Local() || email != "" && o.Email != email })
		switch {
		case len(owners) > 1:
			return fieldError("email", "there are %d local owners; name one", len(owners))
		case len(owners) == 0 && email != "":
			return fieldError("email", "no local owner has this address")
		case len(owners) == 0:
			owner = ""
			if code, err = p.newLink(ctx, tx, ""); err != nil {
				return err
			}
			return p.record(ctx, tx, by, audit.Event{Action: audit.OwnerReset, Target: "person/first-owner"})
		}
		o := owners[0]
		before := describe(o)
		o.DisabledAt = time.Time{}
		if code, err = p.reset(ctx, tx, &o); err != nil {
			return err
		}
		owner = o.Email
		return p.record(ctx, tx, by, audit.Event{Action: audit.OwnerReset, Target: "person/" + o.ID, Before: before, After: describe(o)})
	})
	return code, owner, err
}

// reset takes everything from a person with which to sign in, and gives a link.
func (p *People) reset(ctx context.Context, tx Tx, it *Person) (code string, err error) {
	it.PasswordHash, it.TOTPSeed, it.TOTPPending = "", nil, nil
	if err := tx.PutPerson(ctx, *it); err != nil {
		return "", err
	}
	if err := tx.SetRecoveryCodes(ctx, it.ID, nil); err != nil {
		return "", err
	}
	if err := tx.DeleteSessions(ctx, it.ID, ""); err != nil {
		return "", err
	}
	if err := tx.DropFailures(ctx, accountKey(it.Email)); err != nil {
		return "", err
	}
	return p.newLink(ctx, tx, it.ID)
}

func (p *People) newLink(ctx context.Context, tx LinksTx, personID string) (string, error) {
	if err := tx.DeleteLinks(ctx, personID); err != nil {
		return "", err
	}
	code := keys.NewSecret(linkPrefix)
	l := Link{PersonID: personID, CreatedAt: p.now(), ExpiresAt: p.now().Add(LinkLife)}
	return code, tx.InsertLink(ctx, l, keys.HashSecret(code))
}

// Setup is what somebody types behind a setup link. Name and Email are the first
// owner's; for others they may be empty, and Email must be theirs if it is not.
type Setup struct {
	Code, Name, Email, Password string
}

// Redeem sets the password, spends the link and begins a session. Errors:
// ErrLinkRefused, *FieldError, *TooManyError.
func (p *People) Redeem(ctx context.Context, q Setup, from From) (SignedIn, error) {
	l, it, err := p.linked(ctx, p.Store.AuthRows(), q)
	if _, ok := errors.AsType[*FieldError](err); ok { // the link is valid
		return SignedIn{}, errors.Join(err, checkNewPassword(q.Password, strings.ToLower(q.Email)))
	}
	if err != nil {
		return SignedIn{}, p.refuseLink(ctx, err, from)
	}
	if err := checkNewPassword(q.Password, it.Email); err != nil {
		return SignedIn{}, err
	}
	hash, err := p.hasher.hash(ctx, q.Password)
	if err != nil {
		return SignedIn{}, err
	}
	var in SignedIn
	err = p.Store.AuthTx(ctx, func(tx Tx) error {
		// Again, for the hash took its time: a link is used once.
		if l, it, err = p.linked(ctx, tx, q); err != nil {
			return err
		}
		before := "" // the first owner
		if l.PersonID != "" {
			before = describe(it)
		}
		it.PasswordHash = hash
		if err := tx.PutPerson(ctx, it); err != nil {
			return err
		}
		if err := errors.Join(tx.DeleteLinks(ctx, l.PersonID), tx.DeleteSessions(ctx, it.ID, "")); err != nil {
			return err
		}
		by := By{Actor: it.Actor(), RequestID: from.RequestID, Source: from.Source}
		if err := p.record(ctx, tx, by, audit.Event{
			Action: audit.PersonSetup, Target: "person/" + it.ID, Reason: string(it.Role), Before: before, After: describe(it),
		}); err != nil {
			return err
		}
		in, err = p.sessions.begin(ctx, tx, &it, BySetup, from)
		return err
	})
	if err != nil {
		return SignedIn{}, p.refuseLink(ctx, err, from)
	}
	in.Device = p.sessions.newDevice(it.Email)
	p.sessions.began(in)
	return in, nil
}

// linked finds the link of a code and the person it is for, who is new behind the
// first owner's link.
func (p *People) linked(ctx context.Context, tx linking, q Setup) (Link, Person, error) {
	if keys.CheckSecret(linkPrefix, q.Code) != nil {
		return Link{}, Person{}, ErrLinkRefused
	}
	l, err := tx.LinkByHash(ctx, keys.HashSecret(q.Code))
	if errors.Is(err, ErrLinkNotFound) || err == nil && !p.now().Before(l.ExpiresAt) {
		return Link{}, Person{}, ErrLinkRefused
	}
	if err != nil {
		return Link{}, Person{}, err
	}
	if l.PersonID == "" {
		it, err := p.firstOwner(ctx, tx, q)
		return l, it, err
	}
	it, err := tx.Person(ctx, l.PersonID)
	switch {
	case errors.Is(err, ErrPersonNotFound) || err == nil && !it.DisabledAt.IsZero():
		return l, it, ErrLinkRefused
	case err != nil:
		return l, it, err
	case q.Email != "" && q.Email != it.Email:
		return l, it, fieldError("email", "is not the address that this link was made for")
	}
	if q.Name != "" {
		it.Name, err = parseName(q.Name)
	}
	return l, it, err
}

func (p *People) firstOwner(ctx context.Context, tx PeopleTx, q Setup) (Person, error) {
	if needed, err := setupNeeded(ctx, tx); err != nil || !needed {
		return Person{}, errors.Join(err, ErrLinkRefused)
	}
	email, badEmail := parseEmail(q.Email)
	name, badName := parseName(q.Name)
	if err := errors.Join(badEmail, badName); err != nil {
		return Person{}, err
	}
	if err := free(ctx, tx, email); err != nil {
		return Person{}, err
	}
	return Person{ID: newID("per_"), Email: email, Name: name, Role: Owner, CreatedAt: p.now()}, nil
}

// refuseLink records a refused link, as far as the limit of its source allows; other
// errors pass.
func (p *People) refuseLink(ctx context.Context, err error, from From) error {
	if !errors.Is(err, ErrLinkRefused) {
		return err
	}
	if err := p.sources.take(from.Source); err != nil {
		return err
	}
	return errors.Join(err, p.Audit.Record(ctx, p.Store.AuthRows(), audit.Event{
		Action: audit.PersonSetup, Outcome: audit.Denied, Reason: "unknown, used, replaced or expired link", RequestID: from.RequestID, Source: from.Source,
	}))
}
