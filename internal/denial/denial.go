package denial

import (
	"maps"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

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
}

// List is a set of denials.
type List struct {
	entries map[spiffeid.ID]time.Time
	floor   time.Time // of everybody: what had no room
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
}

// sorted lists the entries that are not over.
func (l *List) sorted(now time.Time) []Entry {
	out := make([]Entry, 0, len(l.entries))
	for id, at := range l.entries {
		if at.Add(Life).After(now) && at.After(l.floor) {
			out = append(out, Entry{id, at})
		}
	}
	slices.SortFunc(out, func(a, b Entry) int {
		if c := a.SVIDNotBefore.Compare(b.SVIDNotBefore); c != 0 {
			return c
		}
		return spiffeCompare(a.ID, b.ID)
	})
	return out
}

func spiffeCompare(a, b spiffeid.ID) int {
	switch as, bs := a.String(), b.String(); {
	case as < bs:
		return -1
	case as > bs:
		return 1
	}
	return 0
}

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
		e.SVIDNotBefore = at
		out = append(out, e)
	}
	return out, left
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
