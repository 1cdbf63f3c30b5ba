package enroll

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/tracing"
)

// Redemption is a host's request to spend a token.
type Redemption struct {
	Secret    string
	Workload  identity.Workload
	CSR       []byte // PKCS#10, DER
	Facts     Facts
	Ephemeral bool
	// HostCertificate is the verified client certificate of a host that is enrolled
	// already, or nil.
	HostCertificate *x509.Certificate
	Source          netip.AddrPort
	RequestID       string

	// tokenID is the token of the approved request asked, whose key was proved. It is
	// used instead of a secret.
	tokenID, asked string
}

// Facts are what the host says of itself.
type Facts struct {
	BinaryPath  string
	UID         uint32
	SystemdUnit string
	Hostname    string
	Version     string
}

// Enrollment is what a host gets for its token.
type Enrollment struct {
	SPIFFEID        spiffeid.ID
	HostID          identity.HostID
	HostCertificate []byte // DER; empty for an ephemeral host
	JoinToken       string // for an ephemeral host
}

// Redeem spends a token. Everything that lets a host in is in one transaction; the rest
// is idempotent, so a host whose reply was lost (or a controller that was killed
// in between) continues where it stopped. Errors: *FieldError, ErrRefused.
func (s *Service) Redeem(ctx context.Context, r Redemption) (Enrollment, error) {
	key, err := r.validate()
	if err != nil {
		return Enrollment{}, err
	}
	out, err := s.redeem(ctx, r, key)
	r.trace(ctx, out, err)
	return out, err
}

func (s *Service) redeem(ctx context.Context, r Redemption, key hostKey) (Enrollment, error) {
	c, err := s.claim(ctx, r, key)
	if err != nil {
		return Enrollment{}, err
	}
	if len(c.replaced) > 0 || c.fresh {
		s.cfg.Changed.MembersChanged(c.replaced)
	}
	return s.provision(ctx, c, key.public)
}

// claimed is the outcome of the deciding transaction.
type claimed struct {
	host     fleet.Host
	member   fleet.Member
	replaced []fleet.Member
	fresh    bool // this call claimed the token; false for a retry
}

// claim decides. A refusal is committed too: its audit record and the mark of a
// contested host are part of the same transaction.
func (s *Service) claim(ctx context.Context, r Redemption, key hostKey) (claimed, error) {
	ctx, span := tracing.Start(ctx, "enroll.claim")
	var out claimed
	err := s.refuseStranger(ctx, r)
	if err == nil {
		out, err = s.claimUntilKnown(ctx, r, key)
	}
	span.End(err)
	return out, err
}

// claimUntilKnown asks SPIRE, outside of a transaction, what the decision needs.
func (s *Service) claimUntilKnown(ctx context.Context, r Redemption, key hostKey) (claimed, error) {
	asked := attestations{}
	for {
		out, err := s.claimOnce(ctx, r, key, asked)
		var question *askSPIREError
		if errors.As(err, &question) && len(asked) == 0 {
			if err = s.ask(ctx, asked, question.agent); err == nil {
				continue
			}
		}
		if err != nil {
			return claimed{}, fmt.Errorf("redeem enrollment token: %w", err)
		}
		return out, nil
	}
}

