package control

import (
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
)

// confirmAfter is how long nothing of what it follows may be sent on a stream. Then it gets
// at which position that is and its digest, a message of a hundred bytes.
const confirmAfter = 9 * time.Minute

// following is a stream that follows a set.
type following[T, E any] struct {
	updates *updates[T, E]
	stream  grpc.ServerStream
	td      spiffeid.TrustDomain
	// each has every revision sent, also those that change nothing here: connectors say
	// which one they have applied.
	each bool
	// quiet has nothing sent while the set is what the peer has: only what is in it counts,
	// and nobody waits for a position.
	quiet bool

	at        delta.Position // what the stream has, if all that was sent arrives
	all       bool           // it needs everything
	again     bool           // it gets once more where it should be
	sent      bool           // something was, on this stream
	addresses []string       // of the control plane, that were sent last
	issuedAt  time.Time      // of the policy that was sent last
	awaited   uint64         // the position that the peer had not applied when it spoke last
}

// begin notes what a peer says that it has. If that is wrong, it is sent everything.
func (f *following[T, E]) begin(p *zerotrustv1.Position) {
	if p == nil && f.quiet { // as of an empty set
		return
	}
	digest, ok := delta.ParseDigest(p.GetDigest())
	f.at, f.all = delta.Position{Timeline: p.GetTimeline(), At: p.GetAt(), Digest: digest}, !ok
}

// update sends what leads to a snapshot, if it is news to this stream.
func (f *following[T, E]) update(s *policy.Snapshot, addresses []string) error {
	to := f.updates.at(s)
	age := s.IssuedAt.Sub(f.issuedAt) // below zero if the clock was set back
	due := f.each && s.Revision != f.at.At || to.Digest != f.at.Digest || to.Timeline != f.at.Timeline ||
		age >= confirmAfter || age < 0 || !slices.Equal(addresses, f.addresses)
	if f.quiet {
		due = to.Digest != f.at.Digest
	}
	if (f.sent || f.quiet) && !f.all && !f.again && !due {
		return nil
	}
	addresses = addresses[:min(len(addresses), wire.MaxAddresses)]
	messages, err := f.updates.next(s, f.td, f.at, f.all, ending{issuedAt: s.IssuedAt, addresses: addresses})
	if err != nil {
		return err
	}
	f.at, f.all, f.again, f.sent, f.addresses, f.issuedAt = to, false, false, true, addresses, s.IssuedAt
	return sendAll(f.stream, messages)
}

// applied takes which position the peer says that it has applied. One that it had not
// reached at its last word either, although it was sent before that, was lost on the way
// by a fault of either side: the peer learns where it should be, and asks for what it
// lacks. The same goes for a peer that refuses what came: if that was not our word, or not
// as we said it, ours ends the refusal.
func (f *following[T, E]) applied(position uint64, refuses bool) (lost bool) {
	switch {
	case position == f.at.At && !refuses:
		f.awaited = 0
	case f.awaited != f.at.At:
		f.awaited = f.at.At
	default:
		f.awaited, f.again = 0, true
	}
	return f.again
}
