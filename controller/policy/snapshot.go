package policy

import (
	"slices"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Snapshot is the whole policy at one revision. Until there are networks and
// grants it says: every live tunneler may open a session at every live connector.
type Snapshot struct {
	Revision   uint64
	IssuedAt   time.Time
	Tunnelers  []Tunneler
	Connectors []Connector
	// Denials are the revocations that members still keep, by Seq.
	Denials []fleet.Denial
	// LeftOut counts who is enrolled and has no place in one message.
	LeftOut struct{ Tunnelers, Connectors int }
	// Changed are the members that are not as in the snapshot of revision Since, the one
	// before: added, changed or gone. Of the first one (Since is 0) they are all.
	Since   uint64
	Changed []identity.Workload

	all members // also those who have no place in one message
}

// Tunneler is one that may open a session.
type Tunneler struct {
	SPIFFEID spiffeid.ID
	// HostID and SVIDNotBefore: an SVID of another host, or with an earlier notBefore, is
	// of a former holder of the id.
	HostID        identity.HostID
	SVIDNotBefore time.Time
}

// Connector is one that tunnelers may use.
type Connector struct {
	ID        string
	SPIFFEID  spiffeid.ID
	NetworkID string
	Addresses []string
	// HostID and SVIDNotBefore are as a Tunneler's.
	HostID        identity.HostID
	SVIDNotBefore time.Time
}

// Names says whether w is a member that is live.
func (s *Snapshot) Names(w identity.Workload) bool {
	_, _, ok := s.all.holder(w)
	return ok
}

// Admits says whether a stream of w, authenticated by an SVID of this issue, may stay
// open: w is live, and the SVID that of its present holder.
func (s *Snapshot) Admits(w identity.Workload, svid identity.Issue) bool {
	host, since, ok := s.all.holder(w)
	return ok && svid.To(host, since)
}

// holder returns the host of a member that is live, and the earliest notBefore of its SVID.
func (m members) holder(w identity.Workload) (host identity.HostID, svidNotBefore time.Time, ok bool) {
	switch w.Kind { //nolint:exhaustive // nobody else is a member
	case identity.KindConnector:
		at, ok := slices.BinarySearchFunc(m.connectors, w.ID, func(c Connector, id string) int { return strings.Compare(c.ID, id) })
		if ok {
			return m.connectors[at].HostID, m.connectors[at].SVIDNotBefore, true
		}
	case identity.KindTunneler:
		at, ok := slices.BinarySearchFunc(m.tunnelers, w.ID, func(t Tunneler, id string) int { return strings.Compare(t.id(), id) })
		if ok {
			return m.tunnelers[at].HostID, m.tunnelers[at].SVIDNotBefore, true
		}
	}
	return "", time.Time{}, false
}
