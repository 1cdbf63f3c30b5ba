package enroll

import (
	"context"
	"errors"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

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
	out := claimed{fresh: true}
	old, err := tx.Member(ctx, r.Workload)
	if err != nil && !errors.Is(err, fleet.ErrNotFound) {
		return claimed{}, err
	}
	// The new host comes before the old one goes, so that a role that moves within
	// one host does not retire that host.
	if out.host, err = s.hostFor(ctx, tx, r, key, now); err != nil {
		return claimed{}, err
	}
	if err == nil && old.ID != "" && old.Live() {
		out.replaced = append(out.replaced, old)
		if old.HostID == out.host.ID {
			err = tx.RevokeMember(ctx, old.Workload, now)
		} else {
			err = fleet.Retire(ctx, tx, old, now)
		}
		if err != nil {
			return claimed{}, err
		}
	}
	before := ""
	if old.ID != "" {
		before = old.AuditState()
	}
	out.member = fleet.Member{
		Workload: r.Workload, HostID: out.host.ID, Selectors: r.Facts.selectors(r.Workload.Kind),
		Version: r.Facts.Version, EnrolledAt: now,
	}
	network := fleet.DefaultNetwork
	if len(out.replaced) > 0 {
		// The new machine takes the place of the old one. Of a member that was revoked
		// before, whoever gets its id inherits nothing.
		out.member.About = old.About
		if r.Workload.Kind == identity.KindConnector {
			if network, err = tx.NetworkOf(ctx, old.ID); err != nil {
				return claimed{}, err
			}
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

// hostFor returns the host of a second role, or a new one. A new ephemeral host
// gets its agent id with its join token, in provision.
func (s *Service) hostFor(ctx context.Context, tx Tx, r Redemption, key hostKey, now time.Time) (fleet.Host, error) {
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
