package policy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

// Resource returns one resource. Errors: fleet.ErrNotFound.
func (r *Rules) Resource(ctx context.Context, id string) (Resource, error) {
	return r.cfg.Store.ResourceByID(ctx, id)
}

// Resources returns one page of resources. Errors: fleet.ErrPlace.
func (r *Rules) Resources(ctx context.Context, q ResourceQuery) (fleet.Page[Resource], error) {
	return r.cfg.Store.ResourcePage(ctx, q)
}

// CreateResource adds a resource, which nobody reaches before a grant of it. A name that is
// empty is the id. Errors: *access.FieldError joined, fleet.ExistsError, ErrTooManyResources.
func (r *Rules) CreateResource(ctx context.Context, text access.ResourceText, by fleet.By) (out Resource, err error) {
	text.Name = cmp.Or(text.Name, text.ID)
	if out.Resource, err = text.Parse(); err != nil {
		return out, err
	}
	out.CreatedAt, out.Revision = r.cfg.Now().UTC(), 1
	err = r.cfg.Store.RulesTx(ctx, func(tx RulesTx) error { return r.createResource(ctx, tx, out, by) })
	if err != nil {
		return out, fmt.Errorf("create resource %s: %w", out.ID, err)
	}
	return out, nil
}

func (r *Rules) createResource(ctx context.Context, tx RulesTx, res Resource, by fleet.By) error {
	if _, err := tx.Resource(ctx, res.ID); !errors.Is(err, fleet.ErrNotFound) {
		return cmp.Or[error](err, fleet.ExistsError{Kind: "resource", ID: res.ID})
	}
	total, err := tx.CountResources(ctx)
	if err != nil {
		return err
	}
	if total >= MaxResources {
		return ErrTooManyResources
	}
	if err := checkPlace(ctx, tx, res); err != nil {
		return err
	}
	if err := tx.InsertResource(ctx, res); err != nil {
		return err
	}
	ev := by.Event(audit.ResourceCreate, "resource/"+res.ID)
	ev.After = res.auditState()
	return r.record(ctx, tx, ev)
}

// checkPlace says what is wrong with a resource among the others.
func checkPlace(ctx context.Context, tx RulesTx, res Resource) error {
	_, err := tx.Network(ctx, res.NetworkID)
	if errors.Is(err, fleet.ErrNotFound) {
		return wrong("network_id", "there is no network %q: create it first", res.NetworkID)
	}
	if err != nil || res.Alias == "" {
		return err
	}
	other, err := tx.ResourceWithAlias(ctx, res.Alias)
	if err == nil && other != "" && other != res.ID {
		err = wrong("alias", "the resource %q has it: an alias stands for one resource", other)
	}
	return err
}

// ResourceEdit says what becomes of a resource; nil leaves it as it is. Its network stays.
type ResourceEdit struct {
	Name, Alias, ProxyProtocol *string
	Hosts, Ports               []string
	// Labels are set or, where the value is nil, removed; all others stay.
	Labels map[string]*string
	// NoLabels removes all, before Labels are set.
	NoLabels bool
	// Revision must be the present one; 0 takes any.
	Revision int64
}

// Apply returns what becomes of a resource. Errors: *access.FieldError joined.
func (e ResourceEdit) Apply(res access.Resource) (access.Resource, error) {
	text := res.Text()
	if e.Name != nil {
		text.Name = cmp.Or(*e.Name, text.ID)
	}
	if e.Alias != nil {
		text.Alias = *e.Alias
	}
	if e.ProxyProtocol != nil {
		text.ProxyProtocol = *e.ProxyProtocol
	}
	if e.Hosts != nil {
		text.Hosts = e.Hosts
	}
	if e.Ports != nil {
		text.Ports = e.Ports
	}
	labels := access.Labels{}
	if !e.NoLabels {
		maps.Copy(labels, text.Labels)
	}
	for key, value := range e.Labels {
		if value == nil {
			delete(labels, key)
			continue
		}
		labels[key] = *value
	}
	text.Labels = labels
	return text.Parse()
}

// EditResource changes a resource. What is as it was before is not written. Errors:
// *access.FieldError joined, fleet.ErrNotFound, fleet.ErrStale.
func (r *Rules) EditResource(ctx context.Context, id string, e ResourceEdit, by fleet.By) (out Resource, err error) {
	err = r.cfg.Store.RulesTx(ctx, func(tx RulesTx) error {
		before, err := tx.Resource(ctx, id)
		if err != nil {
			return err
		}
		if out = before; e.Revision != 0 && e.Revision != before.Revision {
			return fleet.ErrStale
		}
		if out.Resource, err = e.Apply(before.Resource); err != nil || out.Equal(before.Resource) {
			return err
		}
		return r.updateResource(ctx, tx, before, &out, by)
	})
	if err != nil {
		return out, fmt.Errorf("change resource: %w", err)
	}
	return out, nil
}

func (r *Rules) updateResource(ctx context.Context, tx RulesTx, before Resource, after *Resource, by fleet.By) error {
	if err := checkPlace(ctx, tx, *after); err != nil {
		return err
	}
	after.Revision++
	if err := tx.UpdateResource(ctx, *after); err != nil {
		return err
	}
	ev := by.Event(audit.ResourceUpdate, "resource/"+after.ID)
	ev.Before, ev.After = before.auditState(), after.auditState()
	return r.record(ctx, tx, ev)
}

// DeleteResource deletes a resource that no grant names by its id. What grants of its labels
// allowed ends with it. Errors: fleet.ErrNotFound, fleet.ErrStale, *GrantedError.
func (r *Rules) DeleteResource(ctx context.Context, id string, by fleet.By) error {
	err := r.cfg.Store.RulesTx(ctx, func(tx RulesTx) error { return r.deleteResource(ctx, tx, id, by) })
	if err != nil {
		return fmt.Errorf("delete resource: %w", err)
	}
	return nil
}

func (r *Rules) deleteResource(ctx context.Context, tx RulesTx, id string, by fleet.By) error {
	before, err := tx.Resource(ctx, id)
	if err != nil {
		return err
	}
	first, total, err := tx.GrantsOf(ctx, access.ResourceObject(id), shownGrants)
	if err != nil {
		return err
	}
	if total > 0 {
		return &GrantedError{Grants: first, Total: total}
	}
	if err := tx.DeleteResource(ctx, id); err != nil {
		return err
	}
	ev := by.Event(audit.ResourceDelete, "resource/"+id)
	ev.Before = before.auditState()
	return r.record(ctx, tx, ev)
}

func (r Resource) auditState() string {
	t := r.Text()
	return audit.State(struct {
		NetworkID string        `json:"network_id"`
		Name      string        `json:"name"`
		Hosts     []string      `json:"hosts"`
		Ports     []string      `json:"ports"`
		Alias     string        `json:"alias,omitempty"`
		Proxy     string        `json:"proxy_protocol,omitempty"`
		Labels    access.Labels `json:"labels,omitempty"`
		Revision  int64         `json:"revision"`
	}{t.NetworkID, t.Name, t.Hosts, t.Ports, t.Alias, t.ProxyProtocol, t.Labels, r.Revision})
}
