package control_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/recovery"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

// begun is the recovery of a controller that began another timeline.
type begun struct {
	recovery.Said
	topic.Topic[struct{}]
}

func (b *begun) Say() *recovery.Said { return &b.Said }

// TestAConnectorHearsOfTheTimelineBeforeTheLog: that of another timeline is none of what
// the connector witnessed, and would be refused.
func TestAConnectorHearsOfTheTimelineBeforeTheLog(t *testing.T) {
	t.Parallel()
	w, who := witnessed(t, &auditLog{size: 7, turns: make(chan struct{})})
	w.controlPlane.Recovery = &begun{Said: recovery.Said{Timeline: recovery.Timeline{Number: 2, Statement: "signed"}}}
	s := w.open(t, who)
	s.say(helloOf(&zerotrustv1.ConnectorHello{ConnectorId: who.ID, AuditWitnessedSize: 5}))
	m, err := s.Recv()
	require.NoError(t, err)
	require.True(t, m.GetDenials().GetComplete(), "revocations count in any timeline")
	m, err = s.Recv()
	require.NoError(t, err)
	require.Equal(t, "signed", string(m.GetTimeline().GetStatement()), "%v", m)
	s.checkpoint(t)
	s.policy(t)
}
