package control

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog/changelogtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

var domain = spiffeid.RequireTrustDomainFromString("mycorp.internal")

// rows are a store of tunnelers.
type rows struct {
	*changelogtest.Log
	changelogtest.Rules

	revision  uint64
	tunnelers map[string]fleet.Tunneler
}

func (r *rows) PolicyRevision(context.Context) (uint64, error) {
	return r.revision, nil
}

func (r *rows) Connectors(context.Context) ([]fleet.Connector, error) {
	return nil, nil
}

func (r *rows) Tunnelers(context.Context) (out []fleet.Tunneler, err error) {
	return r.byID(nil), nil
}

func (r *rows) Denials(context.Context, uint64, time.Time) ([]fleet.Denial, error) {
	return nil, nil
}

func (r *rows) ConnectorsByID(context.Context, []string) ([]fleet.Connector, error) {
	return nil, nil
}

func (r *rows) TunnelersByID(_ context.Context, ids []string) ([]fleet.Tunneler, error) {
	return r.byID(ids), nil
}

func (r *rows) byID(ids []string) (out []fleet.Tunneler) {
	if ids == nil {
		return slices.Collect(maps.Values(r.tunnelers))
	}
	for _, id := range ids {
		if t, ok := r.tunnelers[id]; ok {
			out = append(out, t)
		}
	}
	return out
}

// put enrolls a tunneler, anew if it is there, or with a zero time takes it away.
func (r *rows) put(id string, enrolled time.Time) {
	w := identity.Workload{Kind: identity.KindTunneler, ID: id}
	if enrolled.IsZero() {
		delete(r.tunnelers, id)
	} else {
		r.tunnelers[id] = fleet.Tunneler{Member: fleet.Member{Workload: w, EnrolledAt: enrolled}}
	}
	r.revision++
	r.Add(changelog.Change{Kind: changelog.Tunneler, ID: id, Op: changelog.Changed})
	r.Add(changelog.Change{Kind: changelog.Policy, ID: strconv.FormatUint(r.revision, 10), Op: changelog.Changed})
}

// link is a controller, a connector, and what is on its way between them. White-box,
// because what one stream is sent is not exported.
type link struct {
	rows      *rows
	publisher *policy.Publisher
	updates   *updates[policy.Tunneler, *zerotrustv1.PolicyTunneler]
	timeline  uint64
	snapshots map[[2]uint64]map[string]int64 // what each position of a timeline names
	clock     time.Time

	set   *delta.Set[*zerotrustv1.PolicyTunneler]
	sent  following[policy.Tunneler, *zerotrustv1.PolicyTunneler]
	wire  []*zerotrustv1.PolicyUpdate
	asked bool // on its way back
}

func newLink() *link {
	l := &link{
		rows: &rows{Log: &changelogtest.Log{}, revision: 100, tunnelers: map[string]fleet.Tunneler{}}, timeline: 1,
		snapshots: map[[2]uint64]map[string]int64{}, clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), set: controltest.Tunnelers(),
	}
	l.restart(nil)
	return l
}

// restart is one of the controller, which forgets its history.
func (l *link) restart(*rapid.T) {
	l.rows.revision++
	l.publisher = policy.NewPublisher(domain, l.rows, zap.NewNop(), func() time.Time { return l.clock })
	l.updates = &updates[policy.Tunneler, *zerotrustv1.PolicyTunneler]{subject: policies(0), timeline: func() uint64 { return l.timeline }}
	l.connect(nil)
}

// connect is a new stream: what was on its way is lost.
func (l *link) connect(*rapid.T) {
	l.wire, l.asked = nil, false
	l.set.Stream()
	l.sent = following[policy.Tunneler, *zerotrustv1.PolicyTunneler]{updates: l.updates, td: domain, each: true}
	l.sent.begin(controltest.Position(l.set))
}

// send is what a stream does when the publisher wakes it.
func (l *link) send(t require.TestingT) {
	require.NoError(t, l.publisher.Refresh(context.Background()))
	s := l.publisher.Current()
	named := map[string]int64{}
	for _, e := range s.Tunnelers.All() {
		named[e.SPIFFEID.String()] = e.SVIDNotBefore.Unix()
	}
	l.snapshots[[2]uint64{l.timeline, s.Revision}] = named
	all, err := l.updates.next(s, domain, l.sent.at, l.sent.all, ending{issuedAt: s.IssuedAt})
	require.NoError(t, err)
	l.sent.at, l.sent.all = l.updates.at(s), false
	for _, raw := range all {
		require.LessOrEqual(t, len(raw), wire.MaxUpdate)
		var m zerotrustv1.ConnectResponse
		require.NoError(t, proto.Unmarshal(raw, &m))
		l.wire = append(l.wire, m.GetPolicy())
	}
}

