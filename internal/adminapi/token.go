package adminapi

import "time"

// Base is the path that every route begins with.
const Base = "/api/admin"

// TokenRequest asks for an enrollment token: POST /tokens.
type TokenRequest struct {
	Kind string `json:"kind" enum:"connector,tunneler" example:"connector"`
	ID   string `json:"id" example:"connector-local-01"`
	// TTL is a Go duration such as "10m"; absent means the controller's default.
	TTL string `json:"ttl,omitempty" example:"10m"`
	// Replace must be true when the id has a live host, which redeeming revokes.
	Replace bool `json:"replace,omitempty"`
	// SourceCIDR limits from where the token can be redeemed; absent is anywhere.
	SourceCIDR string `json:"source_cidr,omitempty" example:"192.0.2.0/24"`
}

// CreatedToken is the reply to a TokenRequest, and the only one with a secret.
type CreatedToken struct {
	TokenID        string    `json:"token_id"`
	Token          string    `json:"token"`
	Kind           string    `json:"kind" enum:"connector,tunneler"`
	ID             string    `json:"id"`
	ExpiresAt      time.Time `json:"expires_at"`
	InstallCommand string    `json:"install_command"`
}

// Token is an enrollment token in a list, without its secret.
type Token struct {
	TokenID    string    `json:"token_id"`
	Kind       string    `json:"kind" enum:"connector,tunneler"`
	ID         string    `json:"id"`
	State      string    `json:"state" enum:"pending,redeemed,expired,revoked"`
	Replace    bool      `json:"replace"`
	SourceCIDR string    `json:"source_cidr,omitempty"`
	CreatedBy  string    `json:"created_by"`
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	RedeemedAt time.Time `json:"redeemed_at,omitzero"`
	RevokedAt  time.Time `json:"revoked_at,omitzero"`
	HostID     string    `json:"host_id,omitempty"`
}

// TokenList is one page of GET /tokens. Total counts all pages.
type TokenList struct {
	Tokens        []Token `json:"tokens"`
	NextPageToken string  `json:"next_page_token"`
	Total         int     `json:"total"`
}
