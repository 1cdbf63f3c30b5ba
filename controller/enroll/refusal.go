package enroll

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// ErrRefused is the one answer to every token that is not good. Why is in the
// audit log and counted by RefusalOf, and nowhere else: a caller must not learn
// which tokens exist.
var ErrRefused = errors.New("enrollment token refused")

// refusedError is ErrRefused, which it also says, and keeps why for RefusalOf.
type refusedError struct{ why string }

// Error implements error.
func (*refusedError) Error() string { return ErrRefused.Error() }

// Is implements errors.Is.
func (*refusedError) Is(target error) bool { return target == ErrRefused }

// RefusalOf is why Redeem refused, one of Refusals, or empty if it did not.
func RefusalOf(err error) string {
	refused := (*refusedError)(nil)
	if !errors.As(err, &refused) {
		return ""
	}
	for _, r := range refusals {
		if r.why == refused.why {
			return r.name
		}
	}
	return "other"
}

// Refusals lists what RefusalOf can say.
func Refusals() []string {
	out := make([]string, 0, len(refusals))
	for _, r := range refusals {
		out = append(out, r.name)
	}
	return out
}

// Reasons of a refusal, for the audit log only.
const (
	whyUnknown   = "unknown token"
	whyKind      = "token is for another kind"
	whyID        = "token is for another id"
	whyRevoked   = "token is revoked"
	whyExpired   = "token is expired"
	whySource    = "token is not for this source address"
	whyContested = "token was claimed by another key"
	whySpent     = "token is spent and its host has attested"
	whyLive      = "id is live and the token is not one that replaces"
	whyHost      = "host certificate is unknown, revoked or of another key"
	whyKeyReused = "key belongs to a host that enrolled before"
	whyGone      = "the member that the token enrolled is revoked"
	whyRequest   = "unknown request"
	whyProof     = "not signed by the key of the request, or for another connection"
)

// refusal is a reason and the short name under which it is counted.
type refusal struct{ why, name string }

var refusals = []refusal{
	{whyUnknown, "unknown"},
	{whyKind, "kind"},
	{whyID, "id"},
	{whyRevoked, "revoked"},
	{whyExpired, "expired"},
	{whySource, "source"},
	{whyContested, "contested"},
	{whySpent, "spent"},
	{whyLive, "live"},
	{whyHost, "host"},
	{whyKeyReused, "key_reused"},
	{whyGone, "gone"},
	{whyRequest, "request"},
	{whyProof, "proof"},
}

// refuseStranger refuses a secret that is no token's before there is a transaction:
// anybody can send one, and a transaction holds back whoever has a token.
func (s *Service) refuseStranger(ctx context.Context, r Redemption) error {
	if r.tokenID != "" {
		return nil
	}
	known, err := s.cfg.Store.TokenKnown(ctx, keys.HashSecret(r.Secret))
	if err != nil {
		return fmt.Errorf("look up enrollment token: %w", err)
	}
	if known {
		return nil
	}
	if err := s.recordRefusal(ctx, s.cfg.Store, r, Token{}, whyUnknown); err != nil {
		return err
	}
	return fmt.Errorf("redeem enrollment token: %w", &refusedError{whyUnknown})
}

// contesting is what it takes to mark a host that somebody else's token or key disputes.
type contesting interface {
	audit.Store
	fleet.MembersTx
	fleet.CloneTx
}

// refuse records why, and marks the host that holds the token as contested when
// somebody with the right secret but another key tries it.
func (s *Service) refuse(ctx context.Context, tx contesting, r Redemption, t Token, why string) error {
	if err := s.recordRefusal(ctx, tx, r, t, why); err != nil {
		return err
	}
	if why != whyContested {
		return nil
	}
	return s.contest(ctx, tx, r, t, "host contested: its enrollment token was tried with a second key; revoke it unless you know why")
}

func (s *Service) recordRefusal(ctx context.Context, to audit.Store, r Redemption, t Token, why string) error {
	ev := audit.Event{
		Action: audit.Enroll, Target: r.Workload.String(), Outcome: audit.Denied, Reason: why,
		RequestID: r.RequestID, Source: r.Source.String(),
	}
	if t.ID != "" {
		ev.Actor = "token/" + t.ID
	}
	return s.cfg.Audit.Record(ctx, to, ev)
}

// contest marks the host that holds a token which somebody else has too.
func (s *Service) contest(ctx context.Context, tx contesting, r Redemption, t Token, warning string) error {
	h, err := tx.Host(ctx, t.HostID)
	if err != nil || !h.ContestedAt.IsZero() {
		return err
	}
	before := h.AuditState()
	h.ContestedAt = s.cfg.Now().UTC()
	if err := tx.ContestHost(ctx, t.HostID, h.ContestedAt); err != nil {
		return err
	}
	from := ""
	if r.Source.IsValid() { // it is not where the caller came by the local admin socket
		from = r.Source.String()
	}
	s.cfg.Log.Warn(warning,
		zap.String("host_id", string(t.HostID)), zap.Stringer("workload", t.Workload), zap.String("caller_addr", from))
	return s.cfg.Audit.Record(ctx, tx, audit.Event{
		Actor: "token/" + t.ID, Action: audit.HostContest, Target: "host/" + string(t.HostID), Outcome: audit.Success,
		Reason: t.Workload.String(), RequestID: r.RequestID, Source: from,
		Before: before, After: h.AuditState(),
	})
}
