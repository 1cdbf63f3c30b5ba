package recovery_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog/changelogtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/recovery"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/timeline"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const td = "mycorp.internal"

var (
	now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	by  = audit.Event{Time: now, Actor: "local/root", Target: "controller/c1"}
)

func open(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "controller.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// checkpointed gives the log of a store a checkpoint, and returns its verifier key.
func checkpointed(t *testing.T, s *store.Store) string {
	t.Helper()
	return checkpointedAt(t, s, 7)
}

func checkpointedAt(t *testing.T, s *store.Store, size int64) string {
	t.Helper()
	signer, err := audit.OpenSigner(t.TempDir(), audit.Origin(td))
	require.NoError(t, err)
	epoch, ok, err := s.AcquireSequencer(t.Context(), audit.Lease{Holder: "c1", Now: now, Until: now.Add(time.Minute)})
	require.NoError(t, err)
	require.True(t, ok)
	signed, err := signer.Sign(witness.Checkpoint{Origin: signer.Origin(), Size: size, Root: tlog.RecordHash([]byte("x"))})
	require.NoError(t, err)
	require.NoError(t, s.SequenceTx(t.Context(), epoch, func(tx audit.SequenceTx) error {
		return tx.PutCheckpoint(t.Context(), audit.SignedCheckpoint{Size: size, Time: now, Note: signed})
	}))
	return signer.VerifierKey
}

func events(t *testing.T, s *store.Store, action audit.Action) (out []audit.Event) {
	t.Helper()
	all, err := s.AuditSince(t.Context(), time.Time{})
	require.NoError(t, err)
	for _, e := range all {
		if e.Action == action {
			out = append(out, e)
		}
	}
	return out
}

func initialized(t *testing.T, s *store.Store, replace bool) (private string, k recovery.Key, err error) {
	t.Helper()
	k, err = recovery.Init(t.Context(), s, td, replace, by, func(text string) error { private = text; return nil })
	return private, k, err
}

// TestAKeyThatNobodyHasIsNotStored: hosts would pin it within seconds, and keep it.
func TestAKeyThatNobodyHasIsNotStored(t *testing.T) {
	t.Parallel()
	s := open(t)
	full := errors.New("disk full")
	_, err := recovery.Init(t.Context(), s, td, false, by, func(string) error {
		k, err := s.RecoveryKey(t.Context())
		require.NoError(t, err)
		require.Zero(t, k, "a program that is killed here leaves no key either")
		return full
	})
	require.ErrorIs(t, err, full)
	k, err := s.RecoveryKey(t.Context())
	require.NoError(t, err)
	require.Zero(t, k)
	require.Empty(t, events(t, s, audit.RecoveryInit))
	_, _, err = initialized(t, s, false)
	require.NoError(t, err, "nothing has to be replaced")
}

// TestTheSecondOfTwoWhoMakeAKeyIsTold: hosts pin the first one, so whoever was given the
// other one must know that it is of no use.
func TestTheSecondOfTwoWhoMakeAKeyIsTold(t *testing.T) {
	t.Parallel()
	s := open(t)
	var first recovery.Key
	_, err := recovery.Init(t.Context(), s, td, false, by, func(string) error {
		var err error
		_, first, err = initialized(t, s, false) // while this one is shown
		return err
	})
	require.ErrorIs(t, err, recovery.ErrExists)
	require.ErrorContains(t, err, "throw it away")
	k, err := s.RecoveryKey(t.Context())
	require.NoError(t, err)
	require.Equal(t, first, k)
	require.Len(t, events(t, s, audit.RecoveryInit), 1)
}

func TestTheKeyIsShownOnceAndOnlyItsPublicHalfIsStored(t *testing.T) {
	t.Parallel()
	s := open(t)
	private, k, err := initialized(t, s, false)
	require.NoError(t, err)
	stored, err := s.RecoveryKey(t.Context())
	require.NoError(t, err)
	require.Equal(t, k, stored)
	parsed, err := timeline.ParseKey(private, td)
	require.NoError(t, err)
	require.Equal(t, k.Public, parsed.Public)
	made := events(t, s, audit.RecoveryInit)
	require.Len(t, made, 1)
	require.Contains(t, made[0].After, k.Public)
	require.NotContains(t, made[0].After, "PRIVATE")

	_, _, err = initialized(t, s, false)
	require.ErrorIs(t, err, recovery.ErrExists)
	_, other, err := initialized(t, s, true)
	require.NoError(t, err)
	require.NotEqual(t, k.Public, other.Public)
}

func TestEachTimelineIsSignedWithWhereTheLogContinues(t *testing.T) {
	t.Parallel()
	s := open(t)
	private, k, err := initialized(t, s, false)
	require.NoError(t, err)
	key, err := timeline.ParseKey(private, td)
	require.NoError(t, err)

	var verifier string
	for want := uint64(2); want < 4; want++ {
		verifier = checkpointedAt(t, s, int64(want)) // as a controller does that runs
		begun, err := recovery.Begin(t.Context(), s, recovery.Beginning{TrustDomain: td, Key: key, VerifierKey: verifier, Reason: "disk died", By: by})
		require.NoError(t, err)
		require.Equal(t, want, begun.Number)
		got, err := timeline.Verify([]byte(begun.Statement), k.Public, td)
		require.NoError(t, err)
		require.Equal(t, timeline.Statement{
			TrustDomain: td, Number: want, Checkpoint: timeline.HashCheckpoint(verifier, []byte(begun.OldCheckpoint)), Reason: "disk died",
		}, got)
		stored, err := s.Timeline(t.Context())
		require.NoError(t, err)
		require.Equal(t, begun, stored)
	}
	taken := events(t, s, audit.TimelineBegin)
	require.Len(t, taken, 2)
	require.Equal(t, "disk died", taken[1].Reason)
	require.Contains(t, taken[1].Before, `"timeline":2`)
	require.Contains(t, taken[1].After, `"timeline":3`)
	require.Contains(t, taken[1].After, `"audit_records":3`)

	begun, err := recovery.Begin(t.Context(), s, recovery.Beginning{TrustDomain: td, Key: key, VerifierKey: verifier, After: 8, Reason: "older backup", By: by})
	require.NoError(t, err)
	require.Equal(t, uint64(9), begun.Number, "after what the hosts know")
}

// TestToBeginTwiceIsToBeginOnce: an operator who is not sure runs the command again.
func TestToBeginTwiceIsToBeginOnce(t *testing.T) {
	t.Parallel()
	for name, verifier := range map[string]func(t *testing.T, s *store.Store) string{
		"with a log": checkpointed, "of a new controller": func(*testing.T, *store.Store) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			_, key, err := timeline.NewKey(td)
			require.NoError(t, err)
			b := recovery.Beginning{TrustDomain: td, Key: key, VerifierKey: verifier(t, s), Reason: "disk died", By: by}
			first, err := recovery.Begin(t.Context(), s, b)
			require.NoError(t, err)
			b.Reason, b.By.Time = "was that enough?", now.Add(time.Hour)
			again, err := recovery.Begin(t.Context(), s, b)
			require.ErrorIs(t, err, recovery.ErrBegun)
			require.Equal(t, first, again)
			stored, err := s.Timeline(t.Context())
			require.NoError(t, err)
			require.Equal(t, first, stored)
			require.Len(t, events(t, s, audit.TimelineBegin), 1)

			_, other, err := timeline.NewKey(td)
			require.NoError(t, err)
			thief := b
			thief.Key = other
			_, err = recovery.Begin(t.Context(), s, thief)
			require.ErrorIs(t, err, recovery.ErrOtherKey, "whoever has another key is told nothing else")

			b.After = first.Number
			copied, err := recovery.Begin(t.Context(), s, b)
			require.NoError(t, err, "hosts follow it already: this is a copy of that database")
			require.Equal(t, first.Number+1, copied.Number)

			b.After = 0
			checkpointedAt(t, s, 8)
			b.VerifierKey = "" // its key is another one by now, which this test does not have
			_, err = recovery.Begin(t.Context(), s, b)
			require.ErrorIs(t, err, recovery.ErrLog, "a controller has run since: a new timeline is tried")
		})
	}
}

