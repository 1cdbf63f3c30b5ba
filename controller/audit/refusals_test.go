package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

// refused is a log that is not attached to a database.
type refused struct {
	memory

	clock     *hosttest.Clock
	trail     *audit.Log
	collector *audit.Collector
}

func newRefused() *refused {
	r := &refused{clock: hosttest.NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))}
	r.trail = audit.New(zap.NewNop(), r.clock.Now)
	r.collector = audit.NewCollector(r, r.trail)
	return r
}

// AppendAudit implements audit.Store; it is the collector's store too.
func (r *refused) AppendAudit(ctx context.Context, e audit.Event) error {
	return r.memory.AppendAudit(ctx, e)
}

func (r *refused) record(t testing.TB, e audit.Event) {
	t.Helper()
	require.NoError(t, r.trail.Record(context.Background(), r, e))
}

// flush returns what is recorded only now.
func (r *refused) flush(t testing.TB) []audit.Event {
	t.Helper()
	n := len(r.events)
	r.collector.Flush(t.Context())
	return r.events[n:]
}

func unknownToken(source string) audit.Event {
	return audit.Event{Action: audit.Enroll, Target: "connector/c-01", Outcome: audit.Denied, Reason: "unknown token", Source: source}
}

// counts is the state of an event that counts.
type counts struct {
	Count                             uint64
	Sources, Actors, Reasons, Targets map[string]uint64
	More                              bool
	First                             time.Time `json:"first_at"`
	Last                              time.Time `json:"last_at"`
}

func countsOf(t testing.TB, e audit.Event) (c counts) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(e.After), &c))
	return c
}

func TestTheFirstRefusalIsRecordedAtOnceAndTheOthersAreCounted(t *testing.T) {
	t.Parallel()
	r := newRefused()
	for i := range 1265 {
		e := unknownToken(fmt.Sprintf("192.0.2.1:%d", 1024+i))
		e.Target = fmt.Sprintf("connector/c-%d", i%3)
		r.record(t, e)
		r.clock.Advance(time.Millisecond)
	}
	require.Len(t, r.events, 1, "a second of it is one row")
	require.Equal(t, "192.0.2.1:1024", r.events[0].Source)
	require.Equal(t, "unknown token", r.events[0].Reason)
	rows := r.flush(t)
	require.Len(t, rows, 1)
	require.Equal(t, audit.Enroll, rows[0].Action)
	require.Equal(t, audit.Denied, rows[0].Outcome)
	require.Equal(t, "unknown token", rows[0].Reason)
	require.Equal(t, "192.0.2.1", rows[0].Source)
	c := countsOf(t, rows[0])
	require.Equal(t, uint64(1264), c.Count)
	require.Equal(t, map[string]uint64{"connector/c-0": 421, "connector/c-1": 422, "connector/c-2": 421}, c.Targets)
	require.Equal(t, 1263*time.Millisecond, c.Last.Sub(c.First))
	require.Empty(t, r.flush(t), "counted once")
}

func TestWhatIsTheSameRefusal(t *testing.T) {
	t.Parallel()
	base := unknownToken("[2001:db8::1]:1")
	for name, c := range map[string]struct {
		change func(e *audit.Event)
		rows   int
	}{
		"another port":                         {func(e *audit.Event) { e.Source = "[2001:db8::1]:2" }, 1},
		"another address of the same /64":      {func(e *audit.Event) { e.Source = "[2001:db8::2]:1" }, 1},
		"another id, which the caller chooses": {func(e *audit.Event) { e.Target = "connector/c-02" }, 1},
		"another /64":                          {func(e *audit.Event) { e.Source = "[2001:db8:0:1::1]:1" }, 2},
		"another reason":                       {func(e *audit.Event) { e.Reason = "token is expired" }, 2},
		"another caller":                       {func(e *audit.Event) { e.Actor = "token/tok_1" }, 2},
		"another action":                       {func(e *audit.Event) { e.Action = audit.SignIn }, 2},
		"a change by a known caller":           {func(e *audit.Event) { e.Actor, e.Outcome = "key:k_1", audit.Success }, 2},
		"a refusal that changed its target, by a known caller": {func(e *audit.Event) { e.Actor, e.After = "key:k_1", `{"mismatches":1}` }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRefused()
			r.record(t, base)
			e := base
			c.change(&e)
			r.record(t, e)
			require.Len(t, r.events, c.rows)
		})
	}
}

