package control_test

import (
	"context"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/flows"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// flowLog takes batches, or none, and acknowledges when the test says so.
type flowLog struct {
	mu    sync.Mutex
	full  bool
	taken []flows.Batch
	done  []func(uint64)
	open  map[string]uint32
}

func (l *flowLog) Take(b flows.Batch, done func(uint64)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		return false
	}
	l.taken, l.done = append(l.taken, b), append(l.done, done)
	return true
}

func (l *flowLog) Open(connector string, _ uint64, n uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = map[string]uint32{}
	}
	l.open[connector] = n
}

func (l *flowLog) Left(connector string, _ uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, connector)
}

func (l *flowLog) set(full bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.full = full
}

func (l *flowLog) batches() []flows.Batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]flows.Batch{}, l.taken...)
}

func (l *flowLog) acknowledge(position uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done[len(l.done)-1](position)
}

// carried is a flow that is over, of t-01 to a database.
func carried(change ...func(*zerotrustv1.FlowRecord)) *zerotrustv1.FlowRecord {
	now := time.Now()
	r := &zerotrustv1.FlowRecord{
		SpiffeId: "spiffe://mycorp.internal/tunneler/t-01", Host: "db.corp", Port: 5432, Address: "10.0.0.5:5432", ResourceId: "db", ResourceName: "Orders",
		GrantId: "g-1", Decision: "granted", Connected: true, OpenedAt: timestamppb.New(now.Add(-time.Second)), EndedAt: timestamppb.New(now), Up: 10, Down: 20, Count: 1,
	}
	for _, c := range change {
		c(r)
	}
	return r
}

// refusedOpen is one that no grant allowed.
func refusedOpen(r *zerotrustv1.FlowRecord) {
	r.Address, r.ResourceId, r.ResourceName, r.GrantId, r.Decision, r.Connected, r.Up, r.Down, r.Code = "", "", "", "", "no_resource", false, 0, 0, 1
}

func records(first uint64, all ...*zerotrustv1.FlowRecord) *zerotrustv1.ConnectRequest {
	return &zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Flows{Flows: &zerotrustv1.FlowRecords{First: first, Records: all}}}
}

// reportingFlows is a connector with a stream, and what becomes of what it reports.
func reportingFlows(t *testing.T) (*world, stream, *flowLog) {
	t.Helper()
	w, l := newWorld(t), &flowLog{}
	w.controlPlane.Flows = l
	w.member(t, connector("c-01"))
	w.member(t, tunneler("t-01"))
	s := w.open(t, connector("c-01"))
	s.say(hello("c-01"))
	s.policy(t)
	return w, s, l
}

func TestFlowsAreRecordedAndThenAcknowledged(t *testing.T) {
	t.Parallel()
	_, s, l := reportingFlows(t)
	s.say(records(1, carried(), carried(refusedOpen, func(r *zerotrustv1.FlowRecord) { r.Count = 12 })))
	eventually(t, "the batch", func() bool { return len(l.batches()) == 1 })
	b := l.batches()[0]
	require.Equal(t, []any{"c-01", "instance", uint64(1), uint64(2)}, []any{b.Connector, b.Run, b.First, b.Last})
	require.Len(t, b.Records, 2)
	got := b.Records[0].Record
	require.Equal(t, []string{"t-01", "c-01", "db", "Orders", "g-1", "db.corp:5432", "10.0.0.5:5432", "ok", "granted"},
		[]string{got.Tunneler, got.Connector, got.Resource, got.ResourceName, got.Grant, got.Target, got.Address, got.Code, got.Decision})
	require.Equal(t, "refused", b.Records[1].Code)
	require.EqualValues(t, 12, b.Records[1].Count)
	l.acknowledge(2)
	for {
		m, err := s.Recv()
		require.NoError(t, err)
		if m.GetFlowsRecorded() != nil {
			require.EqualValues(t, 2, m.GetFlowsRecorded().GetPosition())
			return
		}
	}
}

