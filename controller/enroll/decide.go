package enroll

import (
	"context"
	"errors"
	"fmt"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// Verdict is an operator's decision on a request.
type Verdict struct {
	ID string // of the request
	// Fingerprint is all of it, as the host's own screen shows it. Only to approve.
	Fingerprint string
	// Replace lets the host take the id of a live one, which is revoked then.
	Replace   bool
	Actor     string
	RequestID string
	From      string // address of the caller
}

// Request is one of them. Errors: ErrRequestNotFound.
func (s *Service) Request(ctx context.Context, id string) (Request, error) {
	return s.cfg.Store.Request(ctx, id)
}

// Approve makes a token that only the key of the request can redeem, and nobody
// has to carry. Errors: ErrRequestNotFound, ErrRequestDecided, ErrFingerprint,
// ErrLiveMember.
func (s *Service) Approve(ctx context.Context, v Verdict) (Request, error) {
	out, err := s.decide(ctx, v, func(tx Tx, q *Request) (refusal, err error) {
		if !keys.SameFingerprint(q.Fingerprint, v.Fingerprint) {
			return ErrFingerprint, s.mismatch(ctx, tx, q, v)
		}
		now := s.cfg.Now().UTC()
		t := Token{
			ID: newTokenID(), Workload: q.Workload, Replace: v.Replace, Delivery: ByRequest,
			CreatedBy: v.Actor, CreatedAt: now, ExpiresAt: now.Add(DefaultTTL),
		}
		if err := t.endWithMaker(ctx, tx); err != nil {
			return nil, err
		}
		// Nobody knows this secret, not even we: the host redeems by its key.
		if err := s.insert(ctx, tx, t, keys.NewSecret(q.Workload.Kind.TokenPrefix())); err != nil {
			return nil, err
		}
		q.TokenID = t.ID
		return nil, s.settle(ctx, tx, q, v, Approved)
	})
	if err != nil {
		return Request{}, fmt.Errorf("approve enrollment request: %w", err)
	}
	return out, nil
}

// mismatch counts an approval by somebody who has not looked at the host's screen,
// or has seen there that something is wrong. A few of them deny the request.
func (s *Service) mismatch(ctx context.Context, tx audit.Store, q *Request, v Verdict) error {
	now := s.cfg.Now().UTC()
	before := q.auditState(now, false)
	q.Mismatches++
	err := s.cfg.Audit.Record(ctx, tx, audit.Event{
		Actor: v.Actor, Action: audit.RequestApprove, Target: "request/" + q.ID, Outcome: audit.Denied,
		Reason: "wrong fingerprint for " + q.Workload.String(), RequestID: v.RequestID, Source: v.From,
		Before: before, After: q.auditState(now, false),
	})
	if err != nil || q.Mismatches < maxMismatches {
		return err
	}
	return s.settle(ctx, tx, q, v, Denied)
}

// Deny refuses a request for good. Errors: ErrRequestNotFound, ErrRequestDecided.
func (s *Service) Deny(ctx context.Context, v Verdict) (Request, error) {
	out, err := s.decide(ctx, v, func(tx Tx, q *Request) (refusal, err error) {
		return nil, s.settle(ctx, tx, q, v, Denied)
	})
	if err != nil {
		return Request{}, fmt.Errorf("deny enrollment request: %w", err)
	}
	return out, nil
}

// settle notes a decision and records it.
func (s *Service) settle(ctx context.Context, tx audit.Store, q *Request, v Verdict, d Decision) error {
	now := s.cfg.Now().UTC()
	before := q.auditState(now, false)
	q.Decision, q.DecidedAt, q.DecidedBy = d, now, v.Actor
	action, reason := audit.RequestDeny, q.Workload.String()+" "+q.Fingerprint
	if d == Approved {
		action, reason = audit.RequestApprove, reason+" token/"+q.TokenID
	}
	return s.cfg.Audit.Record(ctx, tx, audit.Event{
		Actor: v.Actor, Action: action, Target: "request/" + q.ID, Outcome: audit.Success, Reason: reason,
		RequestID: v.RequestID, Source: v.From, Before: before, After: q.auditState(now, v.Replace),
	})
}

// decide changes a pending request. What apply did is committed also when it
// refuses: a wrong fingerprint counts.
func (s *Service) decide(ctx context.Context, v Verdict, apply func(Tx, *Request) (refusal, err error)) (out Request, err error) {
	var refusal error
	err = s.cfg.Store.EnrollTx(ctx, func(tx Tx) error {
		q, err := tx.RequestByID(ctx, v.ID)
		if err != nil {
			return err
		}
		if state := q.State(s.cfg.Now()); state != RequestPending {
			return fmt.Errorf("%w: it is %s", ErrRequestDecided, state)
		}
		if refusal, err = apply(tx, &q); err != nil {
			return err
		}
		out = q
		return tx.UpdateRequest(ctx, q)
	})
	if err != nil {
		return Request{}, err
	}
	return out, refusal
}

// inserting is what it takes to keep a new token.
type inserting interface {
	fleet.MembersTx
	TokenTx
}

// insert keeps a token, unless its id lives and it does not replace.
func (s *Service) insert(ctx context.Context, tx inserting, t Token, token string) error {
	m, err := tx.Member(ctx, t.Workload)
	if err != nil && !errors.Is(err, fleet.ErrNotFound) {
		return err
	}
	if err == nil && m.Live() && !t.Replace {
		return ErrLiveMember
	}
	return tx.InsertToken(ctx, t, keys.HashSecret(token))
}
