package relay_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/timeline"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

const domain = "mycorp.internal"

func recoveryKey(t *testing.T) timeline.Key {
	t.Helper()
	_, k, err := timeline.NewKey(domain)
	require.NoError(t, err)
	return k
}

// begins is what a controller says whose timeline n continues an audit log.
func begins(t *testing.T, k timeline.Key, n uint64, log *controltest.Log) *zerotrustv1.Timeline {
	t.Helper()
	o := log.Offer(t, 0)
	signed, err := k.Sign(timeline.Statement{TrustDomain: domain, Number: n, Checkpoint: timeline.HashCheckpoint(o.VerifierKey, o.Note), Reason: "disk died"})
	require.NoError(t, err)
	return &zerotrustv1.Timeline{RecoveryKey: k.Public, Statement: signed, OldCheckpoint: o.Note, OldVerifierKey: o.VerifierKey}
}

func (s *fakeStream) says(t *testing.T, m *zerotrustv1.Timeline) {
	t.Helper()
	require.NoError(t, s.Send(&zerotrustv1.ConnectResponse{Message: &zerotrustv1.ConnectResponse_Timeline{Timeline: m}}))
}

// policyIn sends a whole policy of a timeline.
func (s *fakeStream) policyIn(t *testing.T, n, revision uint64, ids ...string) {
	t.Helper()
	parts := controltest.Policy(revision, &zerotrustv1.PolicyUpdate{IssuedAt: timestamppb.Now()}, named(ids...)...)
	for _, p := range parts {
		p.Header.Timeline = n
	}
	s.send(t, parts...)
}

// pinned is an audited connector that pinned a recovery key and applied revision 9.
func pinned(t *testing.T, opts ...option) (w *world, c *fakeController, s *fakeStream, log *controltest.Log, k timeline.Key, dir string) {
	t.Helper()
	w, c, s, log, dir = audited(t, opts...)
	k = recoveryKey(t)
	s.says(t, &zerotrustv1.Timeline{RecoveryKey: k.Public})
	s.policy(t, 9, laptopID)
	s.applied(t, 9)
	kept, err := timeline.Load(filepath.Join(dir, timeline.FileName), domain)
	require.NoError(t, err)
	require.Equal(t, k.Public, kept.RecoveryKey)
	return w, c, s, log, k, dir
}

// TestAConnectorFollowsARestoredControllerThatTheRecoveryKeyVouchesFor: its log is shorter
// and its policy older, and no host is touched.
func TestAConnectorFollowsARestoredControllerThatTheRecoveryKeyVouchesFor(t *testing.T) {
	t.Parallel()
	w, c, s, log, k, dir := pinned(t)
	session := w.attach(t, "laptop")
	s.hang <- nil
	s = c.next(t)
	require.Equal(t, uint64(1), s.hello(t).GetPolicy().GetTimeline())
	old := log.Empty().With(t, "a", "b", "c") // the backup is of before the last two
	s.says(t, begins(t, k, 2, old))

	s = c.next(t) // it comes again, and says what it has of the new log
	require.Equal(t, uint64(3), s.hello(t).GetAuditWitnessedSize())
	require.NoError(t, session.beat(), "sessions go on")
	s.says(t, begins(t, k, 2, old))
	s.shows(t, old.With(t, "x").Offer(t, 3), 4)
	s.policyIn(t, 2, 5, laptopID, phoneID)
	s.applied(t, 5)
	w.attach(t, "phone")
	require.NoError(t, session.beat())
	require.NoError(t, w.relay.PolicyReady(t.Context()))
	require.NoError(t, w.relay.AuditReady(t.Context()))
	require.Equal(t, uint64(2), w.relay.Status().Timeline)

	kept, err := filepath.Glob(filepath.Join(dir, witness.FileName+".*"))
	require.NoError(t, err)
	require.Len(t, kept, 1)
	f, err := witness.Load(kept[0])
	require.NoError(t, err)
	was, err := f.Kept()
	require.NoError(t, err)
	require.Equal(t, int64(5), was.Checkpoint.Size, "what was witnessed is evidence")

	require.NotEmpty(t, s.show(t, log.With(t, "f").Offer(t, 4)).GetFailure(), "the log of the former timeline")
}

