package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/guardedhttp"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

const (
	requestTimeout = 10 * time.Second
	maxReply       = 1 << 20
)

// Errors of Start and Finish. What else goes wrong wraps ErrRefused or
// ErrUnavailable with the reason, which is for the log.
var (
	// ErrUnavailable: the provider does not answer, or not like one.
	ErrUnavailable = errors.New("the identity provider cannot be reached now; sign in with a password")
	// ErrRefused: this sign-in is not to be believed.
	ErrRefused = errors.New("sign-in with the identity provider was refused; begin again")
	// ErrReturnTo: the way back is not a path of this site.
	ErrReturnTo = errors.New(`must be a path of this site, such as "/connectors"`)
)

// Config configures New.
type Config struct {
	Issuer, ClientID, ClientSecret string
	// RedirectURL is our callback, as the provider knows it.
	RedirectURL string
	// Scopes beside openid.
	Scopes []string
	// GroupsClaim has the groups, in the ID token or else from the UserInfo endpoint.
	GroupsClaim string
	// Roles are what groups give; of several the highest counts.
	Roles map[string]auth.Role
	Seal  *keys.Box
	Now   func() time.Time
	// Transport is http.DefaultTransport if nil.
	Transport http.RoundTripper
}

// algorithms are what a provider may sign with. All are asymmetric: with HS256 a
// token would be signed by whoever knows the client secret, with none by anybody.
func algorithms() []string {
	return []string{
		oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
	}
}

// Provider is one OpenID provider.
type Provider struct {
	cfg  Config
	http *http.Client

	mu    sync.Mutex
	known *oidc.Provider
}

// New returns a Provider without asking it anything.
func New(c Config) *Provider {
	if c.Transport == nil {
		c.Transport = http.DefaultTransport
	}
	return &Provider{cfg: c, http: guardedhttp.New(guardedhttp.Config{Service: c.Issuer, Transport: c.Transport, Timeout: requestTimeout, MaxReply: maxReply})}
}

// discover asks for the provider's configuration until it had one answer.
func (p *Provider) discover(ctx context.Context) (*oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known != nil {
		return p.known, nil
	}
	known, err := oidc.NewProvider(oidc.ClientContext(ctx, p.http), p.cfg.Issuer) // refuses another issuer's
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	p.known = known
	return known, nil
}

func (p *Provider) oauth(known *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{
		ClientID: p.cfg.ClientID, ClientSecret: p.cfg.ClientSecret, RedirectURL: p.cfg.RedirectURL, Endpoint: known.Endpoint(),
		Scopes: append([]string{oidc.ScopeOpenID}, p.cfg.Scopes...),
	}
}

// Bounds of what a line of the log has of a provider's claims.
const (
	maxNames = 20
	maxName  = 64
)

// noRole says why these claims give no role.
func (p *Provider) noRole(said map[string]json.RawMessage) string {
	raw, has := said[p.cfg.GroupsClaim]
	groups := texts(raw)
	switch {
	case !has:
		return fmt.Sprintf("there is no claim %q (admin.oidc.groups_claim), the claims are %s", p.cfg.GroupsClaim, some(slices.Sorted(maps.Keys(said))))
	case len(groups) == 0:
		return fmt.Sprintf("the claim %q has no name of a group", p.cfg.GroupsClaim)
	default:
		return fmt.Sprintf("admin.oidc.roles has none of the groups %s", some(groups))
	}
}

// some quotes the first of these names, each clipped.
func some(names []string) string {
	var out []string
	for _, n := range names[:min(len(names), maxNames)] {
		out = append(out, fmt.Sprintf("%.*q", maxName, n))
	}
	if more := len(names) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, ", ")
}

// role is the highest that any of the groups gives; empty is none.
func (p *Provider) role(groups []string) auth.Role {
	best := -1
	for _, g := range groups {
		best = max(best, slices.Index(auth.Roles(), p.cfg.Roles[g]))
	}
	if best < 0 {
		return ""
	}
	return auth.Roles()[best]
}
