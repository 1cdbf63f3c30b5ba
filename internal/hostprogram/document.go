package hostprogram

import (
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

// MaxSessions bounds Document.Sessions.
const MaxSessions = 200

// Document describes a running program. Times are UTC; what is not known yet is
// absent.
type Document struct {
	Program   string    `json:"program"` // grpcconnector or grpctunneler
	Version   string    `json:"version"`
	StartedAt time.Time `json:"started_at"`
	Process   Process   `json:"process"`
	// StateDir is empty when nothing is kept.
	StateDir string `json:"state_dir,omitempty"`
	// Listen is where a connector accepts tunnelers.
	Listen string `json:"listen,omitempty"`

	ID       string `json:"id"`
	SPIFFEID string `json:"spiffe_id"`

	// Ready and Checks are what /readyz says.
	Ready    bool           `json:"ready"`
	Degraded bool           `json:"degraded,omitempty"`
	Checks   []health.Check `json:"checks"`

	// SVID in use, and the key ids of the authorities that peers are verified with.
	SVID               *SVID    `json:"svid,omitempty"`
	BundleAuthorityIDs []string `json:"bundle_authority_ids,omitempty"`
	// Controller is the stream to the controller.
	Controller *Link `json:"controller,omitempty"`
	// Policy is of a connector, Directory of a tunneler.
	Policy    *Policy    `json:"policy,omitempty"`
	Directory *Directory `json:"directory,omitempty"`
	// Sessions of a connector with tunnelers, of a tunneler with connectors, by id;
	// SessionsTotal counts also those beyond MaxSessions.
	Sessions      []Session `json:"sessions"`
	SessionsTotal int       `json:"sessions_total"`
	Outage        Outage    `json:"outage"`
}

// Process is how the program runs, for a comparison with how it was enrolled.
type Process struct {
	PID    int    `json:"pid"`
	UID    int    `json:"uid"`
	Binary string `json:"binary"`
	// Unit of systemd, empty outside of one.
	Unit string `json:"unit,omitempty"`
}

// SVID describes an X509-SVID; Serial and AuthorityID are hexadecimal.
type SVID struct {
	Serial      string    `json:"serial"`
	AuthorityID string    `json:"authority_id"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
}

// Link is a stream that is kept open.
type Link struct {
	Connected bool `json:"connected"`
	// Address in use, or tried last.
	Address string `json:"address,omitempty"`
	// Since is when the present state began.
	Since time.Time `json:"since"`
	// Failure is why the last attempt ended, while not connected.
	Failure string `json:"failure,omitempty"`
	// HeartbeatAt is when the last heartbeat was sent (connector).
	HeartbeatAt time.Time `json:"heartbeat_at,omitzero"`
}

// Policy is who may open a session at this connector.
type Policy struct {
	Revision uint64 `json:"revision"`
	// ConfirmedAt is when a controller last confirmed it: now, while connected.
	ConfirmedAt time.Time `json:"confirmed_at"`
	// UsableUntil is when it becomes too old if no controller confirms it from now on.
	UsableUntil   time.Time `json:"usable_until"`
	MaxAgeSeconds int64     `json:"max_age_seconds"`
}

// Directory is which connectors a tunneler may use.
type Directory struct {
	Revision uint64 `json:"revision"`
	// FromDisk says that no controller has confirmed it since the program started.
	FromDisk bool `json:"from_disk"`
}

// Session is one session with a peer.
type Session struct {
	Peer      string    `json:"peer"` // id of the tunneler or connector
	Connected bool      `json:"connected"`
	Address   string    `json:"address,omitempty"` // of the peer
	Since     time.Time `json:"since"`
	Failure   string    `json:"failure,omitempty"`
	// AnsweredAt is when a connector last acknowledged a message (tunneler).
	AnsweredAt time.Time `json:"answered_at,omitzero"`
	// Network of the connector, and why this one is used of those in it (tunneler).
	Network string `json:"network,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// Outage is how long sessions continue.
type Outage struct {
	// WithoutController is when the policy becomes too old, if every controller goes
	// now and SPIRE stays (connector).
	WithoutController time.Time `json:"without_controller_until,omitzero"`
	// WithoutSPIRE is when the SVID in use, and the grace that sessions have on top of
	// it, end if SPIRE goes now.
	WithoutSPIRE time.Time `json:"without_spire_until,omitzero"`
}

// bound cuts the document to size.
func (d *Document) bound() {
	d.SessionsTotal = len(d.Sessions)
	d.Sessions = append([]Session{}, d.Sessions[:min(len(d.Sessions), MaxSessions)]...)
	for i := range d.Sessions {
		d.Sessions[i].Failure = health.OneLine(d.Sessions[i].Failure)
		d.Sessions[i].Reason = health.OneLine(d.Sessions[i].Reason)
	}
	if d.Controller != nil {
		d.Controller.Failure = health.OneLine(d.Controller.Failure)
	}
	d.BundleAuthorityIDs = d.BundleAuthorityIDs[:min(len(d.BundleAuthorityIDs), 32)]
}
