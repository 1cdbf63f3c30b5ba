package control

import (
	"cmp"
	"slices"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/denial"
)

// denials encodes each run of denials once for all streams of a kind.
type denials struct {
	made once[uint64] // by the Seq that it follows
	// message is one message for the stream.
	message func(*zerotrustv1.Denials) proto.Message
}

// denying sends denials on one stream: all of them at its begin, then each new one. It
// comes before the policy or the directory of the same change, and a peer that takes
// neither takes it all the same.
type denying struct {
	*denials

	td     spiffeid.TrustDomain
	stream grpc.ServerStream
	sent   uint64 // Seq of the last one
}

func (d *denying) update(s *policy.Snapshot) error {
	first, _ := slices.BinarySearchFunc(s.Denials, d.sent+1, func(e fleet.Denial, seq uint64) int { return cmp.Compare(e.Seq, seq) })
	more := s.Denials[first:]
	if len(more) == 0 {
		return nil
	}
	messages, err := d.made.get(s, d.sent, func() ([]proto.Message, error) { return d.encode(more) })
	if err != nil {
		return err
	}
	d.sent = more[len(more)-1].Seq
	return sendAll(d.stream, messages)
}

func (d *denying) encode(all []fleet.Denial) (out []proto.Message, err error) {
	for some := range slices.Chunk(all, denial.MaxMessage) {
		m := &zerotrustv1.Denials{}
		for _, e := range some {
			id, err := e.Workload.SPIFFEID(d.td)
			if err != nil {
				return nil, err
			}
			m.Denials = append(m.Denials, &zerotrustv1.Denial{SpiffeId: id.String(), SvidNotBefore: timestamppb.New(e.SVIDNotBefore)})
		}
		out = append(out, d.message(m))
	}
	return out, nil
}