// deliver is the next message, to a receiver that asks for everything when it has to.
func (l *link) deliver(t require.TestingT) {
	if len(l.wire) == 0 {
		return
	}
	r, err := l.set.Take(controltest.PolicyPart(l.wire[0]))
	l.wire = l.wire[1:]
	l.holds(t)
	if err != nil { // as where the order was mixed up: the stream ends
		l.connect(nil)
		return
	}
	l.asked = l.asked || r.Outcome == delta.Ask
}

// holds: nobody is there whom the policy at the position of the set does not name, on
// the terms that it names.
func (l *link) holds(t require.TestingT) {
	at := l.set.Position()
	named := l.snapshots[[2]uint64{at.Timeline, at.At}]
	for id, e := range l.set.All() {
		terms, ok := named[id]
		require.True(t, ok, "%s is not named at %d", id, at.At)
		require.Equal(t, terms, e.GetSvidNotBefore().GetSeconds())
	}
}

// settle delivers all there is. In the end the connector has what the controller has:
// the next time that it hears where the controller is, at the latest.
func (l *link) settle(t require.TestingT) {
	for range 4 {
		if l.asked {
			l.asked, l.sent.all = false, true
		}
		l.send(t)
		for len(l.wire) > 0 {
			l.deliver(t)
		}
	}
	s := l.publisher.Current()
	require.Equal(t, l.updates.at(s), l.set.Position())
	require.Equal(t, s.Tunnelers.Len(), l.set.Len())
}

// TestAnyHistoryEndsInTheWholeSnapshot: whatever interleaves of changes, restarts of
// either side, timelines, messages that are lost, doubled or swapped, and requests that
// are lost.
func TestAnyHistoryEndsInTheWholeSnapshot(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		l := newLink()
		change := func(rt *rapid.T) {
			id := fmt.Sprintf("t-%d", rapid.IntRange(0, 9).Draw(rt, "id"))
			l.clock = l.clock.Add(time.Second)
			if rapid.Bool().Draw(rt, "enroll") {
				l.rows.put(id, l.clock)
			} else {
				l.rows.put(id, time.Time{})
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"change":  change,
			"changes": func(rt *rapid.T) { change(rt); change(rt); l.send(rt) },
			"send":    func(rt *rapid.T) { l.send(rt) },
			"deliver": func(rt *rapid.T) { l.deliver(rt) },
			"lose": func(*rapid.T) {
				if len(l.wire) > 0 {
					l.wire = l.wire[1:]
				}
			},
			"double": func(*rapid.T) {
				if len(l.wire) > 0 {
					l.wire = append(l.wire, l.wire[0])
				}
			},
			"swap": func(rt *rapid.T) {
				if n := len(l.wire); n > 1 {
					i, j := rapid.IntRange(0, n-1).Draw(rt, "i"), rapid.IntRange(0, n-1).Draw(rt, "j")
					l.wire[i], l.wire[j] = l.wire[j], l.wire[i]
				}
			},
			"break in parts": func(*rapid.T) {
				if n := len(l.wire); n > 0 {
					l.wire = append(l.wire[:n-1], broken(l.wire[n-1])...)
				}
			},
			"hear the request": func(rt *rapid.T) {
				if l.asked {
					l.asked, l.sent.all = false, true
					l.send(rt)
				}
			},
			"lose the request":       func(*rapid.T) { l.asked = false },
			"reconnect":              l.connect,
			"restart the controller": l.restart,
			"restart the connector": func(rt *rapid.T) {
				at, kept := l.set.Position(), controltest.Sorted(l.set)
				l.set = controltest.Tunnelers()
				l.set.Restore(at.Timeline, at.At, kept)
				l.connect(rt)
			},
			"a new timeline": func(rt *rapid.T) {
				l.timeline++
				l.restart(rt)
			},
			"": func(rt *rapid.T) { l.holds(rt) },
		})
		l.settle(rt)
	})
}

