package reproof

import (
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/protobuf/types/known/timestamppb"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// Refusal is a proof, or a frame in the place of one, that ended its connection, with
// both ends of it.
type Refusal struct {
	Peer          spiffeid.ID // whose SVID opened the connection
	Remote, Local string      // host:port as we see them
	Dialed        bool        // by us
	Reason        string
}

func refusalOn(c *mtls.Conn, reason error) Refusal {
	return Refusal{Peer: c.Peer(), Remote: c.RemoteAddr().String(), Local: c.LocalAddr().String(), Dialed: c.Dialed(), Reason: reason.Error()}
}

// MaxReported bounds the different refusals of one report.
const MaxReported = 16

// Reports counts refusals until they are reported to the controller. It is bounded: what has
// no room is counted without a name. It is safe for concurrent use.
type Reports struct {
	mu      sync.Mutex
	counted map[reportKey]*zerotrustv1.ProofRefusal
	more    uint64
}

type reportKey struct {
	peer   spiffeid.ID
	dialed bool
	reason string
}

// Add notes a refusal; see ServerConfig.Refused.
func (r *Reports) Add(of Refusal) {
	at, key := timestamppb.New(time.Now()), reportKey{of.Peer, of.Dialed, of.Reason}
	r.mu.Lock()
	defer r.mu.Unlock()
	have := r.counted[key]
	if have == nil {
		if len(r.counted) >= MaxReported {
			r.more++
			return
		}
		have = &zerotrustv1.ProofRefusal{SpiffeId: of.Peer.String(), Reason: of.Reason, Dialed: of.Dialed, FirstAt: at}
		if r.counted == nil {
			r.counted = map[reportKey]*zerotrustv1.ProofRefusal{}
		}
		r.counted[key] = have
	}
	have.Count++
	have.RemoteAddress, have.LocalAddress, have.LastAt = of.Remote, of.Local, at
}

// Take empties it; nil if there is nothing to report.
func (r *Reports) Take() *zerotrustv1.ProofRefusals {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.counted) == 0 && r.more == 0 {
		return nil
	}
	out := &zerotrustv1.ProofRefusals{More: r.more}
	for _, c := range r.counted {
		out.Refusals = append(out.Refusals, c)
	}
	r.counted, r.more = nil, 0
	return out
}
