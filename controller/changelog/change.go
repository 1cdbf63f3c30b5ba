package changelog

import (
	"context"
)

// Kind is what sort of thing changed.
type Kind string

// Kinds of things. The id of a Policy is its revision, in decimal; it comes after
// everything else that its transaction changed. An Audit and a
// Recovery have no id.
const (
	Connector  Kind = "connector"
	Tunneler   Kind = "tunneler"
	Host       Kind = "host"
	Network    Kind = "network"
	Resource   Kind = "resource"
	Grant      Kind = "grant"
	PolicyTest Kind = "policy-test"
	Policy     Kind = "policy"
	Token      Kind = "token"
	Request    Kind = "request"
	Rotation   Kind = "rotation"
	Person     Kind = "person"
	Key        Kind = "key"
	Audit      Kind = "audit"
	Recovery   Kind = "recovery"
)

// Op is one word on what happened. It informs; a Reader that needs to know what a
// thing is reads it.
type Op string

// Ops of all kinds but Audit, whose op is the action of the event.
const (
	Created Op = "created"
	Changed Op = "changed"
	Revoked Op = "revoked"
	Deleted Op = "deleted"
)

// Change is one row of the log.
type Change struct {
	Seq  uint64
	Kind Kind
	ID   string
	Op   Op
}

// Log is what a Follower reads; store.Store is it.
type Log interface {
	// ChangePosition is the position of the newest change that was ever written; 0
	// before the first.
	ChangePosition(ctx context.Context) (uint64, error)
	// Changes lists the changes after a position that are still there, in order, limit
	// at most.
	Changes(ctx context.Context, after uint64, limit int) ([]Change, error)
	// SubscribeChanges returns a channel that gets a value after commits that changed
	// something, and a function that ends the subscription.
	SubscribeChanges() (<-chan struct{}, func())
}

// Reader is what follows the log.
type Reader interface {
	// Sync reads everything there is: at first, when the log no longer has what comes
	// next, and now and then to compare. What it reads may be newer than the position
	// that the log continues from.
	Sync(ctx context.Context) error
	// Apply takes changes in their order. After an error, or a Sync, some come again.
	Apply(ctx context.Context, changes []Change) error
	// Settled is called when there is nothing more to take at the moment, at least
	// every second. After an error it is called again.
	Settled(ctx context.Context) error
}