// TestAPeerThatSaysTheWrongDigestDoesNotSpoilTheUpdateOfOthers: it says that it has at its
// position what is there now, so nothing is new to it. The others at that position get what
// changed since, and need not ask for everything.
func TestAPeerThatSaysTheWrongDigestDoesNotSpoilTheUpdateOfOthers(t *testing.T) {
	t.Parallel()
	l := newLink()
	for _, id := range []string{"a", "b", "c"} {
		l.rows.put(id, l.clock)
	}
	l.settle(t)
	l.rows.put("b", time.Time{})
	require.NoError(t, l.publisher.Refresh(context.Background()))
	s, wrong := l.publisher.Current(), l.sent.at
	wrong.Digest = s.Tunnelers.Digest()
	_, err := l.updates.next(s, domain, wrong, false, ending{issuedAt: s.IssuedAt})
	require.NoError(t, err)

	l.send(t)
	require.Len(t, l.wire, 1)
	require.Equal(t, []string{"spiffe://mycorp.internal/tunneler/b"}, l.wire[0].GetRemovals())
	l.deliver(t)
	require.False(t, l.asked, "what came leads on")
	require.Equal(t, 2, l.set.Len())
}

// broken is the same update in up to three parts, as a large one is.
func broken(u *zerotrustv1.PolicyUpdate) (out []*zerotrustv1.PolicyUpdate) {
	if u.GetHeader().GetParts() > 1 {
		return []*zerotrustv1.PolicyUpdate{u}
	}
	some := len(u.GetUpserts()) / 2
	for i := range uint32(3) {
		h := proto.CloneOf(u.GetHeader())
		h.Part, h.Parts = i+1, 3
		out = append(out, &zerotrustv1.PolicyUpdate{Header: h})
	}
	out[0].Removals, out[1].Upserts, out[2].Upserts = u.GetRemovals(), u.GetUpserts()[:some], u.GetUpserts()[some:]
	return out
}

// counting is a stream that counts what it is sent.
type counting struct {
	grpc.ServerStream

	bytes int
}

func (c *counting) SendMsg(m any) error {
	c.bytes += len(m.(encoded))
	return nil
}

// BenchmarkChange is one change of a fleet and its way to 1,000 streams up to gRPC: the
// CPU and bytes a stream, and the CPU of the publisher, medians. Neither is to grow with
// the fleet.
func BenchmarkChange(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 50_000} {
		b.Run(fmt.Sprintf("members=%d", n), func(b *testing.B) { benchmarkChange(b, n) })
	}
}

func benchmarkChange(b *testing.B, n int) {
	b.Helper()
	l := fleetOf(b, n)
	streams := make([]following[policy.Tunneler, *zerotrustv1.PolicyTunneler], 1000)
	sent := &counting{}
	for i := range streams {
		streams[i] = following[policy.Tunneler, *zerotrustv1.PolicyTunneler]{updates: l.updates, stream: sent, td: domain, each: true}
		require.NoError(b, streams[i].update(l.publisher.Current(), nil))
	}
	sent.bytes = 0
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var publishing, sending []time.Duration
	for i := 0; b.Loop(); i++ {
		publishing = append(publishing, l.publish(b, i, i*7919%n))
		s, began := l.publisher.Current(), threadCPU(b)
		for i := range streams {
			if err := streams[i].update(s, nil); err != nil {
				b.Fatal(err)
			}
		}
		sending = append(sending, threadCPU(b)-began)
	}
	b.ReportMetric(float64(median(publishing).Nanoseconds()), "cpu-ns-publisher")
	b.ReportMetric(float64(median(sending).Nanoseconds())/float64(len(streams)), "cpu-ns/stream")
	b.ReportMetric(float64(sent.bytes)/float64(b.N*len(streams)), "bytes/stream")
}

// fleetOf is a link whose publisher has read n tunnelers.
func fleetOf(t testing.TB, n int) *link {
	t.Helper()
	l := newLink()
	for i := range n {
		id := fmt.Sprintf("t-%06d", i)
		l.rows.tunnelers[id] = fleet.Tunneler{Member: fleet.Member{Workload: identity.Workload{Kind: identity.KindTunneler, ID: id}, EnrolledAt: l.clock}}
	}
	require.NoError(t, l.publisher.Refresh(context.Background()))
	return l
}

// publish is the CPU that the publisher takes for change i, of one member. The clock
// stands still: the comparison with the whole store, every ten minutes of it, is no cost
// of a change.
func (l *link) publish(t testing.TB, i, member int) time.Duration {
	t.Helper()
	l.rows.put(fmt.Sprintf("t-%06d", member), l.clock.Add(time.Duration(i+1)*time.Second))
	began := threadCPU(t)
	require.NoError(t, l.publisher.Refresh(context.Background()))
	return threadCPU(t) - began
}

