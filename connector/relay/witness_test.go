package relay_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// show sends a checkpoint and returns the connector's answer.
func (s *fakeStream) show(t *testing.T, o witness.Offer) *zerotrustv1.AuditWitness {
	t.Helper()
	require.NoError(t, s.Send(&zerotrustv1.ConnectResponse{Message: &zerotrustv1.ConnectResponse_AuditCheckpoint{
		AuditCheckpoint: &zerotrustv1.AuditCheckpoint{VerifierKey: o.VerifierKey, Note: o.Note, FromSize: uint64(o.From), Proof: o.Proof},
	}}))
	return s.until(t, "an answer", func(m *zerotrustv1.ConnectRequest) bool { return m.GetAuditWitness() != nil }).GetAuditWitness()
}

func (s *fakeStream) shows(t *testing.T, o witness.Offer, size int64) {
	t.Helper()
	a := s.show(t, o)
	require.Empty(t, a.GetFailure())
	require.Equal(t, uint64(size), a.GetSize())
}

// audited is a linked connector that has witnessed five records, and its log.
func audited(t *testing.T, opts ...option) (w *world, c *fakeController, s *fakeStream, log *controltest.Log, dir string) {
	t.Helper()
	ca := mtlstest.NewCA(t, td)
	c, dir = startController(t, ca, anyAddress, controllerID), t.TempDir()
	w = startConnector(t, ca, c.addr, append([]option{withState(dir)}, opts...)...)
	s = c.next(t)
	require.Zero(t, s.hello(t).GetAuditWitnessedSize())
	log = controltest.NewLog(t, "mycorp.internal/audit").With(t, "a", "b", "c", "d", "e")
	s.shows(t, log.Offer(t, 0), 5)
	s.policy(t, 1, laptopID)
	s.applied(t, 1)
	require.NoError(t, w.relay.AuditReady(t.Context()))
	return w, c, s, log, dir
}

// TestConnectorRefusesNewerPolicyOfALogItDoesNotKnow plays each way to show
// another log. The policy that is applied stays, and its sessions go on.
func TestConnectorRefusesNewerPolicyOfALogItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for name, offer := range map[string]func(*controltest.Log) witness.Offer{
		"a forged signature": func(l *controltest.Log) witness.Offer {
			o := l.With(t, "f").Offer(t, 5)
			o.Note = bytes.Replace(o.Note, []byte("\n6\n"), []byte("\n7\n"), 1)
			return o
		},
		"another key": func(*controltest.Log) witness.Offer {
			return controltest.NewLog(t, "mycorp.internal/audit").With(t, "a").Offer(t, 0)
		},
		"a smaller tree":          func(l *controltest.Log) witness.Offer { return l.Empty().With(t, "a", "b", "c", "d").Offer(t, 0) },
		"a fork of the same size": func(l *controltest.Log) witness.Offer { return l.Empty().With(t, "a", "b", "X", "d", "e").Offer(t, 0) },
		"a fork that has grown": func(l *controltest.Log) witness.Offer {
			return l.Empty().With(t, "a", "b", "X", "d", "e", "f").Offer(t, 5)
		},
		"a proof for another size": func(l *controltest.Log) witness.Offer { return l.With(t, "f").Offer(t, 4) },
		"an oversized proof": func(l *controltest.Log) witness.Offer {
			o := l.With(t, "f").Offer(t, 5)
			o.Proof = make([][]byte, 65)
			return o
		},
		"an oversized note": func(l *controltest.Log) witness.Offer {
			o := l.With(t, "f").Offer(t, 5)
			o.Note = make([]byte, 5000)
			return o
		},
		"a checkpoint of another kind": func(l *controltest.Log) witness.Offer { o := l.Offer(t, 0); o.Note = l.Sign(t, "hello\n"); return o },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := make(chan error, 16)
			w, _, s, log, dir := audited(t, func(c *relay.Config) { c.Events.AuditJudged = func(err error) { seen <- err } })
			require.NoError(t, <-seen)
			session := w.attach(t, "laptop")
			a := s.show(t, offer(log))
			require.NotEmpty(t, a.GetFailure())
			require.Equal(t, uint64(5), a.GetSize(), "it keeps what it had")
			require.Error(t, <-seen, "its own metric hears of it")
			require.ErrorContains(t, w.relay.AuditReady(t.Context()), "newer policy is refused")

			s.policy(t, 2, laptopID, phoneID)
			s.shows2(t, log, w) // proves that the policy before it was handled
			_, err := w.attempt(t, w.ca.Identity(w.ca.SVID(t, phoneID)), "phone")
			require.Error(t, err, "the newer policy was not applied")
			require.NoError(t, session.beat(), "the session goes on")

			f, err := witness.Load(filepath.Join(dir, witness.FileName))
			require.NoError(t, err)
			require.NotEmpty(t, f.Failure, "it is on the disk too")

			s.shows(t, log.With(t, "f", "g").Offer(t, 5), 7)
			require.NoError(t, w.relay.AuditReady(t.Context()), "the true log again")
			s.asksForAll(t)
			s.policy(t, 2, laptopID, phoneID)
			s.applied(t, 2)
			w.attach(t, "phone")
		})
	}
}

// shows2 shows the bad log once more; the answer says that everything before it
// was handled.
func (s *fakeStream) shows2(t *testing.T, log *controltest.Log, w *world) {
	t.Helper()
	require.NotEmpty(t, s.show(t, log.Empty().With(t, "z").Offer(t, 0)).GetFailure())
	require.Error(t, w.relay.AuditReady(t.Context()))
}