// TestTheLogOfANewTimelineContinuesWhereTheStatementSays: whoever has the statement, of a
// backup of the restored controller, still cannot show another log.
func TestTheLogOfANewTimelineContinuesWhereTheStatementSays(t *testing.T) {
	t.Parallel()
	w, c, s, log, k, _ := pinned(t)
	old := log.Empty().With(t, "a", "b", "c")
	s.says(t, begins(t, k, 2, old))
	s = c.next(t)
	s.hello(t)
	s.says(t, begins(t, k, 2, old))
	require.NotEmpty(t, s.show(t, log.Empty().With(t, "a", "X", "c", "d").Offer(t, 3)).GetFailure())
	s.policyIn(t, 2, 99, phoneID)
	s.refuses(t)
	_, err := w.attempt(t, w.ca.Identity(w.ca.SVID(t, phoneID)), "phone")
	require.Error(t, err)
}

// TestAThiefOfTheBackupAdmitsNobody plays what somebody can show who has everything of the
// controller but the recovery key.
func TestAThiefOfTheBackupAdmitsNobody(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]func(k, thief timeline.Key, log *controltest.Log) *zerotrustv1.Timeline{
		"without a statement": func(k, _ timeline.Key, _ *controltest.Log) *zerotrustv1.Timeline {
			return &zerotrustv1.Timeline{RecoveryKey: k.Public}
		},
		"with one of its own key": func(_, thief timeline.Key, log *controltest.Log) *zerotrustv1.Timeline {
			return begins(t, thief, 2, log)
		},
		"with one of its own key under ours": func(k, thief timeline.Key, log *controltest.Log) *zerotrustv1.Timeline {
			m := begins(t, thief, 2, log)
			m.RecoveryKey = k.Public
			return m
		},
		"unsigned": func(k, _ timeline.Key, log *controltest.Log) *zerotrustv1.Timeline {
			m := begins(t, k, 2, log)
			text, _, _ := strings.Cut(string(m.GetStatement()), "\n\n")
			m.Statement = []byte(text + "\n")
			return m
		},
		"with another checkpoint": func(k, _ timeline.Key, log *controltest.Log) *zerotrustv1.Timeline {
			m := begins(t, k, 2, log)
			m.OldCheckpoint = log.With(t, "more").Offer(t, 0).Note
			return m
		},
		"too long": func(timeline.Key, timeline.Key, *controltest.Log) *zerotrustv1.Timeline {
			return &zerotrustv1.Timeline{Statement: make([]byte, timeline.MaxStatement+1)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// A heartbeat that says so may come while the answer to a checkpoint is waited for.
			w, c, s, log, k, _ := pinned(t, func(c *relay.Config) { c.Timing.Heartbeat = 100 * time.Millisecond })
			s.hang <- nil
			s = c.next(t)
			s.hello(t)
			stolen := log.Empty().With(t, "a", "b", "c")
			s.says(t, says(k, recoveryKey(t), stolen))
			for _, n := range []uint64{1, 2, 3} {
				s.policyIn(t, n, 1<<40, phoneID)
				s.show(t, stolen.With(t, "x").Offer(t, 0))
			}
			require.NotEmpty(t, s.refuses(t))
			if name == "without a statement" { // its log is newer than what was witnessed
				s.policyIn(t, 2, 1<<41, phoneID)
				s.show(t, log.With(t, "x").Offer(t, 5))
			}
			_, err := w.attempt(t, w.ca.Identity(w.ca.SVID(t, phoneID)), "phone")
			requireStatus(t, err, codes.PermissionDenied, "does not name")
			w.attach(t, "laptop")
			require.Error(t, w.relay.Refusal())
			require.Equal(t, uint64(9), w.relay.Status().PolicyRevision)
		})
	}
}

