package control_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
)

// TestAPeerThatIsRefusedAgainAndAgainIsOneLine: a revoked host tries about once a second
// until its agent ends.
func TestAPeerThatIsRefusedAgainAndAgainIsOneLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	core, logs := observer.New(zap.WarnLevel)
	w.directory.Log, w.controlPlane.Log = zap.New(core), zap.New(core)
	watch := func(id string) error {
		s, err := zerotrustv1.NewDirectoryServiceClient(w.dial(t, tunneler(id))).Watch(patient(t), &zerotrustv1.WatchRequest{TunnelerId: id, Protocol: wire.Protocol})
		require.NoError(t, err)
		_, err = s.Recv()
		return err
	}
	for range 7 {
		for _, id := range []string{"t-01", "t-02"} {
			err := watch(id)
			require.Equal(t, codes.PermissionDenied, status.Code(err), err)
		}
		s := w.open(t, connector("c-01"))
		s.say(hello("c-01"))
		_, err := s.Recv()
		require.Equal(t, codes.PermissionDenied, status.Code(err), err)
	}
	require.Equal(t, 2, logs.FilterMessage("directory refused").Len(), "one for each tunneler")
	require.Equal(t, 1, logs.FilterMessage("control stream refused").Len())

	t.Run("one that was admitted meanwhile is news again", func(t *testing.T) {
		w.member(t, connector("c-01"))
		s := w.open(t, connector("c-01"))
		s.say(hello("c-01"))
		s.policy(t)
		w.revoke(t, connector("c-01"))
		eventually(t, "the line", func() bool {
			s := w.open(t, connector("c-01"))
			s.say(hello("c-01"))
			_, err := s.Recv()
			return err != nil && logs.FilterMessage("control stream refused").Len() == 2
		})
	})

	t.Run("so is a tunneler", func(t *testing.T) {
		w.member(t, tunneler("t-01"))
		require.NoError(t, watch("t-01"))
		w.revoke(t, tunneler("t-01"))
		eventually(t, "the line", func() bool {
			return watch("t-01") != nil && logs.FilterMessage("directory refused").Len() == 3
		})
	})
}
