package api

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

func (s *Server) claimOperations() []operation {
	return []operation{{
		method: http.MethodPost, path: "/claims/:code", id: "openClaim", tag: "claims", summary: "Open a claim link, once",
		description: "The body is an empty object. Every link that does not open gets the same answer. A second opening is reported to the operator, " +
			"and revokes a token that was not redeemed yet.",
		public: true, params: []param{{name: "code", description: "the fragment of the claim_url"}}, request: adminapi.ClaimOpening{},
		replies: map[int]any{http.StatusOK: adminapi.ClaimedToken{}}, problems: []string{adminapi.TypeClaimRefused, adminapi.TypeTooManyFailures}, handle: s.openClaim,
	}}
}

func (s *Server) openClaim(c *gin.Context) error {
	if !s.claims.allow(remoteIP(c)) {
		c.Header("Retry-After", strconv.Itoa(int(failureEvery.Seconds())))
		return problem(adminapi.TypeTooManyFailures, "too many claim links were opened from this address; wait")
	}
	// A form of another site can send neither this body nor its media type unasked.
	if err := bind(c, &adminapi.ClaimOpening{}); err != nil {
		return err
	}
	t, token, err := s.cfg.Claims.OpenClaim(c.Request.Context(), enroll.Opening{Code: pastedCode(c.Param("code")), RequestID: requestID(c), From: remoteIP(c)})
	if err != nil {
		return err
	}
	plain := t
	plain.Delivery = enroll.Plain // it is in the reader's hands now
	out := adminapi.ClaimedToken{
		TokenID: t.ID, Token: token, Kind: string(t.Workload.Kind), ID: t.Workload.ID, ExpiresAt: t.ExpiresAt,
		InstallCommands: s.cfg.Install(plain, token),
	}
	if len(out.InstallCommands) > 0 {
		out.InstallCommand = out.InstallCommands[0].Command
	}
	c.JSON(http.StatusOK, out)
	return nil
}

// claimURL has the code in its fragment: it is in no request line, no proxy's log
// and no Referer.
func (s *Server) claimURL(code string) string { return s.URL() + "/claim#" + code }
