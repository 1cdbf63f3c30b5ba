package adversary_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	_ "modernc.org/sqlite" // to do what only the owner of the disk can do

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store/storetest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

// evidence is an audit log on a disk that the adversary can write to. The adversary does not
// have the key.
type evidence struct {
	file   string
	store  *store.Store
	signer *audit.Signer
	clock  *hosttest.Clock
	trail  *audit.Log
	seq    *audit.Sequencer
}

func newEvidence(t *testing.T) *evidence {
	t.Helper()
	e := &evidence{file: filepath.Join(t.TempDir(), "controller.db"), clock: hosttest.NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))}
	var err error
	e.store, err = store.Open(t.Context(), storetest.File(t, e.file))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.store.Close()) })
	e.signer, err = audit.OpenSigner(t.TempDir(), td.Name()+"/audit")
	require.NoError(t, err)
	e.trail = audit.New(zap.NewNop(), e.clock.Now)
	e.seq = audit.NewSequencer(audit.SequencerConfig{Store: e.store, Holder: "c1", Signer: e.signer, Changes: e.store, Log: zap.NewNop(), Now: e.clock.Now})
	return e
}

// grow appends n events and gives them their place.
func (e *evidence) grow(t *testing.T, n int) {
	t.Helper()
	e.sql(t, `WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?)
		INSERT INTO audit (time, actor, action, target, outcome, reason, request_id, source) SELECT ?, 'person:p', 'token.create', 'token/' || n, 'success', '', '', '' FROM c`,
		n, e.clock.Now().UnixMicro())
	require.NoError(t, e.seq.Step(t.Context()))
}

// sql is what whoever owns the disk does.
func (e *evidence) sql(t *testing.T, query string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", e.file)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.ExecContext(t.Context(), query, args...)
	require.NoError(t, err)
}

func (e *evidence) keeper(r audit.Retention) *audit.Keeper {
	return audit.NewKeeper(audit.KeeperConfig{Store: e.store, Sequencer: e.seq, Trail: e.trail, Retention: r, Log: zap.NewNop(), Now: e.clock.Now})
}

// checked is what the controller's own check of its log says, after each of n checks.
func (e *evidence) checked(t *testing.T, n int) (states []string) {
	t.Helper()
	c := audit.NewSelfCheck(e.store, e.signer, zap.NewNop(), e.clock.Now, nil)
	for range n {
		c.Check(t.Context())
		states = append(states, c.State().State)
	}
	return states
}

// TestAMarkThatNobodySignedHidesNothing: the controller reads no segment again, for the moment,
// that it has marked as verified.
func TestAMarkThatNobodySignedHidesNothing(t *testing.T) {
	t.Parallel()
	e := newEvidence(t)
	e.grow(t, 2*audit.SegmentSize)
	newest, err := e.store.NewestCheckpoint(t.Context())
	require.NoError(t, err)
	c, err := witness.Open([]byte(newest.Note), e.signer.VerifierKey)
	require.NoError(t, err)
	e.sql(t, `UPDATE audit SET actor = 'person:q' WHERE idx = 5000`)
	mark := fmt.Sprintf(`{"size":%d,"root":%q,"turn":50,"signature":%q}`, c.Size, c.Root, strings.Repeat("A", 86)+"==")
	require.NoError(t, e.store.PutAuditMark(t.Context(), mark))
	require.Equal(t, []string{audit.CheckBad}, e.checked(t, 1))
}

// TestAnOldEventThatIsChangedIsFoundWithinADay: it was verified once.
func TestAnOldEventThatIsChangedIsFoundWithinADay(t *testing.T) {
	t.Parallel()
	e := newEvidence(t)
	e.grow(t, audit.SegmentSize)
	require.Equal(t, []string{audit.CheckOK}, e.checked(t, 1))
	e.sql(t, `UPDATE audit SET actor = 'person:q' WHERE idx = 70`)
	require.Contains(t, e.checked(t, 96), audit.CheckBad)
}

// TestRetentionIsNoWayToRemoveEvidence: a clock that is set forward makes everything old.
func TestRetentionIsNoWayToRemoveEvidence(t *testing.T) {
	t.Parallel()
	e := newEvidence(t)
	e.grow(t, audit.SegmentSize+1)
	e.sql(t, `UPDATE audit SET actor = 'person:q' WHERE idx = 70`)
	e.clock.Advance(1000 * 24 * time.Hour)
	k := e.keeper(audit.Retention{Age: 400 * 24 * time.Hour})
	for range 3 {
		_ = k.Step(t.Context())
		require.NoError(t, e.seq.Step(t.Context()))
	}
	rows, err := e.store.AuditRows(t.Context(), 70, 1)
	require.NoError(t, err)
	require.EqualValues(t, 70, rows[0].Index)
}

// TestAConnectorThatWasAwayIsNotLockedOut: what it witnessed was archived meanwhile.
func TestAConnectorThatWasAwayIsNotLockedOut(t *testing.T) {
	t.Parallel()
	e := newEvidence(t)
	e.grow(t, 70)
	newest, err := e.store.NewestCheckpoint(t.Context())
	require.NoError(t, err)
	c, err := witness.Open([]byte(newest.Note), e.signer.VerifierKey)
	require.NoError(t, err)
	require.NoError(t, e.store.PutWitnesses(t.Context(), []audit.Witness{{Connector: "c-01", Size: 70, At: e.clock.Now()}}))
	e.grow(t, audit.SegmentSize)
	e.clock.Advance(401 * 24 * time.Hour)
	k := e.keeper(audit.Retention{Age: 400 * 24 * time.Hour})
	for range 2 {
		require.NoError(t, k.Step(t.Context()))
		require.NoError(t, e.seq.Step(t.Context()))
	}
	rows, err := e.store.AuditRows(t.Context(), 0, 1)
	require.NoError(t, err)
	require.EqualValues(t, audit.SegmentSize, rows[0].Index, "the others are archived")
	offer, err := audit.NewWitnesses(e.store, e.seq, e.trail).Offer(t.Context(), 70)
	require.NoError(t, err)
	_, err = witness.Kept{VerifierKey: e.signer.VerifierKey, Note: newest.Note, Checkpoint: c}.Judge(offer)
	require.NoError(t, err)
}

// TestAnSVIDIsNotRewritten: a thief hides which serial was used when.
func TestAnSVIDIsNotRewritten(t *testing.T) {
	t.Parallel()
	e := newEvidence(t)
	require.NoError(t, e.seq.Step(t.Context()))
	for range 2 { // a restart in between, after which members prove the same again
		c := audit.NewCollector(e.store, e.trail)
		for i := range 3 {
			c.Renewed(audit.Renewal{Member: fmt.Sprintf("connector/c-%d", i), Serial: "5f0c9a", Authority: "ab", NotAfter: e.clock.Now()})
		}
		c.Flush(t.Context())
	}
	page, err := e.store.FindRenewals(t.Context(), audit.RenewalQuery{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Renewals, 3)
	e.clock.Advance(time.Hour)
	require.NoError(t, e.keeper(audit.Retention{}).Step(t.Context()))
	require.NoError(t, e.seq.Step(t.Context()))
	verify := func() *audit.Problem {
		r, err := audit.Verify(context.Background(), e.store, audit.Verification{VerifierKey: e.signer.VerifierKey})
		require.NoError(t, err)
		return r.Problem
	}
	require.Nil(t, verify())
	e.sql(t, `UPDATE svid_renewals SET serial = x'01' WHERE seq = 2`)
	require.NotNil(t, verify())
}
