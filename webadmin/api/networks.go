package api

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func (s *Server) networkOperations() []operation {
	id := []param{{name: "id", description: "the id of the network", pattern: identity.IDPattern}}
	one := map[int]any{http.StatusOK: adminapi.Network{}}
	return []operation{{
		method: http.MethodGet, path: "/networks", id: "listNetworks", tag: "networks", summary: "List networks, which group connectors",
		permission: auth.FleetRead, replies: listReplies(adminapi.NetworkList{}), handle: s.listNetworks, query: networkListing().params(),
	}, {
		method: http.MethodPost, path: "/networks", id: "createNetwork", tag: "networks", summary: "Create a network",
		description: "It has no connectors; PATCH /connectors/{id} with network_id moves one there. Tunnelers keep sessions with two connectors of each network.",
		permission:  auth.FleetWrite, request: adminapi.NetworkRequest{}, replies: map[int]any{http.StatusCreated: adminapi.Network{}},
		problems: []string{adminapi.TypeExists, adminapi.TypeLimit}, replayable: true, handle: s.createNetwork,
	}, {
		method: http.MethodGet, path: "/networks/:id", id: "getNetwork", tag: "networks", summary: "Show one network",
		permission: auth.FleetRead, params: id, replies: one, problems: []string{adminapi.TypeNotFound}, handle: s.getNetwork,
	}, {
		method: http.MethodPatch, path: "/networks/:id", id: "updateNetwork", tag: "networks", summary: "Change a network; its id stays",
		description: "A JSON merge patch. With `revision`, which every reply has, a change that somebody else made meanwhile is not overwritten: the reply is 409 then.",
		permission:  auth.FleetWrite, params: id, request: adminapi.NetworkChange{}, replies: one,
		problems: []string{adminapi.TypeNotFound, adminapi.TypeStale, adminapi.TypePolicyTest}, handle: s.renameNetwork,
	}, {
		method: http.MethodDelete, path: "/networks/:id", id: "deleteNetwork", tag: "networks", summary: "Delete a network that has neither connectors nor resources",
		description: "With connectors or resources in it the reply is 409, and in_use_by has the first of them. Connectors that were revoked do not count. The default network stays.",
		permission:  auth.FleetWrite, params: id, replies: map[int]any{http.StatusNoContent: nil},
		problems: []string{adminapi.TypeNotFound, adminapi.TypeInUse, adminapi.TypePolicyTest}, handle: s.deleteNetwork,
	}}
}

func renderNetwork(n fleet.Network, lists *fleet.Lists) adminapi.Network {
	return adminapi.Network{ID: n.ID, Name: n.Name, Prefixes: access.PrefixTexts(n.Prefixes), CreatedAt: n.CreatedAt, Connectors: renderCount(lists.NetworkCount(n.ID)), Revision: n.Revision}
}

func (s *Server) replyNetwork(c *gin.Context, status int, n fleet.Network) error {
	lists, err := s.cfg.Fleet.Lists(c.Request.Context())
	if err != nil {
		return err
	}
	c.JSON(status, renderNetwork(n, lists))
	return nil
}

func (s *Server) createNetwork(c *gin.Context) error {
	var in adminapi.NetworkRequest
	b, err := readBody(c, &in)
	if err != nil {
		return err
	}
	if b.given["name"] && in.Name == "" {
		b.wrong("name", "is empty: leave it out, then the name is the id")
	}
	text := fleet.NetworkText{ID: in.ID, Name: in.Name, Prefixes: in.Prefixes}
	_, faults := text.Parse()
	if err := b.end(faults); err != nil {
		return err
	}
	n, err := s.cfg.Fleet.CreateNetwork(c.Request.Context(), text, byOf(c))
	if err != nil {
		return err
	}
	setResourceID(c, n.ID)
	return s.replyNetwork(c, http.StatusCreated, n)
}

func (s *Server) getNetwork(c *gin.Context) error {
	n, err := s.cfg.Fleet.Network(c.Request.Context(), c.Param("id"))
	if err != nil {
		return networkProblem(c, err)
	}
	return s.replyNetwork(c, http.StatusOK, n)
}

func (s *Server) renameNetwork(c *gin.Context) error {
	var in adminapi.NetworkChange
	b, err := readBody(c, &in)
	if err != nil {
		return err
	}
	b.checkRevision(in.Revision)
	e := fleet.NetworkEdit{Revision: in.Revision}
	if b.given["name"] {
		if e.Name = &in.Name; in.Name == "" {
			b.wrong("name", "is empty")
		}
	}
	if b.given["prefixes"] {
		e.Prefixes = &in.Prefixes
		_, err = access.ParsePrefixes(in.Prefixes)
	}
	if err := b.end(err); err != nil {
		return err
	}
	n, err := s.cfg.Fleet.EditNetwork(c.Request.Context(), c.Param("id"), e, byOf(c))
	if err != nil {
		return networkProblem(c, err)
	}
	return s.replyNetwork(c, http.StatusOK, n)
}

func (s *Server) deleteNetwork(c *gin.Context) error {
	if err := s.cfg.Fleet.DeleteNetwork(c.Request.Context(), c.Param("id"), byOf(c)); err != nil {
		return networkProblem(c, err)
	}
	c.Status(http.StatusNoContent)
	return nil
}

// networkProblem says which network there is none of.
func networkProblem(c *gin.Context, err error) error {
	if errors.Is(err, fleet.ErrNotFound) {
		return problem(adminapi.TypeNotFound, "there is no network \""+clip(c.Param("id"))+"\": GET "+adminapi.Base+"/networks lists them")
	}
	return err
}

func networkListing() listing[adminapi.Network] {
	id := func(n adminapi.Network) string { return n.ID }
	status := func(n adminapi.Network) string {
		if n.Connectors.Online > 0 {
			return adminapi.Online
		}
		return adminapi.Offline
	}
	return listing[adminapi.Network]{
		name: "networks", sort: "id", id: id,
		keys:   map[string]func(adminapi.Network) string{"id": id, "name": func(n adminapi.Network) string { return n.Name }},
		status: status, statuses: []string{adminapi.Online, adminapi.Offline},
		text: func(n adminapi.Network) []string { return []string{n.ID, n.Name} },
	}
}

func (s *Server) listNetworks(c *gin.Context) error {
	networks, err := s.cfg.Fleet.Networks(c.Request.Context())
	if err != nil {
		return err
	}
	lists, err := s.cfg.Fleet.Lists(c.Request.Context())
	if err != nil {
		return err
	}
	all := make([]adminapi.Network, 0, len(networks))
	for _, n := range networks {
		all = append(all, renderNetwork(n, lists))
	}
	page, err := networkListing().of(all, queryOf(c))
	if err != nil {
		return err
	}
	return list(c, adminapi.NetworkList{Networks: append([]adminapi.Network{}, page.items...), NextPageToken: page.next, Total: page.total})
}
