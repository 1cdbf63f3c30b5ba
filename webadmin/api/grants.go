package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// maxReference is room for the longest label as a subject or object.
const maxReference = 160

func (s *Server) grantOperations() []operation {
	id := []param{{name: "id", description: "the id of the grant", pattern: identity.IDPattern}}
	one := map[int]any{http.StatusOK: adminapi.Grant{}}
	return []operation{{
		method: http.MethodGet, path: "/grants", id: "listGrants", tag: "grants", summary: "List grants, which let tunnelers reach resources",
		permission: auth.FleetRead, replies: listReplies(adminapi.GrantList{}), handle: s.listGrants,
		query: append(accessParams(fleet.ByID, policy.BySubject, policy.ByObject, policy.ByUntil),
			param{name: "subject", description: "only grants for this subject: tunneler/ID or label/KEY=VALUE", maxLength: maxReference},
			param{name: "object", description: "only grants of this object: resource/ID or label/KEY=VALUE", maxLength: maxReference}),
	}, {
		method: http.MethodPost, path: "/grants", id: "createGrant", tag: "grants", summary: "Let tunnelers reach resources",
		description: "What no grant allows is refused. A tunneler that is named need not be enrolled yet; a resource must be there.",
		permission:  auth.FleetWrite, request: adminapi.GrantRequest{}, replies: map[int]any{http.StatusCreated: adminapi.Grant{}},
		problems: []string{adminapi.TypeExists, adminapi.TypeLimit, adminapi.TypePolicyTest}, replayable: true, handle: s.createGrant,
	}, {
		method: http.MethodGet, path: "/grants/:id", id: "getGrant", tag: "grants", summary: "Show one grant",
		permission: auth.FleetRead, params: id, replies: one, problems: []string{adminapi.TypeNotFound}, handle: s.getGrant,
	}, {
		method: http.MethodPatch, path: "/grants/:id", id: "updateGrant", tag: "grants", summary: "Change a grant; its id stays",
		description: mergePatch, permission: auth.FleetWrite, params: id, request: adminapi.GrantChange{}, replies: one,
		problems: []string{adminapi.TypeNotFound, adminapi.TypeStale, adminapi.TypePolicyTest}, handle: s.changeGrant,
	}, {
		method: http.MethodDelete, path: "/grants/:id", id: "deleteGrant", tag: "grants", summary: "Delete a grant",
		description: "What it alone allowed ends.",
		permission:  auth.FleetWrite, params: id, replies: map[int]any{http.StatusNoContent: nil}, problems: []string{adminapi.TypeNotFound, adminapi.TypePolicyTest}, handle: s.deleteGrant,
	}, {
		method: http.MethodPost, path: "/explain", id: "explainAccess", tag: "grants", summary: "Explain whether a tunneler may reach a target, and why",
		description: "The answer is of the code by which connectors decide, with what the controller has now. It changes nothing.",
		permission:  auth.FleetRead, request: adminapi.ExplainRequest{}, replies: map[int]any{http.StatusOK: adminapi.Explanation{}}, replayable: true, handle: s.explain,
	}}
}

func renderGrant(g policy.Grant) adminapi.Grant {
	t := g.Text()
	return adminapi.Grant{
		ID: t.ID, Subject: t.Subject, Object: t.Object, Until: t.Until, TimeZone: t.TimeZone, Windows: t.Windows, CreatedAt: g.CreatedAt, Revision: g.Revision,
	}
}

func (s *Server) listGrants(c *gin.Context) error {
	values := queryOf(c)
	q, at, err := fleetQuery("grants", values)
	if err != nil {
		return err
	}
	page, err := s.cfg.Rules.Grants(c.Request.Context(), policy.GrantQuery{Query: q, Subject: values.Get("subject"), Object: values.Get("object")})
	if err != nil {
		return fleetProblem(err)
	}
	out := adminapi.GrantList{Grants: []adminapi.Grant{}, NextPageToken: at.tokenOf(page.Next), Total: page.Total}
	for _, g := range page.Items {
		out.Grants = append(out.Grants, renderGrant(g))
	}
	return list(c, out)
}

func (s *Server) createGrant(c *gin.Context) error {
	var in adminapi.GrantRequest
	b, err := readBody(c, &in)
	if err != nil {
		return err
	}
	if b.given["id"] && in.ID == "" {
		b.wrong("id", "is empty: leave it out, then the controller makes one")
	}
	t := access.GrantText{ID: in.ID, Subject: in.Subject, Object: in.Object, Until: in.Until, TimeZone: in.TimeZone, Windows: in.Windows}
	check := t
	if check.ID == "" {
		check.ID = "g"
	}
	_, faults := check.Parse(new(access.Zones))
	if err := b.end(faults); err != nil {
		return err
	}
	g, err := s.cfg.Rules.CreateGrant(c.Request.Context(), t, byOf(c))
	if err != nil {
		return err
	}
	setResourceID(c, g.ID)
	c.JSON(http.StatusCreated, renderGrant(g))
	return nil
}

