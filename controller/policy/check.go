package policy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// CheckStore is what has been committed, by which policy tests are decided.
type CheckStore interface {
	TestsStore
	ExplainStore
	// ResourceByID, GrantByID and NetworkByID return fleet.ErrNotFound.
	ResourceByID(ctx context.Context, id string) (Resource, error)
	GrantByID(ctx context.Context, id string) (Grant, error)
	NetworkByID(ctx context.Context, id string) (fleet.Network, error)
	ChangePosition(ctx context.Context) (uint64, error)
	Changes(ctx context.Context, after uint64, limit int) ([]changelog.Change, error)
}

// CheckTx is a transaction that is about to commit.
type CheckTx interface {
	// Pending are its changes.
	Pending() []changelog.Change
	CountPolicyTests(ctx context.Context) (int, error)
	// The others return fleet.ErrNotFound.
	PolicyTest(ctx context.Context, id string) (Test, error)
	Resource(ctx context.Context, id string) (Resource, error)
	Grant(ctx context.Context, id string) (Grant, error)
	Network(ctx context.Context, id string) (fleet.Network, error)
	Member(ctx context.Context, w identity.Workload) (fleet.Member, error)
}

// Limits of what is read one by one; if more was committed since, everything is read.
const (
	behindAtOnce = 1_000
	maxBehind    = 10_000
)

// checks decides policy tests. As long as there are any, it has in memory by what they are
// decided, as it is committed, by the change log: a check reads what its transaction
// changes and what was committed since the last check. It is safe for concurrent use.
type checks struct {
	store CheckStore
	now   func() time.Time

	mu       sync.Mutex
	loaded   bool
	position uint64 // of the change log
	book     *rulebook
}

func newChecks(store CheckStore, td spiffeid.TrustDomain, now func() time.Time) *checks {
	return &checks{store: store, now: now, book: newRulebook(td)}
}

// decisive are the kinds of which decisions are made, what others refer to first. Where a
// connector is does not matter: a decision is about those who have a session in a network.
var decisive = []changelog.Kind{changelog.Network, changelog.Resource, changelog.Grant, changelog.PolicyTest, changelog.Tunneler}

// alters says whether tests may be decided otherwise after a change. Who is enrolled or
// revoked is no part of a decision, so that no test stops either.
func alters(c changelog.Change) bool {
	return slices.Contains(decisive, c.Kind) && (c.Kind != changelog.Tunneler || c.Op == changelog.Changed)
}

// entries are what is decisive in changes, each once, in the order of decisive.
func entries(changes []changelog.Change) (out []changelog.Change) {
	seen := map[changelog.Change]struct{}{}
	for _, c := range changes {
		one := changelog.Change{Kind: c.Kind, ID: c.ID}
		if _, twice := seen[one]; !twice && slices.Contains(decisive, c.Kind) {
			seen[one] = struct{}{}
			out = append(out, one)
		}
	}
	slices.SortStableFunc(out, func(a, b changelog.Change) int {
		return slices.Index(decisive, a.Kind) - slices.Index(decisive, b.Kind)
	})
	return out
}

