package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

func (s *Server) statusOperations() []operation {
	return []operation{{
		method: http.MethodGet, path: "/status", id: "getStatus", tag: "status", summary: "Show the number of members, the trust domain and the version",
		permission: auth.FleetRead, replies: map[int]any{http.StatusOK: adminapi.Status{}}, handle: s.status,
	}, {
		method: http.MethodGet, path: "/series", id: "getSeries", tag: "status", summary: "Show members, heartbeats and SVID rotations over time",
		description: "The data is in memory only and begins with the start of the controller.",
		permission:  auth.FleetRead, replies: map[int]any{http.StatusOK: adminapi.Series{}}, handle: s.series,
		query: []param{{name: "window", description: "how far back; 1h when absent", enum: []string{"1h", "24h"}}},
	}, {
		method: http.MethodGet, path: "/settings", id: "getSettings", tag: "status", summary: "Show the effective configuration, without secrets",
		permission: auth.SettingsRead, replies: map[int]any{http.StatusOK: adminapi.Settings{}}, handle: s.settings,
	}}
}

func (s *Server) series(c *gin.Context) error {
	window := fleet.LastHour
	if queryOf(c).Get("window") == "24h" {
		window = fleet.LastDay
	}
	points := s.cfg.Series.Points(window)
	out := adminapi.Series{StepSeconds: int(window.Step.Seconds()), Points: make([]adminapi.Point, 0, len(points))}
	for _, p := range points {
		out.Points = append(out.Points, adminapi.Point{
			At: p.At, ConnectorsOnline: p.ConnectorsOnline, ConnectorsTotal: p.ConnectorsTotal,
			TunnelersOnline: p.TunnelersOnline, TunnelersTotal: p.TunnelersTotal,
			Heartbeats: p.Heartbeats, SVIDRotations: p.Rotations,
		})
	}
	c.JSON(http.StatusOK, out)
	return nil
}

func (s *Server) settings(c *gin.Context) error {
	c.JSON(http.StatusOK, s.cfg.Settings)
	return nil
}

// status is the head of the dashboard.
func (s *Server) status(c *gin.Context) error {
	lists, err := s.cfg.Fleet.Lists(c.Request.Context())
	if err != nil {
		return err
	}
	out := adminapi.Status{
		TrustDomain: s.cfg.TrustDomain.Name(), Version: s.cfg.Version, Time: s.cfg.Now().UTC(),
		Connectors: renderCount(lists.ConnectorCount()), Tunnelers: renderCount(lists.TunnelerCount()),
	}
	found, err := s.cfg.Attention.List(c.Request.Context(), shownAttention)
	if err != nil {
		return err
	}
	out.Attention, out.AttentionTotal = renderAttention(found.Items), found.Total
	c.JSON(http.StatusOK, out)
	return nil
}

func renderCount(n fleet.Count) adminapi.Count {
	return adminapi.Count{Total: n.Total, Online: n.Online, Offline: n.Total - n.Online}
}