// TestATimelineNeverGoesBack: neither the controller of before the takeover, nor its
// statement, nor a restart.
func TestATimelineNeverGoesBack(t *testing.T) {
	t.Parallel()
	w, c, s, log, k, dir := pinned(t)
	old := log.Empty().With(t, "a", "b", "c")
	s.says(t, begins(t, k, 3, old))
	s = c.next(t)
	s.hello(t)
	s.says(t, begins(t, k, 3, old))
	s.shows(t, old.With(t, "x").Offer(t, 3), 4)
	s.policyIn(t, 3, 20, laptopID)
	s.applied(t, 20)
	require.Eventually(t, func() bool { return exists(dir, "policy.json") }, soon, time.Millisecond)
	w.stop()

	w = startConnector(t, w.ca, c.addr, withState(dir))
	s = c.next(t)
	require.Equal(t, uint64(3), s.hello(t).GetPolicy().GetTimeline())
	s.says(t, begins(t, k, 2, old))
	s.shows(t, old.With(t, "x", "y").Offer(t, 4), 5)
	s.policyIn(t, 1, 1<<40, phoneID)
	require.Contains(t, s.refuses(t), "of a timeline before the one that this host follows (3)")
	s.policyIn(t, 2, 1<<40, phoneID)
	s.shows(t, old.With(t, "x", "y", "z").Offer(t, 5), 6)
	_, err := w.attempt(t, w.ca.Identity(w.ca.SVID(t, phoneID)), "phone")
	require.Error(t, err)
	err = w.relay.PolicyReady(t.Context())
	require.ErrorContains(t, err, "grpccontroller recovery start --after 3")
	require.ErrorContains(t, err, "grpcconnector witness reset --yes")

	s.policyIn(t, 3, 21, laptopID, phoneID) // the right one is back
	s.applied(t, 21)
	require.NoError(t, w.relay.PolicyReady(t.Context()))
	w.attach(t, "phone")
}

// TestTwoStatementsForOneTimelineStopAConnector until its operator says which is right.
func TestTwoStatementsForOneTimelineStopAConnector(t *testing.T) {
	t.Parallel()
	w, c, s, log, k, dir := pinned(t, again(10*time.Millisecond))
	old := log.Empty().With(t, "a", "b", "c")
	s.says(t, begins(t, k, 2, old))
	s = c.next(t)
	s.hello(t)
	s.says(t, begins(t, k, 2, old))
	s.shows(t, old.Offer(t, 0), 3)
	s.policyIn(t, 2, 20, laptopID, phoneID)
	s.applied(t, 20)
	require.Eventually(t, func() bool { return exists(dir, "policy.json") }, soon, time.Millisecond)
	session := w.attach(t, "laptop")

	s.says(t, begins(t, k, 2, log.Empty().With(t, "a")))
	require.Contains(t, s.refuses(t), "two statements for one timeline, 2")
	_, err := w.attempt(t, w.ca.Identity(w.ca.SVID(t, phoneID)), "phone")
	requireStatus(t, err, codes.Unavailable, "the connector is stopped")
	require.NoError(t, session.beat(), "those who are here stay")
	require.ErrorContains(t, w.relay.PolicyReady(t.Context()), "find out who used the recovery key")
	require.True(t, w.relay.Status().TimelineStopped)
	s.policyIn(t, 2, 21, phoneID)
	s.says(t, begins(t, k, 3, old)) // also a later one does not end it
	s.show(t, old.With(t, "x").Offer(t, 3))
	require.Equal(t, uint64(20), w.relay.Status().PolicyRevision)
	require.True(t, w.relay.Status().TimelineStopped)

	_, err = witness.Retire(filepath.Join(dir, witness.FileName), time.Now())
	require.NoError(t, err)
	_, err = timeline.Retire(dir, time.Now())
	require.NoError(t, err)
	_, err = relay.DropPolicy(dir)
	require.NoError(t, err)
	s.asksForAll(t)
	require.False(t, w.relay.Status().TimelineStopped)
	s.policyIn(t, 3, 4, phoneID)
	s.applied(t, 4)
	w.attach(t, "phone")
}

