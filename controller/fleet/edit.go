package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// By is who asks for a change, for the audit log.
type By struct {
	Actor     string
	RequestID string
	From      string // address of the caller
}

// Event is the audit event of what was done to a target.
func (b By) Event(action audit.Action, target string) audit.Event {
	return audit.Event{Actor: b.Actor, Action: action, Target: target, Outcome: audit.Success, RequestID: b.RequestID, Source: b.From}
}

// AboutTx writes what operators say.
type AboutTx interface {
	SetAbout(ctx context.Context, w identity.Workload, a About) error
	SetHostAbout(ctx context.Context, id identity.HostID, a About) error
}

// PlaceTx keeps in which network a connector is.
type PlaceTx interface {
	// NetworkOf is the network of a connector. Errors: ErrNotFound.
	NetworkOf(ctx context.Context, connector string) (string, error)
	MoveConnector(ctx context.Context, connector, network string) error
}

// EditMember changes what operators say of a member, and in which network a connector
// is: tunnelers learn that with the next directory. What is as it was before is not
// written. Errors: ErrNotFound, ErrGone, ErrStale, *FieldError.
func (f *Fleet) EditMember(ctx context.Context, w identity.Workload, e Edit, by By) error {
	moved := false
	err := f.cfg.Store.FleetTx(ctx, func(tx Tx) error {
		m, err := tx.Member(ctx, w)
		if err != nil {
			return err
		}
		if !m.Live() {
			return ErrGone
		}
		if err := e.current(m.About); err != nil {
			return err // before a network is looked for, which may be gone for the same reason
		}
		before, network, err := f.move(ctx, tx, w, e)
		if err != nil {
			return err
		}
		if moved = before != network; !moved {
			e.NetworkID = nil // it is there
		}
		after, err := e.Apply(m.About)
		if err != nil || after.Revision == m.About.Revision {
			return err
		}
		if err := tx.SetAbout(ctx, w, after); err != nil {
			return err
		}
		if w.Kind == identity.KindTunneler && !maps.Equal(after.Labels, m.About.Labels) { // what connectors decide by
			if err := tx.BumpPolicy(ctx); err != nil {
				return err
			}
		}
		ev := by.Event(audit.MemberUpdate, m.String())
		ev.Before, ev.After = m.About.auditState(before), after.auditState(network)
		return f.cfg.Audit.Record(ctx, tx, ev)
	})
	if err != nil {
		return fmt.Errorf("change %s: %w", w, err)
	}
	if moved {
		f.cfg.Changed.MembersChanged(nil)
	}
	return nil
}

// move puts a connector into the network that e says, and returns where it was and is.
func (f *Fleet) move(ctx context.Context, tx Tx, w identity.Workload, e Edit) (before, after string, err error) {
	if w.Kind != identity.KindConnector {
		if e.NetworkID != nil {
			return "", "", wrong("network_id", "only a connector is in a network")
		}
		return "", "", nil
	}
	if before, err = tx.NetworkOf(ctx, w.ID); err != nil || e.NetworkID == nil || *e.NetworkID == before {
		return before, before, err
	}
	after = *e.NetworkID
	_, err = tx.Network(ctx, after)
	if errors.Is(err, ErrNotFound) {
		return "", "", wrong("network_id", "there is no network %q: create it first", short(after))
	}
	if err != nil {
		return "", "", err
	}
	if err := tx.MoveConnector(ctx, w.ID, after); err != nil {
		return "", "", err
	}
	return before, after, tx.BumpPolicy(ctx)
}

// EditHost changes what operators say of a host. Errors: as EditMember.
func (f *Fleet) EditHost(ctx context.Context, id identity.HostID, e Edit, by By) error {
	err := f.cfg.Store.FleetTx(ctx, func(tx Tx) error {
		h, err := tx.Host(ctx, id)
		if err != nil {
			return err
		}
		if !h.RevokedAt.IsZero() {
			return ErrGone
		}
		if e.NetworkID != nil {
			return wrong("network_id", "only a connector is in a network")
		}
		after, err := e.Apply(h.About)
		if err != nil || after.Revision == h.About.Revision {
			return err
		}
		if err := tx.SetHostAbout(ctx, id, after); err != nil {
			return err
		}
		ev := by.Event(audit.HostUpdate, "host/"+string(id))
		ev.Before, ev.After = h.About.auditState(""), after.auditState("")
		return f.cfg.Audit.Record(ctx, tx, ev)
	})
	if err != nil {
		return fmt.Errorf("change host %s: %w", id, err)
	}
	return nil
}
