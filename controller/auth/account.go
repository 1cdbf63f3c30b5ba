package auth

import (
	"context"
	"errors"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// Account is what people change of themselves.
type Account struct {
	*core
	sessions *Sessions
}

// SetPassword changes the password and ends the person's other sessions. Errors:
// ErrRefused if current is wrong, *FieldError, *TooManyError, ErrFederated, ErrDeclaredOwner.
func (m *Account) SetPassword(ctx context.Context, a Active, current, next string, from From) error {
	if !a.Person.Local() {
		return ErrFederated
	}
	if m.declared.owner && a.Person.ID == DeclaredOwnerID {
		return ErrDeclaredOwner
	}
	if err := checkNewPassword(next, a.Person.Email); err != nil {
		return err
	}
	known := a.Person
	known.TOTPSeed = nil // the password is what is asked for here
	if err := m.sessions.prove(ctx, known, Proof{Password: current}, from); err != nil {
		return err
	}
	hash, err := m.hasher.hash(ctx, next)
	if err != nil {
		return err
	}
	return m.change(ctx, a, from, audit.PersonPassword, func(tx Tx, p *Person) error {
		if p.PasswordHash != a.Person.PasswordHash {
			return ErrRefused // was reset meanwhile
		}
		p.PasswordHash = hash
		return tx.DeleteSessions(ctx, p.ID, a.Session.ID)
	})
}

// StartTOTP makes a second factor, which counts once ConfirmTOTP saw its first
// code. Errors: ErrTOTPState if it is on, ErrFederated.
func (m *Account) StartTOTP(ctx context.Context, a Active) (Enrollment, error) {
	if !a.Person.Local() {
		return Enrollment{}, ErrFederated
	}
	e, sealed, err := m.newTOTP(a.Person)
	if err != nil {
		return Enrollment{}, err
	}
	return e, m.Store.AuthTx(ctx, func(tx Tx) error {
		p, err := tx.Person(ctx, a.Person.ID)
		if err != nil {
			return err
		}
		if p.HasTOTP() {
			return ErrTOTPState
		}
		p.TOTPPending = sealed
		return tx.PutPerson(ctx, p)
	})
}

// ConfirmTOTP turns the second factor on and returns the recovery codes, once.
// Errors: ErrRefused, ErrTOTPState, *TooManyError.
func (m *Account) ConfirmTOTP(ctx context.Context, a Active, code string, from From) (codes []string, err error) {
	// Six digits can be guessed, so guesses count by person, wherever they come from.
	at, err := m.count(ctx, accountKey("totp\x00"+a.Person.ID))
	if err != nil {
		return nil, err
	}
	codes, hashes := newRecoveryCodes()
	err = m.change(ctx, a, from, audit.PersonTOTPOn, func(tx Tx, p *Person) error {
		if len(p.TOTPPending) == 0 {
			return ErrTOTPState
		}
		step, ok, err := m.totpStep(p.ID, p.TOTPPending, 0, code) // a new seed has no used step
		if err != nil {
			return err
		}
		if !ok {
			return ErrRefused
		}
		p.TOTPSeed, p.TOTPPending, p.TOTPStep = p.TOTPPending, nil, step
		return errors.Join(tx.SetRecoveryCodes(ctx, p.ID, hashes), tx.DeleteSessions(ctx, p.ID, a.Session.ID), tx.DropFailures(ctx, at.key))
	})
	if errors.Is(err, ErrTOTPState) { // no code was checked
		err = errors.Join(err, m.refund(ctx, at))
	}
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// StopTOTP turns the second factor off. Errors: ErrTOTPState.
func (m *Account) StopTOTP(ctx context.Context, a Active, from From) error {
	return m.change(ctx, a, from, audit.PersonTOTPOff, func(tx Tx, p *Person) error {
		if !p.HasTOTP() {
			return ErrTOTPState
		}
		p.TOTPSeed, p.TOTPPending = nil, nil
		return tx.SetRecoveryCodes(ctx, p.ID, nil)
	})
}

// RecoveryCodesLeft is how many the person has not used.
func (m *Account) RecoveryCodesLeft(ctx context.Context, a Active) (int, error) {
	return m.Store.AuthRows().CountRecoveryCodes(ctx, a.Person.ID)
}

func (m *Account) change(ctx context.Context, a Active, from From, action audit.Action, fn func(tx Tx, p *Person) error) error {
	return m.Store.AuthTx(ctx, func(tx Tx) error {
		p, err := tx.Person(ctx, a.Person.ID)
		if err != nil {
			return err
		}
		before := describe(p)
		if err := fn(tx, &p); err != nil {
			return err
		}
		if err := tx.PutPerson(ctx, p); err != nil {
			return err
		}
		return m.record(ctx, tx, a.by(from.RequestID, from.Source), audit.Event{
			Action: action, Target: "person/" + p.ID, Before: before, After: describe(p),
		})
	})
}
