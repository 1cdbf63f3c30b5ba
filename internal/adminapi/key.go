package adminapi

import "time"

// KeyRequest makes an API key: POST /keys.
type KeyRequest struct {
	Name string `json:"name"`
	// Scopes are permissions, such as "fleet:read".
	Scopes []string `json:"scopes"`
	// TTL is a Go duration such as "720h"; absent is 90 days, the most a year.
	TTL string `json:"ttl,omitempty"`
}

// KeyChange changes an API key: PATCH /keys/{id}. A field that is absent stays as it is.
type KeyChange struct {
	Name string `json:"name,omitempty"`
	// Scopes are all that it has from now on.
	Scopes []string `json:"scopes,omitempty"`
}

// CreatedKey is the reply to a KeyRequest, and the only one with the secret.
type CreatedKey struct {
	Key    Key    `json:"key"`
	Secret string `json:"secret"`
}

// Key is an API key in a list, without its secret.
type Key struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Scopes     []string  `json:"scopes"`
	Status     string    `json:"status" enum:"active,expired,revoked"`
	CreatedBy  string    `json:"created_by"`
	Declared   bool      `json:"declared"` // by the controller's configuration, which alone changes it
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at,omitzero"`
	LastUsedAt time.Time `json:"last_used_at,omitzero"`
	RevokedAt  time.Time `json:"revoked_at,omitzero"`
}

// KeyList is one page of GET /keys, newest first.
type KeyList struct {
	Keys          []Key  `json:"keys"`
	NextPageToken string `json:"next_page_token"`
	Total         int    `json:"total"`
}

// AccessTokenRequest is the form of POST /oauth/token (RFC 6749, section 4.4.2, and RFC
// 8628 section 3.4).
type AccessTokenRequest struct {
	GrantType string `json:"grant_type" enum:"client_credentials,urn:ietf:params:oauth:grant-type:device_code"`
	// ClientID and ClientSecret are an API key's id and the key; absent with HTTP Basic.
	ClientID     string `json:"client_id,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`
	// Scope is a list of permissions, separated by spaces; absent is all of the key's.
	Scope string `json:"scope,omitempty"`
	// DeviceCode is that of a command line.
	DeviceCode string `json:"device_code,omitempty"`
}

// AccessToken is the reply of POST /oauth/token (RFC 6749 section 5.1).
type AccessToken struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"` // Bearer
	ExpiresIn   int    `json:"expires_in"` // seconds
	Scope       string `json:"scope,omitempty"`
}
