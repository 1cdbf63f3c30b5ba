package adminapi

import "time"

// PolicyTest says what the rules must decide. A change after which it would not hold is
// refused.
type PolicyTest struct {
	ID string `json:"id"`
	// Subject is tunneler/ID, with the labels that it has, or label/KEY=VALUE: a tunneler that
	// has this label and no others.
	Subject string `json:"subject" example:"tunneler/dev-laptop"`
	// Target is HOST:PORT; an IPv6 address stands in brackets.
	Target string `json:"target" example:"db.corp:5432"`
	// NetworkID is where; absent for any network.
	NetworkID string `json:"network_id,omitempty" example:"default"`
	Expect    string `json:"expect" enum:"reach,refuse"`
	Note      string `json:"note,omitempty" example:"developers need the orders"`
	// Holds says whether the decision is the expected one. It may not be once a grant has
	// ended by itself.
	Holds     bool           `json:"holds"`
	Decision  PolicyDecision `json:"decision"` // that of now
	CreatedAt time.Time      `json:"created_at"`
	Revision  int64          `json:"revision"` // grows with each change
}

// PolicyDecision is what is decided, whatever the hour.
type PolicyDecision struct {
	Allowed bool `json:"allowed"`
	// Code is granted, or why it is refused, as in Explanation.
	Code string `json:"code" example:"granted"`
	// NetworkID, ResourceID and GrantID are what decided; of a refusal the grant that is
	// nearest to allow it.
	NetworkID  string `json:"network_id,omitempty" example:"default"`
	ResourceID string `json:"resource_id,omitempty" example:"db"`
	GrantID    string `json:"grant_id,omitempty" example:"dev-db"`
}

// PolicyTestRequest creates a policy test: POST /policy-tests.
type PolicyTestRequest struct {
	// ID has a-z, 0-9 and -; without one the controller makes it.
	ID string `json:"id,omitempty" example:"dev-db"`
	// Subject is tunneler/ID, or label/KEY=VALUE for a tunneler that has this label and no
	// others. A tunneler need not be enrolled yet.
	Subject string `json:"subject" example:"tunneler/dev-laptop"`
	// Target is HOST:PORT; an IPv6 address stands in brackets.
	Target string `json:"target" example:"db.corp:5432"`
	// NetworkID is where; absent for any network.
	NetworkID string `json:"network_id,omitempty" example:"default"`
	// Expect is reach or refuse. Hours of grants do not count.
	Expect string `json:"expect" enum:"reach,refuse"`
	Note   string `json:"note,omitempty" example:"developers need the orders"`
}

// PolicyTestChange changes a policy test: PATCH /policy-tests/{id}. A field that is absent
// stays as it is, and null takes its value away.
type PolicyTestChange struct {
	Subject   string  `json:"subject,omitempty" example:"tunneler/dev-laptop"`
	Target    string  `json:"target,omitempty" example:"db.corp:5432"`
	NetworkID *string `json:"network_id,omitempty" example:"default"`
	Expect    string  `json:"expect,omitempty" enum:"reach,refuse"`
	Note      *string `json:"note,omitempty" example:"developers need the orders"`
	// Revision must be the present one; absent takes any.
	Revision int64 `json:"revision,omitempty"`
}

// PolicyTestList is one page of GET /policy-tests. Total counts all pages.
type PolicyTestList struct {
	PolicyTests   []PolicyTest `json:"policy_tests"`
	NextPageToken string       `json:"next_page_token"`
	Total         int          `json:"total"`
}

// BrokenPolicyTest is a policy test that a change would break, with what would be decided.
type BrokenPolicyTest struct {
	ID        string         `json:"id" example:"dev-db"`
	Subject   string         `json:"subject" example:"tunneler/dev-laptop"`
	Target    string         `json:"target" example:"db.corp:5432"`
	NetworkID string         `json:"network_id,omitempty" example:"default"`
	Expect    string         `json:"expect" enum:"reach,refuse"`
	Note      string         `json:"note,omitempty" example:"developers need the orders"`
	Decision  PolicyDecision `json:"decision"`
}
