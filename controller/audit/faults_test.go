package audit_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog/changelogtest"
)

func TestASequencerBearsTheFaultsOfItsLog(t *testing.T) {
	t.Parallel()
	changelogtest.Faults(t, func(t *testing.T) changelogtest.Subject {
		t.Helper()
		w, log, events := newWorld(t), &changelogtest.Log{}, 0
		return changelogtest.Subject{
			Log: log,
			Start: func() func(context.Context) error {
				return audit.NewSequencer(audit.SequencerConfig{
					Store: w.store, Holder: "c1", Signer: w.signer, Changes: log, Log: zap.NewNop(), Now: w.clock.Now,
				}).CatchUp
			},
			Commit: func() {
				events++
				w.record(t, 1)
				log.Add(changelog.Change{Kind: changelog.Audit, Op: changelog.Op(audit.TokenCreate)})
			},
			Agrees: func(t *testing.T) {
				t.Helper()
				w.intact(t, events)
			},
		}
	})
}

// TestAnIdleSequencerAsksTheStoreForNothing: a commit without an event, and a second
// without a commit, cost it no query of its own.
func TestAnIdleSequencerAsksTheStoreForNothing(t *testing.T) {
	t.Parallel()
	w, log := newWorld(t), &changelogtest.Log{}
	counted := &failing{SequencerStore: w.store, left: 1 << 30}
	s := audit.NewSequencer(audit.SequencerConfig{Store: counted, Holder: "c1", Signer: w.signer, Changes: log, Log: zap.NewNop(), Now: w.clock.Now})
	w.record(t, 1)
	log.Add(changelog.Change{Kind: changelog.Audit})
	require.NoError(t, s.CatchUp(t.Context()))
	w.record(t, 1) // which the log does not name
	log.Add(changelog.Change{Kind: changelog.Tunneler, ID: "t-01"})
	before := counted.left
	require.NoError(t, s.CatchUp(t.Context()))
	require.Equal(t, before, counted.left)
	require.EqualValues(t, 1, s.Head().Size)
}
