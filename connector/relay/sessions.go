package relay

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// session is one open Session stream.
type session struct {
	caller   caller
	tunneler string
	remote   string
	started  time.Time
	end      context.CancelCauseFunc // its cause is the status the tunneler gets
	alive    topic.Hint              // gets a value with each heartbeat
	received atomic.Uint64           // messages, each of which was answered or is about to be

	// Guarded by sessions.mu.
	last   *zerotrustv1.TunnelerHeartbeat
	ticket *flow.Ticket    // of its flows, nil without; not set after ended
	proven mtls.SVIDStatus // what we verified, not what the tunneler says of itself
	ended  bool
}

// sessions knows who is attached: at most one session a tunneler, the newest.
type sessions struct {
	out *outbox

	mu   sync.Mutex
	byID map[spiffeid.ID]*session
}

func newSessions(out *outbox) *sessions {
	return &sessions{out: out, byID: map[spiffeid.ID]*session{}}
}

// heartbeat attaches s with its first heartbeat, which ends an older session of
// the same tunneler, and reports each one. An older session's heartbeat that
// comes late reports nothing.
func (ss *sessions) heartbeat(s *session, hb *zerotrustv1.TunnelerHeartbeat) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	first := s.last == nil
	s.last = hb
	if s.ended {
		return
	}
	if first {
		if older := ss.byID[s.caller.id]; older != nil {
			older.end(statusReplaced)
		}
		ss.byID[s.caller.id] = s
	}
	if ss.byID[s.caller.id] == s {
		ss.out.put(s.report(false))
	}
}

// proved notes what the tunneler proved on its connection. The controller gets
// of it at once: a CA rotation waits for it.
func (ss *sessions) proved(s *session, st mtls.SVIDStatus) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s.proven = st
	if ss.byID[s.caller.id] == s {
		ss.out.put(s.report(false))
	}
}

// detach reports the end of s, unless a newer session has taken its place: the
// late end of an old stream must not undo the new one.
func (ss *sessions) detach(s *session) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s.ended = true
	if ss.byID[s.caller.id] == s {
		delete(ss.byID, s.caller.id)
		ss.out.put(s.report(true))
	}
}

// reportAll puts every attached tunneler into the outbox: a controller that was
// away, or is another one, knows nothing of them.
func (ss *sessions) reportAll() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for _, s := range ss.byID {
		ss.out.put(s.report(false))
	}
}

func (ss *sessions) count() int {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return len(ss.byID)
}

// sweep ends the sessions that are not admitted any more.
func (ss *sessions) sweep(admit func(caller) error) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for _, s := range ss.byID {
		if err := admit(s.caller); err != nil {
			s.end(cut(err))
		}
	}
}

// sweepOf is sweep of these tunnelers' sessions only.
func (ss *sessions) sweepOf(ids []spiffeid.ID, admit func(caller) error) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for _, id := range ids {
		s := ss.byID[id]
		if s == nil {
			continue
		}
		if err := admit(s.caller); err != nil {
			s.end(cut(err))
		}
	}
}

// endAll ends every session with the same status.
func (ss *sessions) endAll(status error) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for _, s := range ss.byID {
		s.end(status)
	}
}

// SessionInfo is one attached session, for diagnosis.
type SessionInfo struct {
	TunnelerID string    `json:"tunneler_id"`
	Socket     string    `json:"socket"` // the tunneler's end
	StartedAt  time.Time `json:"started_at"`
	// Received counts the messages of the tunneler, without a gap.
	Received uint64 `json:"received"`
	// The SVID that the tunneler proved last.
	Serial      string `json:"serial"`
	AuthorityID string `json:"authority_id"`
}

// list returns the attached sessions by the id of their tunneler.
func (ss *sessions) list() []SessionInfo {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	out := make([]SessionInfo, 0, len(ss.byID))
	for _, s := range ss.byID {
		out = append(out, SessionInfo{
			TunnelerID: s.tunneler, Socket: s.remote, StartedAt: s.started, Received: s.received.Load(),
			Serial: s.proven.Serial, AuthorityID: s.proven.AuthorityID,
		})
	}
	slices.SortFunc(out, func(a, b SessionInfo) int { return strings.Compare(a.TunnelerID, b.TunnelerID) })
	return out
}

// report needs sessions.mu and a first heartbeat.
func (s *session) report(detached bool) *zerotrustv1.TunnelerReport {
	return &zerotrustv1.TunnelerReport{
		TunnelerId: s.tunneler, Version: s.last.GetVersion(), Svid: svidStatus(s.proven),
		SessionStartedAt: timestamppb.New(s.started), RemoteAddress: wire.Clip(s.remote, wire.MaxRemoteAddress), Detached: detached,
		BundleAuthorityIds: s.last.GetBundleAuthorityIds(),
	}
}
