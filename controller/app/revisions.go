package app

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
)

// revisions records in the audit log each revision of the policy that was published. It
// implements changelog.Reader: a revision that could not be recorded comes again.
type revisions struct {
	store interface {
		audit.Store
		PolicyRevision(ctx context.Context) (uint64, error)
		AuditKnows(ctx context.Context, e audit.Event) (bool, error)
	}
	policies interface {
		// Refresh publishes what was committed before the call.
		Refresh(ctx context.Context) error
		Current() *policy.Snapshot
	}
	trail      *audit.Log
	controller string // its id

	committed, recorded uint64
}

// Sync asks for the newest revision.
func (r *revisions) Sync(ctx context.Context) error {
	revision, err := r.store.PolicyRevision(ctx)
	r.committed = max(r.committed, revision)
	return err
}

// Apply notes the newest revision.
func (r *revisions) Apply(_ context.Context, changes []changelog.Change) error {
	for _, c := range changes {
		if c.Kind != changelog.Policy {
			continue
		}
		revision, err := strconv.ParseUint(c.ID, 10, 64)
		if err != nil {
			return fmt.Errorf("policy revision in the change log: %w", err)
		}
		r.committed = max(r.committed, revision)
	}
	return nil
}

// Settled records what is published, unless it was recorded.
func (r *revisions) Settled(ctx context.Context) error {
	if r.committed == r.recorded {
		return nil
	}
	if err := r.policies.Refresh(ctx); err != nil {
		return err
	}
	s := r.policies.Current()
	if err := r.record(ctx, s); err != nil {
		return fmt.Errorf("record policy revision %d: %w", s.Revision, err)
	}
	r.committed, r.recorded = s.Revision, s.Revision
	return nil
}

func (r *revisions) record(ctx context.Context, s *policy.Snapshot) error {
	after, err := json.Marshal(map[string]int{"connectors": s.Connectors.Len(), "tunnelers": s.Tunnelers.Len()})
	if err != nil {
		return err
	}
	e := audit.Event{
		Actor: "controller/" + r.controller, Action: audit.PolicyIssue, Target: fmt.Sprintf("policy/%d", s.Revision),
		Outcome: audit.Success, After: string(after),
	}
	// A revision that an earlier run recorded is not recorded anew.
	if known, err := r.store.AuditKnows(ctx, e); err != nil || known {
		return err
	}
	return r.trail.Record(ctx, r.store, e)
}
