package relay_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

func again(every time.Duration) option {
	return func(c *relay.Config) { c.Timing.SaveAgain = every }
}

// restored is a connector that has applied revision 9, and whose controller has come
// back with an older one that names the phone alone.
func restored(t *testing.T, opts ...option) (w *world, s *fakeStream, dir string) {
	t.Helper()
	ca := mtlstest.NewCA(t, td)
	c, dir := startController(t, ca, anyAddress, controllerID), t.TempDir()
	w = startConnector(t, ca, c.addr, append([]option{withState(dir), again(10 * time.Millisecond)}, opts...)...)
	s = c.next(t)
	s.hello(t)
	s.policy(t, 9, laptopID)
	s.applied(t, 9)
	require.Eventually(t, func() bool { return exists(dir, "policy.json") }, soon, time.Millisecond)
	s.hang <- nil
	s = c.next(t)
	s.hello(t)
	s.policy(t, 5, phoneID)
	return w, s, dir
}

func (s *fakeStream) refuses(t *testing.T) string {
	t.Helper()
	return s.until(t, "a refusal", func(m *zerotrustv1.ConnectRequest) bool { return m.GetHeartbeat().GetRefusal() != "" }).GetHeartbeat().GetRefusal()
}

// TestAConnectorThatRefusesAnOlderPolicyIsNotReady: it says why, what to do on the host,
// and the same to the controller; its sessions go on.
func TestAConnectorThatRefusesAnOlderPolicyIsNotReady(t *testing.T) {
	t.Parallel()
	w, s, _ := restored(t)
	text := s.refuses(t)
	require.Contains(t, text, "older than the one in use")
	require.LessOrEqual(t, len(text), 256)
	err := w.relay.PolicyReady(t.Context())
	require.ErrorContains(t, err, "revision 5, in use is 9")
	require.ErrorContains(t, err, "grpcconnector witness reset --yes")
	w.attach(t, "laptop")
	_, err = w.attempt(t, w.ca.Identity(w.ca.SVID(t, phoneID)), "phone")
	require.Error(t, err, "the older policy is not applied")

	s.policy(t, 10, phoneID)
	s.until(t, "a heartbeat without a refusal", func(m *zerotrustv1.ConnectRequest) bool {
		return m.GetHeartbeat().GetAppliedPolicyRevision() == 10 && m.GetHeartbeat().GetRefusal() == ""
	})
	require.NoError(t, w.relay.PolicyReady(t.Context()))
}

// TestAConnectorThatRefusesTheAuditLogTellsTheController, also in its heartbeats: the
// answer to the checkpoint is of the log alone.
func TestAConnectorThatRefusesTheAuditLogTellsTheController(t *testing.T) {
	t.Parallel()
	w, _, s, log, _ := audited(t)
	require.NotEmpty(t, s.show(t, log.Empty().With(t, "z").Offer(t, 0)).GetFailure())
	require.Contains(t, s.refuses(t), "newer policy is refused")
	require.Error(t, w.relay.Refusal())
}

func TestARunningConnectorNoticesThatItsPolicyWasReset(t *testing.T) {
	t.Parallel()
	t.Run("and takes the one that its controller has sent", func(t *testing.T) {
		t.Parallel()
		w, s, dir := restored(t)
		s.refuses(t)
		session := w.attach(t, "laptop")
		dropped, err := relay.DropPolicy(dir)
		require.NoError(t, err)
		require.True(t, dropped)
		s.asksForAll(t)
		requireStatus(t, session.ends(t), codes.Unavailable, "no current policy") // until the other one comes
		s.policy(t, 5, phoneID)
		s.applied(t, 5)
		require.NoError(t, w.relay.PolicyReady(t.Context()))
		w.attach(t, "phone")
		require.Eventually(t, func() bool { return exists(dir, "policy.json") }, soon, time.Millisecond)
	})
	t.Run("and does not write it again when it ends", func(t *testing.T) {
		t.Parallel()
		w, s, dir := restored(t, again(time.Hour))
		s.refuses(t)
		_, err := relay.DropPolicy(dir)
		require.NoError(t, err)
		w.stop()
		require.NoFileExists(t, filepath.Join(dir, "policy.json"))
	})
	t.Run("and has none where the audit log is refused too", func(t *testing.T) {
		t.Parallel()
		w, _, s, log, dir := audited(t, again(10*time.Millisecond))
		require.Eventually(t, func() bool { return exists(dir, "policy.json") }, soon, time.Millisecond)
		require.NotEmpty(t, s.show(t, log.Empty().With(t, "z").Offer(t, 0)).GetFailure())
		s.policy(t, 2, phoneID)
		s.shows2(t, log, w)
		w.stop()
		_, err := relay.DropPolicy(dir)
		require.NoError(t, err)
		again := startConnector(t, w.ca, "127.0.0.1:1", withState(dir))
		_, err = again.attempt(t, w.ca.Identity(w.ca.SVID(t, laptopID)), "laptop")
		require.Error(t, err)
	})
}

func TestDropPolicyWhereThereIsNone(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		dropped, err := relay.DropPolicy(dir)
		require.NoError(t, err)
		require.False(t, dropped)
	}
}
