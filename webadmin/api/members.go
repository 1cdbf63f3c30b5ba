package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func (s *Server) memberOperations() []operation {
	ops := func(kind, title, tag string, list, one, change any, do [4]func(*gin.Context) error) []operation {
		id := []param{{name: "id", description: "the id of the " + kind, pattern: identity.IDPattern}}
		return []operation{{
			method: http.MethodGet, path: "/" + tag, id: "list" + title + "s", tag: tag, summary: "List " + tag,
			permission: auth.FleetRead, query: memberParams(), replies: listReplies(list), handle: do[0],
		}, {
			method: http.MethodGet, path: "/" + tag + "/:id", id: "get" + title, tag: tag, summary: "Show one " + kind + ", also a revoked one",
			permission: auth.FleetRead, params: id, replies: map[int]any{http.StatusOK: one}, problems: []string{adminapi.TypeNotFound}, handle: do[1],
		}, {
			method: http.MethodPatch, path: "/" + tag + "/:id", id: "update" + title, tag: tag, summary: "Change what operators say of a " + kind, description: mergePatch,
			permission: auth.FleetWrite, params: id, request: change, replies: map[int]any{http.StatusOK: one},
			problems: []string{adminapi.TypeNotFound, adminapi.TypeStale, adminapi.TypeRevoked, adminapi.TypePolicyTest}, handle: do[3],
		}, {
			method: http.MethodDelete, path: "/" + tag + "/:id", id: "revoke" + title, tag: tag, summary: "Revoke the access of a " + kind,
			description: "Its open streams and sessions end at once, and it is refused from now on. Revoking it again changes nothing.",
			permission:  auth.MembersRevoke, params: id, replies: map[int]any{http.StatusNoContent: nil}, problems: []string{adminapi.TypeNotFound}, handle: do[2],
		}}
	}
	return slices.Concat(
		ops("connector", "Connector", "connectors", adminapi.ConnectorList{}, adminapi.Connector{}, adminapi.ConnectorChange{},
			[4]func(*gin.Context) error{s.listConnectors, s.getConnector, s.revokeConnector, s.changeConnector}),
		ops("tunneler", "Tunneler", "tunnelers", adminapi.TunnelerList{}, adminapi.Tunneler{}, adminapi.Change{},
			[4]func(*gin.Context) error{s.listTunnelers, s.getTunneler, s.revokeTunneler, s.changeTunneler}),
	)
}

// members is what differs between the routes of connectors and of tunnelers.
type members[T, R any] struct {
	name   string // of the list
	lists  func(ctx context.Context) (*fleet.Lists, error)
	list   func(l *fleet.Lists, ctx context.Context, q fleet.Query) (fleet.Page[T], error)
	one    func(ctx context.Context, id string) (T, error)
	render func(T) (R, error)
}

func (s *Server) connectors() members[fleet.Connector, adminapi.Connector] {
	return members[fleet.Connector, adminapi.Connector]{"connectors", s.cfg.Fleet.Lists, (*fleet.Lists).Connectors, s.cfg.Fleet.Connector, s.renderConnector}
}

func (s *Server) tunnelers() members[fleet.Tunneler, adminapi.Tunneler] {
	return members[fleet.Tunneler, adminapi.Tunneler]{"tunnelers", s.cfg.Fleet.Lists, (*fleet.Lists).Tunnelers, s.cfg.Fleet.Tunneler, s.renderTunneler}
}

// memberParams are the query parameters of both lists of members.
func memberParams() []param {
	return append(
		listParams(sorts(fleet.ByID, fleet.BySeen, fleet.ByEnrolled, fleet.ByVersion, fleet.ByStatus), string(fleet.ByID), fleetStatuses()),
		labelParam())
}

// maxLabelQuery is room for some labels.
const maxLabelQuery = 512

func labelParam() param {
	return param{
		name: "label", description: "only items with this label, such as env=prod; of several with commas between them, each item has all", maxLength: maxLabelQuery,
	}
}

// fleetStatuses are those of members and hosts. Those that were revoked are in no list
// and no total that does not ask for them.
func fleetStatuses() []string { return []string{adminapi.Online, adminapi.Offline, adminapi.Revoked} }

