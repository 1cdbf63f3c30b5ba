package control

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/denial"
)

// denials encodes each run of denials once for all streams of a kind.
type denials struct {
	made once[denialsKey]
	// message is one message for the stream.
	message func(*zerotrustv1.Denials) proto.Message
	signatures
	// complete says at the begin of a stream that all were sent.
	complete bool
}

// denialsKey is the Seq that a run follows, and whether it is the first of a stream.
type denialsKey struct {
	sent  uint64
	begin bool
}

// signatures are made once for each denial: they are the same each time. Its zero value
// makes none.
type signatures struct {
	by denial.Signer

	mu   sync.Mutex
	made map[uint64][]byte // by Seq
}

// sign adds the signature. all are the denials that there are.
func (s *signatures) sign(e denial.Entry, seq uint64, all []fleet.Denial) (denial.Entry, error) {
	if s.by == nil {
		return e, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if made, ok := s.made[seq]; ok {
		e.Signature = made
		return e, nil
	}
	e, err := denial.Sign(s.by, e)
	if err != nil {
		return e, err
	}
	if s.made == nil {
		s.made = map[uint64][]byte{}
	}
	s.made[seq] = e.Signature
	if len(s.made) > len(all) { // some are over
		maps.DeleteFunc(s.made, func(seq uint64, _ []byte) bool { return after(all, seq-1) == after(all, seq) })
	}
	return e, nil
}

// after is where the denials begin that follow a Seq.
func after(all []fleet.Denial, seq uint64) int {
	i, _ := slices.BinarySearchFunc(all, seq+1, func(e fleet.Denial, seq uint64) int { return cmp.Compare(e.Seq, seq) })
	return i
}

// denying sends denials on one stream: all of them at its begin, then each new one. It
// comes before the policy or the directory of the same change, and a peer that takes
// neither takes it all the same.
type denying struct {
	*denials

	td     spiffeid.TrustDomain
	stream grpc.ServerStream
	sent   uint64 // Seq of the last one
	begun  bool
}

func (d *denying) update(s *policy.Snapshot) error {
	if n := len(s.Denials); d.begun && (n == 0 || s.Denials[n-1].Seq <= d.sent) {
		return nil // as after most changes
	}
	more, begin := s.Denials[after(s.Denials, d.sent):], !d.begun
	d.begun = true
	if len(more) == 0 && (!begin || !d.complete) {
		return nil
	}
	messages, err := d.made.get(s, denialsKey{d.sent, begin}, func() ([]proto.Message, error) { return d.encode(more, s.Denials, begin) })
	if err != nil {
		return err
	}
	if len(more) > 0 {
		d.sent = more[len(more)-1].Seq
	}
	return sendAll(d.stream, messages)
}

func (d *denying) encode(more, all []fleet.Denial, begin bool) (out []proto.Message, err error) {
	entries := make([]denial.Entry, 0, len(more))
	for _, one := range more {
		e, err := one.Entry(d.td)
		if err == nil {
			e, err = d.sign(e, one.Seq, all)
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	for _, m := range denial.Messages(entries) {
		m.Complete = m.GetComplete() && begin && d.complete
		out = append(out, d.message(m))
	}
	return out, nil
}
