package api

import (
	"cmp"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// maxNetworkQuery is the longest id of a network.
const maxNetworkQuery = 63

func (s *Server) resourceOperations() []operation {
	id := []param{{name: "id", description: "the id of the resource", pattern: identity.IDPattern}}
	one := map[int]any{http.StatusOK: adminapi.Resource{}}
	return []operation{{
		method: http.MethodGet, path: "/resources", id: "listResources", tag: "resources", summary: "List resources, which grants let tunnelers reach",
		permission: auth.FleetRead, replies: listReplies(adminapi.ResourceList{}), handle: s.listResources,
		query: append(accessParams(fleet.ByID, policy.ByName), labelParam(), param{name: "network", description: "only resources of this network", maxLength: maxNetworkQuery}),
	}, {
		method: http.MethodPost, path: "/resources", id: "createResource", tag: "resources", summary: "Create a resource",
		description: "Nobody reaches it before a grant of it. Of several resources that cover a target the most specific ones decide alone: " +
			"a name before *.NAME, a longer NAME or prefix before a shorter one. So a resource also guards what it covers.",
		permission: auth.FleetWrite, request: adminapi.ResourceRequest{}, replies: map[int]any{http.StatusCreated: adminapi.Resource{}},
		problems: []string{adminapi.TypeExists, adminapi.TypeLimit, adminapi.TypePolicyTest}, replayable: true, handle: s.createResource,
	}, {
		method: http.MethodGet, path: "/resources/:id", id: "getResource", tag: "resources", summary: "Show one resource",
		permission: auth.FleetRead, params: id, replies: one, problems: []string{adminapi.TypeNotFound}, handle: s.getResource,
	}, {
		method: http.MethodPatch, path: "/resources/:id", id: "updateResource", tag: "resources", summary: "Change a resource; its id and network stay",
		description: mergePatch, permission: auth.FleetWrite, params: id, request: adminapi.ResourceChange{}, replies: one,
		problems: []string{adminapi.TypeNotFound, adminapi.TypeStale, adminapi.TypePolicyTest}, handle: s.changeResource,
	}, {
		method: http.MethodDelete, path: "/resources/:id", id: "deleteResource", tag: "resources", summary: "Delete a resource that no grant names",
		description: "While grants name its id the reply is 409, and in_use_by has the first of them. Grants of its labels do not count: what they allowed ends.",
		permission:  auth.FleetWrite, params: id, replies: map[int]any{http.StatusNoContent: nil},
		problems: []string{adminapi.TypeNotFound, adminapi.TypeInUse, adminapi.TypePolicyTest}, handle: s.deleteResource,
	}}
}

// accessParams are the query parameters of the lists of resources and of grants.
func accessParams(orders ...fleet.Sort) []param {
	var out []param
	for _, p := range listParams(sorts(orders...), string(fleet.ByID), nil) {
		if p.name != "status" {
			out = append(out, p)
		}
	}
	return out
}

func renderResource(r policy.Resource) adminapi.Resource {
	t := r.Text()
	return adminapi.Resource{
		ID: t.ID, NetworkID: t.NetworkID, Name: t.Name, Hosts: t.Hosts, Ports: t.Ports, Alias: t.Alias, ProxyProtocol: t.ProxyProtocol,
		Labels: t.Labels, CreatedAt: r.CreatedAt, Revision: r.Revision,
	}
}

func (s *Server) listResources(c *gin.Context) error {
	q, at, err := fleetQuery("resources", queryOf(c))
	if err != nil {
		return err
	}
	page, err := s.cfg.Rules.Resources(c.Request.Context(), policy.ResourceQuery{Query: q, NetworkID: queryOf(c).Get("network")})
	if err != nil {
		return fleetProblem(err)
	}
	out := adminapi.ResourceList{Resources: []adminapi.Resource{}, NextPageToken: at.tokenOf(page.Next), Total: page.Total}
	for _, r := range page.Items {
		out.Resources = append(out.Resources, renderResource(r))
	}
	return list(c, out)
}

func (s *Server) createResource(c *gin.Context) error {
	var set labels
	text := access.ResourceText{Labels: access.Labels{}}
	b := &body{given: map[string]bool{}, required: []string{"id", "hosts", "ports"}}
	if err := readJSON(c.Request, map[string]any{
		"id": &text.ID, "network_id": &text.NetworkID, "name": &text.Name, "hosts": &text.Hosts, "ports": &text.Ports, "alias": &text.Alias, "labels": &set,
		"proxy_protocol": &text.ProxyProtocol,
	}, b); err != nil {
		return err
	}
	text.NetworkID = cmp.Or(text.NetworkID, fleet.DefaultNetwork)
	for key, value := range set.all {
		if value == nil {
			b.wrong("labels", "has null for "+strconv.Quote(clip(key))+": leave the label out")
			continue
		}
		text.Labels[key] = *value
	}
	_, faults := text.Parse()
	if err := b.end(faults); err != nil {
		return err
	}
	r, err := s.cfg.Rules.CreateResource(c.Request.Context(), text, byOf(c))
	if err != nil {
		return err
	}
	setResourceID(c, r.ID)
	c.JSON(http.StatusCreated, renderResource(r))
	return nil
}

func (s *Server) getResource(c *gin.Context) error {
	r, err := s.cfg.Rules.Resource(c.Request.Context(), c.Param("id"))
	if err != nil {
		return accessProblem(c, "resource", err)
	}
	c.JSON(http.StatusOK, renderResource(r))
	return nil
}

func (s *Server) changeResource(c *gin.Context) error {
	var e policy.ResourceEdit
	var name, alias, proxy text
	var set labels
	b := &body{given: map[string]bool{}}
	if err := readJSON(c.Request, map[string]any{
		"name": &name, "hosts": &e.Hosts, "ports": &e.Ports, "alias": &alias, "proxy_protocol": &proxy, "labels": &set, "revision": &e.Revision,
	}, b); err != nil {
		return err
	}
	b.checkRevision(e.Revision)
	if b.given["name"] {
		e.Name = &name.value
	}
	if b.given["alias"] {
		e.Alias = &alias.value
	}
	if b.given["proxy_protocol"] {
		e.ProxyProtocol = &proxy.value
	}
	e.Labels, e.NoLabels = set.all, set.clear
	if err := b.end(nil); err != nil {
		return err
	}
	r, err := s.cfg.Rules.EditResource(c.Request.Context(), c.Param("id"), e, byOf(c))
	if err != nil {
		return accessProblem(c, "resource", err)
	}
	c.JSON(http.StatusOK, renderResource(r))
	return nil
}

func (s *Server) deleteResource(c *gin.Context) error {
	if err := s.cfg.Rules.DeleteResource(c.Request.Context(), c.Param("id"), byOf(c)); err != nil {
		return accessProblem(c, "resource", err)
	}
	c.Status(http.StatusNoContent)
	return nil
}

// accessProblem says which resource or grant there is none of.
func accessProblem(c *gin.Context, kind string, err error) error {
	if errors.Is(err, fleet.ErrNotFound) {
		return problem(adminapi.TypeNotFound, "there is no "+kind+" \""+clip(c.Param("id"))+"\": GET "+adminapi.Base+"/"+strings.ReplaceAll(kind, " ", "-")+"s lists them")
	}
	return err
}
