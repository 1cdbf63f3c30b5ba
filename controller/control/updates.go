package control

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/protobuf/proto"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
)

// maxAhead is how many changes may lead from a whole set that was encoded before to
// what is now; if there are more, it is encoded anew.
const maxAhead = 2048

// subject is a set that streams follow: the tunnelers of the policy, the connectors of the
// directory, or rules.
type subject[T, E any] struct {
	members func(*policy.Snapshot) policy.Members[T]
	// removal is what a removal says of a member that is gone.
	removal func(td spiffeid.TrustDomain, id string) (string, error)
	entry   func(T) E
	size    func(E) int
	// message is one message for the stream; ending is nil but in the last part.
	message func(h *zerotrustv1.UpdateHeader, c chunk[E], end *ending) proto.Message
}

// ending is what the last part of an update also says.
type ending struct {
	issuedAt  time.Time
	addresses []string // of the control plane
}

// updates encodes each update once for all streams that get it. Its zero value with a
// subject is ready.
type updates[T, E any] struct {
	subject[T, E]
	timeline func() uint64

	changes once[changesKey]
	last    atomic.Pointer[answer]

	mu    sync.Mutex
	whole *whole
}

// answer is the last update from a position, which is that of almost all streams: they
// find it without a lock.
type answer struct {
	of        *policy.Snapshot
	from      delta.Position
	addresses []string
	messages  []encoded
}

// changesKey names an update from a position, by what else it says.
type changesKey struct {
	timeline, from uint64
	nothing        bool // has changed since
	addresses      string
}

// whole is everything at one revision, encoded. A change after it does not make it
// useless: who gets it gets the change behind it.
type whole struct {
	at        delta.Position
	addresses []string
	messages  func() ([]encoded, error)
}

// at is where a stream is that got everything up to a snapshot.
func (u *updates[T, E]) at(s *policy.Snapshot) delta.Position {
	return delta.Position{Timeline: u.timelineNow(), At: s.Revision, Digest: u.members(s).Digest()}
}

func (u *updates[T, E]) timelineNow() uint64 { return timelineOf(u.timeline) }

// timelineOf is 1 for a controller that was never restored.
func timelineOf(timeline func() uint64) uint64 {
	if timeline == nil {
		return 1
	}
	return timeline()
}

// next is what leads a stream from where it is to a snapshot. all: whatever it says that
// it has.
func (u *updates[T, E]) next(s *policy.Snapshot, td spiffeid.TrustDomain, from delta.Position, all bool, end ending) ([]encoded, error) {
	if last := u.last.Load(); !all && last != nil && last.of == s && last.from == from && slices.Equal(last.addresses, end.addresses) {
		return last.messages, nil
	}
	to := u.at(s)
	if !all && from.At > 0 && from.At <= to.At && from.Timeline == to.Timeline {
		if ids, ok := u.members(s).Since(from.At, from.Digest); ok {
			messages, err := u.since(s, td, from.At, ids, end)
			if err == nil {
				u.last.Store(&answer{s, from, end.addresses, messages})
			}
			return messages, err
		}
	}
	w := u.everything(s, from, to, end)
	messages, err := w.messages()
	if err != nil || w.at.At == to.At {
		return messages, err
	}
	ids, _ := u.members(s).Since(w.at.At, w.at.Digest)
	rest, err := u.since(s, td, w.at.At, ids, end)
	return slices.Concat(messages, rest), err
}

// since encodes a change from a position.
func (u *updates[T, E]) since(s *policy.Snapshot, td spiffeid.TrustDomain, from uint64, ids []string, end ending) ([]encoded, error) {
	key := changesKey{timeline: u.timelineNow(), from: from, nothing: len(ids) == 0, addresses: strings.Join(end.addresses, " ")}
	return u.changes.get(s, key, func() ([]proto.Message, error) {
		var removals []string
		var upserts []E
		for _, id := range ids {
			if m, ok := u.members(s).Get(id); ok {
				upserts = append(upserts, u.entry(m))
				continue
			}
			gone, err := u.removal(td, id)
			if err != nil {
				return nil, err
			}
			removals = append(removals, gone)
		}
		return u.parts(from, u.at(s), chunks(removals, upserts, u.size), end), nil
	})
}

// everything is the newest whole set that still leads to a snapshot, for a stream that
// must not go back behind from.
func (u *updates[T, E]) everything(s *policy.Snapshot, from, to delta.Position, end ending) *whole {
	u.mu.Lock()
	defer u.mu.Unlock()
	if w := u.whole; w != nil && w.at.Timeline == to.Timeline && w.at.At >= min(from.At, to.At) && w.at.At <= to.At && slices.Equal(w.addresses, end.addresses) {
		if ids, ok := u.members(s).Since(w.at.At, w.at.Digest); ok && len(ids) <= maxAhead && (len(ids) == 0 || w.at.At < to.At) {
			return w
		}
	}
	w := &whole{at: to, addresses: end.addresses, messages: sync.OnceValues(func() ([]encoded, error) {
		upserts := make([]E, 0, u.members(s).Len())
		for _, m := range u.members(s).All() {
			upserts = append(upserts, u.entry(m))
		}
		return encode(u.parts(0, to, chunks(nil, upserts, u.size), end))
	})}
	if u.whole == nil || u.whole.at.At <= to.At {
		u.whole = w
	}
	return w
}

// parts makes the messages of an update.
func (u *updates[T, E]) parts(from uint64, to delta.Position, all []chunk[E], end ending) (out []proto.Message) {
	for i, c := range all {
		h := &zerotrustv1.UpdateHeader{
			Timeline: to.Timeline, From: from, To: to.At,
			Part: uint32(i + 1), Parts: uint32(len(all)), //nolint:gosec // far fewer
		}
		var last *ending
		if i == len(all)-1 {
			h.Digest, last = to.Digest.Bytes(), &end
		}
		out = append(out, u.message(h, c, last))
	}
	return out
}

// chunk is the entries of one message.
type chunk[E any] struct {
	removals []string
	upserts  []E
}

const (
	// room is what entries may take of a message: the rest is for the header and, in the
	// last one, wire.MaxAddresses addresses.
	room = wire.MaxUpdate - 8<<10
	// perEntry is what a message spends on an entry beside its own bytes, at most.
	perEntry = 8
)

// chunks spreads entries over messages, removals first. There is at least one.
func chunks[E any](removals []string, upserts []E, sizeOf func(E) int) []chunk[E] {
	out, left := []chunk[E]{{}}, room
	fit := func(size int) *chunk[E] {
		if size += perEntry; size > left {
			out, left = append(out, chunk[E]{}), room
		}
		left -= size
		return &out[len(out)-1]
	}
	for _, id := range removals {
		c := fit(len(id))
		c.removals = append(c.removals, id)
	}
	for _, e := range upserts {
		c := fit(sizeOf(e))
		c.upserts = append(c.upserts, e)
	}
	return out
}
