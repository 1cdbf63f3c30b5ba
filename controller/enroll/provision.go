package enroll

import (
	"context"
	"fmt"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/tracing"
)

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
