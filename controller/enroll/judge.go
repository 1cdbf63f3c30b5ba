package enroll

import (
	"bytes"
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/secret"
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
	whyLive      = "id is live and the token does not replace"
	whyHost      = "host certificate is unknown, revoked or of another key"
	whyKeyReused = "key belongs to a host that enrolled before"
	whyGone      = "what the token enrolled is revoked"
)

// judge is the one place that decides whether a token is good for this caller.
// why is empty when it is.
func (s *Service) judge(ctx context.Context, tx Tx, r Redemption, key hostKey) (t Token, why string, err error) {
	t, err = tx.TokenByHash(ctx, secret.Hash(r.Secret))
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
		why, err = s.judgeRetry(ctx, tx, t)
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
		return whyHost, nil
	}
	h, err := tx.Host(ctx, id)
	if errors.Is(err, fleet.ErrNotFound) || err == nil && (!h.RevokedAt.IsZero() || !bytes.Equal(h.KeyHash, key.hash)) {
		return whyHost, nil
	}
	return "", err
}

// judgeRetry lets the key that claimed the token come back until what it enrolled
// has been seen alive: a lost reply burns nothing, a replay later gets nothing.
func (s *Service) judgeRetry(ctx context.Context, tx Tx, t Token) (string, error) {
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
	switch _, err := s.cfg.SPIRE.Agent(ctx, h.AgentID); {
	case err == nil:
		return whySpent, nil
	case errors.Is(err, fleet.ErrNotFound):
		return "", nil
	default:
		return "", err
	}
}

// refuse records why, and marks the host that holds the token as contested when
// somebody with the right secret but another key tries it.
func (s *Service) refuse(ctx context.Context, tx Tx, r Redemption, t Token, why string) error {
	ev := audit.Event{
		Action: audit.Enroll, Target: r.Workload.String(), Outcome: audit.Denied, Reason: why,
		RequestID: r.RequestID, Source: r.Source.String(),
	}
	if t.ID != "" {
		ev.Actor = "token/" + t.ID
	}
	if err := s.cfg.Audit.Record(ctx, tx, ev); err != nil {
		return err
	}
	if why != whyContested {
		return nil
	}
	h, err := tx.Host(ctx, t.HostID)
	if err != nil || !h.ContestedAt.IsZero() {
		return err
	}
	if err := tx.ContestHost(ctx, t.HostID, s.cfg.Now().UTC()); err != nil {
		return err
	}
	s.cfg.Log.Warn("host contested: its enrollment token was tried with a second key; revoke it unless you know why",
		zap.String("host_id", string(t.HostID)), zap.Stringer("workload", t.Workload), zap.String("caller_addr", r.Source.String()))
	return s.cfg.Audit.Record(ctx, tx, audit.Event{
		Actor: "token/" + t.ID, Action: audit.HostContest, Target: "host/" + string(t.HostID), Outcome: audit.Success,
		Reason: t.Workload.String(), RequestID: r.RequestID, Source: r.Source.String(),
	})
}