// TestAKeyThatReplacesALostOneIsPinned: hosts pin a key only with the statement of the
// timeline, so a statement of the lost key alone would leave them without any.
func TestAKeyThatReplacesALostOneIsPinned(t *testing.T) {
	t.Parallel()
	s := open(t)
	verifier := checkpointed(t, s)
	private, lost, err := initialized(t, s, false)
	require.NoError(t, err)
	key, err := timeline.ParseKey(private, td)
	require.NoError(t, err)
	begun, err := recovery.Begin(t.Context(), s, recovery.Beginning{TrustDomain: td, Key: key, VerifierKey: verifier, Reason: "disk died", By: by})
	require.NoError(t, err)
	require.NotEmpty(t, begun.Statement)
	for range 3 { // each is lost again
		_, k, err := initialized(t, s, true)
		require.NoError(t, err)
		current, err := s.Timeline(t.Context())
		require.NoError(t, err)
		for _, public := range []string{k.Public, lost.Public} {
			said, err := timeline.Verify([]byte(current.Statement), public, td)
			require.NoError(t, err, "the same statement for a host that has either key")
			require.Equal(t, uint64(2), said.Number)
		}
		lost = k
	}
}

func TestBeginRefuses(t *testing.T) {
	t.Parallel()
	s := open(t)
	verifier := checkpointed(t, s)
	private, _, err := initialized(t, s, false)
	require.NoError(t, err)
	key, err := timeline.ParseKey(private, td)
	require.NoError(t, err)
	_, thief, err := timeline.NewKey(td)
	require.NoError(t, err)
	good := recovery.Beginning{TrustDomain: td, Key: key, VerifierKey: verifier, Reason: "x", By: by}
	for name, c := range map[string]struct {
		change func(*recovery.Beginning)
		want   error
	}{
		"another key":                  {func(b *recovery.Beginning) { b.Key = thief }, recovery.ErrOtherKey},
		"another key of the audit log": {func(b *recovery.Beginning) { b.VerifierKey = thief.Public }, recovery.ErrLog},
		"no reason":                    {func(b *recovery.Beginning) { b.Reason = "" }, timeline.ErrMalformed},
		"a number that no host takes":  {func(b *recovery.Beginning) { b.After = timeline.MaxNumber }, timeline.ErrMalformed},
	} {
		b := good
		c.change(&b)
		_, err := recovery.Begin(t.Context(), s, b)
		require.ErrorIs(t, err, c.want, name)
		now, err := s.Timeline(t.Context())
		require.NoError(t, err)
		require.Zero(t, now, name)
	}
	require.Empty(t, events(t, s, audit.TimelineBegin))
	at, err := s.RestoredAt(t.Context())
	require.NoError(t, err)
	require.True(t, at.IsZero())
}

