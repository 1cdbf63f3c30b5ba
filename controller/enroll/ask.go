package enroll

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// Ask is a host's request to be enrolled without a token.
type Ask struct {
	Workload  identity.Workload
	CSR       []byte // PKCS#10, DER
	Facts     Facts
	Ephemeral bool
	// HostCertificate is as in Redemption.
	HostCertificate *x509.Certificate
	// Listener is the leaf certificate that the caller was shown, DER.
	Listener []byte
	// Proof is the host's signature over what its fingerprint is made of.
	Proof     []byte
	Source    netip.AddrPort
	RequestID string
}

func (a Ask) redemption() Redemption {
	return Redemption{
		Workload: a.Workload, CSR: a.CSR, Facts: a.Facts, Ephemeral: a.Ephemeral, HostCertificate: a.HostCertificate,
		Source: a.Source, RequestID: a.RequestID,
	}
}

// Ask makes a pending request. The same key that asks for the same gets the same
// request. Errors: *FieldError, ErrProof, ErrTooManyRequests, ErrRefused.
func (s *Service) Ask(ctx context.Context, a Ask) (Request, error) {
	if !s.asks.Allow(a.Source.Addr()) {
		return Request{}, ErrTooManyRequests
	}
	r := a.redemption()
	key, err := r.validate()
	if err != nil {
		return Request{}, err
	}
	subject := s.fingerprintOf(a.Workload, key, a.Listener)
	// A man in the middle who passes the host's question on is stopped here; one who
	// puts his own key in shows another fingerprint than the host.
	if err := keys.Verify(key.public, subject.AskMessage(), a.Proof); err != nil {
		return Request{}, errors.Join(ErrProof, s.refuseAsk(ctx, s.cfg.Store, r, "not signed for this listener's certificate"))
	}
	net := sourcelimit.Bucket(a.Source.Addr())
	now := s.cfg.Now().UTC()
	q := Request{
		ID: newRequestID(), Code: newCode(), Workload: a.Workload, Facts: a.Facts, Ephemeral: a.Ephemeral, CSR: a.CSR,
		KeyHash: key.hash, Fingerprint: subject.Fingerprint(), Source: a.Source.Addr().Unmap().String(), Net: net.String(),
		CreatedAt: now, ExpiresAt: now.Add(RequestTTL),
	}
	if a.HostCertificate != nil {
		q.HostCertificate = a.HostCertificate.Raw
	}
	return s.file(ctx, r, key, q)
}

// file keeps the request, or finds the one that it repeats.
func (s *Service) file(ctx context.Context, r Redemption, key hostKey, q Request) (out Request, err error) {
	var refusal error
	err = s.cfg.Store.EnrollTx(ctx, func(tx Tx) error {
		out, refusal = q, nil
		before, err := tx.RequestByKey(ctx, q.KeyHash)
		if err != nil && !errors.Is(err, ErrRequestNotFound) {
			return err
		}
		if err == nil {
			if goesOn, err := s.goesOn(ctx, tx, r, before, q); goesOn || err != nil {
				out = before
				return err
			}
		}
		// Said now, because the operator who approves it would wait for nothing.
		why, err := s.judgeHost(ctx, tx, r, Token{}, key)
		if err != nil {
			return err
		}
		if why != "" {
			refusal = &refusedError{why}
			return s.refuseAsk(ctx, tx, r, why)
		}
		total, fromNet, err := tx.PendingRequests(ctx, q.CreatedAt, q.Net)
		if err != nil {
			return err
		}
		if total >= MaxPending || fromNet >= maxPendingFrom {
			return ErrTooManyRequests
		}
		if err := tx.InsertRequest(ctx, q); err != nil {
			return err
		}
		return s.cfg.Audit.Record(ctx, tx, audit.Event{
			Action: audit.RequestCreate, Target: "request/" + q.ID, Outcome: audit.Success,
			Reason: q.Workload.String() + " " + q.Fingerprint, RequestID: r.RequestID, Source: r.Source.String(),
			After: q.auditState(q.CreatedAt, false),
		})
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return Request{}, fmt.Errorf("request enrollment: %w", err)
	}
	return out, nil
}

// asking is what it takes to judge the earlier request of a key.
type asking interface {
	audit.Store
	TokenTx
	RequestTx
}

// goesOn says whether the key's earlier request is still the one. One that is
// pending and asks for something else is withdrawn.
func (s *Service) goesOn(ctx context.Context, tx asking, r Redemption, before, now Request) (bool, error) {
	switch before.State(now.CreatedAt) {
	case RequestPending:
		if before.same(now) {
			return true, nil
		}
		was := before.auditState(now.CreatedAt, false)
		before.Decision, before.DecidedAt = Withdrawn, now.CreatedAt
		return false, errors.Join(tx.UpdateRequest(ctx, before), s.cfg.Audit.Record(ctx, tx, audit.Event{
			Action: audit.RequestWithdraw, Target: "request/" + before.ID, Outcome: audit.Success,
			Reason: "the host asks for something else now", RequestID: r.RequestID, Source: r.Source.String(),
			Before: was, After: before.auditState(now.CreatedAt, false),
		}))
	case RequestState(Approved):
		t, err := tx.TokenByID(ctx, before.TokenID)
		return err == nil && before.Workload == now.Workload && t.State(now.CreatedAt) == Pending, err
	case RequestEnrolled:
		return before.Workload == now.Workload, nil // Await judges the retry
	default:
		return false, nil
	}
}

func (s *Service) refuseAsk(ctx context.Context, to audit.Store, r Redemption, why string) error {
	return s.cfg.Audit.Record(ctx, to, audit.Event{
		Action: audit.RequestCreate, Target: r.Workload.String(), Outcome: audit.Denied, Reason: why,
		RequestID: r.RequestID, Source: r.Source.String(),
	})
}
