package adminapi

import "time"

// Resource is what grants let tunnelers reach: TCP ports of hosts in a network.
type Resource struct {
	ID        string `json:"id"`
	NetworkID string `json:"network_id"`
	Name      string `json:"name"`
	// Hosts are names, *.NAME for all names below one, addresses or prefixes.
	Hosts []string `json:"hosts" example:"db.corp"`
	// Ports are ports or ranges of ports.
	Ports []string `json:"ports" example:"5432"`
	// Alias is another name for the only host.
	Alias string `json:"alias,omitempty" example:"postgres"`
	// ProxyProtocol is with which version of the PROXY protocol connections to it begin;
	// absent for none.
	ProxyProtocol string            `json:"proxy_protocol,omitempty" enum:"v2"`
	Labels        map[string]string `json:"labels,omitempty"`
	CreatedAt     time.Time         `json:"created_at"`
	Revision      int64             `json:"revision"` // grows with each change
}

// ResourceRequest creates a resource: POST /resources.
type ResourceRequest struct {
	// ID has a-z, 0-9 and -, and does not change any more.
	ID string `json:"id" example:"db"`
	// NetworkID is "default" when it is absent.
	NetworkID string `json:"network_id,omitempty" example:"default"`
	// Name is the id when it is absent.
	Name string `json:"name,omitempty" example:"Orders database"`
	// Hosts are names such as db.corp, *.dev.corp for all names below one, addresses, or
	// prefixes such as 10.1.0.0/16. Their spelling in the reply is the only one.
	Hosts []string `json:"hosts" example:"db.corp"`
	// Ports are ports, or ranges such as 8000-8100.
	Ports []string `json:"ports" example:"5432"`
	// Alias is another name, for a resource with exactly one host.
	Alias string `json:"alias,omitempty" example:"postgres"`
	// ProxyProtocol has connectors begin each connection with a header that says which
	// tunneler it is of. The servers must expect it.
	ProxyProtocol string            `json:"proxy_protocol,omitempty" enum:"v2"`
	Labels        map[string]string `json:"labels,omitempty"`
}

// ResourceChange changes a resource: PATCH /resources/{id}. A field that is absent stays
// as it is.
type ResourceChange struct {
	Name *string `json:"name,omitempty" example:"Orders database"`
	// Hosts and Ports replace those that it has.
	Hosts []string `json:"hosts,omitempty" example:"db.corp"`
	Ports []string `json:"ports,omitempty" example:"5432"`
	Alias *string  `json:"alias,omitempty" example:"postgres"`
	// ProxyProtocol is v2, or null for none; it counts for new connections.
	ProxyProtocol *string `json:"proxy_protocol,omitempty" example:"v2"`
	// Labels are set; one that is null is taken away, and others stay.
	Labels map[string]*string `json:"labels,omitempty"`
	// Revision must be the present one; absent takes any.
	Revision int64 `json:"revision,omitempty"`
}

// ResourceList is one page of GET /resources. Total counts all pages.
type ResourceList struct {
	Resources     []Resource `json:"resources"`
	NextPageToken string     `json:"next_page_token"`
	Total         int        `json:"total"`
}

// Grant lets a subject reach an object.
type Grant struct {
	ID string `json:"id"`
	// Subject is tunneler/ID, or label/KEY=VALUE for all tunnelers with that label.
	Subject string `json:"subject" example:"label/team=dev"`
	// Object is resource/ID, or label/KEY=VALUE for all resources with that label.
	Object string `json:"object" example:"resource/db"`
	// Until is when it ends; absent for never.
	Until time.Time `json:"until,omitzero"`
	// TimeZone and Windows say when it holds; without them always.
	TimeZone  string    `json:"time_zone,omitempty" example:"Europe/Berlin"`
	Windows   []string  `json:"windows,omitempty" example:"mon-fri 08:00-18:00"`
	CreatedAt time.Time `json:"created_at"`
	Revision  int64     `json:"revision"` // grows with each change
}

