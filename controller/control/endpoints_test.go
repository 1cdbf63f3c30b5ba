package control_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
)

// TestPeersHearThatTheControllerHasMoved on the streams that they have open, though
// the policy is the same.
func TestPeersHearThatTheControllerHasMoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, connector("c-01"))
	w.member(t, tunneler("t-01"))
	c := w.open(t, connector("c-01"))
	c.say(hello("c-01"))
	before := c.policy(t)
	d, err := zerotrustv1.NewDirectoryServiceClient(w.dial(t, tunneler("t-01"))).Watch(patient(t), &zerotrustv1.WatchRequest{Protocol: wire.Protocol, TunnelerId: "t-01"})
	require.NoError(t, err)
	directory, err := d.Recv()
	require.NoError(t, err)

	w.advertise(control.Endpoints{SPIREServer: "[2001:db8::7]:8081", ControlPlane: []string{"[2001:db8::7]:8444"}})
	w.moved.Wake()
	after := c.policy(t)
	require.Equal(t, before.GetRevision(), after.GetRevision())
	require.Equal(t, []string{"[2001:db8::7]:8444"}, after.GetControlPlaneAddresses())
	moved, err := d.Recv()
	require.NoError(t, err)
	require.Equal(t, directory.GetDirectory().GetHeader().GetTo(), moved.GetDirectory().GetHeader().GetTo())
	require.Equal(t, []string{"[2001:db8::7]:8444"}, moved.GetDirectory().GetControlPlaneAddresses())

	t.Log("a connector is not told twice")
	w.moved.Wake()
	w.member(t, tunneler("t-02"))
	require.Greater(t, c.policy(t).GetRevision(), after.GetRevision())
}

// TestWithoutAnAddressNobodyIsEnrolled: a host that is told a wrong one is worse off
// than one that has to come again.
func TestWithoutAnAddressNobodyIsEnrolled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.advertise(control.Endpoints{})
	_, secret := w.token(t, connector("c-01"))
	key := enrolltest.NewKey(t)
	client := w.enrollmentClient(t, nil)
	_, err := client.Enroll(patient(t), request(secret, "c-01", key))
	require.Equal(t, codes.Unavailable, status.Code(err), "the host tries again")
	require.ErrorContains(t, err, "set public_address")

	stream, err := client.AwaitEnrollment(patient(t))
	require.NoError(t, err)
	_, err = stream.Recv()
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.ErrorContains(t, err, "set public_address")

	t.Log("hosts that are enrolled get their bundle, and no address")
	bundle, err := client.FetchBundle(patient(t), &zerotrustv1.FetchBundleRequest{})
	require.NoError(t, err)
	require.NotEmpty(t, bundle.GetBundle().GetX509Authorities())
	require.Empty(t, bundle.GetBundle().GetSpireServerAddress())
	require.Empty(t, bundle.GetControlPlaneAddresses())

	t.Log("the token was not spent")
	w.advertise(control.Endpoints{SPIREServer: "203.0.113.1:8081"})
	_, other := w.token(t, connector("c-02"))
	_, err = client.Enroll(patient(t), request(other, "c-02", enrolltest.NewKey(t)))
	require.NoError(t, err)
	got, err := client.Enroll(patient(t), request(secret, "c-01", enrolltest.NewKey(t)))
	require.NoError(t, err, "not bound to the first key")
	require.Equal(t, "203.0.113.1:8081", got.GetBundle().GetSpireServerAddress())
}