// TestADatabaseThatWasCopiedBackIsNotTrusted: no restore said that it is older than its
// fleet, so the statement does. Else hosts would follow it at once, and admit whoever was
// revoked after the copy.
func TestADatabaseThatWasCopiedBackIsNotTrusted(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, key, err := timeline.NewKey(td)
	require.NoError(t, err)
	token := func(id string, change func(*enroll.Token)) {
		tok := enroll.Token{
			ID: id, Workload: identity.Workload{Kind: identity.KindTunneler, ID: id},
			CreatedAt: now.Add(-2 * time.Hour), ExpiresAt: now.Add(time.Hour), Delivery: enroll.Plain,
		}
		change(&tok)
		require.NoError(t, s.EnrollTx(t.Context(), func(tx enroll.Tx) error { return tx.InsertToken(t.Context(), tok, []byte(id)) }))
	}
	token("issued", func(*enroll.Token) {})
	token("redeemed", func(tok *enroll.Token) { tok.ClaimedAt = now.Add(-time.Minute) })
	token("expired", func(tok *enroll.Token) { tok.ExpiresAt = now.Add(-time.Minute) })
	_, err = recovery.Begin(t.Context(), s, recovery.Beginning{TrustDomain: td, Key: key, Reason: "disk of Sunday", By: by})
	require.NoError(t, err)
	at, err := s.RestoredAt(t.Context())
	require.NoError(t, err)
	require.Equal(t, now, at)
	void := events(t, s, audit.TokenRevoke)
	require.Len(t, void, 1)
	require.Equal(t, "token/issued", void[0].Target)
	require.Equal(t, "disk of Sunday", void[0].Reason)
}

// TestATimelineBeginsWithARecall: hosts believe whoever has the key, so a database that
// was copied back by hand must not admit whom it does not know to be revoked.
func TestATimelineBeginsWithARecall(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, key, err := timeline.NewKey(td)
	require.NoError(t, err)
	_, err = recovery.Begin(t.Context(), s, recovery.Beginning{TrustDomain: td, Key: key, By: by})
	require.Error(t, err, "no reason")
	at, err := s.RestoredAt(t.Context())
	require.NoError(t, err)
	require.Zero(t, at)
	_, err = recovery.Begin(t.Context(), s, recovery.Beginning{TrustDomain: td, Key: key, Reason: "a snapshot of the machine", By: by})
	require.NoError(t, err)
	at, err = s.RestoredAt(t.Context())
	require.NoError(t, err)
	require.Equal(t, now, at)
}

