package events_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog/changelogtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/events"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
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

func TestAReaderBeginsAtAPosition(t *testing.T) {
	t.Parallel()
	h := events.NewHub(time.Now)
	at := h.Position()
	h.Publish(events.Token, "1", "x")
	got, id := read(t, subscribe(t, h, "a", at))
	require.Equal(t, []string{"token 1 x"}, got)
	require.Equal(t, id, h.Position())
	got, _ = read(t, subscribe(t, h, "b", id))
	require.Empty(t, got)
	h.Lose()
	_, _, err := subscribe(t, h, "c", id).Read()
	require.ErrorIs(t, err, events.ErrLost)
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

func TestTheFeedTellsWhatTheLogSays(t *testing.T) {
	t.Parallel()
	f := &events.Feed{Hub: events.NewHub(time.Now)}
	s := subscribe(t, f.Hub, "a", "")
	require.NoError(t, f.Apply(t.Context(), []changelog.Change{
		{Kind: changelog.Token, ID: "tok_1", Op: changelog.Created},
		{Kind: changelog.Policy, ID: "7", Op: changelog.Changed},
		{Kind: changelog.Network, ID: "default", Op: changelog.Changed},
		{Kind: changelog.Resource, ID: "db", Op: changelog.Created},
		{Kind: changelog.Grant, ID: "g1", Op: changelog.Deleted},
		{Kind: changelog.PolicyTest, ID: "t1", Op: changelog.Deleted},
		{Kind: "added by a later version", ID: "x", Op: changelog.Changed},
		{Kind: changelog.Audit, Op: changelog.Op(audit.SessionRevoke)},
	}))
	require.NoError(t, f.Apply(t.Context(), []changelog.Change{{Kind: changelog.Person, ID: "p", Op: changelog.Deleted}}))
	got, _ := read(t, s)
	require.Equal(t, []string{"token tok_1 created", "network default changed", "resource db created", "grant g1 deleted", "policy-test t1 deleted", "audit  " + string(audit.SessionRevoke), "person p deleted"}, got)
	for _, kind := range events.Kinds() {
		require.NoError(t, f.Apply(t.Context(), []changelog.Change{{Kind: changelog.Kind(kind), ID: "x", Op: "y"}}))
		got, _ = read(t, s)
		require.Equal(t, []string{string(kind) + " x y"}, got)
	}
}

func TestAFeedThatLostItsPlaceTellsItsReaders(t *testing.T) {
	t.Parallel()
	f := &events.Feed{Hub: events.NewHub(time.Now)}
	s := subscribe(t, f.Hub, "a", "")
	f.Hub.Publish(events.Token, "1", "x")
	_, id := read(t, s)
	require.NoError(t, f.Sync(t.Context()))
	<-s.More()
	_, _, err := s.Read()
	require.ErrorIs(t, err, events.ErrLost)
	_, _, err = subscribe(t, f.Hub, "b", id).Read()
	require.ErrorIs(t, err, events.ErrLost, "an id of before")
	late := subscribe(t, f.Hub, "c", "")
	f.Hub.Publish(events.Token, "2", "x")
	for _, reader := range []*events.Subscription{s, late} {
		got, _ := read(t, reader)
		require.Equal(t, []string{"token 2 x"}, got)
	}
}

// roster tells of one flip when it is closed.
type roster chan struct{}

func (r roster) Watch(ctx context.Context, report func(identity.Workload, presence.Status)) error {
	<-r
	report(identity.Workload{Kind: identity.KindTunneler, ID: "t"}, presence.Offline)
	<-ctx.Done()
	return nil
}

// tokens expires one token each time.
type tokens struct{}

func (tokens) ExpiredTokens(_ context.Context, after, until time.Time) ([]string, error) {
	if after.After(until) {
		return nil, fmt.Errorf("%s is after %s", after, until)
	}
	return []string{"tok_1"}, nil
}

// ExpiredRequests expires one request each time.
func (tokens) ExpiredRequests(context.Context, time.Time, time.Time) ([]string, error) {
	return []string{"req_1"}, nil
}

func TestTheFeedTellsWhatTimeChanges(t *testing.T) {
	t.Parallel()
	log, flips := &changelogtest.Log{}, make(roster)
	f := &events.Feed{Hub: events.NewHub(time.Now), Changes: log, Roster: flips, Deadlines: tokens{}, Now: time.Now, Log: zap.NewNop()}
	s := subscribe(t, f.Hub, "a", "")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	deadline := time.After(20 * time.Second)
	missing := map[string]bool{"host h created": true, "tunneler t OFFLINE": true, "token tok_1 expired": true, "request req_1 expired": true}
	for len(missing) > 0 {
		select {
		case <-s.More():
			news, _, err := s.Read()
			if errors.Is(err, events.ErrLost) { // its first look at the log
				log.Add(changelog.Change{Kind: changelog.Host, ID: "h", Op: changelog.Created})
				log.Wake()
				close(flips)
			}
			for _, e := range news {
				delete(missing, fmt.Sprintf("%s %s %s", e.Kind, e.ID, e.Change))
			}
		case <-deadline:
			require.Fail(t, "not told", "%v", missing)
		}
	}
	cancel()
	require.NoError(t, <-done)
}