// TestWhatAConnectorMayNotReportOfFlows: it is left out, keeps its number, and the stream and
// the others go on.
func TestWhatAConnectorMayNotReportOfFlows(t *testing.T) {
	t.Parallel()
	w, s, l := reportingFlows(t)
	w.member(t, connector("c-02"))
	long := strings.Repeat("a", 70)
	change := func(f func(*zerotrustv1.FlowRecord)) *zerotrustv1.FlowRecord { return carried(f) }
	at := func(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(time.Now().Add(d)) }
	bad := map[string]*zerotrustv1.FlowRecord{
		"nothing":                              {},
		"a tunneler that does not exist":       change(func(r *zerotrustv1.FlowRecord) { r.SpiffeId = "spiffe://mycorp.internal/tunneler/t-99" }),
		"a tunneler of another trust domain":   change(func(r *zerotrustv1.FlowRecord) { r.SpiffeId = "spiffe://evil.example/tunneler/t-01" }),
		"a connector as a tunneler":            change(func(r *zerotrustv1.FlowRecord) { r.SpiffeId = "spiffe://mycorp.internal/connector/c-02" }),
		"no SPIFFE ID":                         change(func(r *zerotrustv1.FlowRecord) { r.SpiffeId = "t-01" }),
		"an endless SPIFFE ID":                 change(func(r *zerotrustv1.FlowRecord) { r.SpiffeId += strings.Repeat("a", 4096) }),
		"another network":                      change(func(r *zerotrustv1.FlowRecord) { r.NetworkId = "other" }),
		"a network that is none":               change(func(r *zerotrustv1.FlowRecord) { r.NetworkId = "A B" }),
		"an end in the future":                 change(func(r *zerotrustv1.FlowRecord) { r.EndedAt = at(time.Hour) }),
		"an end before the open":               change(func(r *zerotrustv1.FlowRecord) { r.OpenedAt = at(time.Second) }),
		"an end of long ago":                   change(func(r *zerotrustv1.FlowRecord) { r.OpenedAt, r.EndedAt = at(-1000*time.Hour), at(-999*time.Hour) }),
		"an open before computers":             change(func(r *zerotrustv1.FlowRecord) { r.OpenedAt = &timestamppb.Timestamp{Seconds: -1} }),
		"no end":                               change(func(r *zerotrustv1.FlowRecord) { r.EndedAt = nil }),
		"a time that is none":                  change(func(r *zerotrustv1.FlowRecord) { r.EndedAt = &timestamppb.Timestamp{Seconds: math.MaxInt64} }),
		"an oversized host":                    change(func(r *zerotrustv1.FlowRecord) { r.Host = strings.Repeat("a.", 200) + "corp" }),
		"a host in another spelling":           change(func(r *zerotrustv1.FlowRecord) { r.Host = "DB.corp" }),
		"a host for a terminal":                change(func(r *zerotrustv1.FlowRecord) { r.Host = "\x1b[2Jdb" }),
		"no host":                              change(func(r *zerotrustv1.FlowRecord) { r.Host = "" }),
		"port 0":                               change(func(r *zerotrustv1.FlowRecord) { r.Port = 0 }),
		"port 65536":                           change(func(r *zerotrustv1.FlowRecord) { r.Port = 65536 }),
		"an address that is a name":            change(func(r *zerotrustv1.FlowRecord) { r.Address = "db.corp:5432" }),
		"an address with a zone":               change(func(r *zerotrustv1.FlowRecord) { r.Address = "[fe80::1%eth0]:1" }),
		"a connection to no address":           change(func(r *zerotrustv1.FlowRecord) { r.Address = "" }),
		"an oversized resource":                change(func(r *zerotrustv1.FlowRecord) { r.ResourceId = long }),
		"an oversized name":                    change(func(r *zerotrustv1.FlowRecord) { r.ResourceName = strings.Repeat("a", 101) }),
		"a name for a terminal":                change(func(r *zerotrustv1.FlowRecord) { r.ResourceName = "\x1b]0;owned\a" }),
		"a name without a resource":            change(func(r *zerotrustv1.FlowRecord) { r.ResourceId = "" }),
		"an oversized grant":                   change(func(r *zerotrustv1.FlowRecord) { r.GrantId = long }),
		"an oversized decision":                change(func(r *zerotrustv1.FlowRecord) { r.Decision = strings.Repeat("a", 33) }),
		"a decision of other letters":          change(func(r *zerotrustv1.FlowRecord) { r.Decision = "granted!" }),
		"no decision":                          change(func(r *zerotrustv1.FlowRecord) { r.Decision = "" }),
		"a code that there is not":             change(func(r *zerotrustv1.FlowRecord) { r.Code = 15 }),
		"more bytes than there are":            change(func(r *zerotrustv1.FlowRecord) { r.Up = math.MaxUint64 }),
		"no count":                             change(func(r *zerotrustv1.FlowRecord) { r.Count = 0 }),
		"many carried flows in one":            change(func(r *zerotrustv1.FlowRecord) { r.Count = 2 }),
		"a refused one that was connected":     change(func(r *zerotrustv1.FlowRecord) { r.Code = 1 }),
		"bytes without a connection":           change(func(r *zerotrustv1.FlowRecord) { r.Connected, r.Code = false, 4 }),
		"no connection, and all went well":     change(func(r *zerotrustv1.FlowRecord) { r.Connected, r.Up, r.Down = false, 0, 0 }),
		"a count that nobody can have counted": change(func(r *zerotrustv1.FlowRecord) { refusedOpen(r); r.Count = 1 << 50 }),
	}
	first := uint64(1)
	for name, one := range bad {
		s.say(records(first, one, carried()))
		eventually(t, name, func() bool { n := len(l.batches()); return n > 0 && l.batches()[n-1].First == first })
		b := l.batches()[len(l.batches())-1]
		require.Equal(t, first+1, b.Last, name)
		require.Len(t, b.Records, 1, name)
		require.Equal(t, first+1, b.Records[0].Number, name)
		first += 2
	}
	s.say(heartbeat("c-01", 1))
	eventually(t, "the stream goes on", func() bool { return w.status("c-01") == presence.Online })
}