func TestChangesByKnownCallersAreNeverCountedAway(t *testing.T) {
	t.Parallel()
	r := newRefused()
	for range 500 {
		r.record(t, audit.Event{Actor: "key:k_1", Action: audit.TokenCreate, Target: "token/t", Outcome: audit.Success})
		r.record(t, audit.Event{Actor: "key:k_1", Action: audit.RequestApprove, Target: "request/r", Outcome: audit.Denied, After: `{"mismatches":1}`})
	}
	require.Len(t, r.events, 1000)
}

// TestManyAddressesMakeFewRows: whoever has a whole provider's addresses is not
// better off than with one.
func TestManyAddressesMakeFewRows(t *testing.T) {
	t.Parallel()
	r := newRefused()
	actions := []audit.Action{audit.Enroll, audit.RequestCreate, audit.ClaimRefuse, audit.SignIn, audit.AdminSignIn, audit.PersonSetup}
	total := map[string]uint64{}
	for i := range 10_000 {
		for _, action := range actions {
			r.record(t, audit.Event{Action: action, Outcome: audit.Denied, Reason: "no", Source: fmt.Sprintf("10.1.%d.%d:9", i/250, i%250)})
			total[string(action)]++
		}
		r.clock.Advance(time.Millisecond)
	}
	require.LessOrEqual(t, len(r.events), 8*len(actions), "8 at once of each action, and none more within 10 s")
	r.flush(t)
	require.Less(t, len(r.events), 100)
	seen := map[string]uint64{}
	for _, e := range r.events {
		switch {
		case e.Action == audit.RefusalsMany:
			c := countsOf(t, e)
			require.True(t, c.More)
			require.Len(t, c.Sources, 16)
			require.Len(t, e.After, len(e.After))
			seen[e.Target] += c.Count
		case e.After != "":
			seen[string(e.Action)] += countsOf(t, e).Count
		default:
			seen[string(e.Action)]++
		}
	}
	require.Equal(t, total, seen, "nothing is lost silently")
}

func TestAFloodHidesNobodyElse(t *testing.T) {
	t.Parallel()
	r := newRefused()
	for i := range 5000 {
		r.record(t, unknownToken(fmt.Sprintf("[2001:db8:%x::1]:9", i)))
	}
	n := len(r.events)
	for _, e := range []audit.Event{
		{Actor: "token/tok_1", Action: audit.Enroll, Outcome: audit.Denied, Reason: "token was claimed by another key", Source: "192.0.2.7:1"},
		{Action: audit.SignIn, Outcome: audit.Denied, Reason: "wrong password", Source: "192.0.2.7"},
		{Actor: "key:k_9", Action: audit.AdminSignIn, Outcome: audit.Denied, Reason: "key is revoked", Source: "192.0.2.7"},
	} {
		r.record(t, e)
	}
	require.Len(t, r.events, n+3)
}

func TestTextsOfRefusedCallersAreClipped(t *testing.T) {
	t.Parallel()
	r := newRefused()
	for i := range 400 {
		long := strings.Repeat("ö", 1000) + fmt.Sprint(i)
		r.record(t, audit.Event{Action: audit.AdminSignIn, Outcome: audit.Denied, Target: long, Reason: fmt.Sprint(i) + long, Source: fmt.Sprint(i) + long})
	}
	rows := r.flush(t)
	require.NotEmpty(t, rows)
	for _, e := range r.events {
		require.LessOrEqual(t, len(e.Target)+len(e.Reason)+len(e.Source), 3*256)
		require.Less(t, len(e.After), 24<<10)
	}
}

