package api

import (
	"slices"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/openapi"
)

// about is the description of the API as a whole (CommonMark).
const about = `Everything that the dashboard and the commands of grpccontroller do. docs/api.md in the source says more.

**Callers.** A program sends an API key as a bearer token, or exchanges it for an access token (createAccessToken). A person has a session cookie, and sends the session's CSRF token with everything but GET and HEAD. Each operation names the permission that it needs.

**Errors** are problems of RFC 9457. Their types are listed with each operation. All faults of a body, and all of a query, are in ` + "`errors`" + ` at once; an unknown field or parameter is a fault.

**Lists** have pages: send ` + "`next_page_token`" + ` as ` + "`page_token`" + ` until it is empty. An ETag is of the bytes of a page; with If-None-Match an unchanged page is 304.

**Repeating.** GET, HEAD, PATCH and DELETE can be repeated. A POST with an Idempotency-Key is carried out once within 24 hours.

**HEAD** works where GET does, except for the two of sign-in with an identity provider. **OPTIONS** lists the methods of a path; so does 405, in Allow.

**Limits.** A body has at most 64 KiB, and one with a policy file 8 MiB; a request is answered within 20 seconds. 429 has Retry-After.

**Requests.** Each reply has an X-Request-Id, which is in the log and in the audit log. The caller's own X-Request-Id (1 to 64 letters, digits and dashes) comes before it. X-Passive: 1 says that no person caused the request: it keeps no idle session alive.`

// tags are the groups of operations.
func tags() []openapi.Tag {
	return []openapi.Tag{
		{Name: "status", Description: "The state of the controller, its configuration, its caller and its events."},
		{Name: "enrollment", Description: "What a host needs before it is enrolled."},
		{Name: "tokens", Description: "Enrollment tokens: each admits one host, once."},
		{Name: "claims", Description: "Links that show an enrollment token once."},
		{Name: "requests", Description: "Hosts that ask to be enrolled without a token."},
		{Name: "connectors", Description: "Connectors: programs inside a private network."},
		{Name: "tunnelers", Description: "Tunnelers: programs on the hosts of users and services."},
		{Name: "hosts", Description: "Hosts: enrolled machines, with their connectors and tunnelers."},
		{Name: "networks", Description: "Networks, which group connectors."},
		{Name: "resources", Description: "Resources: TCP ports of hosts in a network, which tunnelers reach by grants."},
		{Name: "grants", Description: "Grants, which let tunnelers reach resources, and why one may or may not."},
		{Name: "policy-tests", Description: "Policy tests, which changes of the rules must not break."},
		{Name: "policy", Description: "Policy files: networks, resources, grants and policy tests in one document."},
		{Name: "revocations", Description: "Revocations of all members with a label."},
		{Name: "ca", Description: "The authorities of the trust domain, the bootstrap CA, and their replacement."},
		{Name: "audit", Description: "The audit log, and whether it is intact."},
		{Name: "flows", Description: "Flows: who reached what, and who was refused."},
		{Name: "sign-in", Description: "How people sign in, and their session."},
		{Name: "device", Description: "How command lines sign in."},
		{Name: "me", Description: "Your own account."},
		{Name: "people", Description: "The people who may sign in, and their sessions."},
		{Name: "keys", Description: "API keys and access tokens of programs."},
	}
}

// scopes says what each permission allows.
func scopes() map[string]string {
	out := map[string]string{}
	for p, text := range map[auth.Permission]string{
		auth.FleetRead:        "read connectors, tunnelers, hosts, networks, tokens, requests, the CA and the status",
		auth.FleetWrite:       "name, label and move members, and change networks",
		auth.TokensWrite:      "create and revoke enrollment tokens",
		auth.RequestsDecide:   "approve and deny enrollment requests",
		auth.MembersRevoke:    "revoke connectors and tunnelers",
		auth.AttentionDismiss: "dismiss what needs attention",
		auth.CARotate:         "rotate the CA and replace the bootstrap CA",
		auth.AuditRead:        "read the audit log and the records of flows",
		auth.PeopleManage:     "manage people who have no permission that the caller lacks, and their sessions",
		auth.KeysManage:       "manage API keys and signed-in command lines",
		auth.SettingsRead:     "read the configuration in effect",
		auth.Self:             "manage the caller's own account; every person has it, and no API key",
	} {
		out[string(p)] = text
	}
	return out
}