// TestAConnectorOfBeforeTheRecoveryKeyPinsItOnce: from the controller whose policy it
// takes, and nothing replaces it.
func TestAConnectorOfBeforeTheRecoveryKeyPinsItOnce(t *testing.T) {
	t.Parallel()
	w, c, s, log, k, dir := pinned(t)
	pin := func() string {
		kept, err := timeline.Load(filepath.Join(dir, timeline.FileName), domain)
		require.NoError(t, err)
		return kept.RecoveryKey
	}
	s.says(t, &zerotrustv1.Timeline{RecoveryKey: recoveryKey(t).Public})
	s.policy(t, 10, laptopID)
	s.applied(t, 10)
	require.Equal(t, k.Public, pin())
	w.stop()
	w = startConnector(t, w.ca, c.addr, withState(dir))
	s = c.next(t)
	s.hello(t)
	s.says(t, &zerotrustv1.Timeline{RecoveryKey: recoveryKey(t).Public})
	s.shows(t, log.With(t, "f").Offer(t, 5), 6)
	s.policy(t, 11, laptopID)
	s.applied(t, 11)
	require.Equal(t, k.Public, pin())

	w.stop()
	t.Run("but not from one that it refuses", func(t *testing.T) {
		t.Parallel()
		w, c, s, log, dir := audited(t)
		thief := recoveryKey(t)
		s.hang <- nil
		s = c.next(t)
		s.hello(t)
		s.says(t, begins(t, thief, 2, log))
		require.NotEmpty(t, s.show(t, log.Empty().With(t, "z").Offer(t, 0)).GetFailure())
		s.policyIn(t, 2, 1<<40, phoneID)
		s.policyIn(t, 1, 1<<40, phoneID)
		s.show(t, log.Empty().With(t, "z").Offer(t, 0))
		require.NoFileExists(t, filepath.Join(dir, timeline.FileName))
		_, err := w.attempt(t, w.ca.Identity(w.ca.SVID(t, phoneID)), "phone")
		require.Error(t, err)
	})
}

// TestAPolicyCountsAfterTheLogIsShown: with the newest backup and without its keys of the
// log, a thief could else send a policy, and be silent about the log until the bound ends.
func TestAPolicyCountsAfterTheLogIsShown(t *testing.T) {
	t.Parallel()
	w, c, s, log, _ := audited(t)
	s.hang <- nil
	s = c.next(t)
	s.hello(t)
	s.policy(t, 1<<40, laptopID, phoneID)
	require.Contains(t, s.refuses(t), "has not shown its audit log")
	_, err := w.attempt(t, w.ca.Identity(w.ca.SVID(t, phoneID)), "phone")
	require.Error(t, err)
	s.shows(t, log.With(t, "f").Offer(t, 5), 6)
	s.asksForAll(t)
	s.policy(t, 1<<40, laptopID, phoneID)
	s.applied(t, 1<<40)
	w.attach(t, "phone")
	require.NoError(t, w.relay.Refusal())
}

// TestALogThatIsRefusedIsTheReason of a policy that is not taken, also of one that came
// before the log.
func TestALogThatIsRefusedIsTheReason(t *testing.T) {
	t.Parallel()
	w, c, s, log, _ := audited(t)
	s.hang <- nil
	s = c.next(t)
	s.hello(t)
	s.policy(t, 1<<40, phoneID)
	require.Contains(t, s.refuses(t), "has not shown its audit log")
	require.NotEmpty(t, s.show(t, log.Empty().With(t, "z").Offer(t, 0)).GetFailure())
	for _, err := range []error{w.relay.Refusal(), w.relay.PolicyReady(t.Context())} {
		require.ErrorContains(t, err, "grpcconnector witness show")
	}
}