func TestConnectorRemembersWhatItWitnessed(t *testing.T) {
	t.Parallel()
	w, c, s, log, dir := audited(t)
	require.NotEmpty(t, s.show(t, log.Empty().With(t, "z").Offer(t, 0)).GetFailure())
	w.stop()

	again := startConnector(t, w.ca, c.addr, withState(dir))
	s = c.next(t)
	require.Equal(t, uint64(5), s.hello(t).GetAuditWitnessedSize())
	require.Error(t, again.relay.AuditReady(t.Context()), "a restart forgives nothing")
	s.policy(t, 2, phoneID)
	require.NotEmpty(t, s.show(t, log.Empty().With(t, "z").Offer(t, 0)).GetFailure())
	_, err := again.attempt(t, w.ca.Identity(w.ca.SVID(t, phoneID)), "phone")
	require.Error(t, err)

	t.Run("until an operator resets it", func(t *testing.T) {
		_, err := witness.Retire(filepath.Join(dir, witness.FileName), time.Now())
		require.NoError(t, err)
		other := controltest.NewLog(t, "mycorp.internal/audit").With(t, "z")
		s.shows(t, other.Offer(t, 0), 1)
		require.NoError(t, again.relay.AuditReady(t.Context()))
		s.asksForAll(t)
		s.policy(t, 2, phoneID)
		s.applied(t, 2)
		again.attach(t, "phone")
	})
}

// TestConnectorDoesNotForgetBecauseOfADamagedFile: damaging the file must not be a
// way to make it believe another log.
func TestConnectorDoesNotForgetBecauseOfADamagedFile(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	c, dir := startController(t, ca, anyAddress, controllerID), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, witness.FileName), []byte("{}x"), 0o600))
	w := startConnector(t, ca, c.addr, withState(dir))
	s := c.next(t)
	s.hello(t)
	require.ErrorContains(t, w.relay.AuditReady(t.Context()), "witness reset")
	log := controltest.NewLog(t, "mycorp.internal/audit").With(t, "a")
	require.NotEmpty(t, s.show(t, log.Offer(t, 0)).GetFailure())
	require.NoError(t, os.Remove(filepath.Join(dir, witness.FileName)))
	s.shows(t, log.Offer(t, 0), 1)
}

// TestConnectorDoesNotTakeTheWitnessOfAnotherForItsOwn: with a state directory that was
// copied it would say that it has seen what it never saw.
func TestConnectorDoesNotTakeTheWitnessOfAnotherForItsOwn(t *testing.T) {
	t.Parallel()
	w, c, _, log, dir := audited(t)
	w.stop()
	path := filepath.Join(dir, witness.FileName)
	f, err := witness.Load(path)
	require.NoError(t, err)
	f.Connector += "x"
	require.NoError(t, f.Save(path))

	again := startConnector(t, w.ca, c.addr, withState(dir))
	s := c.next(t)
	require.Zero(t, s.hello(t).GetAuditWitnessedSize())
	require.ErrorContains(t, again.relay.AuditReady(t.Context()), "witness reset")
	require.NotEmpty(t, s.show(t, log.Offer(t, 0)).GetFailure())
}

// TestConnectorWantsAnAccountOfEachPolicy: a controller that shows its log no more,
// or the same one for ever, while it changes the policy.
func TestConnectorWantsAnAccountOfEachPolicy(t *testing.T) {
	t.Parallel()
	bound := func(c *relay.Config) { c.Timing.AuditBound = 300 * time.Millisecond }
	w, _, s, log, _ := audited(t, bound)
	s.policy(t, 2, laptopID, phoneID)
	s.applied(t, 2)
	s.shows(t, log.With(t, "f").Offer(t, 5), 6)
	log = log.With(t, "f")
	never(t, time.Second, func() bool { return w.relay.AuditReady(t.Context()) != nil })

	s.policy(t, 3, phoneID)
	s.applied(t, 3)
	s.shows(t, log.Offer(t, 0), 6) // the same again is no account
	require.Eventually(t, func() bool { return w.relay.AuditReady(t.Context()) != nil }, soon, 5*time.Millisecond)
	s.policy(t, 4, laptopID)
	require.NotEmpty(t, s.show(t, log.Offer(t, 0)).GetFailure(), "nor is it afterwards")
	_, err := w.attempt(t, w.ca.Identity(w.ca.SVID(t, laptopID)), "laptop")
	require.Error(t, err)
	s.shows(t, log.With(t, "g").Offer(t, 6), 7)
	s.asksForAll(t)
	s.policy(t, 4, laptopID)
	s.applied(t, 4)
	w.attach(t, "laptop")
}

func never(t *testing.T, during time.Duration, bad func() bool) {
	t.Helper()
	require.Never(t, bad, during, 10*time.Millisecond)
}

// TestConnectorReportsRefusedSessions: many refusals are one entry.
func TestConnectorReportsRefusedSessions(t *testing.T) {
	t.Parallel()
	w, _, s, _, _ := audited(t, func(c *relay.Config) { c.Timing.Refusals = 500 * time.Millisecond })
	phone := w.ca.Identity(w.ca.SVID(t, phoneID))
	for range 5 {
		_, err := w.attempt(t, phone, "phone")
		require.Error(t, err)
	}
	total := uint64(0)
	for total < 5 {
		got := s.until(t, "refusals", func(m *zerotrustv1.ConnectRequest) bool { return m.GetRefusals() != nil }).GetRefusals()
		require.Len(t, got.GetRefusals(), 1)
		r := got.GetRefusals()[0]
		require.Equal(t, phoneID, r.GetSpiffeId())
		require.Equal(t, "127.0.0.1", r.GetRemoteAddress())
		require.Contains(t, r.GetReason(), "does not name")
		total += r.GetCount()
	}
	require.Equal(t, uint64(5), total)
}
