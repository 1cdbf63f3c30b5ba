package control

import (
	"cmp"
	"slices"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/protobuf/types/known/timestamppb"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/denial"
)

// denying sends denials on one stream: all of them at its begin, then each new one. It
// comes before the policy or the directory of the same change, and a peer that takes
// neither takes it all the same.
type denying struct {
	td   spiffeid.TrustDomain
	send func(*zerotrustv1.Denials) error
	sent uint64 // Seq of the last one
}

func (d *denying) update(s *policy.Snapshot) error {
	out := &zerotrustv1.Denials{}
	first, _ := slices.BinarySearchFunc(s.Denials, d.sent+1, func(e fleet.Denial, seq uint64) int { return cmp.Compare(e.Seq, seq) })
	for _, e := range s.Denials[first:] {
		id, err := e.Workload.SPIFFEID(d.td)
		if err != nil {
			return err
		}
		out.Denials = append(out.Denials, &zerotrustv1.Denial{SpiffeId: id.String(), SvidNotBefore: timestamppb.New(e.SVIDNotBefore)})
		d.sent = e.Seq
		if len(out.GetDenials()) == denial.MaxMessage {
			if err := d.send(out); err != nil {
				return err
			}
			out = &zerotrustv1.Denials{}
		}
	}
	if len(out.GetDenials()) == 0 {
		return nil
	}
	return d.send(out)
}
