package adminapi

import "time"

// ClaimOpening opens a claim link: POST /claims/:code, with an empty object.
type ClaimOpening struct{}

// ClaimedToken is what a claim link holds. It is shown this once.
type ClaimedToken struct {
	TokenID         string           `json:"token_id"`
	Token           string           `json:"token"`
	Kind            string           `json:"kind" enum:"connector,tunneler"`
	ID              string           `json:"id"`
	ExpiresAt       time.Time        `json:"expires_at"`
	InstallCommand  string           `json:"install_command"`
	InstallCommands []InstallCommand `json:"install_commands"`
}
