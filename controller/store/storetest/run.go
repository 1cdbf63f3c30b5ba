package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/attention"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit/export"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/flows"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/recovery"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/replay"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Store is everything that the program asks of its database.
type Store interface {
	enroll.Store
	fleet.Store
	fleet.TombstoneStore
	fleet.Placements
	presence.Store
	policy.Store
	policy.RulesStore
	Resources(ctx context.Context) ([]policy.Resource, error)
	Grants(ctx context.Context) ([]policy.Grant, error)
	rotation.Store
	recovery.Store
	attention.Store
	auth.Store
	audit.SequencerStore
	audit.WitnessStore
	audit.VerifyStore
	audit.QueryStore
	audit.CheckStore
	audit.KeeperStore
	audit.RenewalStore
	flows.Store
	export.Store
	AuditKnows(ctx context.Context, e audit.Event) (bool, error)
	replay.Store
	changelog.Log
	PruneWitnesses(ctx context.Context, revoked time.Time) error
	PruneChanges(ctx context.Context, keep uint64) error
	ConnectorsByID(ctx context.Context, ids []string) ([]fleet.Connector, error)
	TunnelersByID(ctx context.Context, ids []string) ([]fleet.Tunneler, error)
	BeginPolicy(ctx context.Context, at time.Time) error
	MarkedHosts(ctx context.Context) (contested, cloned int, err error)
	AuditDisputed(ctx context.Context) (int, error)
	ExpiredRequests(ctx context.Context, after, until time.Time) ([]string, error)
	ExpiredTokens(ctx context.Context, after, until time.Time) ([]string, error)
	AppendAudit(ctx context.Context, e audit.Event) error
	AuditSince(ctx context.Context, since time.Time) ([]audit.Event, error)
	Ping(ctx context.Context) error
	Close() error
}

// Run runs the suite. open opens the database of this name, which is empty the
// first time and afterwards holds what was committed; who opens it closes it.
func Run(t *testing.T, open func(t *testing.T, name string) Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, func(string) Store){
		"tokens":                                 tokens,
		"records of flows":                       flowRecords,
		"tokens are read in pages":               tokenPages,
		"requests are read in pages":             requestPages,
		"keys and people are read in pages":      pagesByCreation,
		"sessions are read in pages":             sessionPages,
		"enrollment requests":                    enrollmentRequests,
		"pending requests are counted":           pendingRequests,
		"claim links":                            claims,
		"hosts keep the marks set meanwhile":     hosts,
		"a host key is bound once":               hostKeys,
		"the first finding of a clone is kept":   clones,
		"members":                                members,
		"a member's id can be used again":        formerMembers,
		"last-seen times only grow":              seen,
		"many last-seen times":                   seenByMany,
		"the audit log":                          auditLog,
		"audit events are found":                 findAudit,
		"audit events are sequenced":             sequenceAudit,
		"exporters and witnesses":                auditPositions,
		"renewals of SVIDs":                      renewals,
		"segments of the audit log":              segments,
		"API keys":                               keys,
		"people":                                 people,
		"sessions":                               sessions,
		"recovery codes are spent once":          recoveryCodes,
		"failed sign-ins, links, signing keys":   signInState,
		"the policy revision":                    revision,
		"networks":                               networks,
		"networks declare prefixes":              networkPrefixes,
		"resources":                              resources,
		"grants":                                 grants,
		"resources and grants are read in pages": accessPages,
		"policy tests":                           policyTests,
		"changes are checked before they commit": guarded,
		"denials last as long as an SVID":        denials,
		"tombstones outlive their hosts":         tombstones,
		"requests that expire":                   expiringRequests,
		"tokens that expire":                     expiring,
		"each change is in the change log":       changesOf,
		"the change log has no holes":            changesInOrder,
		"tokens that ended are pruned":           prunedTokens,
		"witnesses are pruned":                   prunedWitnesses,
		"the change log is pruned":               prunedChanges,
		"commits wake those who follow":          commitsWake,
		"members are read by id":                 membersByID,
		"members are read with their hosts":      placements,
		"members are found by their labels":      membersLabelled,
		"requests with a key":                    requests,
		"rotations":                              rotations,
		"recovery keys":                          recoveryKeys,
		"dismissals":                             dismissals,
		"timelines":                              timelines,
		"one rotation is unfinished at a time":   oneRotation,
		"a failed transaction leaves nothing":    rollback,
		"transactions see no one half done":      serial,
		"what was committed is there again":      durable,
		"a canceled transaction leaves nothing":  canceled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, func(name string) Store { return open(t, name) })
		})
	}
}

// start is a time with the resolution that a store must keep.
func start() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC) }

func fresh(t *testing.T, open func(string) Store) Store {
	t.Helper()
	s := open("db")
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.NoError(t, s.Ping(t.Context()))
	return s
}

func within(t *testing.T, s Store, fn func(tx enroll.Tx) error) {
	t.Helper()
	require.NoError(t, s.EnrollTx(t.Context(), fn))
}

func newHost(t *testing.T) fleet.Host {
	t.Helper()
	id := identity.NewHostID()
	agent, err := id.AgentID(trustDomain())
	require.NoError(t, err)
	return fleet.Host{ID: id, AgentID: agent, KeyHash: []byte("hash of " + id), Hostname: "böx", EnrolledAt: start(), About: fleet.About{Revision: 1}}
}

func newMember(kind identity.Kind, id string, h fleet.Host) fleet.Member {
	return fleet.Member{
		Workload: identity.Workload{Kind: kind, ID: id}, HostID: h.ID, Version: "v1", EnrolledAt: start(), About: fleet.About{Revision: 1},
		Selectors: []fleet.Selector{{Type: "unix", Value: "uid:1000"}, {Type: "unix", Value: `path:/opt/"x":y/bin`}},
	}
}

// put enrolls members on one new host.
func put(t *testing.T, s Store, members ...fleet.Member) fleet.Host {
	t.Helper()
	h := newHost(t)
	within(t, s, func(tx enroll.Tx) error {
		if err := tx.PutHost(t.Context(), h); err != nil {
			return err
		}
		for _, m := range members {
			m.HostID = h.ID
			if err := tx.PutMember(t.Context(), m); err != nil {
				return err
			}
		}
		return nil
	})
	return h
}
