package relay

import (
	"net"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// refusalsEvery bounds the reports: whoever knocks all day makes one entry in it.
const refusalsEvery = 10 * time.Second

type refusalKey struct{ id, reason string }

// refusals counts the sessions that were not admitted, until they are reported. It
// is bounded: what has no room is counted without a name.
type refusals struct {
	now func() time.Time

	mu      sync.Mutex
	counted map[refusalKey]*zerotrustv1.SessionRefusal
	more    uint64
}

func newRefusals() *refusals {
	return &refusals{now: time.Now, counted: map[refusalKey]*zerotrustv1.SessionRefusal{}}
}

// add notes a refusal of a caller with a verified SVID.
func (r *refusals) add(id, remote string, reason error) {
	at := timestamppb.New(r.now())
	if host, _, err := net.SplitHostPort(remote); err == nil {
		remote = host
	}
	key := refusalKey{id, reason.Error()}
	r.mu.Lock()
	defer r.mu.Unlock()
	have := r.counted[key]
	if have == nil {
		if len(r.counted) >= wire.MaxRefusals {
			r.more++
			return
		}
		have = &zerotrustv1.SessionRefusal{SpiffeId: id, Reason: key.reason, FirstAt: at}
		r.counted[key] = have
	}
	have.Count++
	have.RemoteAddress, have.LastAt = remote, at
}

// take empties it; nil if there is nothing to report.
func (r *refusals) take() *zerotrustv1.SessionRefusals {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.counted) == 0 && r.more == 0 {
		return nil
	}
	out := &zerotrustv1.SessionRefusals{More: r.more}
	for _, c := range r.counted {
		out.Refusals = append(out.Refusals, c)
	}
	r.counted, r.more = map[refusalKey]*zerotrustv1.SessionRefusal{}, 0
	return out
}
