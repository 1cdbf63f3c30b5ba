package app_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/app"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog/changelogtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
)

// issuing is the policy of a store, and the audit log in it.
type issuing struct {
	revision uint64
	recorded map[string]int // by target
}

func (i *issuing) PolicyRevision(context.Context) (uint64, error) { return i.revision, nil }

func (i *issuing) AuditKnows(_ context.Context, e audit.Event) (bool, error) {
	return i.recorded[e.Target] > 0, nil
}

func (i *issuing) AppendAudit(_ context.Context, e audit.Event) error {
	i.recorded[e.Target]++
	return nil
}

func (i *issuing) Refresh(context.Context) error { return nil }

func (i *issuing) Current() *policy.Snapshot { return &policy.Snapshot{Revision: i.revision} }

func TestTheRecordOfRevisionsBearsTheFaultsOfItsLog(t *testing.T) {
	t.Parallel()
	changelogtest.Faults(t, func(*testing.T) changelogtest.Subject {
		log, store := &changelogtest.Log{}, &issuing{revision: 7, recorded: map[string]int{}}
		return changelogtest.Subject{
			Log: log,
			Start: func() func(context.Context) error {
				return changelog.NewFollower(changelog.Config{
					Name: "revisions", Log: log, Reader: app.Revisions(store, audit.New(zap.NewNop(), time.Now)), Now: time.Now, Logger: zap.NewNop(),
				}).CatchUp
			},
			Commit: func() {
				store.revision++
				log.Add(changelog.Change{Kind: changelog.Policy, ID: strconv.FormatUint(store.revision, 10), Op: changelog.Changed})
			},
			Agrees: func(t *testing.T) {
				t.Helper()
				require.Equal(t, 1, store.recorded["policy/"+strconv.FormatUint(store.revision, 10)], "the newest one, once")
				for target, n := range store.recorded {
					require.Equal(t, 1, n, target)
				}
			},
		}
	})
}
