package relay_test

import (
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/denial"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// signed is a denial of half a minute ago that the controller of this log signed.
func signed(t *testing.T, by denial.Signer, id string) denial.Entry {
	t.Helper()
	e, err := denial.Sign(by, denial.Entry{
		ID: spiffeid.RequireFromString(id), SVIDNotBefore: time.Now().Add(-30 * time.Second).UTC().Truncate(time.Second),
	})
	require.NoError(t, err)
	return e
}

// knows sends all denials that this controller has.
func (s *fakeStream) knows(t *testing.T, complete bool, entries ...denial.Entry) {
	t.Helper()
	require.NoError(t, s.Send(&zerotrustv1.ConnectResponse{Message: &zerotrustv1.ConnectResponse_Denials{Denials: denial.Message(entries, complete)}}))
}

// returns are what the connector gives back.
func (s *fakeStream) returns(t *testing.T) (out []denial.Entry) {
	t.Helper()
	for {
		m := s.until(t, "its denials", func(m *zerotrustv1.ConnectRequest) bool { return m.GetDenials() != nil }).GetDenials()
		some, left := denial.Parse(m, td)
		require.Zero(t, left)
		out = append(out, some...)
		if m.GetComplete() {
			return out
		}
	}
}

// TestAConnectorGivesBackWhatItsControllerForgot: with the signatures, over a restart,
// and nothing that the controller has sent itself.
func TestAConnectorGivesBackWhatItsControllerForgot(t *testing.T) {
	t.Parallel()
	w, c, s, log, dir := audited(t)
	laptop, phone := signed(t, log, laptopID), signed(t, log, phoneID)
	s.knows(t, false, phone)
	s.knows(t, true, laptop)
	require.Empty(t, s.returns(t), "it has sent them itself")
	s.hang <- nil
	s = c.next(t)
	s.hello(t)
	s.knows(t, true, phone)
	require.Equal(t, []denial.Entry{laptop}, s.returns(t))
	w.stop()
	startConnector(t, w.ca, c.addr, withState(dir))
	s = c.next(t)
	s.hello(t)
	s.knows(t, true)
	require.ElementsMatch(t, []denial.Entry{laptop, phone}, s.returns(t))
}

// TestOnlyWhatTheWitnessedControllerSignedIsGivenBack: all the same it counts here.
func TestOnlyWhatTheWitnessedControllerSignedIsGivenBack(t *testing.T) {
	t.Parallel()
	w, c, s, log, _ := audited(t)
	laptop := signed(t, log, laptopID)
	s.knows(t, true, laptop, signed(t, controltest.NewLog(t, "mycorp.internal/audit"), phoneID))
	require.Empty(t, s.returns(t))
	_, err := w.attempt(t, w.ca.Identity(w.ca.SVID(t, phoneID, before())), "phone")
	require.Error(t, err)
	s.hang <- nil
	s = c.next(t)
	s.hello(t)
	s.knows(t, true)
	require.Equal(t, []denial.Entry{laptop}, s.returns(t))
}

// TestAControllerThatCollectsIsConnected: it sends no policy for a minute or longer,
// and sessions go on meanwhile.
func TestAControllerThatCollectsIsConnected(t *testing.T) {
	t.Parallel()
	w, c, s, _, _ := audited(t)
	session := w.attach(t, "laptop")
	s.hang <- nil
	s = c.next(t)
	s.hello(t)
	require.Error(t, w.relay.ControlReady(t.Context()))
	s.knows(t, true)
	require.Empty(t, s.returns(t))
	require.Eventually(t, func() bool { return w.relay.ControlReady(t.Context()) == nil }, soon, time.Millisecond)
	require.NoError(t, session.beat())
}