// GrantRequest creates a grant: POST /grants.
type GrantRequest struct {
	// ID has a-z, 0-9 and -; without one the controller makes it.
	ID string `json:"id,omitempty" example:"dev-db"`
	// Subject is tunneler/ID, or label/KEY=VALUE for all tunnelers with that label.
	Subject string `json:"subject" example:"label/team=dev"`
	// Object is resource/ID, or label/KEY=VALUE for all resources with that label.
	Object string `json:"object" example:"resource/db"`
	// Until is when it ends; it does not hold at that instant any more.
	Until time.Time `json:"until,omitzero"`
	// TimeZone is of the IANA database. The Windows are times on clocks there.
	TimeZone string `json:"time_zone,omitempty" example:"Europe/Berlin"`
	// Windows are days and hours, such as "mon-fri 08:00-18:00" or "sat,sun 22:00-06:00".
	Windows []string `json:"windows,omitempty" example:"mon-fri 08:00-18:00"`
}

// GrantChange changes a grant: PATCH /grants/{id}. A field that is absent stays as it is,
// and null takes its value away.
type GrantChange struct {
	Subject string     `json:"subject,omitempty" example:"label/team=dev"`
	Object  string     `json:"object,omitempty" example:"resource/db"`
	Until   *time.Time `json:"until,omitempty"`
	// TimeZone and Windows are set or taken away together.
	TimeZone *string  `json:"time_zone,omitempty" example:"Europe/Berlin"`
	Windows  []string `json:"windows,omitempty" example:"mon-fri 08:00-18:00"`
	// Revision must be the present one; absent takes any.
	Revision int64 `json:"revision,omitempty"`
}

// GrantList is one page of GET /grants. Total counts all pages.
type GrantList struct {
	Grants        []Grant `json:"grants"`
	NextPageToken string  `json:"next_page_token"`
	Total         int     `json:"total"`
}

// ExplainRequest asks whether a tunneler may reach a target: POST /explain.
type ExplainRequest struct {
	// TunnelerID is of a tunneler that is or was enrolled, or that a grant names already.
	TunnelerID string `json:"tunneler_id" example:"tunneler-laptop-01"`
	// Target is HOST:PORT; an IPv6 address stands in brackets. HOST may be an alias.
	Target string `json:"target" example:"db.corp:5432"`
	// NetworkID is where; absent for any network.
	NetworkID string `json:"network_id,omitempty" example:"default"`
	// Address is one that the name of the target leads to, which is decided again.
	Address string `json:"address,omitempty" example:"10.1.0.7"`
}

// Explanation is what a connector would decide.
type Explanation struct {
	Allowed bool `json:"allowed"`
	// Code is granted, or why it is refused: malformed_target, no_tunneler, no_resource, not_granted,
	// outside_schedule, grant_ended, address_unusable, address_reserved,
	// address_outside_network or address_not_granted.
	Code string `json:"code" example:"granted"`
	// Reason is the code as a sentence.
	Reason string `json:"reason,omitempty" example:"A grant holds now."`
	// Target is what was decided, if the host that was asked for is an alias.
	Target string `json:"target,omitempty" example:"db.corp:5432"`
	// NetworkID, ResourceID and GrantID are what decided; of a refusal the grant that is
	// nearest to allow it. Of several networks it is one that allows it and has a connector that
	// is ONLINE, if there is one, and then the one with the most specific resource.
	NetworkID  string `json:"network_id,omitempty" example:"default"`
	ResourceID string `json:"resource_id,omitempty" example:"db"`
	GrantID    string `json:"grant_id,omitempty" example:"dev-db"`
	// NoConnector says that no connector of the network is ONLINE: nobody can carry a flow there
	// now.
	NoConnector bool `json:"no_connector,omitempty"`
	// Until is when it is decided again, if nothing changes before; absent for never.
	Until time.Time `json:"until,omitzero"`
	// TunnelerEnrolled says whether the tunneler is there and not revoked: nobody else has a
	// session.
	TunnelerEnrolled bool `json:"tunneler_enrolled"`
}
