package adminapi

import "time"

// Values of Member.Status.
const (
	Online  = "ONLINE"
	Offline = "OFFLINE"
)

// Revoked is a value of the query parameter status, and of no object: it chooses those with
// a revoked_at, which are in no other list. Their status still says whether they are connected.
const Revoked = "REVOKED"

// Member is what a connector and a tunneler have in common. What the host says
// of itself (version, addresses) is not verified.
type Member struct {
	ID string `json:"id"`
	// Status says whether it is connected, and RevokedAt whether it may be: a revoked one
	// is ONLINE until its last stream or session has ended.
	Status     string    `json:"status" enum:"ONLINE,OFFLINE"`
	LastSeen   time.Time `json:"last_seen,omitzero"`
	Version    string    `json:"version"`
	SPIFFEID   string    `json:"spiffe_id"`
	HostID     string    `json:"host_id"`
	EnrolledAt time.Time `json:"enrolled_at"`
	RevokedAt  time.Time `json:"revoked_at,omitzero"`
	// Contested says that a second key tried the enrollment token of this host.
	Contested bool `json:"contested"`
	// Cloned says that two machines use the key of this host; Clone says which.
	Cloned        bool   `json:"cloned"`
	Clone         *Clone `json:"clone,omitempty"`
	SVID          SVID   `json:"svid"`
	RemoteAddress string `json:"remote_address"`
	About
}

// About is what operators say of a member or host. Nothing of it decides about access.
type About struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
	Notes  string            `json:"notes"`
	// Revision grows with each change of these.
	Revision int64 `json:"revision"`
}

// Change changes a tunneler or a host: PATCH /tunnelers/{id} and PATCH /hosts/{id}. A
// field that is absent stays as it is, and null takes its value away.
type Change struct {
	Name *string `json:"name,omitempty" example:"Gateway of the Berlin office"`
	// Labels are set; one that is null is taken away, and others stay.
	Labels map[string]*string `json:"labels,omitempty"`
	Notes  *string            `json:"notes,omitempty"`
	// Revision must be the present one; absent takes any.
	Revision int64 `json:"revision,omitempty"`
}

// ConnectorChange changes a connector: PATCH /connectors/{id}. A field that is absent
// stays as it is, and null takes its value away.
type ConnectorChange struct {
	Name *string `json:"name,omitempty" example:"Gateway of the Berlin office"`
	// Labels are set; one that is null is taken away, and others stay.
	Labels map[string]*string `json:"labels,omitempty"`
	Notes  *string            `json:"notes,omitempty"`
	// NetworkID moves the connector: tunnelers learn it at once.
	NetworkID string `json:"network_id,omitempty"`
	// Revision must be the present one; absent takes any.
	Revision int64 `json:"revision,omitempty"`
}

// ConfirmRevoke is what the field confirm of a BulkRevocation must say.
const ConfirmRevoke = "revoke"

// BulkRevocation revokes the members with a label: POST /revocations.
type BulkRevocation struct {
	// Label is one label or several with commas between them, which a member must all have.
	Label string `json:"label" example:"env=test"`
	// Kind is absent for both.
	Kind string `json:"kind,omitempty" enum:"connector,tunneler"`
	// DryRun only says who would be revoked.
	DryRun bool `json:"dry_run,omitempty"`
	// Selection is that of the dry run, and Confirm is "revoke". A dry run needs neither.
	Selection string `json:"selection,omitempty" example:"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`
	Confirm   string `json:"confirm,omitempty" enum:"revoke"`
}

// BulkRevoked is the reply to a BulkRevocation. All were revoked together, or none.
type BulkRevoked struct {
	DryRun bool `json:"dry_run"`
	// Total are all members with the label, Revoked those whose access ended now: 0 in a dry
	// run, all of them otherwise.
	Total   int            `json:"total"`
	Revoked int            `json:"revoked"`
	Members []BulkOfMember `json:"members"`
	// Selection stands for exactly these members, each on its host. Whoever revokes them
	// sends it back; if others have the label by then, the reply is 409.
	Selection string `json:"selection" example:"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`
}

// BulkOfMember is what became of one member.
type BulkOfMember struct {
	Kind   string `json:"kind" enum:"connector,tunneler"`
	ID     string `json:"id"`
	Name   string `json:"name"`
	HostID string `json:"host_id"`
	// Result is "would be revoked" of a dry run.
	Result string `json:"result" enum:"would be revoked,revoked"`
}

// Clone is the evidence that a host is cloned.
type Clone struct {
	// Signal is "instances" (two programs with one identity were here in turn) or
	// "agent" (another SPIRE agent attests with the host's key).
	Signal string `json:"signal"`
	// Member is whose stream showed it, "connector/<id>".
	Member string `json:"member"`
	// Sightings are both machines, the later one first; only the right host's if the
	// signal is "agent".
	Sightings []Sighting `json:"sightings"`
}

