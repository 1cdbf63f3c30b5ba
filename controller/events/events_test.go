package events_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/events"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func subscribe(t *testing.T, h *events.Hub, owner, after string) *events.Subscription {
	t.Helper()
	s, err := h.Subscribe(owner, after)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// read returns "kind id change" of what there is.
func read(t *testing.T, s *events.Subscription) (out []string, id string) {
	t.Helper()
	news, id, err := s.Read()
	require.NoError(t, err)
	for _, e := range news {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Kind, e.ID, e.Change)))
	}
	return out, id
}

func TestAReaderResumesWhereItStopped(t *testing.T) {
	t.Parallel()
	h := events.NewHub(time.Now)
	h.Publish(events.Token, "before", "x")
	s := subscribe(t, h, "a", "")
	got, first := read(t, s)
	require.Empty(t, got, "it begins now")
	h.Publish(events.Token, "1", "x")
	h.Publish(events.Host, "2", "y")
	got, second := read(t, s)
	require.Equal(t, []string{"token 1 x", "host 2 y"}, got)
	got, third := read(t, s)
	require.Empty(t, got)
	require.Equal(t, second, third)
	s.Close()
	h.Publish(events.Token, "3", "x")
	got, _ = read(t, subscribe(t, h, "a", first))
	require.Equal(t, []string{"token 1 x", "host 2 y", "token 3 x"}, got)
	got, _ = read(t, subscribe(t, h, "a", second))
	require.Equal(t, []string{"token 3 x"}, got)
}

func TestAReaderIsToldWhatItLost(t *testing.T) {
	t.Parallel()
	h := events.NewHub(time.Now)
	slow := subscribe(t, h, "a", "")
	_, id, err := slow.Read()
	require.NoError(t, err)
	for range events.Ring {
		h.Publish(events.Token, "x", "")
	}
	got, _ := read(t, slow)
	require.Len(t, got, events.Ring, "as far behind as can be")
	for range events.Ring + 1 {
		h.Publish(events.Token, "x", "")
	}
	_, _, err = slow.Read()
	require.ErrorIs(t, err, events.ErrLost)
	h.Publish(events.Token, "next", "")
	got, _ = read(t, slow)
	require.Equal(t, []string{"token next"}, got, "it goes on from there")

	run, _, _ := strings.Cut(id, "-")
	for _, after := range []string{id, "0-0", run + "-999999999", run, run + "-", run + "--1", "x", events.NewHub(time.Now).Run() + "-1"} {
		_, _, err := subscribe(t, h, "a"+after, after).Read()
		require.ErrorIs(t, err, events.ErrLost, after)
	}
}

func TestSubscriptionsAreCapped(t *testing.T) {
	t.Parallel()
	h := events.NewHub(time.Now)
	var first *events.Subscription
	for range events.MaxSubscriptionsPerOwner {
		first = subscribe(t, h, "greedy", "")
	}
	_, err := h.Subscribe("greedy", "")
	require.ErrorIs(t, err, events.ErrTooMany)
	first.Close()
	first.Close()
	subscribe(t, h, "greedy", "")
	_, err = h.Subscribe("greedy", "")
	require.ErrorIs(t, err, events.ErrTooMany, "closed twice is one place")
	for i := range events.MaxSubscriptions - events.MaxSubscriptionsPerOwner {
		subscribe(t, h, fmt.Sprint(i), "")
	}
	_, err = h.Subscribe("late", "")
	require.ErrorIs(t, err, events.ErrTooMany)
}

func TestPublishNeverWaitsForAReader(t *testing.T) {
	t.Parallel()
	h := events.NewHub(time.Now)
	subscribe(t, h, "reads nothing", "")
	fast := subscribe(t, h, "reads", "")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 400 {
				h.Publish(events.Connector, "c", "ONLINE")
			}
		})
	}
	wg.Wait()
	got, _ := read(t, fast)
	require.Len(t, got, 1600)
}

