package app

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

// declaredPolicy is the policy file that the configuration names; without one it has no file.
type declaredPolicy struct {
	policy.Application

	file string
}

// in says in which file a fault is.
func (p declaredPolicy) in(err error) error {
	return fmt.Errorf("declared.policy_path: %s: %w", p.file, err)
}

// readDeclaredPolicy reads the policy file and checks it as far as it can be checked by itself.
// Whoever can write it decides who reaches what, so nobody but its owner may; it has no secret,
// so everybody may read it.
func readDeclaredPolicy(d config.Declared) (out declaredPolicy, err error) {
	if d.PolicyPath == "" {
		return out, nil
	}
	out.file = d.PolicyPath
	raw, err := readOwnersFile(d.PolicyPath, policy.MaxDocument)
	if err != nil {
		return out, fmt.Errorf("declared.policy_path: %w", err)
	}
	if out.Document, err = policy.ReadDocument(string(raw)); err != nil {
		return out, out.in(err)
	}
	if err := out.Document.Check(); err != nil {
		return out, out.in(err)
	}
	if d.PolicyPrune == "" {
		return out, nil
	}
	label, err := access.ParseLabel(d.PolicyPrune)
	if err != nil {
		return out, fmt.Errorf("declared.policy_prune: %w", err)
	}
	if out.Document.Empty() { // as of a disk that was full, or a volume that is not there
		return out, fmt.Errorf("declared.policy_path: %s is empty, and declared.policy_prune would have everything deleted that carries %s: write what is to stay, or take policy_prune away", d.PolicyPath, label)
	}
	out.Prune = &label
	return out, nil
}

// plan fails if the declared policy cannot be applied, and changes nothing.
func (p declaredPolicy) plan(ctx context.Context, rules *policy.Rules) error {
	if p.file == "" {
		return nil
	}
	_, err := rules.Plan(ctx, p.Application)
	if _, broken := errors.AsType[*policy.BrokenError](err); broken {
		// A test that people made can only be changed while a controller runs.
		err = fmt.Errorf("%w; nothing was changed: correct the file, or start without declared.policy_path to change a test that is not in it", err)
	}
	if err != nil {
		return p.in(err)
	}
	return nil
}

// apply makes what the declared policy says, and publishes it: nobody is admitted by the
// policy that was before.
func (p declaredPolicy) apply(ctx context.Context, rules *policy.Rules, published *policy.Publisher, log *zap.Logger) error {
	if p.file == "" {
		return nil
	}
	done, err := rules.Apply(ctx, p.Application, fleet.By{Actor: auth.DeclaredActor})
	if err != nil {
		return p.in(err)
	}
	if len(done.Changes) == 0 {
		return nil
	}
	count := map[string]int{}
	for _, change := range done.Changes {
		count[change.Action]++
	}
	log.Info("declared policy applied", zap.String("file", p.file), zap.Int("created", count[policy.PlanCreate]),
		zap.Int("changed", count[policy.PlanChange]), zap.Int("deleted", count[policy.PlanDelete]), zap.Int("unchanged", done.Unchanged))
	if err := published.Refresh(ctx); err != nil {
		return fmt.Errorf("publish the declared policy: %w", err)
	}
	return nil
}