// TestCountsAreRecordedEveryMinute runs it as the controller does.
func TestCountsAreRecordedEveryMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &memory{}
		trail := audit.New(zap.NewNop(), time.Now)
		c := audit.NewCollector(s, trail)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		refuse := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); {
				require.NoError(t, trail.Record(ctx, s, unknownToken("192.0.2.1:1")))
				<-time.After(time.Second)
				synctest.Wait()
			}
		}
		refuse(59 * time.Second)
		require.Len(t, s.all(), 1)
		refuse(9 * time.Minute)
		require.Len(t, s.all(), 1+9, "one in a minute, as long as it lasts")
		<-time.After(3 * time.Minute)
		synctest.Wait()
		refuse(time.Second)
		require.Len(t, s.all(), 1+9+2, "the rest of the last minute, and after a pause the next is a first one")
		refuse(2 * time.Second)
		cancel()
		require.NoError(t, <-done)
		require.Len(t, s.all(), 1+9+2+1, "what was counted until the end is not lost")
		sum := uint64(0)
		for _, e := range s.all() {
			if e.After == "" {
				sum++
				continue
			}
			sum += countsOf(t, e).Count
		}
		require.Equal(t, uint64(59+540+1+2), sum)
	})
}

func TestReportsOfOneConnectorHideNoneOfAnother(t *testing.T) {
	t.Parallel()
	r := newRefused()
	refusal := func(caller string) audit.SessionRefusal {
		return audit.SessionRefusal{Caller: caller, Reason: "not named", Source: "192.0.2.1", Count: 7, First: r.clock.Now(), Last: r.clock.Now()}
	}
	for i := range 300 {
		r.collector.Sessions("c1", []audit.SessionRefusal{refusal(fmt.Sprintf("tunneler/t%d", i%100))}, 1)
	}
	r.collector.Sessions("c2", []audit.SessionRefusal{refusal("tunneler/t1")}, 0)
	rows := r.flush(t)
	byTarget, total := map[string]int{}, uint64(0)
	for _, e := range rows {
		require.Equal(t, audit.Denied, e.Outcome)
		byTarget[e.Target]++
		if e.Target != "connector/c2" {
			total += countsOf(t, e).Count
		}
	}
	require.Equal(t, map[string]int{"connector/c1": 8 + 4, "connector/c2": 1, string(audit.SessionOpen): 1}, byTarget)
	require.Equal(t, uint64(300*7+300), total)
	first := rows[0]
	require.Equal(t, "tunneler/t0", first.Actor)
	require.Equal(t, "connector/c1", first.Target)
	require.Contains(t, first.After, `"reported_by":"connector/c1"`)
	last := rows[len(rows)-1]
	require.Equal(t, "connector/c1", last.Actor)
	require.NotEmpty(t, countsOf(t, last).Actors, "who was refused is named")
}

// TestCallersBeyondThoseToldApartAreCountedWithoutAName: memory is bounded, so that
// whoever comes after 1,024 others in a minute is counted with the rest, however often.
func TestCallersBeyondThoseToldApartAreCountedWithoutAName(t *testing.T) {
	t.Parallel()
	r := newRefused()
	for i := range 1024 {
		r.record(t, unknownToken(fmt.Sprintf("10.0.%d.%d:9", i/250, i%250)))
	}
	for range 500 {
		r.record(t, unknownToken("192.0.2.9:9"))
	}
	recorded := uint64(len(r.events))
	var rest uint64
	for _, e := range r.flush(t) {
		require.NotEqual(t, "192.0.2.9", e.Source, "this one would be the first of those listed")
		if e.Action == audit.RefusalsMany {
			rest = countsOf(t, e).Count
		}
		recorded += countsOf(t, e).Count
	}
	require.GreaterOrEqual(t, rest, uint64(500))
	require.Equal(t, uint64(1024+500), recorded, "nothing is lost silently")
}
