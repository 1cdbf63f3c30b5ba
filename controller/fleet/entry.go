package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// ErrNotFound is returned for a member, host or agent that does not exist.
var ErrNotFound = errors.New("not found")

// EntryIDPrefix marks the registration entries that this controller owns. The
// reconciler leaves all others alone, so that an operator's own entries in an
// external SPIRE are safe.
const EntryIDPrefix = "zt."

// Selector is one SPIRE selector. The controller makes them from fixed templates.
type Selector struct {
	Type  string
	Value string
}

// String returns "type:value" as SPIRE writes it.
func (s Selector) String() string { return s.Type + ":" + s.Value }

// ParseSelector reads "type:value".
func ParseSelector(s string) (Selector, error) {
	typ, value, ok := strings.Cut(s, ":")
	if !ok || typ == "" || value == "" {
		return Selector{}, errors.New("selector is not of the form type:value")
	}
	return Selector{Type: typ, Value: value}, nil
}

// Entry is a SPIRE registration entry of ours. Its ID is chosen by us, begins
// with EntryIDPrefix and never changes for one member on one host.
type Entry struct {
	ID          string
	SPIFFEID    spiffeid.ID
	ParentID    spiffeid.ID
	Selectors   []Selector
	X509SVIDTTL time.Duration
	// DNSName is the only one of the SVIDs; empty for none.
	DNSName string
}

// Agent is what SPIRE knows of an attested agent.
type Agent struct {
	ID           spiffeid.ID
	SerialNumber string
	ExpiresAt    time.Time
	Banned       bool
}

// SPIRE is the part of the SPIRE Server API that the reconciler needs. Every call is
// idempotent.
type SPIRE interface {
	// PutEntry creates the entry, or makes an existing one with its ID equal to it.
	PutEntry(ctx context.Context, e Entry) error
	// DeleteEntry deletes by ID; an entry that is gone is no error.
	DeleteEntry(ctx context.Context, id string) error
	// EntriesOf lists those that give this SPIFFE ID and whose ID begins with EntryIDPrefix.
	EntriesOf(ctx context.Context, id spiffeid.ID) ([]Entry, error)
	// EachEntries calls fn with all entries whose ID begins with EntryIDPrefix, a few
	// hundred at a time, until it returns an error.
	EachEntries(ctx context.Context, fn func(page []Entry) error) error
	// EachAgents is EachEntries for the attested agents that are not banned.
	EachAgents(ctx context.Context, fn func(page []Agent) error) error
	// Agent returns ErrNotFound for one that never attested (or was evicted).
	Agent(ctx context.Context, id spiffeid.ID) (Agent, error)
	// BanAgent returns ErrNotFound for an agent that never attested.
	BanAgent(ctx context.Context, id spiffeid.ID) error
}

// EntryFor is the registration entry that a live member on host should have. SelectorsFor made
// the selectors when it enrolled.
func EntryFor(m Member, host Host, td spiffeid.TrustDomain, ttl map[identity.Kind]time.Duration) (Entry, error) {
	id, err := m.SPIFFEID(td)
	if err != nil {
		return Entry{}, err
	}
	return Entry{
		ID: m.EntryID(), SPIFFEID: id, ParentID: host.AgentID,
		Selectors: slices.Clone(m.Selectors), X509SVIDTTL: ttl[m.Kind], DNSName: m.HostID.SVIDName(),
	}, nil
}

// SelectorsFor say which process of its host is the member. They are the controller's choice;
// the host only says where its program is. Always two, so that another user's process at the
// same path gets nothing. Under systemd the unit is used, for a DynamicUser's uid changes.
func SelectorsFor(kind identity.Kind, program string, uid uint32, systemd bool) []Selector {
	path := Selector{Type: "unix", Value: "path:" + program}
	if systemd {
		return []Selector{{Type: "systemd", Value: "id:" + UnitOf(kind)}, path}
	}
	return []Selector{{Type: "unix", Value: fmt.Sprintf("uid:%d", uid)}, path}
}

// UnitOf is the systemd unit that members of a kind run as.
func UnitOf(kind identity.Kind) string { return "grpc" + string(kind) + ".service" }
