package enroll

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/tracing"
)

// HostTx keeps the hosts and members that are enrolled.
type HostTx interface {
	// HostKeyKnown says whether a host with this key hash exists, revoked or not.
	HostKeyKnown(ctx context.Context, keyHash []byte) (bool, error)
	PutHost(ctx context.Context, h fleet.Host) error
	PutMember(ctx context.Context, m fleet.Member) error
}

// hosting is what it takes to find or add a host.
type hosting interface {
	fleet.MembersTx
	HostTx
}

// replacing is what it takes to put one member in the place of another.
type replacing interface {
	fleet.MembersTx
	fleet.RetireTx
	fleet.PlaceTx
}

// judgeHost checks the host certificate of a second role, and that a new host
// brings a new key: host ids and their keys are never reused.
func (s *Service) judgeHost(ctx context.Context, tx hosting, r Redemption, t Token, key hostKey) (string, error) {
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

// hostFor returns the host of a second role, or a new one. A new ephemeral host
// gets its agent id with its join token, in provision.
func (s *Service) hostFor(ctx context.Context, tx hosting, r Redemption, key hostKey, now time.Time) (fleet.Host, error) {
	if r.HostCertificate != nil {
		id, err := identity.HostFromCertificate(r.HostCertificate, s.cfg.TrustDomain)
		if err != nil {
			return fleet.Host{}, err
		}
		return tx.Host(ctx, id)
	}
	h := fleet.Host{
		ID: identity.NewHostID(), KeyHash: key.hash, Ephemeral: r.Ephemeral,
		Hostname: r.Facts.Hostname, EnrolledAt: now,
	}
	if !r.Ephemeral {
		var err error
		if h.AgentID, err = h.ID.AgentID(s.cfg.TrustDomain); err != nil {
			return fleet.Host{}, err
		}
	}
	return h, tx.PutHost(ctx, h)
}

// replace ends the access of the member whose place is taken and returns the network
// that its successor is put in.
func replace(ctx context.Context, tx replacing, old fleet.Member, by identity.HostID, now time.Time) (network string, err error) {
	if old.HostID == by {
		err = tx.RevokeMember(ctx, old.Workload, now)
	} else {
		err = fleet.Retire(ctx, tx, old, now)
	}
	if err != nil || old.Kind != identity.KindConnector {
		return fleet.DefaultNetwork, err
	}
	return tx.NetworkOf(ctx, old.ID)
}

// joinTokenTTL is how long an ephemeral host has to attest.
const joinTokenTTL = 10 * time.Minute

// joinToken makes a SPIRE join token, which fixes the id of the agent. A retry
// makes a new one: the one before stays unused and expires.
func (s *Service) joinToken(ctx context.Context, h *fleet.Host) (string, error) {
	token, agent, err := s.cfg.SPIRE.CreateJoinToken(ctx, joinTokenTTL)
	if err != nil {
		return "", fmt.Errorf("create join token: %w", err)
	}
	h.AgentID = agent
	return token, s.cfg.Store.EnrollTx(ctx, func(tx Tx) error { return tx.PutHost(ctx, *h) })
}

// hostCertificate signs once and returns the same certificate to every retry.
func (s *Service) hostCertificate(ctx context.Context, h fleet.Host, publicKey any) ([]byte, error) {
	if len(h.Certificate) > 0 {
		return h.Certificate, nil
	}
	_, span := tracing.Start(ctx, "enroll.sign")
	var err error
	h.Certificate, err = s.cfg.Signer.SignHost(h.ID, publicKey)
	span.End(err)
	if err != nil {
		return nil, fmt.Errorf("sign host certificate: %w", err)
	}
	return h.Certificate, s.cfg.Store.EnrollTx(ctx, func(tx Tx) error { return tx.PutHost(ctx, h) })
}

// cached waits until SPIRE's cache has the entry.
func cached(ctx context.Context, settled <-chan time.Time) (err error) {
	_, span := tracing.Start(ctx, "enroll.settle")
	defer func() { span.End(err) }()
	select {
	case <-settled:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