// TestAChangeDoesNotCostThePublisherTheFleet: what is left to grow is the path in the tree
// of members, which is longer and farther from the processor, twice at most. Something that
// goes through the fleet costs each change more than four times as much. Changes that others
// pushed out of the processor's cache do not count.
func TestAChangeDoesNotCostThePublisherTheFleet(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cost := func(n int) time.Duration {
		l, all := fleetOf(t, n), []time.Duration(nil)
		for i := range 300 {
			all = append(all, l.publish(t, i, i))
		}
		return slices.Sorted(slices.Values(all))[len(all)/10]
	}
	small, large := cost(1_000), cost(50_000)
	require.LessOrEqual(t, large, small*3, "of 50,000 and 1,000 members")
}

// threadCPU is the time that this thread had a core: others may need it too.
func threadCPU(t testing.TB) time.Duration {
	t.Helper()
	var at unix.Timespec
	require.NoError(t, unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &at))
	return time.Duration(at.Nano())
}

func median(all []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(all))[len(all)/2]
}

// BenchmarkEverything is what a stream costs that knows nothing, when everything is
// encoded and when it was encoded before.
func BenchmarkEverything(b *testing.B) {
	l := newLink()
	for i := range 50_000 {
		l.rows.put(fmt.Sprintf("t-%06d", i), l.clock)
	}
	require.NoError(b, l.publisher.Refresh(context.Background()))
	s := l.publisher.Current()
	for _, again := range []bool{false, true} {
		b.Run(fmt.Sprintf("encoded-before=%t", again), func(b *testing.B) {
			for b.Loop() {
				if !again {
					l.updates.whole = nil
				}
				f := following[policy.Tunneler, *zerotrustv1.PolicyTunneler]{updates: l.updates, stream: &counting{}, td: domain, each: true, all: true}
				if err := f.update(s, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestAPeerThatLostItsLastChangeHearsWhereItShouldBe: at the second time that it says an
// older position than it was sent, and once for that.
func TestAPeerThatLostItsLastChangeHearsWhereItShouldBe(t *testing.T) {
	t.Parallel()
	f := following[policy.Tunneler, *zerotrustv1.PolicyTunneler]{at: delta.Position{At: 7}}
	require.False(t, f.applied(6, false), "the change is on its way")
	require.False(t, f.applied(7, false))
	require.False(t, f.applied(6, false), "it has come back to an older one")
	require.True(t, f.applied(6, false))
	f.again = false // it was told
	require.False(t, f.applied(6, false), "and has time to ask")
	f.at.At = 8
	require.False(t, f.applied(6, false), "another change is on its way")
	require.True(t, f.applied(6, false))

	f.again = false
	require.False(t, f.applied(8, true), "our word that it has not read yet may end the refusal")
	require.True(t, f.applied(8, true))
}

// TestAClockThatWasSetBackSilencesNobody: what is issued then is older by the clock, is sent
// all the same, and is encoded once for all.
func TestAClockThatWasSetBackSilencesNobody(t *testing.T) {
	t.Parallel()
	l := newLink()
	l.rows.put("t-01", l.clock)
	require.NoError(t, l.publisher.Refresh(context.Background()))
	sent := &counting{}
	f := following[policy.Tunneler, *zerotrustv1.PolicyTunneler]{updates: l.updates, stream: sent, td: domain, all: true}
	first := l.publisher.Current()
	require.NoError(t, f.update(first, nil))
	f.again = true
	require.NoError(t, f.update(first, nil))
	require.Same(t, first, l.updates.changes.of)
	before := sent.bytes

	l.clock = l.clock.Add(-48 * time.Hour)
	require.NoError(t, l.publisher.Refresh(context.Background()))
	now := l.publisher.Current()
	require.Equal(t, first.Revision, now.Revision)
	require.True(t, now.IssuedAt.Before(first.IssuedAt), "it is published anew")
	require.NoError(t, f.update(now, nil))
	told := sent.bytes
	require.Greater(t, told, before, "the stream hears where it should be")
	require.NoError(t, f.update(now, nil))
	require.Equal(t, told, sent.bytes, "once")
	require.Same(t, now, l.updates.changes.of, "what is encoded for one stream is there for the next")
}