// TestADatabaseOfBeforeTheKeyTakesIt: the backup may be older than the recovery key.
func TestADatabaseOfBeforeTheKeyTakesIt(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, key, err := timeline.NewKey(td)
	require.NoError(t, err)
	begun, err := recovery.Begin(t.Context(), s, recovery.Beginning{TrustDomain: td, Key: key, Reason: "x", By: by})
	require.NoError(t, err)
	require.Empty(t, begun.OldCheckpoint, "there is no log yet")
	k, err := s.RecoveryKey(t.Context())
	require.NoError(t, err)
	require.Equal(t, key.Public, k.Public)
}

// TestAKeeperBearsTheFaultsOfItsLog: whatever happens to the change log, the keeper comes
// to know the newest key, once each.
func TestAKeeperBearsTheFaultsOfItsLog(t *testing.T) {
	t.Parallel()
	changelogtest.Faults(t, func(t *testing.T) changelogtest.Subject {
		t.Helper()
		s, log := open(t), &changelogtest.Log{}
		var keeper *recovery.Keeper
		return changelogtest.Subject{
			Log: log,
			Start: func() func(context.Context) error {
				var err error
				keeper, err = recovery.Open(t.Context(), s, log, zap.NewNop())
				require.NoError(t, err)
				return keeper.Refresh
			},
			Commit: func() {
				_, _, err := initialized(t, s, true)
				require.NoError(t, err)
				log.Add(changelog.Change{Kind: changelog.Audit}, changelog.Change{Kind: changelog.Recovery, Op: changelog.Changed})
			},
			Agrees: func(t *testing.T) {
				t.Helper()
				stored, err := s.RecoveryKey(t.Context())
				require.NoError(t, err)
				require.Equal(t, stored.Public, keeper.Say().RecoveryKey)
				require.Equal(t, stored.Public, keeper.Key().Public)
			},
		}
	})
}

// TestARunningControllerLearnsOfItsKeyFromTheLog: the command that makes it is another
// process, and writes a change with it.
func TestARunningControllerLearnsOfItsKeyFromTheLog(t *testing.T) {
	t.Parallel()
	s := open(t)
	keeper, err := recovery.Open(t.Context(), s, s, zap.NewNop())
	require.NoError(t, err)
	require.NoError(t, keeper.Refresh(t.Context()))
	require.Equal(t, uint64(1), keeper.Number())
	said, changed := keeper.Say(), topic.NewHint()
	defer keeper.Notify(changed)()
	require.Zero(t, *said)
	require.Same(t, said, keeper.Say(), "until there is something else to say")
	_, k, err := initialized(t, s, false)
	require.NoError(t, err)
	require.NoError(t, keeper.Refresh(t.Context()))
	<-changed
	require.Equal(t, k.Public, keeper.Say().RecoveryKey)
	require.Equal(t, k.Public, keeper.Key().Public)
	require.Zero(t, *said, "what was said before does not change")
	require.NoError(t, keeper.Refresh(t.Context()))
	require.Empty(t, changed, "it is told once")
}

func TestARunningControllerShowsTheStatementWithTheKeyThatReplacedOne(t *testing.T) {
	t.Parallel()
	s := open(t)
	private, _, err := initialized(t, s, false)
	require.NoError(t, err)
	key, err := timeline.ParseKey(private, td)
	require.NoError(t, err)
	_, err = recovery.Begin(t.Context(), s, recovery.Beginning{TrustDomain: td, Key: key, Reason: "disk died", By: by})
	require.NoError(t, err)
	keeper, err := recovery.Open(t.Context(), s, s, zap.NewNop())
	require.NoError(t, err)
	changed := topic.NewHint()
	defer keeper.Notify(changed)()
	running := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() { running <- keeper.Run(ctx) }()
	_, k, err := initialized(t, s, true)
	require.NoError(t, err)
	<-changed
	said := keeper.Say()
	require.Equal(t, k.Public, said.RecoveryKey)
	_, err = timeline.Verify([]byte(said.Timeline.Statement), k.Public, td)
	require.NoError(t, err)
	stop()
	require.NoError(t, <-running)
}
