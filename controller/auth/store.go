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

// Place is one in a list that is in the order of creation: when it was made, and its id
// among those that were made at the same time.
type Place struct {
	At time.Time
	ID string
}

// Tx is one transaction of sign-in. Each function asks for the parts of it that it uses; each
// part is declared beside its main user. Audit events are part of it.
type Tx interface {
	audit.Store
	PeopleTx
	RecoveryCodesTx
	SessionsTx
	EndSessionsTx
	FailuresTx
	LinksTx
	KeysTx
	MadeByKeyTx
	SigningKeysTx
}
