package relay_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// deny sends revocations of half a minute ago.
func (s *fakeStream) deny(t *testing.T, ids ...string) {
	t.Helper()
	out := &zerotrustv1.Denials{}
	for _, id := range ids {
		out.Denials = append(out.Denials, &zerotrustv1.Denial{SpiffeId: id, SvidNotBefore: timestamppb.New(time.Now().Add(-30 * time.Second))})
	}
	require.NoError(t, s.Send(&zerotrustv1.ConnectResponse{Message: &zerotrustv1.ConnectResponse_Denials{Denials: out}}))
}

// before is an SVID that such a denial is about.
func before() mtlstest.Option { return mtlstest.Since(time.Now().Add(-time.Minute)) }

// TestADenialActsWhateverTheConnectorRefuses: the policy that is kept names the laptop
// still, and nothing else of this controller is taken.
func TestADenialActsWhateverTheConnectorRefuses(t *testing.T) {
	t.Parallel()
	for name, refusing := range map[string]func(t *testing.T) (*world, *fakeStream){
		"an audit log that is another one": func(t *testing.T) (*world, *fakeStream) {
			t.Helper()
			w, _, s, log, _ := audited(t)
			require.NotEmpty(t, s.show(t, log.Empty().With(t, "z").Offer(t, 0)).GetFailure())
			return w, s
		},
		"an older policy": func(t *testing.T) (*world, *fakeStream) {
			t.Helper()
			w, s, _ := restored(t)
			s.refuses(t)
			return w, s
		},
		"nothing": func(t *testing.T) (*world, *fakeStream) {
			t.Helper()
			w, _, s := linked(t, laptopID)
			return w, s
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, s := refusing(t)
			session := w.attach(t, "laptop", before())
			s.deny(t, phoneID)
			s.deny(t, "spiffe://other.org/tunneler/laptop", "not an id", controllerID)
			require.NoError(t, session.beat(), "others are not touched")
			s.deny(t, laptopID)
			requireStatus(t, session.ends(t), codes.PermissionDenied, "revoked") // cut, and not timed out
			_, err := w.attempt(t, w.ca.Identity(w.ca.SVID(t, laptopID, before())), "laptop")
			require.Error(t, err, "and no other is opened")
			w.attach(t, "laptop", mtlstest.Since(time.Now())) // enrolled anew
		})
	}
}

// TestADenialOutlivesTheControllerAndTheConnector: neither a restart, a reset, a newer
// policy nor another controller that names the laptop gives it back.
func TestADenialOutlivesTheControllerAndTheConnector(t *testing.T) {
	t.Parallel()
	ca, dir := mtlstest.NewCA(t, td), t.TempDir()
	c := startController(t, ca, anyAddress, controllerID)
	w := startConnector(t, ca, c.addr, withState(dir))
	s := c.next(t)
	s.hello(t)
	s.policy(t, 1, laptopID)
	s.applied(t, 1)
	s.deny(t, laptopID)
	former := ca.Identity(ca.SVID(t, laptopID, before()))
	require.Eventually(t, func() bool {
		_, err := w.attempt(t, former, "laptop")
		return err != nil
	}, soon, 10*time.Millisecond)
	w.stop()
	require.True(t, exists(dir, "denials.json"))

	other := startController(t, ca, anyAddress, "spiffe://mycorp.internal/controller/c2")
	w = startConnector(t, ca, other.addr, withState(dir))
	s = other.next(t)
	s.hello(t)
	s.policy(t, 2, laptopID, phoneID)
	s.applied(t, 2)
	_, err := w.attempt(t, former, "laptop")
	require.Error(t, err)
	w.attach(t, "phone")
}
