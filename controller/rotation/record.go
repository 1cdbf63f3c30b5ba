package rotation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// errChanged says that somebody aborted or changed the rotation meanwhile: what
// was decided before is void.
var errChanged = errors.New("the rotation changed meanwhile")

// actor is who drives a rotation on.
const actor = "controller"

// update changes the rotation in one transaction with its audit event, unless it
// is not the one that the decision was made from.
func (m *Manager) update(ctx context.Context, was Rotation, e audit.Event, change func(*Rotation)) (Rotation, error) {
	var now Rotation
	err := m.cfg.Store.RotationTx(ctx, func(tx Tx) error {
		var err error
		if now, err = tx.Rotation(ctx); err != nil {
			return err
		}
		if now.ID != was.ID || now.State != Running || now.Phase != was.Phase || now.Options != was.Options {
			return errChanged
		}
		e.Before = now.auditState()
		change(&now)
		if err := tx.PutRotation(ctx, now); err != nil {
			return err
		}
		e.Actor, e.Target, e.Outcome, e.After = actor, "rotation/"+now.ID, audit.Success, now.auditState()
		return m.cfg.Audit.Record(ctx, tx, e)
	})
	return now, err
}

// enter stores a phase.
func (m *Manager) enter(ctx context.Context, r Rotation, p Phase, authority string) (Rotation, error) {
	return m.enterWith(ctx, r, Passed{p, authority, m.now()}, func(*Rotation) {})
}

// noteActivation stores the first phase in which the authority signer signs, with
// the list of agents that the last gate compares with.
func (m *Manager) noteActivation(ctx context.Context, r Rotation, signer string, mv move) (Rotation, error) {
	agents, err := m.cfg.Agents.Agents(ctx)
	if err != nil {
		return r, fmt.Errorf("record the agents: %w", err)
	}
	serials := make(map[string]string, len(agents))
	for _, a := range agents {
		serials[a.ID.String()] = a.SerialNumber
	}
	at := m.now()
	return m.enterWith(ctx, r, Passed{mv.call.reached(), mv.id, at}, func(r *Rotation) {
		r.Signer, r.ActivatedAt, r.Agents = signer, at, serials
	})
}

func (m *Manager) enterWith(ctx context.Context, r Rotation, p Passed, also func(*Rotation)) (Rotation, error) {
	reason := string(p.Phase)
	if p.Authority != "" {
		reason += " " + p.Authority
	}
	next, err := m.update(ctx, r, audit.Event{Action: audit.RotationPhase, Reason: reason}, func(r *Rotation) {
		r.enter(p.Phase, p.Authority, p.At)
		also(r)
	})
	if err == nil {
		m.cfg.Log.Info("rotation phase", zap.String("phase", string(p.Phase)), zap.String("authority_id", p.Authority))
	}
	return next, err
}

// halt ends or pauses a rotation.
func (m *Manager) halt(ctx context.Context, r Rotation, s State, reason string) error {
	at := m.now()
	_, err := m.update(ctx, r, audit.Event{Action: haltAction(s), Reason: reason}, func(r *Rotation) {
		if s == Paused {
			r.State, r.Reason = s, reason
			return
		}
		if s == Done {
			r.enter(Distrusted, "", at)
		}
		r.end(s, reason, at)
	})
	if err == nil {
		m.cfg.Log.Info("rotation "+string(s), zap.String("reason", reason), zap.Duration("took", at.Sub(r.StartedAt)))
	}
	return err
}

func haltAction(s State) audit.Action {
	switch s {
	case Paused:
		return audit.RotationPause
	case Aborted:
		return audit.RotationAbort
	default:
		return audit.RotationEnd
	}
}

// drop continues without the holdouts, by name.
func (m *Manager) drop(ctx context.Context, r Rotation, g Gate) error {
	names := g.Names()
	m.cfg.Log.Warn("rotation continues without the members that block it", zap.Strings("dropped", names))
	_, err := m.update(ctx, r, audit.Event{Action: audit.RotationDrop, Reason: strings.Join(names, " ")}, func(r *Rotation) {
		r.Dropped = append(r.Dropped, names...)
	})
	return err
}