func (s *Service) claimOnce(ctx context.Context, r Redemption, key hostKey, asked attestations) (claimed, error) {
	var out claimed
	var refusal error
	err := s.cfg.Store.EnrollTx(ctx, func(tx Tx) error {
		out, refusal = claimed{}, nil
		t, why, err := s.judge(ctx, tx, r, key, asked)
		if err != nil {
			return err
		}
		if why != "" {
			refusal = &refusedError{why}
			return s.refuse(ctx, tx, r, t, why)
		}
		out, err = s.bind(ctx, tx, r, t, key)
		return err
	})
	if err == nil {
		err = refusal
	}
	return out, err
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

// bind claims the token for the key and writes host and member. For a retry it
// only reads them.
func (s *Service) bind(ctx context.Context, tx Tx, r Redemption, t Token, key hostKey) (claimed, error) {
	if !t.ClaimedAt.IsZero() {
		h, err := tx.Host(ctx, t.HostID)
		if err != nil {
			return claimed{}, err
		}
		m, err := tx.Member(ctx, t.Workload)
		return claimed{host: h, member: m}, err
	}
	now := s.cfg.Now().UTC()
	old, err := tx.Member(ctx, r.Workload)
	if err != nil && !errors.Is(err, fleet.ErrNotFound) {
		return claimed{}, err
	}
	out, network, before := claimed{fresh: true}, fleet.DefaultNetwork, ""
	// The new host comes before the old one goes, so that a role that moves within
	// one host does not retire that host.
	if out.host, err = s.hostFor(ctx, tx, r, key, now); err != nil {
		return claimed{}, err
	}
	out.member = fleet.Member{
		Workload: r.Workload, HostID: out.host.ID, Selectors: fleet.SelectorsFor(r.Workload.Kind, r.Facts.BinaryPath, r.Facts.UID, r.Facts.SystemdUnit != ""),
		Version: r.Facts.Version, EnrolledAt: now,
	}
	if old.ID != "" {
		before = old.AuditState()
	}
	if old.ID != "" && old.Live() {
		out.replaced = append(out.replaced, old)
		// The new machine takes the place of the old one. Of a member that was revoked
		// before, whoever gets its id inherits nothing.
		out.member.About = old.About
		if network, err = replace(ctx, tx, old, out.host.ID, now); err != nil {
			return claimed{}, err
		}
	}
	t.ClaimedAt, t.KeyHash, t.HostID = now, key.hash, out.host.ID
	for _, step := range []func() error{
		func() error { return tx.PutMember(ctx, out.member) },
		func() error {
			if network == fleet.DefaultNetwork {
				return nil
			}
			return tx.MoveConnector(ctx, r.Workload.ID, network)
		},
		func() error { return tx.UpdateToken(ctx, t) },
		func() error { return tx.BumpPolicy(ctx) },
		func() error {
			return s.cfg.Audit.Record(ctx, tx, audit.Event{
				Actor: "token/" + t.ID, Action: audit.Enroll, Target: r.Workload.String(), Outcome: audit.Success,
				Reason: r.reason(out.host.ID), RequestID: r.RequestID, Source: r.Source.String(),
				Before: before, After: out.member.AuditState(),
			})
		},
	} {
		if err := step(); err != nil {
			return claimed{}, err
		}
	}
	return out, nil
}

// provision gives a claimed host what it needs to attest: the registration entry
// first, its credential second. Every step can be repeated.
func (s *Service) provision(ctx context.Context, c claimed, publicKey any) (out Enrollment, err error) {
	ctx, span := tracing.Start(ctx, "enroll.provision")
	defer func() { span.End(err) }()
	out = Enrollment{HostID: c.host.ID}
	if out.SPIFFEID, err = c.member.SPIFFEID(s.cfg.TrustDomain); err != nil {
		return Enrollment{}, err
	}
	if c.host.Ephemeral {
		if out.JoinToken, err = s.joinToken(ctx, &c.host); err != nil {
			return Enrollment{}, err
		}
	}
	entry, err := fleet.EntryFor(c.member, c.host, s.cfg.TrustDomain, s.cfg.SVIDTTL)
	if err != nil {
		return Enrollment{}, err
	}
	if err := s.cfg.SPIRE.PutEntry(ctx, entry); err != nil {
		return Enrollment{}, fmt.Errorf("create registration entry: %w", err)
	}
	settled := time.After(s.cfg.EntrySettle)
	if !c.host.Ephemeral {
		if out.HostCertificate, err = s.hostCertificate(ctx, c.host, publicKey); err != nil {
			return Enrollment{}, err
		}
	}
	return out, cached(ctx, settled)
}
