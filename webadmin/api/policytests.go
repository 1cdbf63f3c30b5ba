package api

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func (s *Server) policyTestOperations() []operation {
	id := []param{{name: "id", description: "the id of the policy test", pattern: identity.IDPattern}}
	one := map[int]any{http.StatusOK: adminapi.PolicyTest{}}
	return []operation{{
		method: http.MethodGet, path: "/policy-tests", id: "listPolicyTests", tag: "policy-tests", summary: "List policy tests, and whether they hold",
		permission: auth.FleetRead, replies: listReplies(adminapi.PolicyTestList{}), handle: s.listPolicyTests,
		query: append(accessParams(fleet.ByID, policy.BySubject, policy.ByTarget),
			param{name: "subject", description: "only tests of this subject: tunneler/ID or label/KEY=VALUE", maxLength: maxReference}),
	}, {
		method: http.MethodPost, path: "/policy-tests", id: "createPolicyTest", tag: "policy-tests", summary: "Say what the rules must decide",
		description: "From then on a change of resources, grants, networks or labels that breaks the test is refused: 409 with what it would break in policy_tests. " +
			"So is a test that does not hold. A tunneler that is named need not be enrolled yet.",
		permission: auth.FleetWrite, request: adminapi.PolicyTestRequest{}, replies: map[int]any{http.StatusCreated: adminapi.PolicyTest{}},
		problems: []string{adminapi.TypeExists, adminapi.TypeLimit, adminapi.TypePolicyTest}, replayable: true, handle: s.createPolicyTest,
	}, {
		method: http.MethodGet, path: "/policy-tests/:id", id: "getPolicyTest", tag: "policy-tests", summary: "Show one policy test, and whether it holds",
		permission: auth.FleetRead, params: id, replies: one, problems: []string{adminapi.TypeNotFound}, handle: s.getPolicyTest,
	}, {
		method: http.MethodPatch, path: "/policy-tests/:id", id: "updatePolicyTest", tag: "policy-tests", summary: "Change a policy test; its id stays",
		description: mergePatch + " What the test expects then must hold.", permission: auth.FleetWrite, params: id, request: adminapi.PolicyTestChange{}, replies: one,
		problems: []string{adminapi.TypeNotFound, adminapi.TypeStale, adminapi.TypePolicyTest}, handle: s.changePolicyTest,
	}, {
		method: http.MethodDelete, path: "/policy-tests/:id", id: "deletePolicyTest", tag: "policy-tests", summary: "Delete a policy test",
		permission: auth.FleetWrite, params: id, replies: map[int]any{http.StatusNoContent: nil}, problems: []string{adminapi.TypeNotFound}, handle: s.deletePolicyTest,
	}}
}

func renderDecision(a policy.Answer) adminapi.PolicyDecision {
	return adminapi.PolicyDecision{Allowed: a.Allowed, Code: string(a.Code), NetworkID: a.NetworkID, ResourceID: a.ResourceID, GrantID: a.GrantID}
}

func renderPolicyTest(r policy.TestResult) adminapi.PolicyTest {
	t := r.Text()
	return adminapi.PolicyTest{
		ID: t.ID, Subject: t.Subject, Target: t.Target, NetworkID: t.NetworkID, Expect: t.Expect, Note: t.Note,
		Holds: r.Holds(), Decision: renderDecision(r.Answer), CreatedAt: r.CreatedAt, Revision: r.Revision,
	}
}

// brokenProblem names the policy tests that a change would break; nil for other errors.
func brokenProblem(err error) *problemError {
	broken, ok := errors.AsType[*policy.BrokenError](err)
	if !ok {
		return nil
	}
	p := problem(adminapi.TypePolicyTest, broken.Error())
	for _, r := range broken.Broken {
		t := r.Text()
		p.PolicyTests = append(p.PolicyTests, adminapi.BrokenPolicyTest{
			ID: t.ID, Subject: t.Subject, Target: t.Target, NetworkID: t.NetworkID, Expect: t.Expect, Note: t.Note, Decision: renderDecision(r.Answer),
		})
	}
	return p
}

func (s *Server) listPolicyTests(c *gin.Context) error {
	values := queryOf(c)
	q, at, err := fleetQuery("policy tests", values)
	if err != nil {
		return err
	}
	page, err := s.cfg.Rules.Tests(c.Request.Context(), policy.TestQuery{Query: q, Subject: values.Get("subject")})
	if err != nil {
		return fleetProblem(err)
	}
	out := adminapi.PolicyTestList{PolicyTests: []adminapi.PolicyTest{}, NextPageToken: at.tokenOf(page.Next), Total: page.Total}
	for _, r := range page.Items {
		out.PolicyTests = append(out.PolicyTests, renderPolicyTest(r))
	}
	return list(c, out)
}

func (s *Server) createPolicyTest(c *gin.Context) error {
	var in adminapi.PolicyTestRequest
	b, err := readBody(c, &in)
	if err != nil {
		return err
	}
	if b.given["id"] && in.ID == "" {
		b.wrong("id", "is empty: leave it out, then the controller makes one")
	}
	text := policy.TestText{ID: in.ID, Subject: in.Subject, Target: in.Target, NetworkID: in.NetworkID, Expect: in.Expect, Note: in.Note}
	check := text
	check.ID = cmp.Or(check.ID, "t")
	_, faults := check.Parse()
	if err := b.end(faults); err != nil {
		return err
	}
	r, err := s.cfg.Rules.CreateTest(c.Request.Context(), text, byOf(c))
	if err != nil {
		return err
	}
	setResourceID(c, r.ID)
	c.JSON(http.StatusCreated, renderPolicyTest(r))
	return nil
}

func (s *Server) getPolicyTest(c *gin.Context) error {
	r, err := s.cfg.Rules.Test(c.Request.Context(), c.Param("id"))
	if err != nil {
		return accessProblem(c, "policy test", err)
	}
	c.JSON(http.StatusOK, renderPolicyTest(r))
	return nil
}

func (s *Server) changePolicyTest(c *gin.Context) error {
	var e policy.TestEdit
	var subject, target, expect string
	var network, note text
	b := &body{given: map[string]bool{}}
	if err := readJSON(c.Request, map[string]any{
		"subject": &subject, "target": &target, "network_id": &network, "expect": &expect, "note": &note, "revision": &e.Revision,
	}, b); err != nil {
		return err
	}
	b.checkRevision(e.Revision)
	for name, field := range map[string]struct {
		to    **string
		value *string
	}{
		"subject": {&e.Subject, &subject}, "target": {&e.Target, &target}, "network_id": {&e.NetworkID, &network.value},
		"expect": {&e.Expect, &expect}, "note": {&e.Note, &note.value},
	} {
		if b.given[name] {
			*field.to = field.value
		}
	}
	if err := b.end(nil); err != nil {
		return err
	}
	r, err := s.cfg.Rules.EditTest(c.Request.Context(), c.Param("id"), e, byOf(c))
	if err != nil {
		return accessProblem(c, "policy test", err)
	}
	c.JSON(http.StatusOK, renderPolicyTest(r))
	return nil
}

func (s *Server) deletePolicyTest(c *gin.Context) error {
	if err := s.cfg.Rules.DeleteTest(c.Request.Context(), c.Param("id"), byOf(c)); err != nil {
		return accessProblem(c, "policy test", err)
	}
	c.Status(http.StatusNoContent)
	return nil
}
