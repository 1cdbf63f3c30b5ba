package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// A session ends SessionIdle after its last use and SessionLife after its start.
// A re-authentication counts for StepUpLife.
const (
	SessionIdle = 30 * time.Minute
	SessionLife = 12 * time.Hour
	StepUpLife  = 5 * time.Minute
	// touchEvery is how exactly the last use is kept: not one write a request.
	touchEvery = time.Minute
)

// sessionPrefix begins the secret of a session, so that secret scanners see it.
const sessionPrefix = "zts_"

// Method is how a session began.
type Method string

// Methods.
const (
	ByPassword Method = "password"
	ByOIDC     Method = "oidc"
	BySetup    Method = "setup"
	// ByDevice is a command line, which has a token and no cookie.
	ByDevice Method = "device"
)

// Session is somebody signed in at one browser. Its secret is the cookie, of
// which only the hash is kept; the ID is public.
type Session struct {
	ID          string
	PersonID    string
	Method      Method
	Source      string // address that signed in
	UserAgent   string
	CreatedAt   time.Time
	LastSeenAt  time.Time
	ExpiresAt   time.Time // whatever its use
	StepUpUntil time.Time
}

// IdleExpiresAt is when the session ends if it is not used again. A command line is
// not used for hours; it does not idle out.
func (s Session) IdleExpiresAt() time.Time {
	if s.Method == ByDevice {
		return s.ExpiresAt
	}
	if idle := s.LastSeenAt.Add(SessionIdle); idle.Before(s.ExpiresAt) {
		return idle
	}
	return s.ExpiresAt
}

// Live says whether the session has neither expired nor idled out.
func (s Session) Live(now time.Time) bool { return now.Before(s.IdleExpiresAt()) }

func newSessionSecret() (text string, hash []byte) {
	text = keys.NewSecret(sessionPrefix)
	return text, keys.HashSecret(text)
}

// newID returns a public id with 64 random bits.
func newID(prefix string) string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails; it aborts the program instead
	return prefix + hex.EncodeToString(b[:])
}

// CSRFToken is what a page must send in a header to prove that it could read a
// reply: a page of another origin makes a browser send the cookie and cannot read
// this. It is derived from the secret, so it changes with it.
func CSRFToken(cookie string) string {
	m := hmac.New(sha256.New, []byte(cookie))
	_, _ = m.Write([]byte("csrf"))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// CheckCSRF compares in constant time.
func CheckCSRF(cookie, token string) bool {
	return subtle.ConstantTimeCompare([]byte(CSRFToken(cookie)), []byte(token)) == 1
}
