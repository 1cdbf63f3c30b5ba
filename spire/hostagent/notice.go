package hostagent

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

// Standing is what the controller says of a host that proves who it is.
type Standing string

// The standings. A controller that was not reached, or of an older release, says none.
const (
	StandingUnsaid  Standing = ""
	StandingActive  Standing = "active"
	StandingRevoked Standing = "revoked" // nobody is enrolled on it any more
	StandingUnknown Standing = "unknown" // the controller has no such host
)

// EnrollAnew is what to do about a host that is not wanted.
const EnrollAnew = "enroll this host again with a new token and --new-host"

// Err says what a standing means for the host, nil for one that is fine or not known.
func (s Standing) Err() error {
	switch s {
	case StandingRevoked:
		return errors.New("the controller has revoked this host: " + EnrollAnew)
	case StandingUnknown:
		return errors.New("the controller does not know this host (it may be a new one, or restored from a backup): " + EnrollAnew)
	case StandingUnsaid, StandingActive:
	}
	return nil
}

// Notice is what the supervisor reports to the programs of its host, which cannot see what it
// sees. It holds no secret; every user of the host may read it.
type Notice struct {
	At       time.Time `json:"at"`
	Standing Standing  `json:"standing,omitempty"`
	// Members are the SPIFFE IDs that are enrolled on the host.
	Members []string `json:"members,omitempty"`
	// Clock is what is wrong with the clock of this host, empty if nothing is known to be.
	Clock string `json:"clock,omitempty"`
	// Agent is why the agent does not serve, empty while it does.
	Agent string `json:"agent,omitempty"`
}

const (
	noticeFile = "host-notice.json"
	maxNotice  = 64 << 10
	// noticeAge is how old a notice may get: it is written again before that.
	noticeAge = 10 * time.Minute
)

// NoticePath is where the notice is, beside the socket of the Workload API.
func NoticePath(socket string) string { return filepath.Join(filepath.Dir(socket), noticeFile) }

// ReadNotice reads what the supervisor of the agent at this socket says. One that it has
// not written for long, because it does not run any more, is an error.
func ReadNotice(socket string, now time.Time) (Notice, error) {
	var n Notice
	raw, err := atomicfile.Read(NoticePath(socket), maxNotice)
	if err != nil {
		return n, err
	}
	if err := json.Unmarshal(raw, &n); err != nil {
		return Notice{}, fmt.Errorf("%s: %w", NoticePath(socket), err)
	}
	// A notice from the future was written before the clock was moved back, and may report just that.
	if now.Sub(n.At) > 2*noticeAge {
		return Notice{}, tooOld(socket, n)
	}
	return n, nil
}

// Notices reads the notices of one supervisor for a program that runs for long. One from
// the future counts as of when it was seen first, so that it gets old too if the
// supervisor does not run any more. It is safe for concurrent use.
type Notices struct {
	socket string
	now    func() time.Time

	mu   sync.Mutex
	at   time.Time // of the notice from the future that was seen last
	seen time.Time
}

// NewNotices returns Notices of the supervisor of the agent at this socket. now should
// have a monotonic reading, as time.Now has: the clock may be moved meanwhile.
func NewNotices(socket string, now func() time.Time) *Notices {
	return &Notices{socket: socket, now: now}
}

// Read is ReadNotice for now.
func (r *Notices) Read() (Notice, error) {
	now := r.now()
	n, err := ReadNotice(r.socket, now)
	if err != nil || !n.At.After(now) {
		return n, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !n.At.Equal(r.at) {
		r.at, r.seen = n.At, now
	}
	if now.Sub(r.seen) > 2*noticeAge {
		return Notice{}, tooOld(r.socket, n)
	}
	return n, nil
}

func tooOld(socket string, n Notice) error {
	return fmt.Errorf("%s is of %s: the supervisor of the agent does not run", NoticePath(socket), n.At.UTC().Format(time.RFC3339))
}

// publish writes the notice when there is news, and now and then without.
func (s *Supervisor) publish(b Bundle, fetchErr error) {
	old := s.notice
	if fetchErr != nil && b.Standing == StandingUnsaid { // what was said stays true
		b.Standing, b.Members = old.Standing, old.Members
	}
	s.mu.Lock()
	s.status.Standing = b.Standing
	s.mu.Unlock()
	n := Notice{At: s.cfg.Now().UTC(), Standing: b.Standing, Members: b.Members, Agent: s.Reason(), Clock: clockFault(b, fetchErr, s.cfg.Now())}
	same := old
	same.At = n.At
	// After the clock was moved back, what was written is of the future, where it never gets
	// old: it is written again.
	age := n.At.Sub(old.At)
	if reflect.DeepEqual(same, n) && age >= 0 && age < noticeAge {
		return
	}
	if n.Standing != old.Standing && n.Standing.Err() != nil {
		s.log.Error("this host is revoked or unknown to the controller: its agent is started only every few minutes", zap.Error(n.Standing.Err()))
	}
	if n.Clock != "" && old.Clock == "" {
		s.log.Error("the clock is wrong", zap.String("reason", n.Clock))
	}
	raw, err := json.Marshal(n)
	if err == nil {
		err = atomicfile.Write(NoticePath(s.cfg.Agent.SocketPath), raw, 0o644)
	}
	if err != nil {
		s.telling.Fails(s.log, zap.WarnLevel, "notice for the programs of this host not written", err)
		return
	}
	s.telling.Over(s.log, "")
	s.notice = n
}

// clockFault says what is wrong with the clock, measured or by a certificate.
func clockFault(b Bundle, fetchErr error, now time.Time) string {
	if b.Clock != nil {
		if err := b.Clock.Err(); err != nil {
			return err.Error()
		}
		return ""
	}
	if fetchErr == nil {
		return ""
	}
	if suspect := health.SuspectClock(fetchErr, now); suspect.Error() != fetchErr.Error() {
		return suspect.Error()
	}
	return ""
}
