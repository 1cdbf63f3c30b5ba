package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/auth"
)

func (s *Server) memberOperations() []operation {
	include := param{name: "include", description: "also members whose access was revoked", enum: []string{"revoked"}}
	connectors, tunnelers := append(s.connectors().params(), include), append(s.tunnelers().params(), include)
	ops := func(kind, tag string, query []param, list, one any, do [3]func(*gin.Context) error) []operation {
		id := []param{{name: "id", description: "the id of the " + kind, pattern: identity.IDPattern}}
		return []operation{{
			method: http.MethodGet, path: "/" + tag, tag: tag, summary: "List " + tag,
			permission: auth.FleetRead, query: query, replies: listReplies(list), handle: do[0],
		}, {
			method: http.MethodGet, path: "/" + tag + "/:id", tag: tag, summary: "Show one " + kind + ", also a revoked one",
			permission: auth.FleetRead, params: id, replies: map[int]any{http.StatusOK: one}, problems: []int{http.StatusNotFound}, handle: do[1],
		}, {
			method: http.MethodDelete, path: "/" + tag + "/:id", tag: tag, summary: "Revoke the access of a " + kind,
			description: "Its open streams and sessions end at once, and it is refused from now on. Revoking it again changes nothing.",
			permission:  auth.MembersRevoke, params: id, replies: map[int]any{http.StatusNoContent: nil}, problems: []int{http.StatusNotFound}, handle: do[2],
		}}
	}
	return slices.Concat(
		ops("connector", "connectors", connectors, adminapi.ConnectorList{}, adminapi.Connector{},
			[3]func(*gin.Context) error{s.listConnectors, s.getConnector, s.revokeConnector}),
		ops("tunneler", "tunnelers", tunnelers, adminapi.TunnelerList{}, adminapi.Tunneler{},
			[3]func(*gin.Context) error{s.listTunnelers, s.getTunneler, s.revokeTunneler}),
	)
}

// members is what differs between the routes of connectors and of tunnelers.
type members[T, R any] struct {
	listing[*T]                                        // of pointers: a list is long, its items are large
	all         func(ctx context.Context) ([]T, error) // the caller's own
	one         func(ctx context.Context, id string) (T, error)
	live        func(*T) bool
	render      func(T) (R, error)
}

func (s *Server) connectors() members[fleet.Connector, adminapi.Connector] {
	l := memberListing("connectors", func(m *fleet.Connector) (*fleet.Member, *presence.State) { return &m.Member, &m.Presence })
	base := l.text
	l.text = func(m *fleet.Connector) []string {
		return append(base(m), append([]string{m.PrivateIP, m.NetworkID}, m.Addresses...)...)
	}
	return members[fleet.Connector, adminapi.Connector]{
		l, s.cfg.Fleet.Connectors, s.cfg.Fleet.Connector, func(m *fleet.Connector) bool { return m.Live() }, s.renderConnector,
	}
}

func (s *Server) tunnelers() members[fleet.Tunneler, adminapi.Tunneler] {
	l := memberListing("tunnelers", func(m *fleet.Tunneler) (*fleet.Member, *presence.State) { return &m.Member, &m.Presence })
	base := l.text
	l.text = func(m *fleet.Tunneler) []string {
		texts := append(base(m), m.ConnectorID)
		for _, one := range m.Sessions {
			texts = append(texts, one.ConnectorID)
		}
		return texts
	}
	return members[fleet.Tunneler, adminapi.Tunneler]{
		l, s.cfg.Fleet.Tunnelers, s.cfg.Fleet.Tunneler, func(m *fleet.Tunneler) bool { return m.Live() }, s.renderTunneler,
	}
}

// memberListing is how both lists of members are ordered and searched.
func memberListing[T any](name string, base func(*T) (*fleet.Member, *presence.State)) listing[*T] {
	status := func(it *T) string {
		_, p := base(it)
		return string(statusOf(*p))
	}
	key := func(of func(*fleet.Member, *presence.State) string) func(*T) string {
		return func(it *T) string { return of(base(it)) }
	}
	return listing[*T]{
		name: name, sort: "id", id: key(func(m *fleet.Member, _ *presence.State) string { return m.ID }),
		keys: map[string]func(*T) string{
			"id":          key(func(m *fleet.Member, _ *presence.State) string { return m.ID }),
			"last_seen":   key(func(m *fleet.Member, p *presence.State) string { return timeKey(lastSeen(*m, *p)) }),
			"enrolled_at": key(func(m *fleet.Member, _ *presence.State) string { return timeKey(m.EnrolledAt) }),
			"version":     key(func(m *fleet.Member, _ *presence.State) string { return numberKey(m.Version) }),
			"status":      status,
		},
		status: status, statuses: []string{adminapi.Online, adminapi.Offline},
		text: func(it *T) []string {
			m, p := base(it)
			return []string{m.ID, m.Version, p.RemoteAddr, string(m.HostID)}
		},
	}
}

func (s *Server) listConnectors(c *gin.Context) error {
	items, page, err := s.connectors().page(c)
	if err != nil {
		return err
	}
	return list(c, adminapi.ConnectorList{Connectors: items, NextPageToken: page.next, Total: page.total})
}

func (s *Server) listTunnelers(c *gin.Context) error {
	items, page, err := s.tunnelers().page(c)
	if err != nil {
		return err
	}
	return list(c, adminapi.TunnelerList{Tunnelers: items, NextPageToken: page.next, Total: page.total})
}

func (s *Server) getConnector(c *gin.Context) error { return s.connectors().get(c) }

func (s *Server) getTunneler(c *gin.Context) error { return s.tunnelers().get(c) }

func (s *Server) revokeConnector(c *gin.Context) error {
	return s.revokeMember(c, identity.KindConnector)
}

func (s *Server) revokeTunneler(c *gin.Context) error {
	return s.revokeMember(c, identity.KindTunneler)
}

// page returns one page and its items rendered.
func (m members[T, R]) page(c *gin.Context) ([]R, page[*T], error) {
	all, err := m.all(c.Request.Context())
	if err != nil {
		return nil, page[*T]{}, err
	}
	q := queryOf(c)
	revoked := q.Get("include") == "revoked"
	items := make([]*T, 0, len(all))
	for i := range all {
		if revoked || m.live(&all[i]) {
			items = append(items, &all[i])
		}
	}
	p, err := m.of(items, q)
	if err != nil {
		return nil, p, err
	}
	out := make([]R, 0, len(p.items))
	for _, it := range p.items {
		r, err := m.render(*it)
		if err != nil {
			return nil, p, err
		}
		out = append(out, r)
	}
	return out, p, nil
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
	return workloadID(c.Param("id"))
}