// Sighting is one side of a clone. The address was observed, the rest is what the
// program said of itself; equal boot ids mean two programs on one kernel.
type Sighting struct {
	Address    string    `json:"address"`
	InstanceID string    `json:"instance_id"`
	BootID     string    `json:"boot_id"`
	At         time.Time `json:"at"`
}

// SVID is what a member reports of the X509-SVID it uses.
type SVID struct {
	Serial      string    `json:"serial"`
	AuthorityID string    `json:"authority_id"`
	NotAfter    time.Time `json:"not_after,omitzero"`
}

// Connector is an enrolled connector.
type Connector struct {
	Member
	// NetworkID is the network that it belongs to.
	NetworkID string `json:"network_id"`
	PrivateIP string `json:"private_ip"`
	// Addresses are host:port at which tunnelers reach it.
	Addresses []string `json:"addresses"`
	// StreamSince is when its open control stream started; absent when OFFLINE.
	StreamSince    time.Time `json:"stream_since,omitzero"`
	PolicyRevision uint64    `json:"policy_revision"`
	// Refusal is why it refuses what this controller sends, in its own words; absent
	// while it does not.
	Refusal string `json:"refusal,omitempty"`
}

// Tunneler is an enrolled tunneler.
type Tunneler struct {
	Member
	// ConnectorID is the connector of the session that was reported last. It does not
	// change while that session lives, and remains when no session is open.
	ConnectorID string `json:"connector_id"`
	// Sessions are all its open sessions, by connector; ONLINE is having one.
	Sessions []TunnelerSession `json:"sessions"`
	// ReportedBy is the SPIFFE ID of the connector that reported the status, the SVID
	// and the remote address; absent before the first report.
	ReportedBy string `json:"reported_by,omitempty"`
	// SessionSince is when its session at ConnectorID started; absent when OFFLINE.
	SessionSince time.Time `json:"session_since,omitzero"`
}

// TunnelerSession is an open session of a tunneler, as its connector reported it last.
type TunnelerSession struct {
	ConnectorID string    `json:"connector_id"`
	Since       time.Time `json:"since"`
	LastReport  time.Time `json:"last_report"`
	Version     string    `json:"version"`
	// RemoteAddress is where the connector sees the tunneler.
	RemoteAddress string `json:"remote_address"`
}

// ConnectorList is one page of GET /connectors. Total counts all pages.
type ConnectorList struct {
	Connectors    []Connector `json:"connectors"`
	NextPageToken string      `json:"next_page_token"`
	Total         int         `json:"total"`
}

// TunnelerList is one page of GET /tunnelers. Total counts all pages.
type TunnelerList struct {
	Tunnelers     []Tunneler `json:"tunnelers"`
	NextPageToken string     `json:"next_page_token"`
	Total         int        `json:"total"`
}

// Status is the reply to GET /status.
type Status struct {
	TrustDomain string    `json:"trust_domain"`
	Version     string    `json:"version"`
	Time        time.Time `json:"time"`
	Connectors  Count     `json:"connectors"`
	Tunnelers   Count     `json:"tunnelers"`
	// Attention is what an operator has to look into, at most 20; AttentionTotal counts all.
	Attention      []Attention `json:"attention"`
	AttentionTotal int         `json:"attention_total"`
}

// Values of Attention.Kind.
const (
	AttentionRefusing    = "refusing"
	AttentionOutdated    = "outdated"
	AttentionCloned      = "cloned"
	AttentionContested   = "contested"
	AttentionOffline     = "offline"
	AttentionApprovals   = "approvals"
	AttentionBootstrap   = "bootstrap_ca"
	AttentionRotation    = "rotation"
	AttentionCertificate = "certificate"
	AttentionExport      = "audit_export"
	AttentionRecovery    = "recovery_key"
)

// Attention is one thing that an operator has to look into.
type Attention struct {
	// ID is of this state of the thing: if it changes, the item has another one.
	ID   string `json:"id"`
	Kind string `json:"kind" enum:"refusing,outdated,cloned,contested,offline,approvals,bootstrap_ca,rotation,certificate,audit_export,recovery_key"`
	// Severity is critical if somebody is in who should not be, or is kept out who should
	// be in.
	Severity string `json:"severity" enum:"critical,warning"`
	// Subject is "connector/<id>", "tunneler/<id>" or the name of a receiver of the audit
	// log; absent if it is about nothing of that.
	Subject string `json:"subject,omitempty"`
	// Since is when it began; absent if that is not known.
	Since time.Time `json:"since,omitzero"`
	// Found says what is wrong, Do what to do.
	Found string `json:"found"`
	Do    string `json:"do"`
	// Page is the path of the dashboard that shows more of it.
	Page string `json:"page"`
}

// AttentionList is what an operator has to look into, the gravest first.
type AttentionList struct {
	Attention []Attention `json:"attention"`
	// Total counts also what is not listed.
	Total int `json:"total"`
}

// Count counts members that are not revoked.
type Count struct {
	Total   int `json:"total"`
	Online  int `json:"online"`
	Offline int `json:"offline"`
}
