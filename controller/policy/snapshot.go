package policy

import (
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Snapshot is the whole policy at one revision. Until there are networks and
// grants it says: every live tunneler may open a session at every live connector.
type Snapshot struct {
	Revision   uint64
	IssuedAt   time.Time
	Tunnelers  []Tunneler
	Connectors []Connector
	// LeftOut counts who is enrolled and has no place in one message.
	LeftOut struct{ Tunnelers, Connectors int }

	live    map[identity.Workload]time.Time // to the earliest notBefore of its SVID
	revoked map[identity.Workload]time.Time // to when
}

// Tunneler is one that may open a session.
type Tunneler struct {
	SPIFFEID spiffeid.ID
	// SVIDNotBefore: an SVID with an earlier notBefore is of a former holder of the id.
	SVIDNotBefore time.Time
}

// Connector is one that tunnelers may use.
type Connector struct {
	ID        string
	SPIFFEID  spiffeid.ID
	NetworkID string
	Addresses []string
	// SVIDNotBefore is as a Tunneler's.
	SVIDNotBefore time.Time
}

// Names says whether a stream of w, authenticated by an SVID with this notBefore,
// may stay open.
func (s *Snapshot) Names(w identity.Workload, svidNotBefore time.Time) bool {
	earliest, ok := s.live[w]
	// A certificate carries whole seconds.
	return ok && !svidNotBefore.Before(earliest.Truncate(time.Second))
}

// revokedSince lists when those were revoked whom the snapshot before still named,
// the earliest first.
func (s *Snapshot) revokedSince(before *Snapshot) (out []time.Time) {
	for w := range before.live {
		if at, ok := s.revoked[w]; ok {
			out = append(out, at)
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return out
}
