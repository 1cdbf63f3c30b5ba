package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// caPath is the bootstrap CA's, for people and their browsers; hosts fetch it from the
// enrollment listener, under the same path.
const caPath = "/ca.crt"

func (s *Server) enrollmentOperations() []operation {
	return []operation{{
		method: http.MethodGet, path: "/enrollment", id: "getEnrollment", tag: "enrollment", summary: "Show what a host needs before it is enrolled: address, CA, commands",
		permission: auth.FleetRead, replies: map[int]any{http.StatusOK: adminapi.Enrollment{}}, handle: s.getEnrollment,
	}}
}

func (s *Server) getEnrollment(c *gin.Context) error {
	c.JSON(http.StatusOK, s.cfg.Enrollment())
	return nil
}

// serveCA sends the certificate of the bootstrap CA, which is no secret, to anybody.
func (s *Server) serveCA(c *gin.Context) {
	r := c.Request
	if r.URL.Path != caPath || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return
	}
	c.Header("Content-Disposition", `attachment; filename="ca.crt"`)
	c.Header("Cache-Control", "no-cache")
	c.Data(http.StatusOK, "application/x-pem-file", []byte(s.cfg.Enrollment().CA))
	c.Abort()
}
