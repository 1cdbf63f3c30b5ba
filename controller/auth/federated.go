package auth

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/visible"
)

// Federated is somebody whom the identity provider vouches for.
type Federated struct {
	Issuer, Subject string
	Email, Name     string // for display only: who may sign in is the subject
	// Role is what the groups give; empty is none, and then NoRole says why, for the log.
	Role   Role
	NoRole string
}

// SignInFederated begins a session of a federated person, who is made at the first
// sign-in. The role is what the provider's groups say at each one. Errors:
// ErrRefused.
func (s *Sessions) SignInFederated(ctx context.Context, f Federated, from From) (SignedIn, error) {
	var in SignedIn
	var refused string
	var p Person
	err := s.Store.AuthTx(ctx, func(tx Tx) error {
		var err error
		if p, refused, err = s.federate(ctx, tx, f, from); err != nil || refused != "" {
			return err
		}
		in, err = s.begin(ctx, tx, &p, ByOIDC, from)
		return err
	})
	if err != nil {
		return SignedIn{}, err
	}
	if refused != "" {
		return SignedIn{}, s.refuse(ctx, p, from, refused, f.seen(refused)...)
	}
	s.began(in)
	return in, nil
}

// StepUpFederated renews a session whose person authenticated with the provider
// again. Errors: ErrRefused if the provider says that it was somebody else.
func (s *Sessions) StepUpFederated(ctx context.Context, a Active, f Federated, from From) (SignedIn, error) {
	if a.Person.Issuer != f.Issuer || a.Person.Subject != f.Subject || f.Role == "" {
		return SignedIn{}, s.refuse(ctx, a.Person, from, "step-up: "+a.Person.differs(f), f.seen(noRole)...)
	}
	return s.renew(ctx, a, from)
}

// noRole is why somebody is refused whose groups give nothing.
const noRole = "no group has a role"

// differs says why this person's session is not renewed.
func (p *Person) differs(f Federated) string {
	if p.Issuer == f.Issuer && p.Subject == f.Subject {
		return noRole
	}
	return "somebody else at the identity provider"
}

// seen is what the log has of a refusal beside its reason: what the provider said.
func (f Federated) seen(refused string) []zap.Field {
	fields := []zap.Field{zap.String("issuer", f.Issuer), zap.String("subject", clip(f.Subject))}
	if refused == noRole && f.NoRole != "" {
		fields = append(fields, zap.String("groups", f.NoRole))
	}
	return fields
}

// federate finds or makes the person and gives the role that the groups say.
func (s *Sessions) federate(ctx context.Context, tx Tx, f Federated, from From) (p Person, refused string, err error) {
	p, err = tx.FederatedPerson(ctx, f.Issuer, f.Subject)
	known := err == nil
	if err != nil && !errors.Is(err, ErrPersonNotFound) {
		return p, "", err
	}
	switch {
	case known && !p.DisabledAt.IsZero():
		return p, "disabled person", nil
	case f.Role == "":
		if known { // out of every group: what is open ends too, and so do the keys
			by := By{Actor: "controller", RequestID: from.RequestID, Source: from.Source}
			return p, noRole, errors.Join(tx.DeleteSessions(ctx, p.ID, ""), s.endKeys(ctx, tx, p, nil, by))
		}
		return p, noRole, nil
	}
	before, was, action := p.Role, describe(p), audit.PersonUpdate
	if !known {
		p = Person{ID: newID("per_"), Issuer: f.Issuer, Subject: f.Subject, CreatedAt: s.now()}
		was, action = "", audit.PersonCreate
	}
	p.Role, p.Email, p.Name = f.Role, visible.Only(clip(f.Email)), visible.Only(clip(f.Name)) // the provider may let people choose them
	if err := tx.PutPerson(ctx, p); err != nil || known && before == f.Role {
		return p, "", err
	}
	by := By{Actor: p.Actor(), RequestID: from.RequestID, Source: from.Source}
	if err := s.endKeys(ctx, tx, p, p.rights(), by); err != nil {
		return p, "", err
	}
	return p, "", s.record(ctx, tx, by, audit.Event{
		Action: action, Target: "person/" + p.ID, Before: was, After: describe(p), Reason: "groups of the identity provider",
	})
}
