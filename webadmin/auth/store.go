package auth

import (
	"context"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// Store keeps people, sessions and keys.
type Store interface {
	// AuthTx runs fn in one transaction, which is undone if fn fails.
	AuthTx(ctx context.Context, fn func(Tx) error) error
	// AuthRows reads, and writes what needs no transaction.
	AuthRows() Tx
}

// Tx is everything that a transaction can do. Audit events are part of it.
type Tx interface {
	audit.Store
	PeopleTx
	SessionsTx
	FailuresTx
	LinksTx
	KeysTx
	SigningKeysTx
}

// PeopleTx keeps people.
type PeopleTx interface {
	// Person, LocalPerson and FederatedPerson return ErrPersonNotFound.
	Person(ctx context.Context, id string) (Person, error)
	LocalPerson(ctx context.Context, email string) (Person, error)
	FederatedPerson(ctx context.Context, issuer, subject string) (Person, error)
	// People lists everybody by creation.
	People(ctx context.Context) ([]Person, error)
	PutPerson(ctx context.Context, p Person) error
	// DeletePerson takes sessions, links and recovery codes along.
	DeletePerson(ctx context.Context, id string) error
	// SetRecoveryCodes replaces the hashes of all codes of a person.
	SetRecoveryCodes(ctx context.Context, personID string, hashes [][]byte) error
	// SpendRecoveryCode says whether the person had this code, and takes it away.
	SpendRecoveryCode(ctx context.Context, personID string, hash []byte) (bool, error)
	CountRecoveryCodes(ctx context.Context, personID string) (int, error)
}

// SessionsTx keeps sessions. One that ended is gone.
type SessionsTx interface {
	// SessionByHash returns ErrSessionNotFound.
	SessionByHash(ctx context.Context, hash []byte) (Session, error)
	// SessionByID returns ErrSessionNotFound.
	SessionByID(ctx context.Context, id string) (Session, error)
	// Sessions lists those of a person, or all of them for "", the newest first.
	Sessions(ctx context.Context, personID string) ([]Session, error)
	InsertSession(ctx context.Context, s Session, hash []byte) error
	// RenewSession gives a session another secret and step-up time.
	RenewSession(ctx context.Context, id string, hash []byte, stepUpUntil time.Time) error
	// TouchSession only moves LastSeenAt forward.
	TouchSession(ctx context.Context, id string, seen time.Time) error
	DeleteSession(ctx context.Context, id string) error
	// DeleteSessions ends those of a person except one, which may be "".
	DeleteSessions(ctx context.Context, personID, except string) error
	// DropSessions forgets those that ended by themselves before these times. Those of
	// command lines do not end by not being used.
	DropSessions(ctx context.Context, expiredBefore, seenBefore time.Time) error
}

// FailuresTx counts failed attempts.
type FailuresTx interface {
	// Failures returns the zero value for what never failed.
	Failures(ctx context.Context, key []byte) (Failures, error)
	PutFailures(ctx context.Context, key []byte, f Failures) error
	// DropFailures forgets one key.
	DropFailures(ctx context.Context, key []byte) error
	// KeepFailures forgets the oldest beyond most.
	KeepFailures(ctx context.Context, most int) error
	// DropFailuresBefore forgets what last failed before t.
	DropFailuresBefore(ctx context.Context, t time.Time) error
}

// LinksTx keeps setup links.
type LinksTx interface {
	// LinkByHash returns ErrLinkNotFound.
	LinkByHash(ctx context.Context, hash []byte) (Link, error)
	InsertLink(ctx context.Context, l Link, hash []byte) error
	// DeleteLinks takes away the links of a person; "" is the first owner's.
	DeleteLinks(ctx context.Context, personID string) error
}

// KeysTx keeps API keys.
type KeysTx interface {
	// KeyByHash and KeyByID return ErrKeyNotFound.
	KeyByHash(ctx context.Context, hash []byte) (Key, error)
	KeyByID(ctx context.Context, id string) (Key, error)
	// Keys lists all, also dead ones, the newest first.
	Keys(ctx context.Context) ([]Key, error)
	InsertKey(ctx context.Context, k Key, hash []byte) error
	RevokeKey(ctx context.Context, id string, at time.Time) error
	// UpdateKey gives a key another name and other permissions.
	UpdateKey(ctx context.Context, id, name string, permissions []Permission) error
	// RevokeTokensBy revokes the pending enrollment tokens that an actor made, and
	// returns their ids.
	RevokeTokensBy(ctx context.Context, actor string, at time.Time) ([]string, error)
	// UseKey only moves LastUsedAt forward.
	UseKey(ctx context.Context, id string, at time.Time) error
}

// SigningKeysTx keeps the keys that sign access tokens.
type SigningKeysTx interface {
	// SigningKeys lists them, the newest first.
	SigningKeys(ctx context.Context) ([]SigningKey, error)
	InsertSigningKey(ctx context.Context, k SigningKey) error
	DeleteSigningKeysBefore(ctx context.Context, created time.Time) error
}
