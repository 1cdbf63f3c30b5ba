package presence_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

func connector(id string) identity.Workload {
	return identity.Workload{Kind: identity.KindConnector, ID: id}
}

func tunneler(id string) identity.Workload {
	return identity.Workload{Kind: identity.KindTunneler, ID: id}
}

func newClock() *hosttest.Clock {
	return hosttest.NewClock(time.Now().UTC().Truncate(time.Microsecond))
}
