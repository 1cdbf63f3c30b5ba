package api

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func (s *Server) hostOperations() []operation {
	return []operation{{
		method: http.MethodGet, path: "/hosts", id: "listHosts", tag: "hosts", summary: "List hosts",
		permission: auth.FleetRead, replies: listReplies(adminapi.HostList{}), handle: s.listHosts,
		query: append(listParams(sorts(fleet.ByID, fleet.ByHostname, fleet.BySeen, fleet.ByEnrolled, fleet.ByStatus), string(fleet.ByID), fleetStatuses()), labelParam()),
	}, {
		method: http.MethodGet, path: "/hosts/:id", id: "getHost", tag: "hosts", summary: "Show one host, also a revoked one",
		permission: auth.FleetRead, replies: map[int]any{http.StatusOK: adminapi.Host{}}, problems: []string{adminapi.TypeNotFound}, handle: s.getHost,
		params: []param{{name: "id", description: "the id of the host"}},
	}, {
		method: http.MethodPatch, path: "/hosts/:id", id: "updateHost", tag: "hosts", summary: "Change what operators say of a host", description: mergePatch,
		permission: auth.FleetWrite, request: adminapi.Change{}, replies: map[int]any{http.StatusOK: adminapi.Host{}},
		problems: []string{adminapi.TypeNotFound, adminapi.TypeStale, adminapi.TypeRevoked}, handle: s.changeHost,
		params: []param{{name: "id", description: "the id of the host"}},
	}}
}

func (s *Server) listHosts(c *gin.Context) error {
	q, at, err := fleetQuery("hosts", queryOf(c))
	if err != nil {
		return err
	}
	lists, err := s.cfg.Fleet.Lists(c.Request.Context())
	if err != nil {
		return err
	}
	p, err := lists.Hosts(c.Request.Context(), q)
	if err != nil {
		return fleetProblem(err)
	}
	out := adminapi.HostList{Hosts: make([]adminapi.Host, 0, len(p.Items)), NextPageToken: at.tokenOf(p.Next), Total: p.Total}
	for _, h := range p.Items {
		out.Hosts = append(out.Hosts, renderHost(h))
	}
	return list(c, out)
}

func (s *Server) getHost(c *gin.Context) error {
	h, err := s.cfg.Fleet.Host(c.Request.Context(), identity.HostID(c.Param("id")))
	if errors.Is(err, fleet.ErrNotFound) {
		return notEnrolled("host", clip(c.Param("id")))
	}
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, renderHost(h))
	return nil
}

func (s *Server) changeHost(c *gin.Context) error {
	e, err := readEdit(c, false)
	if err != nil {
		return err
	}
	err = s.cfg.Fleet.EditHost(c.Request.Context(), identity.HostID(c.Param("id")), e, byOf(c))
	if errors.Is(err, fleet.ErrNotFound) {
		return notEnrolled("host", clip(c.Param("id")))
	}
	if err != nil {
		return err
	}
	return s.getHost(c)
}

// renderHost renders a host with its members.
func renderHost(in fleet.HostMembers) adminapi.Host {
	h := in.Host
	out := adminapi.Host{
		ID: string(h.ID), Hostname: h.Hostname, AgentID: h.AgentID.String(), Status: adminapi.Offline, Ephemeral: h.Ephemeral,
		EnrolledAt: h.EnrolledAt, RevokedAt: h.RevokedAt, ContestedAt: h.ContestedAt, ClonedAt: h.ClonedAt, Members: []adminapi.HostMember{},
		About: renderAbout(h.About),
	}
	for _, m := range in.Members {
		out.Members = append(out.Members, adminapi.HostMember{Kind: string(m.Kind), ID: m.ID, Status: string(m.Status), RevokedAt: m.RevokedAt})
		if m.Status == presence.Online {
			out.Status = adminapi.Online
		}
		if m.LastSeen.After(out.LastSeen) {
			out.LastSeen = m.LastSeen
		}
	}
	return out
}
