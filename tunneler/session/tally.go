package session

import (
	"fmt"
	"sync"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// Counts says how well a session has carried its messages, over all its streams
// since the program started.
type Counts struct {
	Streams      uint64 `json:"streams"` // that were opened
	Sent         uint64 `json:"sent"`
	Acknowledged uint64 `json:"acknowledged"`
	// Lost were not acknowledged before their stream ended.
	Lost uint64 `json:"lost"`
	// Disordered counts the streams that ended because the connector broke the order.
	Disordered uint64 `json:"disordered"`
	// LongestAnswer is the largest time from a message to its acknowledgement,
	// LongestSilence that between two acknowledgements, in the time asked for.
	LongestAnswer  time.Duration `json:"longest_answer_ns"`
	LongestSilence time.Duration `json:"longest_silence_ns"`
}

// UnsentError says that a connector acknowledged what we never sent.
type UnsentError struct{ Acknowledged, Sent uint64 }

// Error implements error.
func (e *UnsentError) Error() string {
	return fmt.Sprintf("message %d was acknowledged, and %d were sent", e.Acknowledged, e.Sent)
}

// tally numbers the messages of a session, checks their acknowledgements and
// counts both. It lives as long as the Session; each stream begins with open.
type tally struct {
	now func() time.Time

	mu              sync.Mutex
	counts          Counts
	answer, silence peaks
	// Of the stream that is open.
	out, in, acks wire.Counter
	unanswered    []time.Time      // when the messages after acks.Last() were sent
	lastAnswer    time.Time        // the last acknowledgement, zero before it
	recent        [8]time.Duration // the last answers' times, zero before them
}

// open begins a stream: both sides count from 1 again.
func (t *tally) open() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Streams++
	t.out, t.in, t.acks = wire.Counter{}, wire.Counter{}, wire.Counter{}
	t.unanswered, t.lastAnswer = nil, time.Time{}
	t.recent = [8]time.Duration{}
}

// close ends the stream; what was not acknowledged by now never will be.
func (t *tally) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Lost += uint64(len(t.unanswered))
	t.unanswered = nil
}

// send returns the number of the next message.
func (t *tally) send() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Sent++
	t.unanswered = append(t.unanswered, t.now())
	return t.out.Next()
}

// take checks a message of the connector and counts its acknowledgement.
func (t *tally) take(m *zerotrustv1.SessionResponse) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.check(m); err != nil {
		t.counts.Disordered++
		return fmt.Errorf("the connector's messages are out of sequence: %w", err)
	}
	now := t.now()
	took := now.Sub(t.unanswered[0])
	t.answer.note(now, took)
	t.recent[acknowledged(m)%uint64(len(t.recent))] = max(took, 1)
	if !t.lastAnswer.IsZero() {
		t.silence.note(now, now.Sub(t.lastAnswer))
	}
	t.unanswered, t.lastAnswer = t.unanswered[1:], now
	t.counts.Acknowledged++
	return nil
}

func acknowledged(m *zerotrustv1.SessionResponse) uint64 { return m.GetAck().GetAcknowledges() }

// oldest is when the oldest message was sent that waits for its acknowledgement, zero
// if there is none.
func (t *tally) oldest() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.unanswered) == 0 {
		return time.Time{}
	}
	return t.unanswered[0]
}

// latency is the shortest of the last answers' times: the others had to wait for
// something other than the network.
func (t *tally) latency() (least time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range t.recent {
		if d > 0 && (least == 0 || d < least) {
			least = d
		}
	}
	return least
}

// check needs the lock. An acknowledgement that it lets through is that of the
// oldest message without one.
func (t *tally) check(m *zerotrustv1.SessionResponse) error {
	acknowledged, sent := acknowledged(m), t.out.Last()
	if acknowledged > sent {
		return &UnsentError{Acknowledged: acknowledged, Sent: sent}
	}
	if err := t.in.Take(m.GetSequence()); err != nil {
		return err
	}
	if err := t.acks.Take(acknowledged); err != nil {
		return fmt.Errorf("acknowledgements: %w", err)
	}
	return nil
}

// pending is how many messages of the stream wait for their acknowledgement.
func (t *tally) pending() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.unanswered)
}

// acknowledged is how many messages of the stream do not.
func (t *tally) acknowledged() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.acks.Last()
}

// answered is when the last acknowledgement of the stream came, zero before it.
func (t *tally) answered() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lastAnswer
}

// since returns the counts, with the longest waits since then. A wait that has not
// ended counts with its length so far.
func (t *tally) since(begin time.Time) Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	out, now := t.counts, t.now()
	out.LongestAnswer, out.LongestSilence = t.answer.since(begin), t.silence.since(begin)
	if len(t.unanswered) > 0 {
		out.LongestAnswer = max(out.LongestAnswer, now.Sub(t.unanswered[0]))
		if !t.lastAnswer.IsZero() {
			out.LongestSilence = max(out.LongestSilence, now.Sub(t.lastAnswer))
		}
	}
	return out
}

// peaks remembers the longest wait of all time and of each of the last seconds.
type peaks struct {
	longest time.Duration
	seconds [128]struct {
		at      int64 // Unix
		longest time.Duration
	}
}

func (p *peaks) note(now time.Time, d time.Duration) {
	p.longest = max(p.longest, d)
	s := &p.seconds[now.Unix()%int64(len(p.seconds))]
	if s.at != now.Unix() {
		s.at, s.longest = now.Unix(), 0
	}
	s.longest = max(s.longest, d)
}

// since is exact to the second, for as long as the seconds reach; begin zero asks
// for all time.
func (p *peaks) since(begin time.Time) (longest time.Duration) {
	if begin.IsZero() {
		return p.longest
	}
	for _, s := range &p.seconds {
		if s.at >= begin.Unix() {
			longest = max(longest, s.longest)
		}
	}
	return longest
}
