package server

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	agentv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/agent/v1"
	bundlev1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/bundle/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"go.uber.org/zap"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Agent returns fleet.ErrNotFound for an agent that never attested or was evicted.
func (c *Client) Agent(ctx context.Context, id spiffeid.ID) (fleet.Agent, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	a, err := c.agents.GetAgent(ctx, &agentv1.GetAgentRequest{Id: protoID(id)})
	if err != nil {
		return fleet.Agent{}, fmt.Errorf("get agent %q: %w", id, domainError(err))
	}
	return domainAgent(a)
}

// Agents lists all attested agents, banned ones too.
func (c *Client) Agents(ctx context.Context) (all []fleet.Agent, err error) {
	err = c.eachAgents(ctx, nil, func(page []fleet.Agent) error {
		all = append(all, page...)
		return nil
	})
	return all, err
}

// AgentPage lists a page of all attested agents, banned ones too: the one after the page
// that named this token, "" at first. next is "" after the last page.
func (c *Client) AgentPage(ctx context.Context, token string) (page []fleet.Agent, next string, err error) {
	return c.listAgents(ctx, nil, token)
}

// AgentsUntil lists the attested agents whose SVID ends before a time, by an index of
// SPIRE's, banned ones too.
func (c *Client) AgentsUntil(ctx context.Context, before time.Time) (all []fleet.Agent, err error) {
	// The form that SPIRE reads; what it cannot read it takes for no filter.
	filter := &agentv1.ListAgentsRequest_Filter{ByExpiresBefore: before.UTC().Format("2006-01-02 15:04:05 -0700 -07")}
	err = c.eachAgents(ctx, filter, func(page []fleet.Agent) error {
		all = append(all, page...)
		return nil
	})
	return all, err
}

// EachAgents calls fn with the attested agents that are not banned, a page at a time.
func (c *Client) EachAgents(ctx context.Context, fn func(page []fleet.Agent) error) error {
	return c.eachAgents(ctx, &agentv1.ListAgentsRequest_Filter{ByBanned: wrapperspb.Bool(false)}, fn)
}

func (c *Client) eachAgents(ctx context.Context, filter *agentv1.ListAgentsRequest_Filter, fn func(page []fleet.Agent) error) error {
	for token := ""; ; {
		page, next, err := c.listAgents(ctx, filter, token)
		if err != nil {
			return err
		}
		if len(page) > 0 { // SPIRE's last page may be empty
			if err := fn(page); err != nil {
				return err
			}
		}
		if token = next; token == "" {
			return nil
		}
	}
}

func (c *Client) listAgents(ctx context.Context, filter *agentv1.ListAgentsRequest_Filter, token string) (page []fleet.Agent, next string, err error) {
	// The selectors of agents are the larger part of a page, and nobody needs them.
	mask := &types.AgentMask{X509SvidSerialNumber: true, X509SvidExpiresAt: true, Banned: true}
	resp, err := c.agentPage(ctx, &agentv1.ListAgentsRequest{Filter: filter, OutputMask: mask, PageSize: pageSize, PageToken: token})
	if err != nil {
		return nil, "", fmt.Errorf("list agents: %w", err)
	}
	page = make([]fleet.Agent, 0, len(resp.GetAgents()))
	for _, p := range resp.GetAgents() {
		a, err := domainAgent(p)
		if err != nil {
			return nil, "", fmt.Errorf("list agents: %w", err)
		}
		page = append(page, a)
	}
	if len(page) < pageSize {
		// SPIRE names a next page, which is empty: whoever reads a page at a time would read
		// that one, and each agent half as often.
		return page, "", nil
	}
	return page, resp.GetNextPageToken(), nil
}

func (c *Client) agentPage(ctx context.Context, r *agentv1.ListAgentsRequest) (*agentv1.ListAgentsResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return c.agents.ListAgents(ctx, r)
}

// BanAgent makes the agent exit at its next sync and refuses its attestation from
// then on. Banning a banned agent is no error. It returns fleet.ErrNotFound for
// one that never attested. An attestation in flight can undo a ban: the caller
// reads it again.
func (c *Client) BanAgent(ctx context.Context, id spiffeid.ID) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if _, err := c.agents.BanAgent(ctx, &agentv1.BanAgentRequest{Id: protoID(id)}); err != nil {
		return fmt.Errorf("ban agent %q: %w", id, domainError(err))
	}
	c.log.Info("banned agent", zap.String("spiffe_id", id.String()))
	return nil
}

func domainAgent(p *types.Agent) (fleet.Agent, error) {
	id, err := domainID(p.GetId())
	if err != nil {
		return fleet.Agent{}, fmt.Errorf("agent: %w", err)
	}
	return fleet.Agent{ID: id, SerialNumber: p.GetX509SvidSerialNumber(), ExpiresAt: time.Unix(p.GetX509SvidExpiresAt(), 0), Banned: p.GetBanned()}, nil
}

// CreateJoinToken makes a SPIRE join token for an ephemeral host, and returns the
// SPIFFE ID that the agent which spends it will have. That ID contains the token:
// do not log it before it is spent.
func (c *Client) CreateJoinToken(ctx context.Context, ttl time.Duration) (string, spiffeid.ID, error) {
	seconds := int64(ttl / time.Second)
	if seconds < 1 || seconds > math.MaxInt32 {
		return "", spiffeid.ID{}, fmt.Errorf("create join token: TTL %s is not between one second and 68 years", ttl)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	t, err := c.agents.CreateJoinToken(ctx, &agentv1.CreateJoinTokenRequest{Ttl: int32(seconds)})
	if err != nil {
		return "", spiffeid.ID{}, fmt.Errorf("create join token: %w", err)
	}
	id, err := identity.JoinTokenAgentID(c.td, t.GetValue())
	if err != nil {
		return "", spiffeid.ID{}, errors.New("create join token: SPIRE returned one that does not fit in a SPIFFE ID")
	}
	return t.GetValue(), id, nil
}

// Bundle returns the X.509 authorities of the trust domain. Tainted ones are
// among them: what they signed verifies until they are revoked.
func (c *Client) Bundle(ctx context.Context) ([]*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	b, err := c.bundles.GetBundle(ctx, &bundlev1.GetBundleRequest{OutputMask: &types.BundleMask{X509Authorities: true}})
	if err != nil {
		return nil, fmt.Errorf("get bundle: %w", err)
	}
	var authorities []*x509.Certificate
	for _, a := range b.GetX509Authorities() {
		certs, err := x509.ParseCertificates(a.GetAsn1())
		if err != nil {
			return nil, fmt.Errorf("get bundle: %w", err)
		}
		authorities = append(authorities, certs...)
	}
	if len(authorities) == 0 {
		return nil, errors.New("get bundle: SPIRE server has no X.509 authority")
	}
	return authorities, nil
}
