package presence

import "time"

// Status is what an operator sees of a member.
type Status string

// A member is ONLINE while its control stream (connector) or a session of it
// (tunneler, as reported by a connector) is open and had a heartbeat within
// OfflineAfter.
const (
	Online  Status = "ONLINE"
	Offline Status = "OFFLINE"
)

// OfflineAfter is three heartbeats.
const OfflineAfter = 30 * time.Second

// State is what is known of a member at this moment. It is in memory only.
type State struct {
	Status Status
	// Since is when the open stream or session started; zero when OFFLINE.
	Since      time.Time
	LastSeen   time.Time
	Version    string // as the member said it last; empty when it has not
	RemoteAddr string
	InstanceID string
	BootID     string
	SVID       SVID
	// SVIDVerified says that this controller verified SVID itself, on a connection
	// that is open; else it is what was reported.
	SVIDVerified bool
	// PolicyRevision is what a connector says it has applied.
	PolicyRevision uint64
	// Refusal is why a connector says it refuses what this controller sends; empty if it
	// does not.
	Refusal string
	// Outdated is why this controller refuses it, whose protocol is another; empty if it
	// does not.
	Outdated string
}

// SVID describes the X509-SVID that a member uses.
type SVID struct {
	Serial      string
	AuthorityID string
	NotAfter    time.Time
}