func TestCommitsAreTranslated(t *testing.T) {
	t.Parallel()
	f := &events.Feed{Hub: events.NewHub(time.Now)}
	s := subscribe(t, f.Hub, "a", "")
	for _, tc := range []struct {
		event audit.Event
		want  []string
	}{
		{
			audit.Event{Action: audit.TokenCreate, Actor: "key:bootstrap", Target: "token/tok_1", Outcome: audit.Success},
			[]string{"token tok_1 token.create", "audit  token.create"},
		},
		{
			audit.Event{Action: audit.Enroll, Actor: "token/tok_1", Target: "connector/c", Reason: "host/h", Outcome: audit.Success},
			[]string{"connector c enroll", "token tok_1 enroll", "host h enroll", "audit  enroll"},
		},
		{
			audit.Event{Action: audit.Enroll, Actor: "token/tok_1", Target: "connector/c", Reason: "host/h request/req_1", Outcome: audit.Success},
			[]string{"connector c enroll", "token tok_1 enroll", "host h enroll", "request req_1 enroll", "audit  enroll"},
		},
		{
			audit.Event{Action: audit.RequestApprove, Actor: "person:p", Target: "request/req_1", Reason: "connector/c F token/tok_1", Outcome: audit.Success},
			[]string{"request req_1 request.approve", "token tok_1 request.approve", "audit  request.approve"},
		},
		{
			audit.Event{Action: audit.RequestApprove, Target: "request/req_1", Reason: "wrong fingerprint for connector/c", Outcome: audit.Denied},
			[]string{"request req_1 request.approve", "audit  request.approve"},
		},
		{
			audit.Event{Action: audit.ClaimRefuse, Actor: "token/tok_1", Target: "token/tok_1", Reason: "claim link was opened before", Outcome: audit.Denied},
			[]string{"token tok_1 claim.refused", "audit  claim.refused"},
		},
		{audit.Event{Action: audit.ClaimRefuse, Target: "claim", Outcome: audit.Denied}, []string{"audit  claim.refused"}},
		{
			audit.Event{Action: audit.Enroll, Target: "connector/c", Reason: "spent token", Outcome: audit.Denied},
			[]string{"audit  enroll"},
		},
		{
			audit.Event{Action: audit.MemberRevoke, Actor: "person:p", Target: "tunneler/t", Reason: "host/h", Outcome: audit.Success},
			[]string{"tunneler t member.revoke", "host h member.revoke", "audit  member.revoke"},
		},
		{
			audit.Event{Action: audit.RotationPhase, Target: "rotation/r", Reason: "host/x", Outcome: audit.Success},
			[]string{"rotation r ca.rotation.phase", "audit  ca.rotation.phase"},
		},
		{
			audit.Event{Action: audit.AdminSignIn, Target: "route GET /x", Outcome: audit.Success},
			[]string{"audit  admin.authenticate"},
		},
		{audit.Event{Action: "x", Target: "audit/x", Outcome: audit.Success}, []string{"audit  x"}},
	} {
		f.Committed([]audit.Event{tc.event})
		got, _ := read(t, s)
		require.Equal(t, tc.want, got)
	}
}

// roster tells of one flip.
type roster struct{}

func (roster) Watch(ctx context.Context, tell func(identity.Workload, fleet.Status)) error {
	tell(identity.Workload{Kind: identity.KindTunneler, ID: "t"}, fleet.Offline)
	<-ctx.Done()
	return nil
}

// tokens expires one token once.
type tokens struct{ once sync.Once }

func (t *tokens) ExpiredTokens(_ context.Context, after, until time.Time) (ids []string, err error) {
	if after.After(until) {
		return nil, fmt.Errorf("%s is after %s", after, until)
	}
	t.once.Do(func() { ids = []string{"tok_1"} })
	return ids, nil
}

// ExpiredRequests expires one request each time.
func (t *tokens) ExpiredRequests(context.Context, time.Time, time.Time) ([]string, error) {
	return []string{"req_1"}, nil
}

func TestTheFeedTellsWhatTimeChanges(t *testing.T) {
	t.Parallel()
	f := &events.Feed{Hub: events.NewHub(time.Now), Roster: roster{}, Deadlines: &tokens{}, Now: time.Now, Log: zap.NewNop()}
	s := subscribe(t, f.Hub, "a", "")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	var got []string
	deadline := time.After(20 * time.Second)
	for len(got) < 3 {
		select {
		case <-s.More():
			news, _ := read(t, s)
			got = append(got, news...)
		case <-deadline:
			require.Fail(t, "not told", "%v", got)
		}
	}
	require.Equal(t, []string{"tunneler t OFFLINE", "token tok_1 expired", "request req_1 expired"}, got[:3])
	cancel()
	require.NoError(t, <-done)
}
