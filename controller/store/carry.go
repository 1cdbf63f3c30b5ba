package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Carried counts what Carry added.
type Carried struct {
	Denials, Tombstones int
	// Revoked are the members that were enrolled here, and are not any more.
	Revoked []string
}

// revocations are what one database knows of them.
type revocations struct {
	denials    []fleet.Denial
	tombstones []fleet.Tombstone
	members    []fleet.Member
	live       map[identity.Workload]identity.HostID
}

// Carry adds what another database, of another time of the same controller, knows of
// revocations: each can only remove access. Whoever was revoked there and is enrolled here on
// the same host is revoked here, and so is whoever a denial ends and is not enrolled there
// on that host again. by has actor, reason and source of the audit events.
// The recovery key and the timeline come along.
func (s *Store) Carry(ctx context.Context, from *Store, by audit.Event, now time.Time) (out Carried, err error) {
	known, err := from.revocations(ctx, now)
	if err != nil {
		return out, fmt.Errorf("read revocations: %w", err)
	}
	err = s.tx(ctx, func(t *Tx) error {
		out = Carried{Denials: len(known.denials), Tombstones: len(known.tombstones)}
		for _, d := range known.denials {
			if err := t.deny(ctx, d, known.live, by, now, &out); err != nil {
				return err
			}
		}
		for _, stone := range known.tombstones {
			if err := t.Bury(ctx, stone, now); err != nil {
				return err
			}
			live, err := t.LiveMembersOf(ctx, stone.HostID)
			if err != nil {
				return err
			}
			for _, m := range live {
				if err := t.carry(ctx, m, by, now, &out); err != nil {
					return err
				}
			}
		}
		for _, gone := range known.members {
			m, err := t.Member(ctx, gone.Workload)
			if errors.Is(err, fleet.ErrNotFound) || err == nil && (!m.Live() || m.HostID != gone.HostID) {
				continue
			}
			if err == nil {
				err = t.carry(ctx, m, by, now, &out)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	if err := s.carryTimeline(ctx, from); err != nil {
		return out, fmt.Errorf("revocations are carried over, the timeline is not: %w", err)
	}
	return out, nil
}

// deny adds a denial, and revokes the member that it ends: once it is here, no connector
// has to give it back.
func (t *Tx) deny(ctx context.Context, d fleet.Denial, live map[identity.Workload]identity.HostID, by audit.Event, now time.Time, out *Carried) error {
	if err := t.Deny(ctx, d, now); err != nil {
		return err
	}
	m, err := t.Member(ctx, d.Workload)
	if errors.Is(err, fleet.ErrNotFound) || err == nil && (!d.Ends(m) || live[m.Workload] == m.HostID) {
		return nil
	}
	if err != nil {
		return err
	}
	return t.carry(ctx, m, by, now, out)
}

// carry revokes a member that is live here.
func (t *Tx) carry(ctx context.Context, m fleet.Member, by audit.Event, now time.Time, out *Carried) error {
	if err := fleet.Retire(ctx, t, m, now); err != nil {
		return err
	}
	out.Revoked = append(out.Revoked, m.String())
	by.Time, by.Action, by.Target, by.Outcome, by.Before = now, audit.MemberRevoke, m.String(), audit.Success, m.AuditState()
	m.RevokedAt = now
	by.After = m.AuditState()
	return t.AppendAudit(ctx, by)
}

// tombstonesAtOnce is how many are read with one query.
const tombstonesAtOnce = 500

func (s *Store) revocations(ctx context.Context, now time.Time) (out revocations, err error) {
	if out.denials, err = s.Denials(ctx, 0, time.Unix(0, 0)); err != nil {
		return out, err
	}
	for after := identity.HostID(""); ; {
		page, err := s.Tombstones(ctx, after, tombstonesAtOnce, now)
		if err != nil {
			return out, err
		}
		out.tombstones = append(out.tombstones, page...)
		if len(page) < tombstonesAtOnce {
			break
		}
		after = page[len(page)-1].HostID
	}
	connectors, err := s.Connectors(ctx)
	if err != nil {
		return out, err
	}
	tunnelers, err := s.Tunnelers(ctx)
	if err != nil {
		return out, err
	}
	for _, c := range connectors {
		out.add(c.Member)
	}
	for _, t := range tunnelers {
		out.add(t.Member)
	}
	return out, nil
}

func (r *revocations) add(m fleet.Member) {
	if !m.Live() {
		r.members = append(r.members, m)
		return
	}
	if r.live == nil {
		r.live = map[identity.Workload]identity.HostID{}
	}
	r.live[m.Workload] = m.HostID
}
