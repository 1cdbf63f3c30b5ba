package api

import (
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/auth"
)

func (s *Server) tokenOperations() []operation {
	return []operation{{
		method: http.MethodPost, path: "/tokens", tag: "tokens", summary: "Create an enrollment token",
		description: "The reply is the only one that ever has the token itself.",
		permission:  auth.TokensWrite, stepUp: true, request: adminapi.TokenRequest{},
		replies: map[int]any{http.StatusCreated: adminapi.CreatedToken{}}, problems: []int{http.StatusConflict}, handle: s.createToken,
	}, {
		method: http.MethodGet, path: "/tokens", tag: "tokens", summary: "List enrollment tokens, newest first",
		permission: auth.FleetRead, query: pageParams(), replies: map[int]any{http.StatusOK: adminapi.TokenList{}}, handle: s.listTokens,
	}, {
		method: http.MethodDelete, path: "/tokens/:id", tag: "tokens", summary: "Revoke a pending enrollment token",
		permission: auth.TokensWrite, replies: map[int]any{http.StatusNoContent: nil}, problems: []int{http.StatusNotFound}, handle: s.revokeToken,
	}}
}

func (s *Server) createToken(c *gin.Context) error {
	var in adminapi.TokenRequest
	given, err := bind(c, &in)
	if err != nil {
		return err
	}
	req, err := tokenRequest(in, given)
	if err != nil {
		return err
	}
	who := callerOf(c)
	req.Actor, req.RequestID, req.From = who.Actor, requestID(c), who.from
	t, secret, err := s.cfg.Tokens.Create(c.Request.Context(), req)
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, adminapi.CreatedToken{
		TokenID: t.ID, Token: secret, Kind: string(t.Workload.Kind), ID: t.Workload.ID,
		ExpiresAt: t.ExpiresAt, InstallCommand: s.cfg.Install(t, secret),
	})
	return nil
}

func (s *Server) listTokens(c *gin.Context) error {
	page, err := parsePage("tokens", queryOf(c))
	if err != nil {
		return err
	}
	all, err := s.cfg.Tokens.List(c.Request.Context())
	if err != nil {
		return err
	}
	items, next := paginate(all, page, newestFirst)
	out := adminapi.TokenList{Tokens: make([]adminapi.Token, 0, len(items)), NextPageToken: next}
	for _, t := range items {
		out.Tokens = append(out.Tokens, renderToken(t, s.cfg.Now()))
	}
	c.JSON(http.StatusOK, out)
	return nil
}

func (s *Server) revokeToken(c *gin.Context) error {
	who := callerOf(c)
	if err := s.cfg.Tokens.Revoke(c.Request.Context(), c.Param("id"), who.Actor, requestID(c), who.from); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

// newestFirst is a key whose ascending order is descending time.
func newestFirst(t enroll.Token) string {
	return fmt.Sprintf("%019d %s", math.MaxInt64-t.CreatedAt.UnixNano(), t.ID)
}

func renderToken(t enroll.Token, now time.Time) adminapi.Token {
	out := adminapi.Token{
		TokenID: t.ID, Kind: string(t.Workload.Kind), ID: t.Workload.ID, State: string(t.State(now)), Replace: t.Replace,
		CreatedBy: t.CreatedBy, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt,
		RedeemedAt: t.ClaimedAt, RevokedAt: t.RevokedAt, HostID: string(t.HostID),
	}
	if t.Source.IsValid() {
		out.SourceCIDR = t.Source.String()
	}
	return out
}
