package attention

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/anchors"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit/export"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
)

// ErrNotFound is returned for an item that is not there, or not in that state any more.
var ErrNotFound = errors.New("attention: no such item")

// Fleet lists the members.
type Fleet interface {
	Lists(ctx context.Context) (*fleet.Lists, error)
}

// Requests are hosts that ask to be enrolled.
type Requests interface {
	RequestPage(ctx context.Context, q enroll.RequestQuery) (fleet.Page[enroll.Request], error)
}

// Rotations reports on the CA.
type Rotations interface {
	// Unfinished is the rotation that runs or paused, nil without one.
	Unfinished(ctx context.Context) (*rotation.Rotation, error)
	// Report says what it waits for. It asks SPIRE and looks at everybody.
	Report(ctx context.Context) (rotation.Report, error)
}

// Bootstraps reports on the bootstrap CA.
type Bootstraps interface {
	Report(ctx context.Context) (anchors.Report, error)
}

// Store keeps dismissals.
type Store interface {
	// Dismissals are the ids of the items that were dismissed.
	Dismissals(ctx context.Context) (map[string]bool, error)
	AttentionTx(ctx context.Context, fn func(Tx) error) error
}

// Tx is the part of a store transaction that a dismissal needs.
type Tx interface {
	audit.Store
	// Dismiss keeps the id of an item, and reports whether it is new.
	Dismiss(ctx context.Context, id string, at time.Time) (bool, error)
	// KeepDismissals forgets the oldest beyond most.
	KeepDismissals(ctx context.Context, most int) error
}

// Config is what a Board asks. The last three may be nil: then there is nothing to say.
type Config struct {
	Fleet      Fleet
	Requests   Requests
	Rotations  Rotations
	Bootstraps Bootstraps
	Store      Store
	Audit      *audit.Log
	Now        func() time.Time
	// Certificates are what the dashboard presents; nil without TLS of its own.
	Certificates func() []Presented
	// Exports are the receivers of the audit log.
	Exports func() []export.State
	// RecoveryKey is the public half, empty until one is made.
	RecoveryKey func() string
}

// Board lists what an operator has to look into.
type Board struct{ cfg Config }

// New returns a Board.
func New(cfg Config) *Board { return &Board{cfg} }

// List are the first items of all that are not dismissed.
type List struct {
	Items []Item
	Total int
}

const (
	// mostOf bounds the members that one list looks at.
	mostOf = 1000
	// mostDismissed bounds the dismissals that are kept. An item whose dismissal went is
	// back, if it is still there.
	mostDismissed = 1000
)

// List returns as many items as most, the gravest first.
func (b *Board) List(ctx context.Context, most int) (List, error) {
	dismissed, err := b.cfg.Store.Dismissals(ctx)
	if err != nil {
		return List{}, err
	}
	items, total, err := b.all(ctx, min(most+len(dismissed), mostOf))
	if err != nil {
		return List{}, err
	}
	out := List{Items: []Item{}, Total: total}
	for _, it := range items {
		if dismissed[it.ID] {
			out.Total--
			continue
		}
		out.Items = append(out.Items, it)
	}
	out.Items = out.Items[:min(len(out.Items), most)]
	return out, nil
}

// all are the items, of members at most as many as most of each sign, and how many there
// are.
func (b *Board) all(ctx context.Context, most int) (items []Item, total int, err error) {
	lists, err := b.cfg.Fleet.Lists(ctx)
	if err != nil {
		return nil, 0, err
	}
	now := b.cfg.Now()
	signs, connectors, tunnelers := lists.Signs(most)
	for _, m := range connectors {
		items = append(items, ofConnector(m, lists)...)
	}
	for _, m := range tunnelers {
		items = append(items, ofMember(m.Member, m.Presence, marks{m.Contested, m.Clone != nil}, lists)...)
	}
	hidden := max(signs-len(items), 0)
	items = append(items, ofOffline(lists, now)...)
	for _, look := range []func(context.Context, time.Time) ([]Item, error){b.approvals, b.rotation, b.bootstrap} {
		more, err := look(ctx, now)
		if err != nil {
			return nil, 0, err
		}
		items = append(items, more...)
	}
	items = append(items, b.exports(now)...)
	items = append(items, b.certificates(now)...)
	items = append(items, b.recovery()...)
	for i := range items {
		items[i] = items[i].name()
	}
	return sorted(items), hidden + len(items), nil
}

// Dismiss hides an item until its state changes. by has actor, request and source of the
// audit event. Errors: ErrNotFound.
func (b *Board) Dismiss(ctx context.Context, id string, by audit.Event) (Item, error) {
	items, _, err := b.all(ctx, mostOf)
	if err != nil {
		return Item{}, err
	}
	i := slices.IndexFunc(items, func(it Item) bool { return it.ID == id })
	if i < 0 {
		return Item{}, ErrNotFound
	}
	it := items[i]
	by.Action, by.Outcome, by.Target, by.Reason = audit.AttentionDismiss, audit.Success, cmp.Or(it.Subject, "controller"), string(it.Kind)+": "+it.Found
	return it, b.cfg.Store.AttentionTx(ctx, func(tx Tx) error {
		added, err := tx.Dismiss(ctx, id, b.cfg.Now())
		if err != nil || !added { // somebody else was faster
			return err
		}
		if err := tx.KeepDismissals(ctx, mostDismissed); err != nil {
			return err
		}
		return b.cfg.Audit.Record(ctx, tx, by)
	})
}
