package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// From is where a sign-in comes from.
type From struct {
	RequestID string
	Source    string // address of the caller, without a port
	UserAgent string
	// Device is the device cookie, Replaces the session cookie, as the caller sent
	// them; both may be anything.
	Device, Replaces string
}

// Credentials are what a person typed. Code is of the app or a recovery code, and
// empty if none was asked for yet.
type Credentials struct {
	Email, Password, Code string
}

// SignIn begins a session of a local person. Errors: ErrRefused for whatever is
// wrong, ErrTOTPRequired if only the code is missing, *TooManyError.
func (s *Sessions) SignIn(ctx context.Context, c Credentials, from From) (SignedIn, error) {
	email := strings.ToLower(c.Email)
	key, device := s.failureKey(email, from.Device)
	if err := s.admitSource(from, device); err != nil {
		return SignedIn{}, err
	}
	at, err := s.count(ctx, key)
	if err != nil {
		return SignedIn{}, err
	}
	p, rehash, reason, err := s.checkPassword(ctx, email, c.Password)
	if err != nil { // nothing was checked; the caller may have gone, so its context may be over
		return SignedIn{}, errors.Join(err, s.refund(context.WithoutCancel(ctx), at))
	}
	if reason != "" {
		return SignedIn{}, s.refuse(ctx, p, from, reason)
	}
	if p.HasTOTP() && c.Code == "" { // neither a failure nor a success
		s.sources.giveBack(from.Source)
		return SignedIn{}, errors.Join(ErrTOTPRequired, s.refund(ctx, at))
	}
	var in SignedIn
	err = s.Store.AuthTx(ctx, func(tx Tx) error {
		in, reason, err = s.admit(ctx, tx, admission{p, c.Code, rehash, key}, from)
		return err
	})
	if err != nil {
		return SignedIn{}, err
	}
	if reason != "" {
		return SignedIn{}, s.refuse(ctx, p, from, reason)
	}
	if !device {
		in.Device = s.newDevice(email)
	}
	s.sources.giveBack(from.Source)
	s.began(in)
	return in, nil
}

// checkPassword does the same work whether or not the person exists, may sign in
// or has a password. A reason refuses.
func (s *Sessions) checkPassword(ctx context.Context, email, password string) (p Person, rehash, reason string, err error) {
	p, err = s.Store.AuthRows().LocalPerson(ctx, email)
	if err != nil && !errors.Is(err, ErrPersonNotFound) {
		return Person{}, "", "", err
	}
	ok, stale, err := s.hasher.check(ctx, password, p.PasswordHash)
	switch {
	case err != nil:
		return p, "", "", err
	case p.ID == "":
		return p, "", "unknown person", nil
	case !p.DisabledAt.IsZero():
		return p, "", "disabled person", nil
	case p.PasswordHash == "":
		return p, "", "setup link not used yet", nil
	case !ok:
		return p, "", "wrong password", nil
	}
	if stale {
		rehash, err = s.hasher.hash(ctx, password)
	}
	return p, rehash, "", err
}

// admission is a person whose password was right, and what is left to do.
type admission struct {
	person Person
	code   string
	rehash string // new hash of the same password; empty keeps the old one
	key    []byte // of failures, to be forgiven
}

// admit checks in one transaction what may have changed since the password was
// checked, spends the code and begins the session.
func (s *Sessions) admit(ctx context.Context, tx Tx, a admission, from From) (in SignedIn, reason string, err error) {
	p, err := tx.Person(ctx, a.person.ID)
	if err != nil {
		return in, "", err
	}
	if p.PasswordHash != a.person.PasswordHash || !p.DisabledAt.IsZero() {
		return in, "changed while signing in", nil
	}
	if p.HasTOTP() {
		recovery, ok, err := s.secondFactor(ctx, tx, &p, a.code)
		if err != nil {
			return in, "", err
		}
		if !ok {
			return in, "wrong or used code", nil
		}
		if recovery {
			by := By{Actor: p.Actor(), RequestID: from.RequestID, Source: from.Source}
			if err := s.record(ctx, tx, by, audit.Event{Action: audit.PersonRecovery, Target: "person/" + p.ID}); err != nil {
				return in, "", err
			}
		}
	}
	if a.rehash != "" {
		p.PasswordHash = a.rehash
	}
	if err := tx.DropFailures(ctx, a.key); err != nil {
		return in, "", err
	}
	in, err = s.begin(ctx, tx, &p, ByPassword, from)
	return in, "", err
}

// refuse records why; the caller learns that it was refused and no more. What else
// was seen is for the log only.
func (s *Sessions) refuse(ctx context.Context, p Person, from From, reason string, seen ...zap.Field) error {
	e := audit.Event{
		Action: audit.SignIn, Outcome: audit.Denied, Reason: reason, RequestID: from.RequestID, Source: from.Source,
	}
	if p.ID != "" {
		e.Target = "person/" + p.ID
	}
	s.Log.With(seen...).Warn("sign-in refused", zap.String("reason", reason), zap.String("person_id", p.ID),
		zap.String("request_id", from.RequestID), zap.String("caller_addr", from.Source), logging.Trace(ctx))
	if err := s.Audit.Record(ctx, s.Store.AuthRows(), e); err != nil {
		return err
	}
	return ErrRefused
}

// DeviceLife is how long a browser is known.
const DeviceLife = 90 * 24 * time.Hour

// devicePurpose seals device cookies.
const devicePurpose = "device"

// newDevice marks a browser at which somebody signed in. Its attempts are counted
// apart, so that whoever keeps an account locked from elsewhere does not lock its
// owner out (OWASP: device cookies).
func (s *Sessions) newDevice(email string) string {
	until := strconv.FormatInt(s.now().Add(DeviceLife).Unix(), 10)
	return base64.RawURLEncoding.EncodeToString(s.Seal.Seal(devicePurpose, []byte(newID("")+" "+until+" "+email)))
}

// failureKey is what an attempt on this account counts under: the known device,
// else the account.
func (s *Sessions) failureKey(email, device string) (key []byte, known bool) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(device)
	if err != nil || len(sealed) > 1<<10 {
		return accountKey(email), false
	}
	plain, err := s.Seal.Open(devicePurpose, sealed)
	if err != nil {
		return accountKey(email), false
	}
	part := strings.SplitN(string(plain), " ", 3)
	if len(part) != 3 || part[2] != email {
		return accountKey(email), false
	}
	until, err := strconv.ParseInt(part[1], 10, 64)
	if err != nil || s.now().Unix() >= until {
		return accountKey(email), false
	}
	return accountKey("device\x00" + part[0]), true
}