func (s *Server) getGrant(c *gin.Context) error {
	g, err := s.cfg.Rules.Grant(c.Request.Context(), c.Param("id"))
	if err != nil {
		return accessProblem(c, "grant", err)
	}
	c.JSON(http.StatusOK, renderGrant(g))
	return nil
}

func (s *Server) changeGrant(c *gin.Context) error {
	var e policy.GrantEdit
	var subject, object string
	var until, zone text
	var windows []string
	b := &body{given: map[string]bool{}}
	if err := readJSON(c.Request, map[string]any{
		"subject": &subject, "object": &object, "until": &until, "time_zone": &zone, "windows": &windows, "revision": &e.Revision,
	}, b); err != nil {
		return err
	}
	b.checkRevision(e.Revision)
	if b.given["subject"] {
		e.Subject = &subject
	}
	if b.given["object"] {
		e.Object = &object
	}
	if b.given["until"] {
		e.Until = b.time("until", until.value)
	}
	if b.given["time_zone"] {
		e.TimeZone = &zone.value
	}
	if b.given["windows"] {
		e.Windows = &windows
	}
	if err := b.end(nil); err != nil {
		return err
	}
	g, err := s.cfg.Rules.EditGrant(c.Request.Context(), c.Param("id"), e, byOf(c))
	if err != nil {
		return accessProblem(c, "grant", err)
	}
	c.JSON(http.StatusOK, renderGrant(g))
	return nil
}

// time reads a time that may be null, which is the zero time.
func (b *body) time(field, value string) *time.Time {
	var at time.Time
	if value != "" {
		var err error
		if at, err = time.Parse(time.RFC3339Nano, value); err != nil {
			b.wrong(field, "is no time such as 2026-12-31T18:00:00Z")
		}
	}
	return &at
}

func (s *Server) deleteGrant(c *gin.Context) error {
	if err := s.cfg.Rules.DeleteGrant(c.Request.Context(), c.Param("id"), byOf(c)); err != nil {
		return accessProblem(c, "grant", err)
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (s *Server) explain(c *gin.Context) error {
	var in adminapi.ExplainRequest
	b, err := readBody(c, &in)
	if err != nil {
		return err
	}
	q := policy.Question{TunnelerID: in.TunnelerID, NetworkID: in.NetworkID}
	if b.given["tunneler_id"] {
		b.take("tunneler_id", identity.ValidateID(in.TunnelerID))
	}
	if b.given["target"] {
		q.Target, err = access.ParseTarget(in.Target)
		b.take("target", err)
	}
	if b.given["address"] {
		host, err := access.ParseHost(in.Address)
		addr, ok := host.Addr()
		if err != nil || !ok {
			b.wrong("address", "is no IP address")
		}
		q.Address = addr
	}
	if err := b.end(nil); err != nil {
		return err
	}
	lists, err := s.cfg.Fleet.Lists(c.Request.Context())
	if err != nil {
		return err
	}
	q.Carries = func(network string) bool { return lists.NetworkCount(network).Online > 0 }
	a, err := s.cfg.Rules.Explain(c.Request.Context(), q)
	if errors.Is(err, fleet.ErrNotFound) {
		return inBody("network_id", "there is no network with this id")
	}
	if err != nil {
		return err
	}
	if !a.Known {
		return inBody("tunneler_id", noTunneler(in.TunnelerID, lists))
	}
	out := adminapi.Explanation{
		Allowed: a.Allowed, Code: string(a.Code), Reason: a.Code.Reason(), NetworkID: a.NetworkID, ResourceID: a.ResourceID, GrantID: a.GrantID,
		NoConnector: a.NetworkID != "" && !q.Carries(a.NetworkID), Until: a.Until, TunnelerEnrolled: a.Enrolled,
	}
	if a.Meant != q.Target {
		out.Target = a.Meant.String()
	}
	c.JSON(http.StatusOK, out)
	return nil
}

// noTunneler says that there is none with an id, and which ids somebody may have meant.
func noTunneler(id string, lists *fleet.Lists) string {
	text := "there is no tunneler " + strconv.Quote(id) + ", and no grant names it"
	if near := identity.Near(id, lists.TunnelerIDs()); len(near) > 0 {
		text += ": did you mean " + strings.Join(near, " or ") + "?"
	}
	return text
}
