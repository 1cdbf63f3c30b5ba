package control

import (
	"crypto/sha256"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
)

// Reaches lists what tunnelers may reach; policy.Publisher is it.
type Reaches interface {
	// Reach is that of policy.Publisher.
	Reach(tunneler string, since uint64) (out policy.Reach, again time.Duration, news bool)
}

// listing is a stream that gets the list of what its tunneler may reach, whole, when
// something that concerns it has changed or a grant begins or ends.
type listing struct {
	of       Reaches
	tunneler string
	stream   grpc.ServerStream
	wake     func()

	since uint64
	sum   [sha256.Size]byte // of what was sent
	due   time.Time         // when to look again, whatever changed
	timer *time.Timer
}

func (t *listing) update() error {
	if t.of == nil {
		return nil
	}
	since := t.since
	if !t.due.IsZero() && !time.Now().Before(t.due) {
		since = 0
	}
	reach, again, news := t.of.Reach(t.tunneler, since)
	if !news {
		t.since = max(t.since, reach.Version) // what changed for others is not looked at again
		return nil
	}
	t.since, t.due = reach.Version, time.Time{}
	t.stop()
	if again > 0 {
		t.due, t.timer = time.Now().Add(again), time.AfterFunc(again, t.wake)
	}
	messages, err := encode(reachUpdates(reach))
	if err != nil {
		return err
	}
	hash := sha256.New()
	for _, m := range messages {
		hash.Write(m)
	}
	sum := [sha256.Size]byte(hash.Sum(nil))
	if sum == t.sum {
		return nil
	}
	t.sum = sum
	return sendAll(t.stream, messages)
}

// stop ends the timer.
func (t *listing) stop() {
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
}

func reachUpdates(reach policy.Reach) (out []proto.Message) {
	all := make([]*zerotrustv1.ReachableResource, 0, len(reach.Resources))
	for _, r := range reach.Resources {
		text := r.Text()
		m := &zerotrustv1.ReachableResource{
			Id: text.ID, NetworkId: text.NetworkID, Name: text.Name, Hosts: text.Hosts, Ports: text.Ports, Alias: text.Alias,
		}
		if !r.Until.IsZero() {
			m.Until = timestamppb.New(r.Until)
		}
		all = append(all, m)
	}
	parts := chunks(nil, all, func(m *zerotrustv1.ReachableResource) int { return proto.Size(m) })
	for i, c := range parts {
		m := &zerotrustv1.ReachUpdate{Part: uint32(i + 1), Parts: uint32(len(parts)), Resources: c.upserts} //nolint:gosec // far fewer
		if i == len(parts)-1 {
			m.More = uint32(reach.More) //nolint:gosec // at most policy.MaxResources
		}
		out = append(out, &zerotrustv1.WatchResponse{Reach: m})
	}
	return out
}
