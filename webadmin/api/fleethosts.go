package api

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/auth"
)

func (s *Server) hostOperations() []operation {
	return []operation{{
		method: http.MethodGet, path: "/hosts", tag: "hosts", summary: "List hosts",
		permission: auth.FleetRead, replies: listReplies(adminapi.HostList{}), handle: s.listHosts,
		query: append(hostListing().params(), param{name: "include", description: "also hosts that were revoked", enum: []string{"revoked"}}),
	}, {
		method: http.MethodGet, path: "/hosts/:id", tag: "hosts", summary: "Show one host, also a revoked one",
		permission: auth.FleetRead, replies: map[int]any{http.StatusOK: adminapi.Host{}}, problems: []int{http.StatusNotFound}, handle: s.getHost,
		params: []param{{name: "id", description: "the id of the host"}},
	}, {
		method: http.MethodGet, path: "/networks", tag: "networks", summary: "List networks, which group connectors",
		permission: auth.FleetRead, replies: listReplies(adminapi.NetworkList{}), handle: s.listNetworks, query: networkListing().params(),
	}}
}

func hostListing() listing[adminapi.Host] {
	return listing[adminapi.Host]{
		name: "hosts", sort: "id", id: func(h adminapi.Host) string { return h.ID },
		keys: map[string]func(adminapi.Host) string{
			"id":          func(h adminapi.Host) string { return h.ID },
			"hostname":    func(h adminapi.Host) string { return h.Hostname },
			"last_seen":   func(h adminapi.Host) string { return timeKey(h.LastSeen) },
			"enrolled_at": func(h adminapi.Host) string { return timeKey(h.EnrolledAt) },
			"status":      func(h adminapi.Host) string { return h.Status },
		},
		status: func(h adminapi.Host) string { return h.Status }, statuses: []string{adminapi.Online, adminapi.Offline},
		text: func(h adminapi.Host) []string {
			out := []string{h.ID, h.Hostname}
			for _, m := range h.Members {
				out = append(out, m.ID)
			}
			return out
		},
	}
}

func (s *Server) listHosts(c *gin.Context) error {
	all, err := s.allHosts(c.Request.Context())
	if err != nil {
		return err
	}
	q := queryOf(c)
	if q.Get("include") != "revoked" {
		all = slices.DeleteFunc(all, func(h adminapi.Host) bool { return !h.RevokedAt.IsZero() })
	}
	page, err := hostListing().of(all, q)
	if err != nil {
		return err
	}
	return list(c, adminapi.HostList{Hosts: append([]adminapi.Host{}, page.items...), NextPageToken: page.next, Total: page.total})
}

func (s *Server) getHost(c *gin.Context) error {
	h, connectors, tunnelers, err := s.cfg.Fleet.Host(c.Request.Context(), identity.HostID(c.Param("id")))
	if errors.Is(err, fleet.ErrNotFound) {
		return notEnrolled("host", clip(c.Param("id")))
	}
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, renderHosts([]fleet.Host{h}, connectors, tunnelers)[0])
	return nil
}

// allHosts renders all hosts with who lives on them.
func (s *Server) allHosts(ctx context.Context) ([]adminapi.Host, error) {
	hosts, err := s.cfg.Fleet.Hosts(ctx)
	if err != nil {
		return nil, err
	}
	connectors, err := s.cfg.Fleet.Connectors(ctx)
	if err != nil {
		return nil, err
	}
	tunnelers, err := s.cfg.Fleet.Tunnelers(ctx)
	if err != nil {
		return nil, err
	}
	return renderHosts(hosts, connectors, tunnelers), nil
}

func renderHosts(hosts []fleet.Host, connectors []fleet.Connector, tunnelers []fleet.Tunneler) []adminapi.Host {
	out := make([]adminapi.Host, len(hosts))
	at := make(map[identity.HostID]*adminapi.Host, len(hosts))
	for i, h := range hosts {
		out[i] = adminapi.Host{
			ID: string(h.ID), Hostname: h.Hostname, AgentID: h.AgentID.String(), Status: adminapi.Offline, Ephemeral: h.Ephemeral,
			EnrolledAt: h.EnrolledAt, RevokedAt: h.RevokedAt, ContestedAt: h.ContestedAt, ClonedAt: h.ClonedAt, Members: []adminapi.HostMember{},
		}
		at[h.ID] = &out[i]
	}
	for _, m := range connectors {
		addMember(at[m.HostID], m.Member, m.Presence)
	}
	for _, m := range tunnelers {
		addMember(at[m.HostID], m.Member, m.Presence)
	}
	return out
}

// addMember puts a member on its host. A host that is not there yet, because it was
// read a moment before, is passed over.
func addMember(h *adminapi.Host, m fleet.Member, p presence.State) {
	if h == nil {
		return
	}
	status := string(statusOf(p))
	h.Members = append(h.Members, adminapi.HostMember{Kind: string(m.Kind), ID: m.ID, Status: status, RevokedAt: m.RevokedAt})
	if status == adminapi.Online {
		h.Status = status
	}
	if seen := lastSeen(m, p); seen.After(h.LastSeen) {
		h.LastSeen = seen
	}
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
	connectors, err := s.cfg.Fleet.Connectors(c.Request.Context())
	if err != nil {
		return err
	}
	all := make([]adminapi.Network, 0, len(networks))
	for _, n := range networks {
		it := adminapi.Network{ID: n.ID, Name: n.Name, CreatedAt: n.CreatedAt}
		for _, m := range connectors {
			if m.NetworkID == n.ID {
				count(&it.Connectors, m.Member, m.Presence)
			}
		}
		all = append(all, it)
	}
	page, err := networkListing().of(all, queryOf(c))
	if err != nil {
		return err
	}
	return list(c, adminapi.NetworkList{Networks: append([]adminapi.Network{}, page.items...), NextPageToken: page.next, Total: page.total})
}