func TestWhatHasNoNumbersEndsTheStream(t *testing.T) {
	t.Parallel()
	many := make([]*zerotrustv1.FlowRecord, wire.MaxFlowRecords+1)
	for i := range many {
		many[i] = &zerotrustv1.FlowRecord{}
	}
	lost := records(1, carried())
	lost.GetFlows().Lost = math.MaxUint64
	for name, m := range map[string]*zerotrustv1.ConnectRequest{
		"no records": records(1), "no number": records(0, carried()), "too many": records(1, many...), "a number at the end of all": records(math.MaxUint64, carried(), carried()), "more lost than there can be": lost,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, s, l := reportingFlows(t)
			s.say(m)
			s.endsWith(t, codes.InvalidArgument, "flows:")
			require.Empty(t, l.batches())
		})
	}
}

// TestWhatFollowsABatchThatWasNotTakenIsNotTakenEither: its position would say that the one
// before it is on the disk.
func TestWhatFollowsABatchThatWasNotTakenIsNotTakenEither(t *testing.T) {
	t.Parallel()
	_, s, l := reportingFlows(t)
	l.set(true)
	s.say(records(1, carried()), heartbeat("c-01", 1))
	eventually(t, "the heartbeat", func() bool { l.mu.Lock(); defer l.mu.Unlock(); _, ok := l.open["c-01"]; return ok })
	l.set(false)
	s.say(records(2, carried()), records(3, carried()), records(1, carried()), records(2, carried()))
	eventually(t, "those that come again", func() bool { return len(l.batches()) == 2 })
	require.Equal(t, []uint64{1, 2}, []uint64{l.batches()[0].First, l.batches()[1].First})
}

// TestTheRecordsOfWhatARevocationHasEndedCount: they come after it.
func TestTheRecordsOfWhatARevocationHasEndedCount(t *testing.T) {
	t.Parallel()
	w, s, l := reportingFlows(t)
	w.revoke(t, tunneler("t-01"))
	require.NoError(t, w.policy.Refresh(t.Context()))
	s.say(records(1, carried(func(r *zerotrustv1.FlowRecord) { r.Code, r.Decision = 14, "no_tunneler" })))
	eventually(t, "the record", func() bool { return len(l.batches()) == 1 && len(l.batches()[0].Records) == 1 })
	require.Equal(t, "revoked", l.batches()[0].Records[0].Code)
}

// TestTheRecordsOfTheNetworkThatAConnectorHasLeftCount: its move ends flows, whose records come
// after it.
func TestTheRecordsOfTheNetworkThatAConnectorHasLeftCount(t *testing.T) {
	t.Parallel()
	w, s, l := reportingFlows(t)
	in := func(first uint64, network string) int {
		s.say(records(first, carried(func(r *zerotrustv1.FlowRecord) { r.NetworkId = network })))
		eventually(t, "the batch", func() bool { n := len(l.batches()); return n > 0 && l.batches()[n-1].First == first })
		return len(l.batches()[len(l.batches())-1].Records)
	}
	for _, id := range []string{"one", "two", "three"} {
		_, err := w.fleet.CreateNetwork(t.Context(), fleet.NetworkText{ID: id, Name: id}, fleet.By{Actor: "test"})
		require.NoError(t, err)
	}
	move := func(network string) {
		require.NoError(t, w.fleet.EditMember(t.Context(), connector("c-01"), fleet.Edit{NetworkID: &network}, fleet.By{Actor: "test"}))
		require.NoError(t, w.policy.Refresh(t.Context()))
	}
	move("one")
	require.Equal(t, 1, in(1, "one"))
	require.Zero(t, in(2, "two"))
	move("two")
	require.Equal(t, 1, in(3, "two"))
	require.Equal(t, 1, in(4, "one"), "it was there a moment ago")
	require.Zero(t, in(5, "three"))
	move("three")
	require.Equal(t, 1, in(6, "two"))
	require.Zero(t, in(7, "one"))
}

