package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/auth"
)

func (s *Server) statusOperations() []operation {
	return []operation{{
		method: http.MethodGet, path: "/status", tag: "status", summary: "Counts of members, the trust domain and the version",
		permission: auth.FleetRead, replies: map[int]any{http.StatusOK: adminapi.Status{}}, handle: s.status,
	}}
}

// status is the head of the dashboard.
func (s *Server) status(c *gin.Context) error {
	connectors, err := s.cfg.Fleet.Connectors(c.Request.Context())
	if err != nil {
		return err
	}
	tunnelers, err := s.cfg.Fleet.Tunnelers(c.Request.Context())
	if err != nil {
		return err
	}
	out := adminapi.Status{TrustDomain: s.cfg.TrustDomain.Name(), Version: s.cfg.Version, Time: s.cfg.Now().UTC()}
	for _, m := range connectors {
		count(&out.Connectors, m.Member, m.Presence)
	}
	for _, m := range tunnelers {
		count(&out.Tunnelers, m.Member, m.Presence)
	}
	c.JSON(http.StatusOK, out)
	return nil
}

func count(n *adminapi.Count, m fleet.Member, p fleet.Presence) {
	if !m.Live() {
		return
	}
	n.Total++
	if statusOf(p) == fleet.Online {
		n.Online++
	} else {
		n.Offline++
	}
}