func sorts(all ...fleet.Sort) (names []string) {
	for _, s := range all {
		names = append(names, string(s))
	}
	return names
}

func (s *Server) listConnectors(c *gin.Context) error {
	items, next, total, err := s.connectors().page(c)
	if err != nil {
		return err
	}
	return list(c, adminapi.ConnectorList{Connectors: items, NextPageToken: next, Total: total})
}

func (s *Server) listTunnelers(c *gin.Context) error {
	items, next, total, err := s.tunnelers().page(c)
	if err != nil {
		return err
	}
	return list(c, adminapi.TunnelerList{Tunnelers: items, NextPageToken: next, Total: total})
}

func (s *Server) getConnector(c *gin.Context) error { return s.connectors().get(c) }

func (s *Server) getTunneler(c *gin.Context) error { return s.tunnelers().get(c) }

func (s *Server) changeConnector(c *gin.Context) error {
	return s.connectors().change(c, identity.KindConnector, s.cfg.Fleet.EditMember)
}

func (s *Server) changeTunneler(c *gin.Context) error {
	return s.tunnelers().change(c, identity.KindTunneler, s.cfg.Fleet.EditMember)
}

func (s *Server) revokeConnector(c *gin.Context) error {
	return s.revokeMember(c, identity.KindConnector)
}

func (s *Server) revokeTunneler(c *gin.Context) error {
	return s.revokeMember(c, identity.KindTunneler)
}

// page returns the items of one page rendered, the token of the next one and how many
// there are on all.
func (m members[T, R]) page(c *gin.Context) (items []R, next string, total int, err error) {
	q, at, err := fleetQuery(m.name, queryOf(c))
	if err != nil {
		return nil, "", 0, err
	}
	lists, err := m.lists(c.Request.Context())
	if err != nil {
		return nil, "", 0, err
	}
	p, err := m.list(lists, c.Request.Context(), q)
	if err != nil {
		return nil, "", 0, fleetProblem(err)
	}
	items = make([]R, 0, len(p.Items))
	for _, it := range p.Items {
		r, err := m.render(it)
		if err != nil {
			return nil, "", 0, err
		}
		items = append(items, r)
	}
	return items, at.tokenOf(p.Next), p.Total, nil
}

// change changes the member that the path names, and renders what it is then.
func (m members[T, R]) change(c *gin.Context, kind identity.Kind, edit func(context.Context, identity.Workload, fleet.Edit, fleet.By) error) error {
	id, err := memberID(c)
	if err != nil {
		return err
	}
	e, err := readEdit(c, kind == identity.KindConnector)
	if err != nil {
		return err
	}
	err = edit(c.Request.Context(), identity.Workload{Kind: kind, ID: id}, e, byOf(c))
	if errors.Is(err, fleet.ErrNotFound) {
		return notEnrolled(string(kind), id)
	}
	if err != nil {
		return err
	}
	return m.get(c)
}

// get renders the member that the path names, also a revoked one.
func (m members[T, R]) get(c *gin.Context) error {
	id, err := memberID(c)
	if err != nil {
		return err
	}
	it, err := m.one(c.Request.Context(), id)
	if errors.Is(err, fleet.ErrNotFound) {
		return notEnrolled(strings.TrimSuffix(m.name, "s"), id)
	}
	if err != nil {
		return err
	}
	out, err := m.render(it)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, out)
	return nil
}

// revokeMember ends a member's access: at once where the controller is reached, elsewhere
// within the bounds that fleet.Fleet.Revoke names.
func (s *Server) revokeMember(c *gin.Context, kind identity.Kind) error {
	id, err := memberID(c)
	if err != nil {
		return err
	}
	who := callerOf(c)
	err = s.cfg.Fleet.Revoke(c.Request.Context(), fleet.Revocation{
		Workload: identity.Workload{Kind: kind, ID: id}, Actor: who.Actor, RequestID: requestID(c), From: who.from,
	})
	if errors.Is(err, fleet.ErrNotFound) {
		return notEnrolled(string(kind), id)
	}
	if err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

// memberID reads the id of a route.
func memberID(c *gin.Context) (string, error) {
	id := c.Param("id")
	if err := identity.ValidateID(id); err != nil {
		return "", inPath("id", err.Error())
	}
	return id, nil
}
