package denial

import (
	"cmp"
	"crypto/ed25519"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

const (
	// Life is how long a denial is kept after its time. No SVID lives longer than
	// wire.MaxSVIDTTL, so one of before that time has ended by then, with a day for
	// clocks that are wrong.
	Life = wire.MaxSVIDTTL + 24*time.Hour
	// Max is how many entries a list holds.
	Max = 8192
	// MaxMessage is how many entries of one message are read; of the longest ids that
	// identity allows they fit wire.MaxUpdate.
	MaxMessage = 128
	// ahead is how far in the future the time of a denial may be. An SVID from later is
	// not valid yet, and an entry must end some day.
	ahead = time.Minute
)

// Entry denies the SVIDs of an id whose notBefore is before SVIDNotBefore.
type Entry struct {
	ID            spiffeid.ID
	SVIDNotBefore time.Time
	// Signature is the controller's; see Genuine. Without one a denial counts as much, but
	// cannot be given back to a controller.
	Signature []byte
}

// List is a set of denials.
type List struct {
	entries map[spiffeid.ID]time.Time
	floor   time.Time // of everybody: what had no room
	// signed are the latest denials with a signature, of those in entries. A later one
	// without does not replace it.
	signed map[spiffeid.ID]Entry
}

// Before is the time before which the SVIDs of an id are denied; zero for none.
func (l *List) Before(id spiffeid.ID) time.Time {
	if at := l.entries[id]; at.After(l.floor) {
		return at
	}
	return l.floor
}

// Denies says whether an SVID is refused.
func (l *List) Denies(id spiffeid.ID, svidNotBefore time.Time) bool {
	return svidNotBefore.Before(l.Before(id))
}

// Add denies what e says, and reports whether that is more than before.
func (l *List) Add(e Entry, now time.Time) bool {
	at := e.SVIDNotBefore
	if last := now.Add(ahead); at.After(last) {
		at = last
	}
	at = at.UTC().Truncate(time.Second) // a certificate has whole seconds
	if !at.After(l.Before(e.ID)) || !at.Add(Life).After(now) {
		return false
	}
	if l.entries == nil {
		l.entries = map[spiffeid.ID]time.Time{}
	}
	l.entries[e.ID] = at
	l.prune(now)
	return true
}

// wants says whether e is a denial that could be given back, and later than the one that
// is there.
func (l *List) wants(e Entry) bool {
	_, listed := l.entries[e.ID]
	return listed && len(e.Signature) > 0 && e.SVIDNotBefore.After(l.signed[e.ID].SVIDNotBefore)
}

// keep keeps a signature. What is not in the list is not kept.
func (l *List) keep(e Entry) {
	if l.signed == nil {
		l.signed = map[spiffeid.ID]Entry{}
	}
	l.signed[e.ID] = e
}

// since lists what is signed and later than what somebody else has, the newest first.
func (l *List) since(has map[spiffeid.ID]time.Time, now time.Time) (out []Entry) {
	for id, e := range l.signed {
		if _, listed := l.entries[id]; listed && e.SVIDNotBefore.After(has[id]) && e.SVIDNotBefore.Add(Life).After(now) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b Entry) int {
		return cmp.Or(b.SVIDNotBefore.Compare(a.SVIDNotBefore), spiffeCompare(a.ID, b.ID))
	})
	return out
}

// raise denies everybody's SVIDs of before a time.
func (l *List) raise(to time.Time) {
	if to.After(l.floor) {
		l.floor = to
	}
}

// prune drops what is over, and makes room by raising the floor.
func (l *List) prune(now time.Time) {
	if len(l.entries) > Max {
		maps.DeleteFunc(l.entries, func(_ spiffeid.ID, at time.Time) bool { return !at.Add(Life).After(now) })
	}
	if len(l.entries) > Max {
		times := slices.SortedFunc(maps.Values(l.entries), time.Time.Compare)
		l.raise(times[len(times)-Max-1])
	}
	if len(l.entries) > Max {
		maps.DeleteFunc(l.entries, func(_ spiffeid.ID, at time.Time) bool { return !at.After(l.floor) })
	}
	if len(l.signed) > len(l.entries) {
		maps.DeleteFunc(l.signed, func(id spiffeid.ID, _ Entry) bool { _, listed := l.entries[id]; return !listed })
	}
}

// sorted lists the entries that are not over.
func (l *List) sorted(now time.Time) []Entry {
	out := make([]Entry, 0, len(l.entries))
	for id, at := range l.entries {
		if at.Add(Life).After(now) && at.After(l.floor) {
			out = append(out, Entry{ID: id, SVIDNotBefore: at})
		}
	}
	slices.SortFunc(out, func(a, b Entry) int {
		return cmp.Or(a.SVIDNotBefore.Compare(b.SVIDNotBefore), spiffeCompare(a.ID, b.ID))
	})
	return out
}

func spiffeCompare(a, b spiffeid.ID) int { return strings.Compare(a.String(), b.String()) }

// Parse reads a message of a peer, of which it takes at most MaxMessage entries, and
// counts those that it left out: no connector or tunneler of the trust domain, or no
// time.
func Parse(m *zerotrustv1.Denials, td spiffeid.TrustDomain) (out []Entry, left int) {
	all := m.GetDenials()
	if len(all) > MaxMessage {
		left = len(all) - MaxMessage
		all = all[:MaxMessage]
	}
	for _, d := range all {
		e, ok := entry(d.GetSpiffeId(), td)
		at, valid := wire.Time(d.GetSvidNotBefore())
		if !ok || !valid || d.GetSvidNotBefore() == nil {
			left++
			continue
		}
		e.SVIDNotBefore = at.Truncate(time.Second) // as it is signed, and a certificate has no more
		e.Signature = signature(d.GetSignature())
		out = append(out, e)
	}
	return out, left
}

// Message is a Denials of a few entries.
func Message(entries []Entry, complete bool) *zerotrustv1.Denials {
	out := &zerotrustv1.Denials{Complete: complete}
	for _, e := range entries {
		out.Denials = append(out.Denials, &zerotrustv1.Denial{
			SpiffeId: e.ID.String(), SvidNotBefore: timestamppb.New(e.SVIDNotBefore), Signature: e.Signature,
		})
	}
	return out
}

// Messages spreads entries over messages, of which there is at least one; the last one is
// complete.
func Messages(entries []Entry) (out []*zerotrustv1.Denials) {
	for len(entries) > MaxMessage {
		out = append(out, Message(entries[:MaxMessage], false))
		entries = entries[MaxMessage:]
	}
	return append(out, Message(entries, true))
}

// signature is nil for what is none.
func signature(raw []byte) []byte {
	if len(raw) != ed25519.SignatureSize {
		return nil
	}
	return raw
}

// maxSPIFFEID is the longest SPIFFE ID that the specification allows.
const maxSPIFFEID = 2048

func entry(text string, td spiffeid.TrustDomain) (Entry, bool) {
	if len(text) > maxSPIFFEID {
		return Entry{}, false
	}
	id, err := spiffeid.FromString(text)
	if err != nil || mtls.Kinds(td, identity.KindConnector, identity.KindTunneler)(id) != nil {
		return Entry{}, false
	}
	return Entry{ID: id}, true
}
