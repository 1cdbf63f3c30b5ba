package auth

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/visible"
)

// Person is somebody who may sign in: with a password (local), or through the
// identity provider, to whose subject the person is pinned (federated).
type Person struct {
	ID    string
	Email string // of a federated person only what the provider says, for display
	Name  string
	Role  Role
	// PasswordHash is in the PHC format, with its parameters; empty until the setup
	// link was used, and for federated people.
	PasswordHash string
	// Issuer and Subject are empty for local people.
	Issuer, Subject string
	// TOTPSeed and TOTPPending are sealed; the latter waits for its first code.
	TOTPSeed, TOTPPending []byte
	// TOTPStep is the last time step whose code was accepted.
	TOTPStep     int64
	CreatedAt    time.Time
	LastSignInAt time.Time
	DisabledAt   time.Time
}

// Local says whether the person has a password here rather than an account with
// the identity provider.
func (p Person) Local() bool { return p.Subject == "" }

// HasTOTP says whether the second factor is on.
func (p Person) HasTOTP() bool { return len(p.TOTPSeed) > 0 }

// Actor is the person in the audit log.
func (p Person) Actor() string { return "person:" + p.ID }

// activeOwner says whether the person is an owner who can sign in, also while the identity
// provider is down. At least one such person must remain.
func (p Person) activeOwner() bool {
	return p.Role == Owner && p.Local() && p.PasswordHash != "" && p.DisabledAt.IsZero()
}

// Errors of people and sign-in.
var (
	ErrPersonNotFound  = errors.New("no such person")
	ErrSessionNotFound = errors.New("no such session")
	ErrLinkNotFound    = errors.New("no such setup link")
	ErrLinkRefused     = errors.New("this setup link is not valid: it was used, has expired, or was replaced by a newer one; ask for a new link")
	ErrEmailTaken      = errors.New("another person signs in with this e-mail address")
	ErrLastOwner       = errors.New("this is the last owner with a password; make somebody else owner first")
	ErrOwnRole         = errors.New("you cannot change your own account; ask another owner")
	ErrFederated       = errors.New("this person is managed by the identity provider")
	ErrTOTPState       = errors.New("the second factor was changed meanwhile, or its setup was not started: reload the page")
	ErrTOTPRequired    = errors.New("the code of the second factor is needed")
	ErrRefused         = errors.New("sign-in was refused: check e-mail address, password and code")
)

// TooManyError refuses an attempt that came too soon.
type TooManyError struct {
	RetryAfter time.Duration
}

// Error implements error.
func (e *TooManyError) Error() string {
	return fmt.Sprintf("too many failed attempts; try again in %s", e.RetryAfter.Round(time.Second))
}

// FieldError says which field of a request is wrong. It is one type in the whole domain.
type FieldError = access.FieldError

func fieldError(field, format string, args ...any) error {
	return &FieldError{Field: field, Err: fmt.Errorf(format, args...)}
}

const (
	maxEmail = 254
	maxName  = 100
)

// parseEmail returns the address in the one form in which it is compared.
func parseEmail(s string) (string, error) {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || len(s) > maxEmail || !visible.Text(s) {
		return "", fieldError("email", "must be an e-mail address such as ada@example.com")
	}
	return strings.ToLower(s), nil
}

func parseName(s string) (string, error) {
	err := visible.Line(s, maxName)
	if s == "" {
		err = errors.New("is empty")
	}
	if err != nil {
		return "", &FieldError{Field: "name", Err: err}
	}
	return s, nil
}

func parseRole(r Role) (Role, error) {
	if !r.Known() {
		return "", fieldError("role", "must be one of owner, admin, operator and auditor")
	}
	return r, nil
}
