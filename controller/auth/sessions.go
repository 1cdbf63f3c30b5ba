package auth

import (
	"context"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/visible"
)

// Sessions signs people in and out.
type Sessions struct {
	*core
}

// SignedIn is a session that has begun or was given another secret.
type SignedIn struct {
	Person  Person
	Session Session
	// Secret is the value of the session cookie.
	Secret string
	// Device is the value of the device cookie; empty leaves the one there is.
	Device string
}

// Active is who a session cookie belongs to.
type Active struct {
	Principal Principal
	Person    Person
	Session   Session
}

func (a Active) by(requestID, source string) By {
	return By{Actor: a.Principal.Actor, RequestID: requestID, Source: source}
}

// Authenticate returns whose cookie this is. Use moves the idle time on; a request
// that no person caused, such as a page's polling, is passive and does not.
// Errors: *RefusedError; any other means that the store could not be asked.
func (s *Sessions) Authenticate(ctx context.Context, cookie string, passive bool) (Active, error) {
	if keys.CheckSecret(sessionPrefix, cookie) != nil { // noise costs no look-up
		return Active{}, &RefusedError{Reason: "malformed session"}
	}
	return s.live(ctx, keys.HashSecret(cookie), passive)
}

// live returns the session of this hash if it has not ended.
func (k *core) live(ctx context.Context, hash []byte, passive bool) (Active, error) {
	rows := k.Store.AuthRows()
	sess, err := rows.SessionByHash(ctx, hash)
	if errors.Is(err, ErrSessionNotFound) {
		return Active{}, &RefusedError{Reason: "unknown session"}
	}
	if err != nil {
		return Active{}, err
	}
	now := k.now()
	if !sess.Live(now) {
		return Active{}, &RefusedError{Reason: "expired session", Actor: "person:" + sess.PersonID}
	}
	p, err := rows.Person(ctx, sess.PersonID)
	if errors.Is(err, ErrPersonNotFound) || err == nil && !p.DisabledAt.IsZero() {
		return Active{}, &RefusedError{Reason: "session of a disabled person", Actor: "person:" + sess.PersonID}
	}
	if err != nil {
		return Active{}, err
	}
	if !passive && now.Sub(sess.LastSeenAt) >= touchEvery {
		if err := rows.TouchSession(ctx, sess.ID, now); err != nil {
			k.Log.Warn("use of a session not recorded", zap.String("session_id", sess.ID), zap.Error(err))
		}
		sess.LastSeenAt = now
	}
	return Active{Principal: principalOf(p, sess), Person: p, Session: sess}, nil
}

func principalOf(p Person, s Session) Principal {
	may := p.Role.Permissions()
	if s.Method == ByDevice {
		may = slices.DeleteFunc(may, func(p Permission) bool { return !p.forLogin() })
	}
	return Principal{
		Actor: p.Actor(), Kind: KindPerson, Name: p.Name, Role: p.Role, Permissions: may,
		SessionID: s.ID, StepUpUntil: s.StepUpUntil,
	}
}

// EndAll signs a person out everywhere: browsers and command lines.
func (s *Sessions) EndAll(ctx context.Context, a Active, by By) error {
	return s.Store.AuthTx(ctx, func(tx Tx) error {
		if err := tx.DeleteSessions(ctx, a.Person.ID, ""); err != nil {
			return err
		}
		return s.record(ctx, tx, by, audit.Event{Action: audit.SignOut, Target: "person/" + a.Person.ID, Reason: "everywhere"})
	})
}

// RevokeLogin ends the session of a command line, whosever it is. Errors:
// ErrSessionNotFound, also for a session of a browser.
func (s *Sessions) RevokeLogin(ctx context.Context, id string, by By) error {
	sess, err := s.Store.AuthRows().SessionByID(ctx, id)
	if err == nil && sess.Method != ByDevice {
		err = ErrSessionNotFound
	}
	if err != nil {
		return err
	}
	return s.Revoke(ctx, "", id, by)
}

// SignOut ends a session.
func (s *Sessions) SignOut(ctx context.Context, a Active, by By) error {
	return s.Store.AuthTx(ctx, func(tx Tx) error {
		if err := tx.DeleteSession(ctx, a.Session.ID); err != nil {
			return err
		}
		return s.record(ctx, tx, by, audit.Event{Action: audit.SignOut, Target: "session/" + a.Session.ID})
	})
}

// SessionQuery says which sessions are listed, of those that live.
type SessionQuery struct {
	PersonID string // of one person; empty for everybody's
	Devices  bool   // only those of command lines
	Now      time.Time
}

// Page returns up to limit live sessions behind a place, the newest first, and how many
// there are. It sets q.Now.
func (s *Sessions) Page(ctx context.Context, q SessionQuery, after Place, limit int) (page []Session, total int, err error) {
	q.Now = s.now()
	return s.Store.AuthRows().SessionPage(ctx, q, after, limit)
}

