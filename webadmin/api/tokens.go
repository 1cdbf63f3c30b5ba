package api

import (
	"cmp"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

func (s *Server) tokenOperations() []operation {
	return []operation{{
		method: http.MethodPost, path: "/tokens", id: "createToken", tag: "tokens", summary: "Create an enrollment token",
		description: "Depending on `delivery` the reply has the token itself (`plain`), text that only the recipient's key can decrypt (`sealed`), " +
			"or a link that opens once (`claim`). None of them can be shown again. A token that an API key makes expires no later than the key, and is revoked with it; `expiry_note` says so.",
		permission: auth.TokensWrite, stepUp: true, request: adminapi.TokenRequest{},
		replies: map[int]any{http.StatusCreated: adminapi.CreatedToken{}}, problems: []string{adminapi.TypeLiveMember}, handle: s.createToken,
	}, {
		method: http.MethodGet, path: "/tokens", id: "listTokens", tag: "tokens", summary: "List enrollment tokens, newest first",
		permission: auth.FleetRead, query: enrollParams(enroll.Pending, enroll.Redeemed, enroll.Expired, enroll.Revoked), replies: listReplies(adminapi.TokenList{}), handle: s.listTokens,
	}, {
		method: http.MethodGet, path: "/tokens/:id", id: "getToken", tag: "tokens", summary: "Show one enrollment token",
		permission: auth.FleetRead, replies: map[int]any{http.StatusOK: adminapi.Token{}}, problems: []string{adminapi.TypeNotFound}, handle: s.getToken,
	}, {
		method: http.MethodDelete, path: "/tokens/:id", id: "revokeToken", tag: "tokens", summary: "Revoke a pending enrollment token",
		permission: auth.TokensWrite, replies: map[int]any{http.StatusNoContent: nil}, problems: []string{adminapi.TypeNotFound}, handle: s.revokeToken,
	}}
}

func (s *Server) createToken(c *gin.Context) error {
	var in adminapi.TokenRequest
	b, err := readBody(c, &in)
	if err != nil {
		return err
	}
	req := tokenRequest(in, b)
	if err := b.end(req.Validate()); err != nil {
		return err
	}
	who := callerOf(c)
	req.Actor, req.RequestID, req.From = who.Actor, requestID(c), who.from
	t, handed, err := s.cfg.Tokens.Create(c.Request.Context(), req)
	if err != nil {
		return err
	}
	setResourceID(c, t.ID)
	out := s.renderCreated(t, handed)
	if t.ExpiresAt.Sub(t.CreatedAt) < cmp.Or(req.TTL, enroll.DefaultTTL) {
		out.ExpiryNote = "It expires with the API key that made it."
	}
	c.JSON(http.StatusCreated, out)
	return nil
}

// renderCreated shows what the host gets, under its own name.
func (s *Server) renderCreated(t enroll.Token, handed string) adminapi.CreatedToken {
	out := adminapi.CreatedToken{
		TokenID: t.ID, Delivery: string(t.Delivery), Kind: string(t.Workload.Kind), ID: t.Workload.ID, Recipient: t.Recipient,
		ExpiresAt: t.ExpiresAt, InstallCommands: s.cfg.Install(t, handed),
	}
	switch t.Delivery {
	case enroll.Sealed:
		out.SealedToken = handed
	case enroll.ByClaim:
		out.ClaimURL, out.LinkWarning = s.claimURL(handed), s.linkWarning()
	default:
		out.Token = handed
	}
	if len(out.InstallCommands) > 0 {
		out.InstallCommand = out.InstallCommands[0].Command
	}
	return out
}

func (s *Server) listTokens(c *gin.Context) error {
	q, at, err := enrollQuery[enroll.State]("tokens", queryOf(c))
	if err != nil {
		return err
	}
	page, err := s.cfg.Tokens.TokenPage(c.Request.Context(), q)
	if err != nil {
		return fleetProblem(err)
	}
	out := adminapi.TokenList{Tokens: make([]adminapi.Token, 0, len(page.Items)), NextPageToken: at.tokenOf(page.Next), Total: page.Total}
	for _, t := range page.Items {
		out.Tokens = append(out.Tokens, renderToken(t, s.cfg.Now()))
	}
	return list(c, out)
}

func (s *Server) getToken(c *gin.Context) error {
	t, err := s.cfg.Tokens.Token(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, renderToken(t, s.cfg.Now()))
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

func renderToken(t enroll.Token, now time.Time) adminapi.Token {
	out := adminapi.Token{
		TokenID: t.ID, Kind: string(t.Workload.Kind), ID: t.Workload.ID, Status: string(t.State(now)), Replace: t.Replace,
		CreatedBy: t.CreatedBy, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt,
		RedeemedAt: t.ClaimedAt, RevokedAt: t.RevokedAt, HostID: string(t.HostID),
		Delivery: string(t.Delivery), Recipient: t.Recipient, OpenedAt: t.OpenedAt, OpenedFrom: t.OpenedFrom,
		SecondOpenAt: t.ReopenedAt, SecondOpenFrom: t.ReopenedFrom,
	}
	if t.Source.IsValid() {
		out.SourceCIDR = t.Source.String()
	}
	return out
}
