package policy

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

// Grant returns one grant. Errors: fleet.ErrNotFound.
func (r *Rules) Grant(ctx context.Context, id string) (Grant, error) {
	return r.cfg.Store.GrantByID(ctx, id)
}

// Grants returns one page of grants. Errors: fleet.ErrPlace.
func (r *Rules) Grants(ctx context.Context, q GrantQuery) (fleet.Page[Grant], error) {
	return r.cfg.Store.GrantPage(ctx, q)
}

// newGrantID is the id of a grant that came without one.
func newGrantID() string { return "g-" + strings.ToLower(rand.Text()[:16]) }

// CreateGrant adds a grant. The resource that it names must be there; a tunneler need not
// be enrolled yet. Without an id it gets one. Errors: *access.FieldError joined,
// fleet.ExistsError, ErrTooManyGrants.
func (r *Rules) CreateGrant(ctx context.Context, text access.GrantText, by fleet.By) (out Grant, err error) {
	if text.ID == "" {
		text.ID = newGrantID()
	}
	if out.Grant, err = text.Parse(&r.zones); err != nil {
		return out, err
	}
	if err := r.checkEnd(out.Until); err != nil {
		return out, err
	}
	out.CreatedAt, out.Revision = r.cfg.Now().UTC(), 1
	err = r.cfg.Store.RulesTx(ctx, func(tx RulesTx) error { return r.createGrant(ctx, tx, out, by) })
	if err != nil {
		return out, fmt.Errorf("create grant %s: %w", out.ID, err)
	}
	return out, nil
}

func (r *Rules) createGrant(ctx context.Context, tx RulesTx, g Grant, by fleet.By) error {
	if _, err := tx.Grant(ctx, g.ID); !errors.Is(err, fleet.ErrNotFound) {
		return cmp.Or[error](err, fleet.ExistsError{Kind: "grant", ID: g.ID})
	}
	total, err := tx.CountGrants(ctx)
	if err != nil {
		return err
	}
	if total >= MaxGrants {
		return ErrTooManyGrants
	}
	if err := checkObject(ctx, tx, g.Object); err != nil {
		return err
	}
	if err := tx.InsertGrant(ctx, g); err != nil {
		return err
	}
	ev := by.Event(audit.GrantCreate, "grant/"+g.ID)
	ev.After = g.auditState()
	return r.record(ctx, tx, ev)
}

// checkEnd refuses an end that has passed: such a grant would look as if it allowed something.
// A policy file may have one, so that it can be applied again.
func (r *Rules) checkEnd(until time.Time) error {
	if until.IsZero() || !until.Before(r.cfg.Now()) {
		return nil
	}
	return wrong("until", "%s has passed: a grant that has ended allows nothing", until.Format(time.RFC3339))
}

// checkObject refuses a grant of a resource that is not there: with a wrong id it would
// look as if it allowed something.
func checkObject(ctx context.Context, tx RulesTx, o access.Object) error {
	id, ok := o.Resource()
	if !ok {
		return nil
	}
	_, err := tx.Resource(ctx, id)
	if errors.Is(err, fleet.ErrNotFound) {
		return wrong("object", "there is no resource %q: create it first", id)
	}
	return err
}

// GrantEdit says what becomes of a grant; nil leaves it as it is.
type GrantEdit struct {
	Subject, Object *string
	// Until is when it ends; the zero time for never.
	Until *time.Time
	// TimeZone and Windows are the schedule. Without both it always holds.
	TimeZone *string
	Windows  *[]string
	// Revision must be the present one; 0 takes any.
	Revision int64
}

// Apply returns what becomes of a grant. Errors: *access.FieldError joined.
func (e GrantEdit) Apply(g access.Grant, zones *access.Zones) (access.Grant, error) {
	text := g.Text()
	if e.Subject != nil {
		text.Subject = *e.Subject
	}
	if e.Object != nil {
		text.Object = *e.Object
	}
	if e.Until != nil {
		text.Until = *e.Until
	}
	if e.TimeZone != nil {
		text.TimeZone = *e.TimeZone
	}
	if e.Windows != nil {
		text.Windows = *e.Windows
	}
	return text.Parse(zones)
}

// EditGrant changes a grant. What is as it was before is not written. Errors:
// *access.FieldError joined, fleet.ErrNotFound, fleet.ErrStale.
func (r *Rules) EditGrant(ctx context.Context, id string, e GrantEdit, by fleet.By) (out Grant, err error) {
	err = r.cfg.Store.RulesTx(ctx, func(tx RulesTx) error {
		before, err := tx.Grant(ctx, id)
		if err != nil {
			return err
		}
		if out = before; e.Revision != 0 && e.Revision != before.Revision {
			return fleet.ErrStale
		}
		if out.Grant, err = e.Apply(before.Grant, &r.zones); err != nil || out.Equal(before.Grant) {
			return err
		}
		if !out.Until.Equal(before.Until) {
			if err := r.checkEnd(out.Until); err != nil {
				return err
			}
		}
		return r.updateGrant(ctx, tx, before, &out, by)
	})
	if err != nil {
		return out, fmt.Errorf("change grant: %w", err)
	}
	return out, nil
}

func (r *Rules) updateGrant(ctx context.Context, tx RulesTx, before Grant, after *Grant, by fleet.By) error {
	if err := checkObject(ctx, tx, after.Object); err != nil {
		return err
	}
	after.Revision++
	if err := tx.UpdateGrant(ctx, *after); err != nil {
		return err
	}
	ev := by.Event(audit.GrantUpdate, "grant/"+after.ID)
	ev.Before, ev.After = before.auditState(), after.auditState()
	return r.record(ctx, tx, ev)
}

// DeleteGrant deletes a grant: what it alone allowed ends. Errors: fleet.ErrNotFound.
func (r *Rules) DeleteGrant(ctx context.Context, id string, by fleet.By) error {
	err := r.cfg.Store.RulesTx(ctx, func(tx RulesTx) error { return r.deleteGrant(ctx, tx, id, by) })
	if err != nil {
		return fmt.Errorf("delete grant: %w", err)
	}
	return nil
}

func (r *Rules) deleteGrant(ctx context.Context, tx RulesTx, id string, by fleet.By) error {
	before, err := tx.Grant(ctx, id)
	if err != nil {
		return err
	}
	if err := tx.DeleteGrant(ctx, id); err != nil {
		return err
	}
	ev := by.Event(audit.GrantDelete, "grant/"+id)
	ev.Before = before.auditState()
	return r.record(ctx, tx, ev)
}

func (g Grant) auditState() string {
	t := g.Text()
	return audit.State(struct {
		Subject  string    `json:"subject"`
		Object   string    `json:"object"`
		Until    time.Time `json:"until,omitzero"`
		TimeZone string    `json:"time_zone,omitempty"`
		Windows  []string  `json:"windows,omitempty"`
		Revision int64     `json:"revision"`
	}{t.Subject, t.Object, t.Until, t.TimeZone, t.Windows, g.Revision})
}