// Get returns a live session. Errors: ErrSessionNotFound.
func (s *Sessions) Get(ctx context.Context, id string) (Session, error) {
	it, err := s.Store.AuthRows().SessionByID(ctx, id)
	if err == nil && !it.Live(s.now()) {
		err = ErrSessionNotFound
	}
	return it, err
}

// Revoke ends a session of this person, or of anybody for "". Errors:
// ErrSessionNotFound.
func (s *Sessions) Revoke(ctx context.Context, personID, id string, by By) error {
	return s.Store.AuthTx(ctx, func(tx Tx) error {
		sess, err := tx.SessionByID(ctx, id)
		if err == nil && personID != "" && sess.PersonID != personID {
			err = ErrSessionNotFound // they must not learn of sessions of others
		}
		if err != nil {
			return err
		}
		if err := tx.DeleteSession(ctx, id); err != nil {
			return err
		}
		return s.record(ctx, tx, by, audit.Event{Action: audit.SessionRevoke, Target: "session/" + id, Reason: "of person/" + sess.PersonID, Before: describeSession(sess)})
	})
}

// describeSession is a session in the audit log.
func describeSession(s Session) string {
	return audit.State(struct {
		Person    string    `json:"person"`
		Method    Method    `json:"method"`
		Source    string    `json:"source"`
		CreatedAt time.Time `json:"created_at"`
		ExpiresAt time.Time `json:"expires_at"`
	}{s.PersonID, s.Method, s.Source, s.CreatedAt, s.ExpiresAt})
}

// SessionsTx keeps sessions. One that ended is gone.
type SessionsTx interface {
	// SessionByHash returns ErrSessionNotFound.
	SessionByHash(ctx context.Context, hash []byte) (Session, error)
	// SessionByID returns ErrSessionNotFound.
	SessionByID(ctx context.Context, id string) (Session, error)
	// SessionPage lists up to limit of the live sessions that are asked for behind a place,
	// the newest first, and counts all of these.
	SessionPage(ctx context.Context, q SessionQuery, after Place, limit int) (page []Session, total int, err error)
	InsertSession(ctx context.Context, s Session, hash []byte) error
	// RenewSession gives a session another secret and step-up time.
	RenewSession(ctx context.Context, id string, hash []byte, stepUpUntil time.Time) error
	// TouchSession only moves LastSeenAt forward.
	TouchSession(ctx context.Context, id string, seen time.Time) error
}

// EndSessionsTx ends sessions.
type EndSessionsTx interface {
	DeleteSession(ctx context.Context, id string) error
	// DeleteSessions ends those of a person except one, which may be "".
	DeleteSessions(ctx context.Context, personID, except string) error
	// DropSessions forgets those that ended by themselves before these times. Those of
	// command lines do not end by not being used.
	DropSessions(ctx context.Context, expiredBefore, seenBefore time.Time) error
}

// beginning is what it takes to begin a session.
type beginning interface {
	audit.Store
	PeopleTx
	SessionsTx
	EndSessionsTx
}

// begin opens a session as part of tx. It never takes over a session id that the
// caller brought, so nobody can fix one in advance.
func (s *Sessions) begin(ctx context.Context, tx beginning, p *Person, m Method, from From) (SignedIn, error) {
	now := s.now()
	if err := tx.DropSessions(ctx, now.Add(-time.Hour), now.Add(-SessionIdle-time.Hour)); err != nil {
		return SignedIn{}, err
	}
	if from.Replaces != "" { // a browser has one session
		if old, err := tx.SessionByHash(ctx, keys.HashSecret(from.Replaces)); err == nil {
			if err := tx.DeleteSession(ctx, old.ID); err != nil {
				return SignedIn{}, err
			}
		}
	}
	p.LastSignInAt = now
	if err := tx.PutPerson(ctx, *p); err != nil {
		return SignedIn{}, err
	}
	sess := Session{
		ID: newID("ses_"), PersonID: p.ID, Method: m, Source: from.Source, UserAgent: visible.Only(clip(from.UserAgent)),
		CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(SessionLife), StepUpUntil: now.Add(StepUpLife),
	}
	text, hash := newSessionSecret()
	if err := tx.InsertSession(ctx, sess, hash); err != nil {
		return SignedIn{}, err
	}
	by := By{Actor: p.Actor(), RequestID: from.RequestID, Source: from.Source}
	if err := s.record(ctx, tx, by, audit.Event{Action: audit.SignIn, Target: "session/" + sess.ID, Reason: string(m)}); err != nil {
		return SignedIn{}, err
	}
	return SignedIn{Person: *p, Session: sess, Secret: text}, nil
}

// began reports outside that an owner has signed in.
func (s *Sessions) began(in SignedIn) {
	if in.Person.Role == Owner && s.OwnerSignedIn != nil {
		s.OwnerSignedIn()
	}
}

// clip bounds what a caller may add to a row.
func clip(s string) string {
	const most = 200
	for i := range s {
		if i > most {
			s = s[:i]
			break
		}
	}
	if !utf8.ValidString(s) {
		return ""
	}
	return s
}
