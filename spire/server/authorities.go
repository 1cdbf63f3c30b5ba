package server

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"

	bundlev1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/bundle/v1"
	localauthorityv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/localauthority/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
)

// authorityTimeout bounds one RPC. To prepare makes a key, which takes an external key
// manager a while.
const authorityTimeout = 15 * time.Second

// Authorities talks to one spire-server.
type Authorities struct {
	authority localauthorityv1.LocalAuthorityClient
	bundles   bundlev1.BundleClient
}

var _ rotation.SPIRE = (*Authorities)(nil)

// NewAuthorities returns a client on the connection of a Client.
func NewAuthorities(conn grpc.ClientConnInterface) *Authorities {
	return &Authorities{authority: localauthorityv1.NewLocalAuthorityClient(conn), bundles: bundlev1.NewBundleClient(conn)}
}

// Authorities implements rotation.SPIRE. The state is read before the bundle: an
// authority enters the bundle before it has a state and leaves it before it loses
// its state, so one that is revoked in between is seen as gone.
func (c *Authorities) Authorities(ctx context.Context) (rotation.Authorities, error) {
	ctx, cancel := context.WithTimeout(ctx, authorityTimeout)
	defer cancel()
	state, err := c.authority.GetX509AuthorityState(ctx, &localauthorityv1.GetX509AuthorityStateRequest{})
	if err != nil {
		return rotation.Authorities{}, fmt.Errorf("get X.509 authority state: %w", err)
	}
	b, err := c.bundles.GetBundle(ctx, &bundlev1.GetBundleRequest{OutputMask: &types.BundleMask{X509Authorities: true}})
	if err != nil {
		return rotation.Authorities{}, fmt.Errorf("get bundle: %w", err)
	}
	out := rotation.Authorities{
		Active: authority(state.GetActive()), Prepared: authority(state.GetPrepared()), Old: authority(state.GetOld()),
	}
	// One that signed itself is its own upstream, or has none.
	if up := state.GetActive().GetUpstreamAuthoritySubjectKeyId(); up != out.Active.ID {
		out.Upstream = up
	}
	for _, a := range b.GetX509Authorities() {
		cert, err := x509.ParseCertificate(a.GetAsn1())
		if err != nil {
			return rotation.Authorities{}, fmt.Errorf("get bundle: %w", err)
		}
		out.Bundle = append(out.Bundle, rotation.Authority{
			ID: hex.EncodeToString(cert.SubjectKeyId), ExpiresAt: cert.NotAfter.UTC(), Tainted: a.GetTainted(),
		})
	}
	return out, nil
}

func authority(s *localauthorityv1.AuthorityState) rotation.Authority {
	if s.GetAuthorityId() == "" {
		return rotation.Authority{}
	}
	return rotation.Authority{ID: s.GetAuthorityId(), ExpiresAt: time.Unix(s.GetExpiresAt(), 0).UTC()}
}

// Prepare implements rotation.SPIRE.
func (c *Authorities) Prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, authorityTimeout)
	defer cancel()
	_, err := c.authority.PrepareX509Authority(ctx, &localauthorityv1.PrepareX509AuthorityRequest{})
	return authorityError("prepare X.509 authority", err)
}

// Activate implements rotation.SPIRE.
func (c *Authorities) Activate(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, authorityTimeout)
	defer cancel()
	_, err := c.authority.ActivateX509Authority(ctx, &localauthorityv1.ActivateX509AuthorityRequest{AuthorityId: id})
	return authorityError("activate X.509 authority "+id, err)
}

// Taint implements rotation.SPIRE.
func (c *Authorities) Taint(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, authorityTimeout)
	defer cancel()
	_, err := c.authority.TaintX509Authority(ctx, &localauthorityv1.TaintX509AuthorityRequest{AuthorityId: id})
	return authorityError("taint X.509 authority "+id, err)
}

// Revoke implements rotation.SPIRE.
func (c *Authorities) Revoke(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, authorityTimeout)
	defer cancel()
	_, err := c.authority.RevokeX509Authority(ctx, &localauthorityv1.RevokeX509AuthorityRequest{AuthorityId: id})
	return authorityError("revoke X.509 authority "+id, err)
}

func authorityError(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
