package adminapi

import "time"

// Series is the reply to GET /series: what the charts show. It begins when the
// controller does.
type Series struct {
	StepSeconds int     `json:"step_seconds"`
	Points      []Point `json:"points"`
}

// Point is one step: the members at its end, and what happened within it.
type Point struct {
	At               time.Time `json:"at"`
	ConnectorsOnline int       `json:"connectors_online"`
	ConnectorsTotal  int       `json:"connectors_total"`
	TunnelersOnline  int       `json:"tunnelers_online"`
	TunnelersTotal   int       `json:"tunnelers_total"`
	Heartbeats       uint64    `json:"heartbeats"`
	SVIDRotations    uint64    `json:"svid_rotations"`
}

// Settings is the reply to GET /settings: the configuration in effect, without
// secrets. It is changed in the configuration file only.
type Settings struct {
	TrustDomain  string         `json:"trust_domain"`
	ControllerID string         `json:"controller_id"`
	Version      string         `json:"version"`
	StartedAt    time.Time      `json:"started_at"`
	OutageBudget OutageBudget   `json:"outage_budget"`
	Groups       []SettingGroup `json:"groups"`
}

// SettingGroup is one section of the configuration.
type SettingGroup struct {
	Name     string    `json:"name"`
	Settings []Setting `json:"settings"`
}

// Setting is one key of the configuration, as in the file.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Event is the data of one server-sent event of GET /events. Its name is the kind
// of thing that changed: connector, tunneler, host, network, resource, grant, token, request,
// rotation, audit, person or key; or reset, when events were lost and everything must be read again.
type Event struct {
	// ID of the thing; absent for audit, reset and ping.
	ID string    `json:"id,omitempty"`
	At time.Time `json:"at"`
	// Change is one word on what happened, such as "ONLINE" or "token.create".
	Change string `json:"change,omitempty"`
}
