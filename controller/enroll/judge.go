package enroll

import (
	"bytes"
	"context"
	"errors"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

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

// judge is the one place that decides whether a token is good for this caller.
// why is empty when it is.
func (s *Service) judge(ctx context.Context, tx Tx, r Redemption, key hostKey, asked attestations) (t Token, why string, err error) {
	if r.tokenID != "" {
		t, err = tx.TokenByID(ctx, r.tokenID)
	} else {
		t, err = tx.TokenByHash(ctx, keys.HashSecret(r.Secret))
	}
	if errors.Is(err, ErrTokenNotFound) {
		return t, whyUnknown, nil
	}
	if err != nil {
		return t, "", err
	}
	now := s.cfg.Now()
	switch {
	case t.Workload.Kind != r.Workload.Kind:
		return t, whyKind, nil
	case t.Workload.ID != r.Workload.ID:
		return t, whyID, nil
	case !t.RevokedAt.IsZero():
		return t, whyRevoked, nil
	case t.Source.IsValid() && !t.Source.Contains(r.Source.Addr().Unmap()):
		return t, whySource, nil
	case !t.ClaimedAt.IsZero() && !bytes.Equal(t.KeyHash, key.hash):
		return t, whyContested, nil
	case t.ClaimedAt.IsZero() && !now.Before(t.ExpiresAt):
		return t, whyExpired, nil
	}
	if why, err := s.judgeHost(ctx, tx, r, t, key); why != "" || err != nil {
		return t, why, err
	}
	if !t.ClaimedAt.IsZero() {
		why, err = s.judgeRetry(ctx, tx, t, asked)
		return t, why, err
	}
	m, err := tx.Member(ctx, r.Workload)
	if err == nil && m.Live() && !t.Replace {
		return t, whyLive, nil
	}
	if errors.Is(err, fleet.ErrNotFound) {
		err = nil
	}
	return t, "", err
}

// judgeHost checks the host certificate of a second role, and that a new host
// brings a new key: host ids and their keys are never reused.
func (s *Service) judgeHost(ctx context.Context, tx Tx, r Redemption, t Token, key hostKey) (string, error) {
	if r.HostCertificate == nil {
		if !t.ClaimedAt.IsZero() {
			return "", nil
		}
		known, err := tx.HostKeyKnown(ctx, key.hash)
		if known {
			return whyKeyReused, err
		}
		return "", err
	}
	id, shape := identity.HostFromCertificate(r.HostCertificate, s.cfg.TrustDomain)
	if shape != nil || r.Ephemeral || !bytes.Equal(hashKey(r.HostCertificate.RawSubjectPublicKeyInfo), key.hash) {
		return whyHost, nil //nolint:nilerr // a wrong shape is a refusal, not a failure
	}
	h, err := tx.Host(ctx, id)
	switch {
	case errors.Is(err, fleet.ErrNotFound):
		return whyHost, nil
	case err != nil:
		return "", err
	case !h.RevokedAt.IsZero() || !bytes.Equal(h.KeyHash, key.hash):
		return whyHost, nil
	default:
		return "", nil
	}
}

// judgeRetry lets the key that claimed the token come back until what it enrolled
// has been seen alive: a lost reply burns nothing, a replay later gets nothing.
func (s *Service) judgeRetry(ctx context.Context, tx Tx, t Token, asked attestations) (string, error) {
	m, err := tx.Member(ctx, t.Workload)
	if errors.Is(err, fleet.ErrNotFound) || err == nil && (!m.Live() || m.HostID != t.HostID) {
		return whyGone, nil
	}
	if err != nil {
		return "", err
	}
	if !m.FirstSeenAt.IsZero() {
		return whySpent, nil
	}
	roles, err := tx.LiveMembersOf(ctx, t.HostID)
	if err != nil || len(roles) > 1 {
		// A second role: its host attested long ago, only the role itself tells.
		return "", err
	}
	h, err := tx.Host(ctx, t.HostID)
	if err != nil {
		return "", err
	}
	if h.AgentID.IsZero() {
		return "", nil
	}
	attested, known := asked[h.AgentID]
	switch {
	case !known:
		return "", &askSPIREError{h.AgentID}
	case attested:
		return whySpent, nil
	default:
		return "", nil
	}
}

// askSPIREError ends a transaction that has to know whether an agent attested. SPIRE is
// asked outside of it, for while it runs nobody else can write.
type askSPIREError struct{ agent spiffeid.ID }

// Error implements error.
func (e *askSPIREError) Error() string { return "has " + e.agent.String() + " attested?" }

// attestations are SPIRE's answers so far.
type attestations map[spiffeid.ID]bool

// ask adds the answer for one agent.
func (s *Service) ask(ctx context.Context, asked attestations, agent spiffeid.ID) error {
	_, err := s.cfg.SPIRE.Agent(ctx, agent)
	if err != nil && !errors.Is(err, fleet.ErrNotFound) {
		return err
	}
	asked[agent] = err == nil
	return nil
}

// refuse records why, and marks the host that holds the token as contested when
// somebody with the right secret but another key tries it.
func (s *Service) refuse(ctx context.Context, tx Tx, r Redemption, t Token, why string) error {
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
func (s *Service) contest(ctx context.Context, tx Tx, r Redemption, t Token, warning string) error {
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
