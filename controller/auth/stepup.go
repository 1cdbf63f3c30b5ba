package auth

import (
	"context"
	"errors"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// Proof re-authenticates somebody who is signed in: the code if the second factor
// is on, else the password.
type Proof struct {
	Password, Code string
}

// StepUp makes the session count as freshly authenticated and gives it another
// secret. Errors: ErrRefused, *TooManyError, ErrFederated (the provider does it).
func (s *Sessions) StepUp(ctx context.Context, a Active, proof Proof, from From) (SignedIn, error) {
	if !a.Person.Local() {
		return SignedIn{}, ErrFederated
	}
	if err := s.prove(ctx, a.Person, proof, from); err != nil {
		return SignedIn{}, err
	}
	return s.renew(ctx, a, from)
}

// prove checks a proof under the limits of sign-in.
func (s *Sessions) prove(ctx context.Context, p Person, proof Proof, from From) error {
	key, device := s.failureKey(p.Email, from.Device)
	if err := s.admitSource(from, device); err != nil {
		return err
	}
	at, err := s.count(ctx, key)
	if err != nil {
		return err
	}
	reason := ""
	if proof.Password != "" || !p.HasTOTP() {
		ok, _, err := s.hasher.check(ctx, proof.Password, p.PasswordHash)
		if err != nil {
			return errors.Join(err, s.refund(context.WithoutCancel(ctx), at))
		}
		if !ok {
			reason = "wrong password"
		}
	}
	if p.HasTOTP() && reason == "" {
		err := s.Store.AuthTx(ctx, func(tx Tx) error {
			now, err := tx.Person(ctx, p.ID)
			if err != nil {
				return err
			}
			_, ok, err := s.secondFactor(ctx, tx, &now, proof.Code)
			if !ok {
				reason = "wrong or used code"
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if reason != "" {
		return s.refuse(ctx, p, from, "step-up: "+reason)
	}
	s.sources.giveBack(from.Source)
	return s.Store.AuthTx(ctx, func(tx Tx) error { return tx.DropFailures(ctx, key) })
}

// renew gives the session another secret, as after each rise of what it may do.
func (s *Sessions) renew(ctx context.Context, a Active, from From) (SignedIn, error) {
	text, hash := newSessionSecret()
	a.Session.StepUpUntil = s.now().Add(StepUpLife)
	err := s.Store.AuthTx(ctx, func(tx Tx) error {
		if err := tx.RenewSession(ctx, a.Session.ID, hash, a.Session.StepUpUntil); err != nil {
			return err
		}
		return s.record(ctx, tx, a.by(from.RequestID, from.Source), audit.Event{Action: audit.StepUp, Target: "session/" + a.Session.ID})
	})
	return SignedIn{Person: a.Person, Session: a.Session, Secret: text}, err
}
