package control_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// TestReportsOfNoUseAreLoggedSeldom: a connector that lies, or that relays for peers
// which do, does not fill the disk with log.
func TestReportsOfNoUseAreLoggedSeldom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, connector("c-01"))
	core, logs := observer.New(zap.WarnLevel)
	w.controlPlane.Log = zap.New(core)
	s := w.open(t, connector("c-01"))
	s.say(hello("c-01"))
	s.policy(t)
	for range 200 {
		s.say(report(&zerotrustv1.TunnelerReport{TunnelerId: "made-up"}))
	}
	s.say(heartbeat("c-01", 7))
	eventually(t, "the heartbeat behind them", func() bool { return w.roster.Connector("c-01", time.Time{}).PolicyRevision == 7 })
	lines := logs.FilterMessage("report of an unknown tunneler ignored").Len()
	require.Equal(t, 8, lines, "some, then one a minute")
}
