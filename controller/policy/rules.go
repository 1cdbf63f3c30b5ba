package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

// Limits of what there is. A connector decides among the most of it in microseconds; the
// limits keep a program that runs wild from filling the database.
const (
	MaxResources = 20_000
	MaxGrants    = 50_000
)

// Resource is an access.Resource as it is kept.
type Resource struct {
	access.Resource

	CreatedAt time.Time
	// Revision grows with each change.
	Revision int64
}

// Grant is an access.Grant as it is kept.
type Grant struct {
	access.Grant

	CreatedAt time.Time
	// Revision grows with each change.
	Revision int64
}

// Errors of resources and grants; what there is none of is fleet.ErrNotFound, an id that is
// taken fleet.ExistsError, and what was changed meanwhile fleet.ErrStale.
var (
	ErrTooManyResources = fmt.Errorf("there are %d resources, and no more are possible", MaxResources)
	ErrTooManyGrants    = fmt.Errorf("there are %d grants, and no more are possible", MaxGrants)
)

// GrantedError refuses to delete a resource that grants name.
type GrantedError struct {
	// Grants are the first of them, Total counts all.
	Grants []string
	Total  int
}

// shownGrants is how many grants a GrantedError names.
const shownGrants = 20

// Error implements error.
func (e *GrantedError) Error() string {
	text := fmt.Sprintf("%d grants name the resource (%s", e.Total, strings.Join(e.Grants, ", "))
	if e.Total == 1 {
		text = "a grant names the resource (" + e.Grants[0]
	}
	if e.Total > len(e.Grants) {
		text += ", …"
	}
	return text + "): delete them first"
}

// GrantQuery asks for one page of grants.
type GrantQuery struct {
	fleet.Query

	// Subject and Object are the only ones that are wanted, as people write them; empty for any.
	Subject, Object string
}

// ResourceQuery asks for one page of resources.
type ResourceQuery struct {
	fleet.Query

	// NetworkID is the only network that is wanted; empty for any.
	NetworkID string
}

// Orders of resources and grants beside fleet.ByID.
const (
	ByName    fleet.Sort = "name"
	BySubject fleet.Sort = "subject"
	ByObject  fleet.Sort = "object"
	ByUntil   fleet.Sort = "until"
)

// RulesStore keeps resources and grants; store.Store is it.
type RulesStore interface {
	// ResourcePage and GrantPage return fleet.ErrPlace for a place of no page.
	ResourcePage(ctx context.Context, q ResourceQuery) (fleet.Page[Resource], error)
	GrantPage(ctx context.Context, q GrantQuery) (fleet.Page[Grant], error)
	RulesTx(ctx context.Context, fn func(RulesTx) error) error
	// Guard has check look at each transaction of the rules and of the fleet before its
	// commit, which an error of it prevents.
	Guard(check func(ctx context.Context, tx CheckTx) error)
	CheckStore
}

// RulesTx changes resources and grants, and notes each change in the change log.
type RulesTx interface {
	audit.Store
	// Network returns fleet.ErrNotFound.
	Network(ctx context.Context, id string) (fleet.Network, error)
	// BumpPolicy begins the next revision of the policy.
	BumpPolicy(ctx context.Context) error
	ResourcesTx
	GrantsTx
	TestsTx
	DocumentTx
	CheckTx
}

// ResourcesTx keeps resources.
type ResourcesTx interface {
	// Resource returns fleet.ErrNotFound.
	Resource(ctx context.Context, id string) (Resource, error)
	CountResources(ctx context.Context) (int, error)
	// ResourceWithAlias is the id of the resource that has an alias; empty if none has it.
	ResourceWithAlias(ctx context.Context, alias string) (id string, err error)
	InsertResource(ctx context.Context, r Resource) error
	UpdateResource(ctx context.Context, r Resource) error
	DeleteResource(ctx context.Context, id string) error
}

// GrantsTx keeps grants.
type GrantsTx interface {
	// Grant returns fleet.ErrNotFound.
	Grant(ctx context.Context, id string) (Grant, error)
	CountGrants(ctx context.Context) (int, error)
	// GrantsOf lists the first grants that name an object, by id, and counts all of them.
	GrantsOf(ctx context.Context, object access.Object, limit int) (first []string, total int, err error)
	InsertGrant(ctx context.Context, g Grant) error
	UpdateGrant(ctx context.Context, g Grant) error
	DeleteGrant(ctx context.Context, id string) error
}

// RulesConfig configures NewRules.
type RulesConfig struct {
	Store RulesStore
	// TrustDomain is that of the tunnelers.
	TrustDomain spiffeid.TrustDomain
	Audit       *audit.Log
	Now         func() time.Time
}

// Rules is what operators say about which tunnelers may reach what: the resources and the
// grants, each change of which is a new revision of the policy, and the policy tests.
type Rules struct {
	cfg    RulesConfig
	zones  access.Zones
	checks *checks
}

// NewRules returns the Rules of a store, whose transactions their policy tests guard from
// then on.
func NewRules(cfg RulesConfig) *Rules {
	r := &Rules{cfg: cfg, checks: newChecks(cfg.Store, cfg.TrustDomain, cfg.Now)}
	cfg.Store.Guard(r.checks.check)
	return r
}

func wrong(field, format string, args ...any) error {
	return &access.FieldError{Field: field, Err: fmt.Errorf(format, args...)}
}

// record writes the audit event of a change, and begins the next revision of the policy, one
// for all changes of a transaction.
func (r *Rules) record(ctx context.Context, tx RulesTx, ev audit.Event) error {
	if !slices.ContainsFunc(tx.Pending(), func(c changelog.Change) bool { return c.Kind == changelog.Policy }) {
		if err := tx.BumpPolicy(ctx); err != nil {
			return err
		}
	}
	return r.cfg.Audit.Record(ctx, tx, ev)
}
