package fleet

import (
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Host is one enrollment of one machine. Its times are zero when the thing has
// not happened.
type Host struct {
	ID identity.HostID
	// AgentID is the SPIFFE ID of the host's SPIRE agent, the parent of its entries.
	// Zero for an ephemeral host whose join token was not made yet.
	AgentID spiffeid.ID
	// KeyHash is the SHA-256 of the host key (SubjectPublicKeyInfo, DER).
	KeyHash []byte
	// Certificate is the host certificate, DER; empty until signed and for ephemeral hosts.
	Certificate []byte
	Ephemeral   bool
	Hostname    string
	EnrolledAt  time.Time
	// ContestedAt is when somebody else tried this host's enrollment token.
	ContestedAt time.Time
	// ClonedAt is when two machines were found to use this host's key, and Clone who
	// they were; both stay until the host is revoked and enrolled anew.
	ClonedAt  time.Time
	Clone     Clone
	RevokedAt time.Time
	About     About
}

// Member is an enrolled connector or tunneler: what both have in common.
type Member struct {
	identity.Workload
	HostID    identity.HostID
	Selectors []Selector
	Version   string
	// EnrolledAt, RevokedAt, FirstSeenAt and LastSeenAt are zero when it has not happened.
	EnrolledAt  time.Time
	RevokedAt   time.Time
	FirstSeenAt time.Time
	LastSeenAt  time.Time
	About       About
}

// Live says that the member is enrolled and not revoked.
func (m Member) Live() bool { return m.RevokedAt.IsZero() }

// EntryID is the ID of the member's registration entry in SPIRE. It changes with
// the host, so that the entry of a revoked host is never mistaken for the new one.
func (m Member) EntryID() string {
	return EntryIDPrefix + string(m.Kind) + "." + m.ID + "." + string(m.HostID)
}

// Connector is an enrolled connector.
type Connector struct {
	Member
	PrivateIP string
	// Addresses are host:port at which tunnelers reach it, from its last hello.
	Addresses []string
	// Contested and Clone are copied from its host; Clone is nil unless it is cloned.
	Contested bool
	Clone     *Clone
	NetworkID string
	Presence  presence.State
}

// Tunneler is an enrolled tunneler.
type Tunneler struct {
	Member
	// ConnectorID is the connector that reported its session last; it does not
	// change while that session lives, and remains when none is left.
	ConnectorID string
	// Sessions are all that are open, by connector.
	Sessions  []presence.Session
	Contested bool
	Clone     *Clone
	Presence  presence.State
}
