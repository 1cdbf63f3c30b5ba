package adminapi

import "time"

// SetupState is the reply to GET /setup: how somebody can sign in here.
type SetupState struct {
	// Needed is true while there is no owner with a password: use the setup link.
	Needed bool      `json:"needed"`
	OIDC   OIDCState `json:"oidc"`
}

// OIDCState says whether there is an identity provider to sign in with.
type OIDCState struct {
	Enabled bool   `json:"enabled"`
	Name    string `json:"name"`
}

// SetupRequest uses a setup link: POST /setup. Name and Email are needed for the
// first owner only.
type SetupRequest struct {
	Code     string `json:"code"`
	Name     string `json:"name,omitempty"`
	Email    string `json:"email,omitempty"`
	Password string `json:"password"`
}

// SignInRequest begins a session: POST /session. TOTP is the code of the app, or a
// recovery code, once the API asked for it.
type SignInRequest struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	TOTP     string `json:"totp,omitempty"`
}

// StepUpRequest re-authenticates: POST /session/step-up. It needs the code if the
// second factor is on, else the password.
type StepUpRequest struct {
	Password string `json:"password,omitempty"`
	TOTP     string `json:"totp,omitempty"`
}

// CurrentSession is who is signed in.
type CurrentSession struct {
	SessionID   string        `json:"session_id"`
	Person      SessionPerson `json:"person"`
	Permissions []string      `json:"permissions"`
	// CSRFToken goes into the header X-CSRF-Token of every request but GET.
	CSRFToken     string    `json:"csrf_token"`
	ExpiresAt     time.Time `json:"expires_at"`
	IdleExpiresAt time.Time `json:"idle_expires_at"`
	StepUpUntil   time.Time `json:"step_up_until,omitzero"`
	// EventsAfter is the position of the event stream: GET /events?after= begins there, and
	// misses nothing that is newer than what is read after this reply.
	EventsAfter string `json:"events_after"`
}

// SessionPerson is the person of a CurrentSession.
type SessionPerson struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Name  string `json:"name"`
	Role  string `json:"role"`
	TOTP  bool   `json:"totp"` // the second factor is on
	OIDC  bool   `json:"oidc"` // managed by the identity provider
	// RecoveryCodesLeft is how many were not used yet.
	RecoveryCodesLeft int `json:"recovery_codes_left"`
}

// Session is one sign-in in a list.
type Session struct {
	ID          string    `json:"id"`
	PersonID    string    `json:"person_id"`
	PersonEmail string    `json:"person_email"`
	Method      string    `json:"method"` // password, oidc, setup or device (a command line)
	Source      string    `json:"source"`
	UserAgent   string    `json:"user_agent"` // of a command line the name of its host; neither is verified
	Current     bool      `json:"current"`    // of this request
	CreatedAt   time.Time `json:"created_at"`
	LastSeenAt  time.Time `json:"last_seen_at"`
	ExpiresAt   time.Time `json:"expires_at"` // if it is not used again
}

// SessionList is one page of GET /sessions or GET /me/sessions, newest first.
type SessionList struct {
	Sessions      []Session `json:"sessions"`
	NextPageToken string    `json:"next_page_token"`
	Total         int       `json:"total"`
}

// PasswordRequest changes your own password: POST /me/password.
type PasswordRequest struct {
	Current  string `json:"current"`
	Password string `json:"password"`
}

// TOTPEnrollment is the reply to POST /me/totp, and the only one with the seed.
type TOTPEnrollment struct {
	Secret string `json:"secret"` // base32, for typing
	URI    string `json:"uri"`    // otpauth://
	PNG    string `json:"png"`    // the URI as a QR code: a data: URL
}

// TOTPConfirmRequest turns the second factor on: POST /me/totp/confirm.
type TOTPConfirmRequest struct {
	Code string `json:"code"`
}

// RecoveryCodes is the reply to a TOTPConfirmRequest. Each code works once instead of one of the app.
type RecoveryCodes struct {
	RecoveryCodes []string `json:"recovery_codes"`
}
