package fleet

import (
	"context"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Placed is a member and its host. Of the host there is what a registration entry
// depends on: ID, AgentID, Ephemeral and RevokedAt.
type Placed struct {
	Member Member
	Host   Host
}

// Placements is what the reconciler reads of the store, revoked members and hosts too.
// Nothing here takes part in a transaction or holds up a writer.
type Placements interface {
	// PlacedByID lists those of these members that are there.
	PlacedByID(ctx context.Context, k identity.Kind, ids []string) ([]Placed, error)
	// PlacedAfter lists the members of a kind with an id after this one, by id.
	PlacedAfter(ctx context.Context, k identity.Kind, after string, limit int) ([]Placed, error)
	// PlacedOn lists the members of one host.
	PlacedOn(ctx context.Context, host identity.HostID) ([]Placed, error)
	// HostByID returns ErrNotFound for a host that is not there.
	HostByID(ctx context.Context, id identity.HostID) (Host, error)
	// RevokedHosts lists the revoked hosts of these agents.
	RevokedHosts(ctx context.Context, agents []spiffeid.ID) ([]identity.HostID, error)
}

// entry is what SPIRE should have for the member; false is none.
func (p Placed) entry(c *ReconcilerConfig) (e Entry, wanted bool, err error) {
	if !p.Member.Live() || !p.Host.RevokedAt.IsZero() || p.Host.AgentID.IsZero() {
		return Entry{}, false, nil
	}
	e, err = EntryFor(p.Member, p.Host, c.TrustDomain, c.SVIDTTL)
	return e, err == nil, err
}
