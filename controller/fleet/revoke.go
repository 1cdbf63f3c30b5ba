package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// RetireTx ends the access of members and hosts.
type RetireTx interface {
	RevokeMember(ctx context.Context, w identity.Workload, at time.Time) error
	RevokeHost(ctx context.Context, id identity.HostID, at time.Time) error
	// Bury keeps a tombstone until it is over; the first one of a host stays.
	Bury(ctx context.Context, s Tombstone, now time.Time) error
	// Deny keeps a denial until it is over; of two for one workload the later time.
	Deny(ctx context.Context, d Denial, now time.Time) error
}

// retiring is what Retire needs of a transaction.
type retiring interface {
	MembersTx
	RetireTx
}

// Revocation asks to end a member's access.
type Revocation struct {
	Workload  identity.Workload
	Actor     string
	RequestID string
	From      string // address of the caller
}

// Revoke ends the access of a member. From the commit on the controller admits no stream
// of it. Two parts follow the change that the commit adds to the log: the Reconciler
// (Apply in mend.go) deletes the entry, and bans the agent when no other member lives on
// its host; the publisher of the policy makes a snapshot without the member, which ends its
// streams (sendPolicy in controller/control) and, of a tunneler, its sessions at each
// connector that receives it. The sessions that tunnelers have with a connector end by
// their directories, which come from the same snapshot (Manager.leave in tunneler/session), and
// so do flows (Manager.drop there).
//
// The longest access that remains: of a session at a connector without a controller, until
// the member's SVID has expired and 30 s more, 5 min 30 s for a connector and 30 min 30 s
// for a tunneler by default. It is up to policy_age, 24 h by default, if the controller
// ends before the Reconciler has run and a SPIRE server of its own keeps renewing the
// SVID. docs/threat-model.md has the table.
//
// Revoking again changes nothing. Errors: ErrNotFound.
func (f *Fleet) Revoke(ctx context.Context, r Revocation) error {
	var gone []Member
	err := f.cfg.Store.FleetTx(ctx, func(tx Tx) error {
		m, err := tx.Member(ctx, r.Workload)
		if err != nil || !m.Live() {
			return err
		}
		gone = append(gone, m)
		return f.retire(ctx, tx, m, audit.Event{
			Actor: r.Actor, Reason: "host/" + string(m.HostID), RequestID: r.RequestID, Source: r.From,
		})
	})
	if err != nil {
		return fmt.Errorf("revoke %s: %w", r.Workload, err)
	}
	for _, m := range gone {
		f.clones.forget(m)
	}
	if len(gone) > 0 {
		f.cfg.Changed.MembersChanged(gone)
	}
	return nil
}

// retire is Retire with its audit event; by says who and why.
func (f *Fleet) retire(ctx context.Context, tx Tx, m Member, by audit.Event) error {
	at := f.cfg.Now().UTC()
	if err := Retire(ctx, tx, m, at); err != nil {
		return err
	}
	by.Action, by.Target, by.Outcome, by.Before = audit.MemberRevoke, m.String(), audit.Success, m.AuditState()
	m.RevokedAt = at
	by.After = m.AuditState()
	return f.cfg.Audit.Record(ctx, tx, by)
}

// Retire revokes a live member inside a transaction, and its host when no other
// member lives there. The store adds changelog.Revoked of each to the change log.
func Retire(ctx context.Context, tx retiring, m Member, at time.Time) error {
	if err := tx.RevokeMember(ctx, m.Workload, at); err != nil {
		return err
	}
	if err := tx.Deny(ctx, denialOf(m, at), at); err != nil {
		return err
	}
	others, err := tx.LiveMembersOf(ctx, m.HostID)
	if err != nil {
		return err
	}
	if len(others) == 0 {
		if err := retireHost(ctx, tx, m.HostID, at); err != nil {
			return err
		}
	}
	return tx.BumpPolicy(ctx)
}

func retireHost(ctx context.Context, tx retiring, id identity.HostID, at time.Time) error {
	h, err := tx.Host(ctx, id)
	if err != nil {
		return err
	}
	if err := tx.Bury(ctx, tombstoneOf(h), at); err != nil {
		return err
	}
	return tx.RevokeHost(ctx, id, at)
}