// problemTypes are the types of all problems of an operation: its own and those of what
// stands before its handler.
func (o operation) problemTypes() []string {
	all := append([]string{
		adminapi.TypeInvalidRequest, adminapi.TypeForbidden, adminapi.TypeWrongHost, adminapi.TypeTooManyRequests, adminapi.TypeInternal, adminapi.TypeTimeout,
	}, o.problems...)
	for typ, has := range map[string]bool{
		adminapi.TypeUnauthenticated: !o.public, adminapi.TypeTooManyFailures: !o.public,
		adminapi.TypePerson: o.permission == auth.Self, adminapi.TypeCSRF: !safe(o.method), adminapi.TypeStepUpRequired: o.stepUp,
		adminapi.TypeTooLarge: o.request != nil || o.idempotent(), adminapi.TypeMediaType: o.request != nil,
		adminapi.TypeInterrupted: o.idempotent(), adminapi.TypeKeyReused: o.idempotent(), adminapi.TypeReplayed: o.idempotent() && !o.replayable,
	} {
		if has {
			all = append(all, typ)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (p param) described() openapi.Parameter {
	return openapi.Parameter{
		Name: p.name, Description: p.description, Pattern: p.pattern, Enum: p.enum,
		Integer: p.integer, Time: p.time, Min: p.min, Max: p.max, MaxLength: p.maxLength, Shared: p.shared,
	}
}

func described(all []param) (out []openapi.Parameter) {
	for _, p := range all {
		out = append(out, p.described())
	}
	return out
}

func (o operation) described() openapi.Operation {
	replies := map[int]any{}
	for status, body := range o.replies {
		switch body.(type) {
		case eventStream:
			body = openapi.Stream{Data: adminapi.Event{}}
		case eventLines:
			body = openapi.Lines{Data: adminapi.AuditEvent{}}
		}
		replies[status] = body
	}
	return openapi.Operation{
		Method: o.method, Path: o.path, ID: o.id, Tag: o.tag, Summary: o.summary, Description: o.description,
		Permission: string(o.permission), Public: o.public, StepUp: o.stepUp, Idempotent: o.idempotent(), ByPerson: o.permission == auth.Self,
		Form: o.form, Query: described(o.query), Params: described(o.params),
		Request: o.request, Replies: replies, Problems: o.problemTypes(),
	}
}

// Document writes the OpenAPI document of the table.
func (s *Server) Document() ([]byte, error) {
	var ops []openapi.Operation
	for _, o := range s.operations() {
		ops = append(ops, o.described())
	}
	var problems []openapi.Problem
	for _, p := range adminapi.ProblemTypes() {
		problems = append(problems, openapi.Problem{Type: p.Type, Title: p.Title, Status: p.Status, When: p.When, Do: p.Do, Example: p.Occurrence()})
	}
	return openapi.Document(openapi.Config{
		Title: "grpccontroller admin API", Version: "1", Base: adminapi.Base, Description: about, Tags: tags(), Scopes: scopes(),
		Servers: []openapi.Server{
			{URL: "/", Description: "The controller that this document comes from."},
			{URL: "http://127.0.0.1:8080", Description: "The controller's own host, as long as admin.listen is not changed."},
		},
		Problem: adminapi.Problem{}, ProblemType: adminapi.ProblemContentType, Problems: problems, Source: "../../internal/adminapi",
		TokenURL: adminapi.Base + "/oauth/token", Cookie: "__Host-" + sessionCookie, CSRF: csrfHeader,
	}, ops)
}
