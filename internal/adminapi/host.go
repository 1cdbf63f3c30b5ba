package adminapi

import "time"

// Host is one enrollment of one machine.
type Host struct {
	ID       string `json:"id"`
	Hostname string `json:"hostname"` // what it says of itself
	// AgentID is the SPIFFE ID of its SPIRE agent; absent for an ephemeral host that
	// has not got its join token yet.
	AgentID string `json:"agent_id,omitempty"`
	// Status is ONLINE while one of its members is.
	Status     string    `json:"status" enum:"ONLINE,OFFLINE"`
	LastSeen   time.Time `json:"last_seen,omitzero"`
	Ephemeral  bool      `json:"ephemeral"`
	EnrolledAt time.Time `json:"enrolled_at"`
	RevokedAt  time.Time `json:"revoked_at,omitzero"`
	// ContestedAt is when a second key tried its enrollment token.
	ContestedAt time.Time `json:"contested_at,omitzero"`
	// ClonedAt is when two machines were found to use its key.
	ClonedAt time.Time `json:"cloned_at,omitzero"`
	// Members are the connectors and tunnelers on it, revoked ones too.
	Members []HostMember `json:"members"`
	About
}

// HostMember is a connector or tunneler on a host.
type HostMember struct {
	Kind      string    `json:"kind" enum:"connector,tunneler"`
	ID        string    `json:"id"`
	Status    string    `json:"status" enum:"ONLINE,OFFLINE"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
}

// HostList is one page of GET /hosts. Total counts all pages.
type HostList struct {
	Hosts         []Host `json:"hosts"`
	NextPageToken string `json:"next_page_token"`
	Total         int    `json:"total"`
}

// Network is a group of connectors.
type Network struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Prefixes are where the names of its resources may lead to. Without any those are the
	// private addresses.
	Prefixes   []string  `json:"prefixes,omitempty" example:"10.1.0.0/16"`
	CreatedAt  time.Time `json:"created_at,omitzero"` // absent for the default network
	Connectors Count     `json:"connectors"`
	Revision   int64     `json:"revision"` // grows with each change
}

// NetworkRequest creates a network: POST /networks.
type NetworkRequest struct {
	// ID has a-z, 0-9 and -, and does not change any more.
	ID string `json:"id" example:"berlin"`
	// Name is the id when it is absent.
	Name string `json:"name,omitempty" example:"Berlin office"`
	// Prefixes are where the names of its resources may lead to, such as 10.1.0.0/16. Without
	// any those are the private addresses.
	Prefixes []string `json:"prefixes,omitempty" example:"10.1.0.0/16"`
}

// NetworkChange changes a network: PATCH /networks/{id}.
type NetworkChange struct {
	Name string `json:"name,omitempty"`
	// Prefixes replace those that it has; an empty list leaves the private addresses.
	Prefixes []string `json:"prefixes,omitzero" example:"10.1.0.0/16"`
	// Revision must be the present one; absent takes any.
	Revision int64 `json:"revision,omitempty"`
}

// NetworkList is one page of GET /networks. Total counts all pages.
type NetworkList struct {
	Networks      []Network `json:"networks"`
	NextPageToken string    `json:"next_page_token"`
	Total         int       `json:"total"`
}
