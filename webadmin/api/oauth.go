package api

import (
	"errors"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

func (s *Server) oauthOperations() []operation {
	return []operation{{
		method: http.MethodPost, path: "/oauth/token", id: "createAccessToken", tag: "keys", summary: "Get an access token for an API key",
		description: "OAuth 2.0 client credentials (RFC 6749 section 4.4), form-encoded: grant_type=client_credentials, client_id is the key's id and client_secret the key, in the body or by HTTP Basic; scope may ask for less. A command line sends the grant_type of RFC 8628, client_id=grpccontroller-cli and its device_code instead. Problems have the field error of section 5.2.",
		public:      true, request: adminapi.AccessTokenRequest{}, form: true, replies: map[int]any{http.StatusOK: adminapi.AccessToken{}}, problems: []string{adminapi.TypeUnauthenticated, adminapi.TypeTooManyFailures}, handle: s.issueToken,
	}}
}

func (s *Server) issueToken(c *gin.Context) error {
	form, err := readForm(c.Request)
	if err != nil {
		return err
	}
	id, secret, basic := c.Request.BasicAuth()
	if basic {
		if form.Has("client_id") || form.Has("client_secret") {
			return oauthProblem(http.StatusBadRequest, "invalid_request", "authenticate by HTTP Basic or in the body, not both")
		}
		id, secret = unescape(id), unescape(secret)
	} else {
		id, secret = form.Get("client_id"), form.Get("client_secret")
	}
	id, secret = strings.TrimSpace(id), strings.TrimSpace(secret) // a file that holds one ends with a newline
	switch form.Get("grant_type") {
	case "client_credentials":
	case adminapi.DeviceCodeGrant:
		if id != adminapi.CLIClientID || secret != "" {
			return oauthProblem(http.StatusBadRequest, "invalid_client", "client_id must be "+adminapi.CLIClientID+", without a secret")
		}
		return s.redeemDevice(c, form.Get("device_code"))
	default:
		return oauthProblem(http.StatusBadRequest, "unsupported_grant_type", "grant_type must be client_credentials or "+adminapi.DeviceCodeGrant)
	}
	var scope []auth.Permission
	for _, p := range strings.Fields(form.Get("scope")) {
		scope = append(scope, auth.Permission(p))
	}
	at, err := s.cfg.Identity.Keys.Exchange(c.Request.Context(), id, secret, scope, auth.By{RequestID: requestID(c), Source: remoteIP(c)})
	if refused, ok := errors.AsType[*auth.RefusedError](err); ok {
		s.recordRefusal(c, refused.Actor, refused.Reason)
		c.Header("WWW-Authenticate", `Basic realm="grpccontroller"`)
		return oauthProblem(http.StatusUnauthorized, "invalid_client", "client_id and client_secret are not those of a valid API key")
	}
	if f, ok := errors.AsType[*auth.FieldError](err); ok {
		return oauthProblem(http.StatusBadRequest, "invalid_scope", f.Err.Error())
	}
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, adminapi.AccessToken{
		AccessToken: at.Token, TokenType: "Bearer", ExpiresIn: int(at.ExpiresAt.Sub(s.cfg.Now()).Seconds()), Scope: strings.Join(texts(at.Permissions), " "),
	})
	return nil
}

// readForm reads a form whose parameters come once each (RFC 6749 section 3.2).
func readForm(r *http.Request) (url.Values, error) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/x-www-form-urlencoded" {
		return nil, problem(adminapi.TypeMediaType, "the Content-Type must be application/x-www-form-urlencoded")
	}
	if err := r.ParseForm(); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, err
		}
		return nil, oauthProblem(http.StatusBadRequest, "invalid_request", "the body must be a form")
	}
	var found faults
	for _, name := range slices.Sorted(maps.Keys(r.PostForm)) {
		if len(r.PostForm[name]) != 1 {
			found.add(adminapi.InBody, name, "is given twice")
		}
	}
	if len(found) > 0 {
		p := found.problem()
		p.Problem.Error = "invalid_request"
		return nil, p
	}
	return r.PostForm, nil
}

// unescape undoes what RFC 6749 section 2.3.1 does to both halves of HTTP Basic.
func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

func oauthProblem(status int, code, detail string) *problemError {
	typ := adminapi.TypeInvalidRequest
	if status == http.StatusUnauthorized {
		typ = adminapi.TypeUnauthenticated
	}
	p := problem(typ, detail)
	p.Problem.Error = code
	return p
}
