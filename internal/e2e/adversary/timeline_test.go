package adversary_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/timeline"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// What a thief of a backup can say of a timeline, to a host that pinned the recovery key.
// The whole of it, on a connector and a tunneler, is in their own tests.

const recovered = "recovered.example"

func recoveryKey(t *testing.T) timeline.Key {
	t.Helper()
	_, k, err := timeline.NewKey(recovered)
	require.NoError(t, err)
	return k
}

// takeover is what a controller says whose timeline n was begun with k.
func takeover(t *testing.T, k timeline.Key, n uint64, reason string) *zerotrustv1.Timeline {
	t.Helper()
	o := controltest.NewLog(t, recovered+"/audit").With(t, "a").Offer(t, 0)
	signed, err := k.Sign(timeline.Statement{TrustDomain: recovered, Number: n, Checkpoint: timeline.HashCheckpoint(o.VerifierKey, o.Note), Reason: reason})
	require.NoError(t, err)
	return &zerotrustv1.Timeline{RecoveryKey: k.Public, Statement: signed, OldCheckpoint: o.Note, OldVerifierKey: o.VerifierKey}
}

// following is a host that follows timeline 2 of k.
func following(t *testing.T, k timeline.Key) timeline.Kept {
	t.Helper()
	host, err := timeline.Kept{}.Pin(takeover(t, k, 2, "disk died"), 2, recovered, time.Now())
	require.NoError(t, err)
	return host
}

func TestAStatementNeedsThePinnedKey(t *testing.T) {
	t.Parallel()
	host := following(t, recoveryKey(t))
	_, accepted, err := host.Judge(takeover(t, recoveryKey(t), 3, "mine now"), recovered, time.Now())
	require.ErrorIs(t, err, timeline.ErrSignature)
	require.False(t, accepted)
}

func TestATimelineDoesNotGoBack(t *testing.T) {
	t.Parallel()
	host := following(t, recoveryKey(t))
	require.NoError(t, host.Follows(2))
	require.ErrorIs(t, host.Follows(1), timeline.ErrOlder)
}

func TestTwoStatementsStopAHost(t *testing.T) {
	t.Parallel()
	k := recoveryKey(t)
	stopped, _, _ := following(t, k).Judge(takeover(t, k, 2, "another one"), recovered, time.Now())
	require.ErrorIs(t, stopped.Stopped(), timeline.ErrConflict)
}

func TestTheFirstRecoveryKeyStays(t *testing.T) {
	t.Parallel()
	host := following(t, recoveryKey(t))
	now, _ := host.Pin(takeover(t, recoveryKey(t), 2, "mine now"), 2, recovered, time.Now())
	require.Equal(t, host.RecoveryKey, now.RecoveryKey)
}

func TestAStatementNamesItsCheckpoint(t *testing.T) {
	t.Parallel()
	k := recoveryKey(t)
	m := takeover(t, k, 3, "disk died")
	m.OldCheckpoint = controltest.NewLog(t, recovered+"/audit").With(t, "b").Offer(t, 0).Note
	_, accepted, err := following(t, k).Judge(m, recovered, time.Now())
	require.ErrorIs(t, err, timeline.ErrOldCheckpoint)
	require.False(t, accepted)
}
