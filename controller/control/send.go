package control

import (
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// comeBack is what a controller that stops asks its peers to wait at least.
const comeBack = 250 * time.Millisecond

// sendPolicy sends what leads to the newest snapshot, unless it was sent before and the
// addresses of the control plane that go with it are the same, or ends the
// stream of a connector that it does not name any more. A change between the
// subscription and the first snapshot wakes the stream although that one has it.
func (t *conversation) sendPolicy() error {
	snapshot := t.s.Policy.Current()
	if !snapshot.Admits(t.c.Workload, t.c.svid.Issue) {
		return status.Error(codes.PermissionDenied, "not enrolled, or revoked")
	}
	if err := t.denials.update(snapshot); err != nil {
		return err
	}
	if t.recall != nil {
		return nil
	}
	// The rules before the policy, with which they count.
	sent, err := t.rules.update(snapshot, t.c.ID)
	if err != nil {
		return err
	}
	t.policy.again = t.policy.again || sent
	return t.policy.update(snapshot, t.s.Endpoints().ControlPlane)
}

// resync sends everything to a connector to which what came last did not fit.
func (t *conversation) resync() error {
	if !t.resyncs.Allow() {
		return status.Error(codes.ResourceExhausted, "the whole policy was asked for too often")
	}
	t.log.Info("connector asks for the whole policy")
	t.policy.all = true
	t.rules.everything()
	return t.sendPolicy()
}

func (t *conversation) goodbye() {
	_ = t.stream.Send(&zerotrustv1.ConnectResponse{Message: &zerotrustv1.ConnectResponse_Goodbye{
		Goodbye: &zerotrustv1.Goodbye{Reason: "the controller is stopping", RetryAfter: durationpb.New(comeBack)},
	}})
}