func TestOpenFlowsAreThoseOfTheLastHeartbeat(t *testing.T) {
	t.Parallel()
	_, s, l := reportingFlows(t)
	beat := heartbeat("c-01", 1)
	beat.GetHeartbeat().OpenFlows = math.MaxUint32
	s.say(beat)
	open := func() (n uint32, ok bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		n, ok = l.open["c-01"]
		return n, ok
	}
	eventually(t, "the flows", func() bool { _, ok := open(); return ok })
	n, _ := open()
	require.EqualValues(t, 1<<20, n, "no connector makes the sum overflow")
	require.NoError(t, s.CloseSend())
	eventually(t, "none", func() bool { _, ok := open(); return !ok })
}

// FuzzFlows: whatever a connector reports, no record that is taken says what cannot be.
func FuzzFlows(f *testing.F) {
	ca := mtlstest.NewCA(f, td)
	_, caller := mtlstest.Connect(f, ca.Identity(ca.SVID(f, "spiffe://mycorp.internal/connector/c-01")),
		ca.Identity(ca.SVID(f, "spiffe://mycorp.internal/controller/controller-01")))
	current := everybody(f)
	seed := func(all ...*zerotrustv1.FlowRecord) {
		raw, err := proto.Marshal(&zerotrustv1.FlowRecords{First: 1, Records: all})
		require.NoError(f, err)
		f.Add(raw)
	}
	seed(carried(), carried(refusedOpen))
	seed(carried(func(r *zerotrustv1.FlowRecord) { r.Host, r.Address = "fd00::1", "[fd00::1]:5432" }))
	seed(carried(func(r *zerotrustv1.FlowRecord) {
		r.Host, r.ResourceName, r.EndedAt = "\x00", "\x7f", &timestamppb.Timestamp{Nanos: -1}
	}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var m zerotrustv1.FlowRecords
		if proto.Unmarshal(raw, &m) != nil {
			return
		}
		ctx, cancel := context.WithCancel(peer.NewContext(t.Context(), &peer.Peer{Addr: addr("192.0.2.7:1"), AuthInfo: caller}))
		defer cancel() // as gRPC does when a handler returns
		first := hello("c-01")
		s := &script{ctx: ctx, says: []*zerotrustv1.ConnectRequest{first, {Message: &zerotrustv1.ConnectRequest_Flows{Flows: &m}}}}
		l := &flowLog{}
		plane := &control.ControlPlane{Fleet: gate{t: t}, Roster: presence.NewRoster(time.Now), Policy: current, Endpoints: somewhere, Flows: l, Log: zap.NewNop()}
		_, intercept := control.ControlRules.Interceptors(zap.NewNop())
		err := intercept(nil, s, &grpc.StreamServerInfo{FullMethod: zerotrustv1.ControlPlaneService_Connect_FullMethodName},
			func(_ any, in grpc.ServerStream) error { return plane.Connect(&inner{script: s, ctx: in.Context()}) })
		require.Contains(t, []codes.Code{codes.OK, codes.InvalidArgument}, status.Code(err), err)
		for _, b := range l.batches() {
			require.Equal(t, b.First+uint64(len(m.GetRecords()))-1, b.Last)
			for _, r := range b.Records {
				require.Equal(t, "t-01", r.Tunneler)
				require.Equal(t, "c-01", r.Connector)
				require.LessOrEqual(t, len(r.Target), 253+8)
				require.LessOrEqual(t, len(r.Address), 64)
				require.LessOrEqual(t, len(r.ResourceName), 400)
				require.False(t, strings.ContainsAny(r.Target+r.Address+r.Resource+r.ResourceName+r.Grant+r.Network+r.Decision, "\x00\x1b\x7f\n"))
				require.False(t, r.Ended.Before(r.Opened))
				require.True(t, r.Ended.Before(time.Now().Add(time.Hour)))
				require.LessOrEqual(t, r.Up, uint64(math.MaxInt64))
				require.GreaterOrEqual(t, r.Count, uint64(1))
				require.NotEqual(t, "unknown", r.Code)
				require.True(t, b.First <= r.Number && r.Number <= b.Last)
			}
		}
	})
}
