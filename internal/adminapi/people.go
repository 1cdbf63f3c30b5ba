package adminapi

import "time"

// Person is somebody who may sign in.
type Person struct {
	ID           string    `json:"id"`
	Email        string    `json:"email"`
	Name         string    `json:"name"`
	Role         string    `json:"role"` // owner, admin, operator or auditor
	OIDC         bool      `json:"oidc"` // managed by the identity provider
	TOTP         bool      `json:"totp"`
	Invited      bool      `json:"invited"` // has not used the setup link yet
	Disabled     bool      `json:"disabled"`
	Declared     bool      `json:"declared"` // by the controller's configuration, which alone changes it
	CreatedAt    time.Time `json:"created_at"`
	LastSignInAt time.Time `json:"last_sign_in_at,omitzero"`
}

// PersonList is one page of GET /people.
type PersonList struct {
	People        []Person `json:"people"`
	NextPageToken string   `json:"next_page_token"`
	Total         int      `json:"total"`
}

// PersonRequest invites somebody: POST /people.
type PersonRequest struct {
	Email string `json:"email"`
	Name  string `json:"name"`
	Role  string `json:"role"`
}

// PersonChange changes a person: PATCH /people/{id}. Absent fields stay unchanged.
type PersonChange struct {
	Name     string `json:"name,omitempty"`
	Role     string `json:"role,omitempty"`
	Disabled bool   `json:"disabled,omitempty"`
	// Keys is "revoke" (the default) or "keep": what happens to the API keys that the
	// person created, if the change removes permissions.
	Keys string `json:"keys,omitempty"`
}

// InvitedPerson is the reply to a PersonRequest and to a reset, and the only one
// with the setup link.
type InvitedPerson struct {
	Person Person `json:"person"`
	// SetupURL works once, until ExpiresAt. It is for that person only.
	SetupURL string `json:"setup_url"`
	// LinkWarning says where the link cannot be opened.
	LinkWarning string    `json:"link_warning,omitempty"`
	ExpiresAt   time.Time `json:"expires_at"`
}

// ResetRequest takes somebody's password, second factor and sessions: POST
// /people/ID/reset.
type ResetRequest struct {
	Confirm string `json:"confirm" enum:"reset"`
}
