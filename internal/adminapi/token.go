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
	// Replace must be true when an enrolled host has the id; redeeming revokes that host.
	Replace bool `json:"replace,omitempty"`
	// SourceCIDR limits from where the token can be redeemed; absent is anywhere.
	SourceCIDR string `json:"source_cidr,omitempty" example:"192.0.2.0/24"`
	// Delivery is "plain" (the default), "sealed" or "claim".
	Delivery string `json:"delivery,omitempty" enum:"plain,sealed,claim"`
	// Recipient is the key that a sealed token is for: an age recipient ("age1…") or
	// one line of an SSH public key, such as the host's own.
	Recipient string `json:"recipient,omitempty"`
}

// InstallCommand is one way to install a host with a token. Those of the forms stdin,
// file and claim do not have the token in them.
type InstallCommand struct {
	Form    string `json:"form" enum:"stdin,environment,program,file,sealed,claim"`
	Command string `json:"command"`
	// Requires says what has to be on the host first, and how it gets there.
	Requires string `json:"requires,omitempty"`
	// Warning says what the form leaves behind.
	Warning string `json:"warning,omitempty"`
}

// CreatedToken is the reply to a TokenRequest. Depending on the delivery it has Token,
// SealedToken or ClaimURL, only this once.
type CreatedToken struct {
	TokenID  string `json:"token_id"`
	Delivery string `json:"delivery" enum:"plain,sealed,claim"`
	Token    string `json:"token,omitempty"`
	// SealedToken is armored age text that only the recipient's key opens.
	SealedToken string `json:"sealed_token,omitempty"`
	Recipient   string `json:"recipient,omitempty"` // SHA256:… or age1…
	// ClaimURL opens once; the code is in its fragment, which browsers do not send.
	ClaimURL string `json:"claim_url,omitempty"`
	// LinkWarning says where the link cannot be opened.
	LinkWarning string    `json:"link_warning,omitempty"`
	Kind        string    `json:"kind" enum:"connector,tunneler"`
	ID          string    `json:"id"`
	ExpiresAt   time.Time `json:"expires_at"`
	// ExpiryNote says that the token ends sooner than was asked, and why.
	ExpiryNote string `json:"expiry_note,omitempty"`
	// InstallCommand is the first of InstallCommands.
	InstallCommand  string           `json:"install_command"`
	InstallCommands []InstallCommand `json:"install_commands"`
}

// Token is an enrollment token in a list, without its secret.
type Token struct {
	TokenID    string    `json:"token_id"`
	Kind       string    `json:"kind" enum:"connector,tunneler"`
	ID         string    `json:"id"`
	Status     string    `json:"status" enum:"pending,redeemed,expired,revoked"`
	Replace    bool      `json:"replace"`
	SourceCIDR string    `json:"source_cidr,omitempty"`
	CreatedBy  string    `json:"created_by"`
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	RedeemedAt time.Time `json:"redeemed_at,omitzero"`
	RevokedAt  time.Time `json:"revoked_at,omitzero"`
	HostID     string    `json:"host_id,omitempty"`
	// Delivery is request for a token that was made by an approval and never shown.
	Delivery  string `json:"delivery" enum:"plain,sealed,claim,request"`
	Recipient string `json:"recipient,omitempty"`
	// OpenedAt is when the claim link was opened; SecondOpenAt when it was opened
	// again, which was refused: two people had the link.
	OpenedAt       time.Time `json:"opened_at,omitzero"`
	OpenedFrom     string    `json:"opened_from,omitempty"`
	SecondOpenAt   time.Time `json:"second_open_at,omitzero"`
	SecondOpenFrom string    `json:"second_open_from,omitempty"`
}

// TokenList is one page of GET /tokens. Total counts all pages.
type TokenList struct {
	Tokens        []Token `json:"tokens"`
	NextPageToken string  `json:"next_page_token"`
	Total         int     `json:"total"`
}
