package policy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

// ErrPlan refuses to carry out another plan than the one that was looked at.
var ErrPlan = errors.New("the plan is another one now: something was changed since it was made; make it again")

// errDryRun undoes what a plan has tried.
var errDryRun = errors.New("this was a plan")

// Application asks to make what a Document says.
type Application struct {
	Document Document
	// Prune deletes what is not in the document and carries this label: resources, and the
	// grants that name such a resource or the label itself; nil deletes nothing.
	Prune *access.Label
	// Version is that of the plan that was looked at; empty takes any.
	Version string
}

// What a plan does with a thing.
const (
	PlanCreate = "create"
	PlanChange = "change"
	PlanDelete = "delete"
)

// Planned is one thing that is created, changed or deleted.
type Planned struct {
	Action string `json:"action"`
	Kind   string `json:"kind"`
	ID     string `json:"id"`
	// Before and After are what it was and will be, as the audit log has it.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// Plan is what an Application does.
type Plan struct {
	Changes   []Planned // in the order in which they are made
	Unchanged int
	// Version stands for these changes of these revisions.
	Version string
}

// DocumentTx is what an Application reads and changes beside the rules.
type DocumentTx interface {
	CountNetworks(ctx context.Context) (int, error)
	InsertNetwork(ctx context.Context, n fleet.Network) error
	UpdateNetwork(ctx context.Context, n fleet.Network) error
	// ResourcesLabelled lists the resources with a label, by id; GrantsTo the grants of objects.
	ResourcesLabelled(ctx context.Context, l access.Label) ([]Resource, error)
	GrantsTo(ctx context.Context, o access.Object) ([]Grant, error)
}

// planStep carries out one Planned. Steps of a lower phase come first.
type planStep struct {
	Planned

	phase int
	do    func(ctx context.Context, r *Rules, tx RulesTx, by fleet.By) error
}

// explain says at which thing a step failed.
func (s planStep) explain(err error) error {
	if f, ok := errors.AsType[*access.FieldError](err); ok {
		return &access.FieldError{Field: s.Kind + "/" + s.ID + "." + f.Field, Err: f.Err}
	}
	return fmt.Errorf("%s/%s: %w", s.Kind, s.ID, err)
}

// The phases: a grant goes before its resource, and comes after it; an alias is free before another
// resource gets it; tests come last.
const (
	networksPhase = iota
	ungrantPhase
	aliasPhase
	resourcesPhase
	grantsPhase
	removePhase
	testsPhase
)

// Plan says what Apply would do, and fails as it would. Nothing is kept.
func (r *Rules) Plan(ctx context.Context, a Application) (Plan, error) {
	silent := &Rules{cfg: r.cfg, checks: r.checks}
	silent.cfg.Audit = audit.New(zap.NewNop(), r.cfg.Now) // it did not happen
	return silent.apply(ctx, a, fleet.By{}, func(tx RulesTx) error {
		if err := r.checks.check(ctx, tx); err != nil {
			return err
		}
		return errDryRun
	})
}

// Apply makes what a document says, all of it or nothing, and what is so already is not
// written. Policy tests are checked after the whole. Errors: *access.FieldError joined, ErrPlan,
// *GrantedError, *BrokenError, ErrTooManyResources, ErrTooManyGrants, ErrTooManyTests,
// fleet.ErrTooMany.
func (r *Rules) Apply(ctx context.Context, a Application, by fleet.By) (Plan, error) {
	return r.apply(ctx, a, by, func(RulesTx) error { return nil })
}

func (r *Rules) apply(ctx context.Context, a Application, by fleet.By, end func(RulesTx) error) (out Plan, err error) {
	p, err := a.Document.parse(&r.zones)
	if err != nil {
		return out, err
	}
	err = r.cfg.Store.RulesTx(ctx, func(tx RulesTx) error {
		pl := planner{Rules: r, tx: tx}
		if err := pl.plan(ctx, p, a.Prune); err != nil {
			return err
		}
		if out, err = pl.end(); err != nil {
			return err
		}
		if a.Version != "" && a.Version != out.Version {
			return ErrPlan
		}
		for _, s := range pl.steps {
			if err := s.do(ctx, r, tx, by); err != nil {
				return s.explain(err)
			}
		}
		return end(tx)
	})
	if err != nil && !errors.Is(err, errDryRun) {
		return out, fmt.Errorf("apply policy: %w", err)
	}
	return out, nil
}

// planner finds what a document changes.
type planner struct {
	*Rules

	tx        RulesTx
	steps     []planStep
	unchanged int
}

// end is the plan in its order.
func (p *planner) end() (Plan, error) {
	slices.SortStableFunc(p.steps, func(a, b planStep) int {
		return cmp.Or(cmp.Compare(a.phase, b.phase), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	out := Plan{Unchanged: p.unchanged}
	for _, s := range p.steps {
		if s.Action != "" {
			out.Changes = append(out.Changes, s.Planned)
		}
	}
	raw, err := json.Marshal(out.Changes)
	sum := sha256.Sum256(raw)
	out.Version = hex.EncodeToString(sum[:])
	return out, err
}

func (p *planner) add(phase int, what Planned, do func(ctx context.Context, r *Rules, tx RulesTx, by fleet.By) error) {
	p.steps = append(p.steps, planStep{what, phase, do})
}

func (p *planner) plan(ctx context.Context, d parsed, prune *access.Label) error {
	for _, n := range d.networks {
		if err := p.network(ctx, n); err != nil {
			return err
		}
	}
	for i, res := range d.resources {
		if err := p.resource(ctx, i, res); err != nil {
			return err
		}
	}
	for _, g := range d.grants {
		if err := p.grant(ctx, g); err != nil {
			return err
		}
	}
	for _, t := range d.tests {
		if err := p.test(ctx, t); err != nil {
			return err
		}
	}
	if prune == nil {
		return nil
	}
	return p.prune(ctx, d, *prune)
}

func (p *planner) network(ctx context.Context, n fleet.Network) error {
	before, err := p.tx.Network(ctx, n.ID)
	switch {
	case errors.Is(err, fleet.ErrNotFound):
		n.CreatedAt, n.Revision = p.cfg.Now().UTC(), 1
		p.add(networksPhase, Planned{PlanCreate, "network", n.ID, "", n.AuditState()}, func(ctx context.Context, r *Rules, tx RulesTx, by fleet.By) error {
			return fleet.InsertNetwork(ctx, tx, r.cfg.Audit, n, by)
		})
	case err != nil:
		return err
	case n.Name == before.Name && slices.Equal(n.Prefixes, before.Prefixes):
		p.unchanged++
	default:
		n.CreatedAt, n.Revision = before.CreatedAt, before.Revision+1
		p.add(networksPhase, Planned{PlanChange, "network", n.ID, before.AuditState(), n.AuditState()}, func(ctx context.Context, r *Rules, tx RulesTx, by fleet.By) error {
			if err := tx.UpdateNetwork(ctx, n); err != nil {
				return err
			}
			ev := by.Event(audit.NetworkUpdate, "network/"+n.ID)
			ev.Before, ev.After = before.AuditState(), n.AuditState()
			return r.record(ctx, tx, ev)
		})
	}
	return nil
}

func (p *planner) resource(ctx context.Context, i int, res access.Resource) error {
	before, err := p.tx.Resource(ctx, res.ID)
	after := Resource{Resource: res, CreatedAt: before.CreatedAt, Revision: before.Revision}
	switch {
	case errors.Is(err, fleet.ErrNotFound):
		after.CreatedAt, after.Revision = p.cfg.Now().UTC(), 1
		p.add(resourcesPhase, Planned{PlanCreate, "resource", res.ID, "", after.auditState()}, func(ctx context.Context, r *Rules, tx RulesTx, by fleet.By) error {
			return r.createResource(ctx, tx, after, by)
		})
	case err != nil:
		return err
	case res.Equal(before.Resource):
		p.unchanged++
	case res.NetworkID != before.NetworkID:
		return wrong(fmt.Sprintf("resources[%d].network_id", i), "is %q, and the resource is in %q: a resource stays in its network; give the other one another id", res.NetworkID, before.NetworkID)
	default:
		state := after
		state.Revision++
		p.freeAlias(before, after.Alias)
		p.add(resourcesPhase, Planned{PlanChange, "resource", res.ID, before.auditState(), state.auditState()}, func(ctx context.Context, r *Rules, tx RulesTx, by fleet.By) error {
			return r.updateResource(ctx, tx, before, &after, by)
		})
	}
	return nil
}

// freeAlias takes an alias from a resource that loses it, so that another can have it.
func (p *planner) freeAlias(before Resource, next string) {
	if before.Alias == "" || before.Alias == next {
		return
	}
	free := before
	free.Alias = ""
	p.add(aliasPhase, Planned{Kind: "resource", ID: before.ID}, func(ctx context.Context, _ *Rules, tx RulesTx, _ fleet.By) error {
		return tx.UpdateResource(ctx, free)
	})
}

func (p *planner) grant(ctx context.Context, g access.Grant) error {
	before, err := p.tx.Grant(ctx, g.ID)
	after := Grant{Grant: g, CreatedAt: before.CreatedAt, Revision: before.Revision}
	switch {
	case errors.Is(err, fleet.ErrNotFound):
		after.CreatedAt, after.Revision = p.cfg.Now().UTC(), 1
		p.add(grantsPhase, Planned{PlanCreate, "grant", g.ID, "", after.auditState()}, func(ctx context.Context, r *Rules, tx RulesTx, by fleet.By) error {
			return r.createGrant(ctx, tx, after, by)
		})
	case err != nil:
		return err
	case g.Equal(before.Grant):
		p.unchanged++
	default:
		state := after
		state.Revision++
		p.add(grantsPhase, Planned{PlanChange, "grant", g.ID, before.auditState(), state.auditState()}, func(ctx context.Context, r *Rules, tx RulesTx, by fleet.By) error {
			return r.updateGrant(ctx, tx, before, &after, by)
		})
	}
	return nil
}

func (p *planner) test(ctx context.Context, t Test) error {
	before, err := p.tx.PolicyTest(ctx, t.ID)
	after := t
	after.CreatedAt, after.Revision = before.CreatedAt, before.Revision
	switch {
	case errors.Is(err, fleet.ErrNotFound):
		after.CreatedAt, after.Revision = p.cfg.Now().UTC(), 1
		p.add(testsPhase, Planned{PlanCreate, "policy-test", t.ID, "", after.auditState()}, func(ctx context.Context, r *Rules, tx RulesTx, by fleet.By) error {
			return r.createTest(ctx, tx, after, by)
		})
	case err != nil:
		return err
	case after == before:
		p.unchanged++
	default:
		state := after
		state.Revision++
		p.add(testsPhase, Planned{PlanChange, "policy-test", t.ID, before.auditState(), state.auditState()}, func(ctx context.Context, r *Rules, tx RulesTx, by fleet.By) error {
			return r.updateTest(ctx, tx, before, &after, by)
		})
	}
	return nil
}

// prune deletes the resources with a label that the document does not have, and the grants
// that it does not have of all that carries the label.
func (p *planner) prune(ctx context.Context, d parsed, label access.Label) error {
	carrying, err := p.tx.ResourcesLabelled(ctx, label)
	if err != nil {
		return err
	}
	written, err := access.ParseObject("label/" + label.String())
	if err != nil {
		return err
	}
	objects, kept := []access.Object{written}, map[string]bool{}
	for _, res := range d.resources {
		kept["resource/"+res.ID] = true
	}
	for _, g := range d.grants {
		kept["grant/"+g.ID] = true
	}
	for _, res := range carrying {
		objects = append(objects, access.ResourceObject(res.ID))
		if kept["resource/"+res.ID] {
			continue
		}
		p.freeAlias(res, "")
		p.add(removePhase, Planned{PlanDelete, "resource", res.ID, res.auditState(), ""}, func(ctx context.Context, r *Rules, tx RulesTx, by fleet.By) error {
			return r.deleteResource(ctx, tx, res.ID, by)
		})
	}
	for _, o := range objects {
		grants, err := p.tx.GrantsTo(ctx, o)
		if err != nil {
			return err
		}
		for _, g := range grants {
			if kept["grant/"+g.ID] {
				continue
			}
			p.add(ungrantPhase, Planned{PlanDelete, "grant", g.ID, g.auditState(), ""}, func(ctx context.Context, r *Rules, tx RulesTx, by fleet.By) error {
				return r.deleteGrant(ctx, tx, g.ID, by)
			})
		}
	}
	return nil
}
