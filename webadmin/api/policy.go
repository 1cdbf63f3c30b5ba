package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// maxPolicyBody has place for the largest policy file, in which JSON escapes each line.
const maxPolicyBody = 2 * policy.MaxDocument

func (s *Server) policyOperations() []operation {
	problems := []string{adminapi.TypeInUse, adminapi.TypeLimit, adminapi.TypePolicyTest}
	return []operation{{
		method: http.MethodGet, path: "/policy", id: "exportPolicy", tag: "policy", summary: "Write the policy as a file",
		description: "Applied again, the file changes nothing.",
		permission:  auth.FleetRead, replies: map[int]any{http.StatusOK: adminapi.PolicyFile{}}, handle: s.exportPolicy,
	}, {
		method: http.MethodPost, path: "/policy/plan", id: "planPolicy", tag: "policy", summary: "Say what a policy file would change",
		description: "It fails as applyPolicy would, and changes nothing.",
		permission:  auth.FleetWrite, request: adminapi.PolicyPlanRequest{}, replies: map[int]any{http.StatusOK: adminapi.PolicyPlan{}}, maxBody: maxPolicyBody,
		problems: problems, replayable: true, handle: s.planPolicy,
	}, {
		method: http.MethodPost, path: "/policy/apply", id: "applyPolicy", tag: "policy", summary: "Make what a policy file says",
		description: "All of it or nothing. What the file does not name stays as it is, unless it carries the label to prune. With the version of a plan, " +
			"only that plan is carried out: if it is another one by now, the reply is 409. Policy tests are checked after the whole.",
		permission: auth.FleetWrite, request: adminapi.PolicyRequest{}, replies: map[int]any{http.StatusOK: adminapi.PolicyPlan{}}, maxBody: maxPolicyBody,
		problems: append([]string{adminapi.TypeStale}, problems...), replayable: true, handle: s.applyPolicy,
	}}
}

func renderPlan(p policy.Plan) adminapi.PolicyPlan {
	out := adminapi.PolicyPlan{Changes: []adminapi.PolicyChange{}, Unchanged: p.Unchanged, Version: p.Version}
	for _, c := range p.Changes {
		out.Changes = append(out.Changes, adminapi.PolicyChange{Action: c.Action, Kind: c.Kind, ID: c.ID, Before: c.Before, After: c.After})
	}
	return out
}

func (s *Server) exportPolicy(c *gin.Context) error {
	d, err := s.cfg.Rules.Export(c.Request.Context())
	if err != nil {
		return err
	}
	text, err := d.Text()
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, adminapi.PolicyFile{Document: text})
	return nil
}

// application reads what both operations have.
func (b *body) application(document, prune, version string) policy.Application {
	out := policy.Application{Version: version}
	var err error
	if b.given["document"] {
		out.Document, err = policy.ReadDocument(document)
		if err != nil {
			b.wrong("document", strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	if b.given["prune"] {
		label, err := access.ParseLabel(prune)
		b.take("prune", err)
		out.Prune = &label
	}
	return out
}

func (s *Server) planPolicy(c *gin.Context) error {
	var in adminapi.PolicyPlanRequest
	b, err := readBody(c, &in)
	if err != nil {
		return err
	}
	a := b.application(in.Document, in.Prune, "")
	if err := b.end(nil); err != nil {
		return err
	}
	p, err := s.cfg.Rules.Plan(c.Request.Context(), a)
	if err != nil {
		return planProblem(err)
	}
	c.JSON(http.StatusOK, renderPlan(p))
	return nil
}

func (s *Server) applyPolicy(c *gin.Context) error {
	var in adminapi.PolicyRequest
	b, err := readBody(c, &in)
	if err != nil {
		return err
	}
	a := b.application(in.Document, in.Prune, in.Version)
	if err := b.end(nil); err != nil {
		return err
	}
	p, err := s.cfg.Rules.Apply(c.Request.Context(), a, byOf(c))
	if err != nil {
		return planProblem(err)
	}
	c.JSON(http.StatusOK, renderPlan(p))
	return nil
}

// planProblem says that a plan is another one by now.
func planProblem(err error) error {
	if errors.Is(err, policy.ErrPlan) {
		return problem(adminapi.TypeStale, policy.ErrPlan.Error())
	}
	return err
}
