package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/auth"
)

func (s *Server) memberOperations() []operation {
	query := append(pageParams(),
		param{name: "status", description: "only members with this status", enum: []string{adminapi.Online, adminapi.Offline}},
		param{name: "include", description: "also members whose access was revoked", enum: []string{"revoked"}})
	ops := func(kind, tag string, list, one any, do [3]func(*gin.Context) error) []operation {
		id := []param{{name: "id", description: "the id of the " + kind, pattern: identity.IDPattern}}
		return []operation{{
			method: http.MethodGet, path: "/" + tag, tag: tag, summary: "List " + tag,
			permission: auth.FleetRead, query: query, replies: map[int]any{http.StatusOK: list}, handle: do[0],
		}, {
			method: http.MethodGet, path: "/" + tag + "/:id", tag: tag, summary: "One " + kind + ", also a revoked one",
			permission: auth.FleetRead, params: id, replies: map[int]any{http.StatusOK: one}, problems: []int{http.StatusNotFound}, handle: do[1],
		}, {
			method: http.MethodDelete, path: "/" + tag + "/:id", tag: tag, summary: "Revoke the access of a " + kind,
			description: "Its open streams and sessions end at once, and it is admitted nowhere again. Revoking twice changes nothing.",
			permission:  auth.MembersRevoke, params: id, replies: map[int]any{http.StatusNoContent: nil}, problems: []int{http.StatusNotFound}, handle: do[2],
		}}
	}
	return slices.Concat(
		ops("connector", "connectors", adminapi.ConnectorList{}, adminapi.Connector{},
			[3]func(*gin.Context) error{s.listConnectors, s.getConnector, s.revokeConnector}),
		ops("tunneler", "tunnelers", adminapi.TunnelerList{}, adminapi.Tunneler{},
			[3]func(*gin.Context) error{s.listTunnelers, s.getTunneler, s.revokeTunneler}),
	)
}

// members is what differs between the routes of connectors and of tunnelers.
type members[T, R any] struct {
	name   string // of the list
	all    func(ctx context.Context) ([]T, error)
	base   func(T) (fleet.Member, fleet.Presence)
	render func(T) (R, error)
}

func (s *Server) connectors() members[fleet.Connector, adminapi.Connector] {
	return members[fleet.Connector, adminapi.Connector]{
		"connectors", s.cfg.Fleet.Connectors,
		func(m fleet.Connector) (fleet.Member, fleet.Presence) { return m.Member, m.Presence },
		s.renderConnector,
	}
}

func (s *Server) tunnelers() members[fleet.Tunneler, adminapi.Tunneler] {
	return members[fleet.Tunneler, adminapi.Tunneler]{
		"tunnelers", s.cfg.Fleet.Tunnelers,
		func(m fleet.Tunneler) (fleet.Member, fleet.Presence) { return m.Member, m.Presence },
		s.renderTunneler,
	}
}

func (s *Server) listConnectors(c *gin.Context) error {
	page, next, err := s.connectors().list(c)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, adminapi.ConnectorList{Connectors: page, NextPageToken: next})
	return nil
}

func (s *Server) listTunnelers(c *gin.Context) error {
	page, next, err := s.tunnelers().list(c)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, adminapi.TunnelerList{Tunnelers: page, NextPageToken: next})
	return nil
}

func (s *Server) getConnector(c *gin.Context) error { return s.connectors().get(c) }

func (s *Server) getTunneler(c *gin.Context) error { return s.tunnelers().get(c) }

func (s *Server) revokeConnector(c *gin.Context) error {
	return s.revokeMember(c, identity.KindConnector)
}

func (s *Server) revokeTunneler(c *gin.Context) error {
	return s.revokeMember(c, identity.KindTunneler)
}

// list returns one page, by id.
func (m members[T, R]) list(c *gin.Context) (page []R, next string, err error) {
	q := queryOf(c)
	filter := memberFilter{status: fleet.Status(q.Get("status")), revoked: q.Get("include") == "revoked"}
	at, err := parsePage(m.name, q)
	if err != nil {
		return nil, "", err
	}
	all, err := m.all(c.Request.Context())
	if err != nil {
		return nil, "", err
	}
	all = slices.DeleteFunc(slices.Clone(all), func(it T) bool { return filter.hides(m.base(it)) })
	items, next := paginate(all, at, m.id)
	page = make([]R, 0, len(items))
	for _, it := range items {
		r, err := m.render(it)
		if err != nil {
			return nil, "", err
		}
		page = append(page, r)
	}
	return page, next, nil
}

// get renders the member that the path names, also a revoked one.
func (m members[T, R]) get(c *gin.Context) error {
	id, err := memberID(c)
	if err != nil {
		return err
	}
	all, err := m.all(c.Request.Context())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(it T) bool { return m.id(it) == id })
	if i < 0 {
		return fleet.ErrNotFound
	}
	out, err := m.render(all[i])
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, out)
	return nil
}

func (m members[T, R]) id(it T) string {
	base, _ := m.base(it)
	return base.ID
}

// revokeMember ends a member's access; how long the longest access can remain is
// written at fleet.Fleet.Revoke.
func (s *Server) revokeMember(c *gin.Context, kind identity.Kind) error {
	id, err := memberID(c)
	if err != nil {
		return err
	}
	who := callerOf(c)
	err = s.cfg.Fleet.Revoke(c.Request.Context(), fleet.Revocation{
		Workload: identity.Workload{Kind: kind, ID: id}, Actor: who.Actor, RequestID: requestID(c), From: who.from,
	})
	if err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

// memberID reads the id of a route.
func memberID(c *gin.Context) (string, error) {
	return workloadID(c.Param("id"))
}

// memberFilter chooses members for a list.
type memberFilter struct {
	status  fleet.Status // "" is any
	revoked bool         // show revoked ones too
}

func (f memberFilter) hides(m fleet.Member, p fleet.Presence) bool {
	return !f.revoked && !m.Live() || f.status != "" && f.status != statusOf(p)
}
