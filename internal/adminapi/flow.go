package adminapi

import "time"

// FlowRecord is a flow that is over, or a number of refused opens.
type FlowRecord struct {
	ID string `json:"id" example:"4711"`
	// OpenedAt and EndedAt are by the clock of the connector's host, RecordedAt by the
	// controller's.
	OpenedAt   time.Time `json:"opened_at"`
	EndedAt    time.Time `json:"ended_at"`
	RecordedAt time.Time `json:"recorded_at"`
	// TunnelerID, ConnectorID and NetworkID were those at that time; they may be gone.
	TunnelerID  string `json:"tunneler_id" example:"tunneler-laptop-01"`
	ConnectorID string `json:"connector_id" example:"c-01"`
	NetworkID   string `json:"network_id" example:"default"`
	// ResourceID, ResourceName and GrantID are of the decision; empty where no resource covers
	// the target, or no grant.
	ResourceID   string `json:"resource_id,omitempty" example:"db"`
	ResourceName string `json:"resource_name,omitempty" example:"Orders"`
	GrantID      string `json:"grant_id,omitempty" example:"g-1"`
	// Target is what was asked for, Address what was dialed.
	Target  string `json:"target" example:"db.corp:5432"`
	Address string `json:"address,omitempty" example:"10.8.0.5:5432"`
	// Connected says that the target was reached.
	Connected bool `json:"connected"`
	// Code is why it ended: "ok", "refused", "name", "connection_refused", "timeout",
	// "unreachable", "internal", "stopping", "busy", "aborted", "protocol", "unbound", "expired",
	// "quiet" or "revoked". Decision is the last one of the policy, with the codes of an
	// explanation.
	Code     string `json:"code" example:"ok"`
	Decision string `json:"decision" example:"granted"`
	// BytesUp went to the target, BytesDown came from it.
	BytesUp   uint64 `json:"bytes_up"`
	BytesDown uint64 `json:"bytes_down"`
	// Count is how many refused opens this record stands for, the last of which it shows; 1
	// for any other flow.
	Count uint64 `json:"count"`
}

// FlowCodes are the values of FlowRecord.Code.
func FlowCodes() []string {
	return []string{
		"ok", "refused", "name", "connection_refused", "timeout", "unreachable", "internal", "stopping", "busy", "aborted", "protocol", "unbound", "expired",
		"quiet", "revoked",
	}
}

// FlowList is one page of GET /flows, the one that ended last first. A page can have fewer
// records than were asked for, or none, though NextPageToken names a next one: a page examines
// 10,000 records at most.
type FlowList struct {
	Flows         []FlowRecord `json:"flows"`
	NextPageToken string       `json:"next_page_token"`
}

// FlowTotals is the reply to GET /flows/totals.
type FlowTotals struct {
	// Open are the flows that connectors with a control stream have open, as they said in
	// their last heartbeat.
	Open int64   `json:"open"`
	Hour FlowSum `json:"hour"` // the last 60 minutes
	Day  FlowSum `json:"day"`  // the last 24 hours
}

// FlowSum counts flows that ended within some time.
type FlowSum struct {
	Flows   int64 `json:"flows"`   // that reached their target
	Refused int64 `json:"refused"` // opens that no grant allowed
	Failed  int64 `json:"failed"`  // granted, but the target was not reached
	// BytesUp went to targets, BytesDown came from them.
	BytesUp   int64 `json:"bytes_up"`
	BytesDown int64 `json:"bytes_down"`
	// Unrecorded are flows without a record: the connector had no room for it, or the
	// controller did not believe it.
	Unrecorded int64 `json:"unrecorded"`
}
