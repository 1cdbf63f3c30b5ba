package rotation

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// Request is what an operator asks for.
type Request struct {
	Options   Options
	Actor     string
	RequestID string
	From      string // address of the caller
}

// OptionError says what is wrong with an option.
type OptionError struct {
	Field string
	Err   error
}

// Error implements error.
func (e *OptionError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap gives the fault itself.
func (e *OptionError) Unwrap() error { return e.Err }

// MinDeadline is what agents and peers need at least: a taint reaches an agent
// with its next sync, five seconds later.
const MinDeadline = 10 * time.Second

// Validate says what is wrong with the options. Errors: an *OptionError for each option
// that is at fault, joined.
func (o Options) Validate() error {
	var all []error
	if o.Deadline != 0 && o.Deadline < MinDeadline {
		all = append(all, &OptionError{"deadline", fmt.Errorf("must be at least %s: issuing SVIDs again takes that long", MinDeadline)})
	}
	if o.Offline != WaitOffline && o.Offline != ProceedOffline {
		all = append(all, &OptionError{"offline", fmt.Errorf("must be %q or %q", WaitOffline, ProceedOffline)})
	}
	if o.OnExpiry != DropHoldouts && o.OnExpiry != StopForHoldouts {
		all = append(all, &OptionError{"on_deadline", fmt.Errorf("must be %q or %q", DropHoldouts, StopForHoldouts)})
	}
	if o.Emergency && (o.Deadline != 0 || o.Offline == WaitOffline) {
		all = append(all, &OptionError{"emergency", errors.New("does not wait for members: leave out deadline and offline")})
	}
	return errors.Join(all...)
}

// Start begins a rotation and returns at once. While one is unfinished it returns
// ErrRunning, except that an emergency takes a running or paused ordinary one
// over. Errors: *OptionError, ErrUpstream, ErrRunning.
func (m *Manager) Start(ctx context.Context, q Request) (Rotation, error) {
	if err := q.Options.Validate(); err != nil {
		return Rotation{}, err
	}
	a, err := m.authorities(ctx)
	if err != nil {
		return Rotation{}, err
	}
	at := m.now()
	var r Rotation
	err = m.cfg.Store.RotationTx(ctx, func(tx Tx) error {
		if r, err = tx.Rotation(ctx); err != nil && !errors.Is(err, ErrNone) {
			return err
		}
		unfinished := err == nil && !r.Finished()
		before := ""
		if unfinished {
			before = r.auditState()
		}
		switch {
		case unfinished && q.Options.Emergency && !r.Options.Emergency:
			r.escalate(a, at)
		case unfinished:
			return ErrRunning
		default:
			r = begin(q, a, at)
		}
		if err := tx.PutRotation(ctx, r); err != nil {
			return err
		}
		e := q.event(audit.RotationStart, r, before)
		e.Reason = q.Options.String() + "; replaces " + strings.Join(r.Replace, " ")
		return m.cfg.Audit.Record(ctx, tx, e)
	})
	if err != nil {
		return Rotation{}, err
	}
	return r, nil
}

func begin(q Request, a Authorities, at time.Time) Rotation {
	var id [8]byte
	_, _ = rand.Read(id[:]) // crypto/rand.Read never fails; it aborts the program instead
	r := Rotation{
		ID: "rot_" + hex.EncodeToString(id[:]), State: Running, Options: q.Options, Actor: q.Actor, StartedAt: at,
		Replace: replaced(q.Options, a, at),
	}
	mv := plan(r.Replace, a, at)
	r.enter(mv.call.reached(), mv.id, at)
	return r
}

// replaced is what a rotation that begins now replaces.
func replaced(o Options, a Authorities, at time.Time) []string {
	if o.Emergency {
		return a.own(at)
	}
	return []string{a.Active.ID}
}

// escalate turns an ordinary rotation into an emergency.
func (r *Rotation) escalate(a Authorities, at time.Time) {
	r.Options = Options{Emergency: true, Offline: ProceedOffline, OnExpiry: DropHoldouts}
	r.State, r.Reason = Running, ""
	for _, id := range a.own(at) {
		if !slices.Contains(r.Replace, id) {
			r.Replace = append(r.Replace, id)
		}
	}
}

// Resume continues a paused rotation; its gates wait anew. Errors: ErrNone,
// ErrNotStuck, ErrUpstream.
func (m *Manager) Resume(ctx context.Context, q Request) (Rotation, error) {
	if _, err := m.authorities(ctx); err != nil {
		return Rotation{}, err
	}
	return m.decide(ctx, q, audit.RotationResume, func(r *Rotation) error {
		if r.State != Paused {
			return ErrNotStuck
		}
		r.State, r.Reason, r.PhaseSince = Running, "", m.now()
		return nil
	})
}

// Abort ends a rotation whose new authority is not active yet. An authority that
// was prepared stays so; SPIRE or the next rotation uses it. Errors: ErrNone,
// ErrTooLate.
func (m *Manager) Abort(ctx context.Context, q Request) (Rotation, error) {
	return m.decide(ctx, q, audit.RotationAbort, func(r *Rotation) error {
		if !r.retreat() {
			return ErrTooLate
		}
		r.end(Aborted, "aborted by "+q.Actor, m.now())
		return nil
	})
}

// decide changes the unfinished rotation as an operator asks.
func (m *Manager) decide(ctx context.Context, q Request, action audit.Action, change func(*Rotation) error) (Rotation, error) {
	var r Rotation
	err := m.cfg.Store.RotationTx(ctx, func(tx Tx) error {
		var err error
		if r, err = tx.Rotation(ctx); err != nil {
			return err
		}
		if r.Finished() {
			return ErrNone
		}
		before := r.auditState()
		if err := change(&r); err != nil {
			return err
		}
		if err := tx.PutRotation(ctx, r); err != nil {
			return err
		}
		return m.cfg.Audit.Record(ctx, tx, q.event(action, r, before))
	})
	return r, err
}

// event is what q made of a rotation that was before.
func (q Request) event(action audit.Action, r Rotation, before string) audit.Event {
	return audit.Event{
		Actor: q.Actor, Action: action, Target: "rotation/" + r.ID, Outcome: audit.Success, Reason: string(r.Phase),
		RequestID: q.RequestID, Source: q.From, Before: before, After: r.auditState(),
	}
}

// String says the options in words, for the audit log.
func (o Options) String() string {
	if o.Emergency {
		return "emergency"
	}
	s := "offline " + string(o.Offline)
	if o.Deadline > 0 {
		s += ", deadline " + o.Deadline.String() + " then " + string(o.OnExpiry)
	}
	return s
}

// authorities asks SPIRE and refuses one that is not its own root.
func (m *Manager) authorities(ctx context.Context) (Authorities, error) {
	a, err := m.cfg.SPIRE.Authorities(ctx)
	if err == nil && a.Upstream != "" {
		err = ErrUpstream
	}
	return a, err
}