// check refuses a transaction after which a test would not hold that held before, or that
// the transaction makes or changes. Errors: *BrokenError.
func (c *checks) check(ctx context.Context, tx CheckTx) error {
	if !slices.ContainsFunc(tx.Pending(), alters) {
		return nil
	}
	n, err := tx.CountPolicyTests(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n == 0 {
		c.loaded, c.book = false, newRulebook(c.book.td)
		return nil
	}
	if err := c.follow(ctx); err != nil {
		return fmt.Errorf("check policy tests: %w", err)
	}
	broken, err := c.broken(ctx, tx, entries(tx.Pending()))
	if err != nil {
		c.loaded = false // it may have some of what is not committed
		return fmt.Errorf("check policy tests: %w", err)
	}
	if len(broken) > 0 {
		return &BrokenError{Broken: broken[:min(shownBroken, len(broken))], Total: len(broken)}
	}
	return nil
}

// broken lists the tests that do not hold with the pending changes. Those that did not hold
// before either do not count: an end that has passed must not stop every change.
func (c *checks) broken(ctx context.Context, tx CheckTx, pending []changelog.Change) (out []TestResult, err error) {
	var t touched // by the rules before the change, and after it
	t.add(c.book, pending)
	if err := c.book.takeAll(ctx, pendingRows{tx}, pending); err != nil {
		return nil, err
	}
	t.add(c.book, pending)
	now := c.now()
	for _, id := range slices.Sorted(maps.Keys(c.book.tests)) {
		networks, concerned := t.concerns(c.book, c.book.tests[id])
		if !concerned || c.book.goesOn(c.book.tests[id], networks, now) {
			continue // it holds if it held before
		}
		if r := c.book.result(c.book.tests[id], now); !r.Holds() {
			out = append(out, r)
		}
	}
	// Nothing is committed yet, so the store still has everything as it was.
	if err := c.book.takeAll(ctx, committedRows{c.store}, pending); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(out, func(r TestResult) bool {
		before, was := c.book.tests[r.ID]
		return was && before.asks(r.Test) && !c.book.result(before, now).Holds()
	}), nil
}

// results decides tests by what is committed.
func (c *checks) results(ctx context.Context, tests []Test) ([]TestResult, error) {
	if len(tests) == 0 {
		return nil, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.follow(ctx); err != nil {
		return nil, fmt.Errorf("decide policy tests: %w", err)
	}
	out := make([]TestResult, 0, len(tests))
	for _, t := range tests {
		out = append(out, c.book.result(t, c.now()))
	}
	return out, nil
}

// follow takes what was committed since the last time.
func (c *checks) follow(ctx context.Context) error {
	if !c.loaded {
		return c.load(ctx)
	}
	last, err := c.store.ChangePosition(ctx)
	if err != nil || last == c.position {
		return err
	}
	if last-c.position > maxBehind {
		return c.load(ctx)
	}
	var news []changelog.Change
	for at := c.position; at < last; {
		some, err := c.store.Changes(ctx, at, behindAtOnce)
		if err != nil {
			return err
		}
		if len(some) == 0 || some[0].Seq != at+1 {
			return c.load(ctx) // what comes next was pruned
		}
		news = append(news, some...)
		at = some[len(some)-1].Seq
	}
	if err := c.book.takeAll(ctx, committedRows{c.store}, entries(news)); err != nil {
		c.loaded = false
		return err
	}
	c.position = news[len(news)-1].Seq
	return nil
}

// load reads everything that is committed.
func (c *checks) load(ctx context.Context) (err error) {
	c.loaded, c.book = false, newRulebook(c.book.td)
	// The position is read first: rows may be newer than it, never older.
	if c.position, err = c.store.ChangePosition(ctx); err != nil {
		return err
	}
	networks, err := c.store.Networks(ctx)
	if err != nil {
		return err
	}
	for _, n := range networks {
		c.book.putNetwork(n.ID, n, true)
	}
	resources, err := c.store.Resources(ctx)
	if err != nil {
		return err
	}
	for _, r := range resources {
		c.book.putResource(r.ID, r, true)
	}
	grants, err := c.store.Grants(ctx)
	if err != nil {
		return err
	}
	for _, g := range grants {
		c.book.putGrant(g.ID, g, true)
	}
	tests, err := c.store.PolicyTests(ctx)
	if err != nil {
		return err
	}
	if err := c.book.putTests(ctx, committedRows{c.store}, tests); err != nil {
		return err
	}
	c.loaded = true
	return nil
}

// rows are read by their ids; those that are not there are fleet.ErrNotFound.
type rows interface {
	PolicyTest(ctx context.Context, id string) (Test, error)
	Resource(ctx context.Context, id string) (Resource, error)
	Grant(ctx context.Context, id string) (Grant, error)
	Network(ctx context.Context, id string) (fleet.Network, error)
	// labels are those of a tunneler; none if it is not there.
	labels(ctx context.Context, tunneler string) (access.Labels, error)
}

// pendingRows are those of a transaction.
type pendingRows struct{ CheckTx }

func (r pendingRows) labels(ctx context.Context, tunneler string) (access.Labels, error) {
	m, err := r.Member(ctx, identity.Workload{Kind: identity.KindTunneler, ID: tunneler})
	if errors.Is(err, fleet.ErrNotFound) {
		return nil, nil
	}
	return m.About.Labels, err
}

// committedRows are those that everybody sees.
type committedRows struct{ CheckStore }

func (r committedRows) PolicyTest(ctx context.Context, id string) (Test, error) {
	return r.PolicyTestByID(ctx, id)
}

func (r committedRows) Resource(ctx context.Context, id string) (Resource, error) {
	return r.ResourceByID(ctx, id)
}

func (r committedRows) Grant(ctx context.Context, id string) (Grant, error) {
	return r.GrantByID(ctx, id)
}

func (r committedRows) Network(ctx context.Context, id string) (fleet.Network, error) {
	return r.NetworkByID(ctx, id)
}

func (r committedRows) labels(ctx context.Context, tunneler string) (access.Labels, error) {
	found, err := r.TunnelersByID(ctx, []string{tunneler})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0].About.Labels, nil
}

// someoneWith is the id of a tunneler that has one label and no others. It is made anew by each
// program and never shown, so no grant names it.
func someoneWith() string { return "any-" + strings.ToLower(rand.Text()) }
