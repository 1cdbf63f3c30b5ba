package relay_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// recording is a connector of which the test says what its flows were.
func recording(t *testing.T, opts ...option) (*world, relay.RecordFlow, *fakeController) {
	t.Helper()
	ca := mtlstest.NewCA(t, td)
	c := startController(t, ca, anyAddress, controllerID)
	var record relay.RecordFlow
	opts = append(opts, func(cfg *relay.Config) {
		cfg.Flows = func(_ relay.Reach, r relay.RecordFlow) (relay.Carrier, error) {
			record = r
			return loopback{}, nil
		}
	})
	w := startConnector(t, ca, c.addr, opts...)
	return w, record, c
}

func flowTo(target string, code uint32) *zerotrustv1.FlowRecord {
	return &zerotrustv1.FlowRecord{SpiffeId: laptopID, Host: target, Port: 22, Code: code, Connected: code == 0, Count: 1}
}

// records waits for a message of records.
func (s *fakeStream) records(t *testing.T) *zerotrustv1.FlowRecords {
	t.Helper()
	return s.until(t, "records of flows", func(m *zerotrustv1.ConnectRequest) bool { return m.GetFlows() != nil }).GetFlows()
}

func (s *fakeStream) recorded(t *testing.T, position uint64) {
	t.Helper()
	require.NoError(t, s.Send(&zerotrustv1.ConnectResponse{Message: &zerotrustv1.ConnectResponse_FlowsRecorded{FlowsRecorded: &zerotrustv1.FlowsRecorded{Position: position}}}))
}

func hostsOf(m *zerotrustv1.FlowRecords) (out []string) {
	for _, r := range m.GetRecords() {
		out = append(out, r.GetHost())
	}
	return out
}

func TestRecordsOfFlowsComeAgainUntilTheControllerHasThem(t *testing.T) {
	t.Parallel()
	w, record, c := recording(t)
	s := c.next(t)
	s.hello(t)
	for i := range 5 {
		record(flowTo(fmt.Sprint("host-", i), 0))
	}
	m := s.records(t)
	require.EqualValues(t, 1, m.GetFirst())
	require.Len(t, m.GetRecords(), 5, "in one message")
	s.recorded(t, 2)
	require.Eventually(t, func() bool { return w.relay.FlowRecordStatus().Recorded == 2 }, soon, time.Millisecond)
	for _, wrong := range []uint64{1, 0, 6, 1 << 63} { // older, none, and not sent yet
		s.recorded(t, wrong)
	}
	s.hang <- nil
	s = c.next(t)
	s.hello(t)
	m = s.records(t)
	require.EqualValues(t, 3, m.GetFirst())
	require.Equal(t, []string{"host-2", "host-3", "host-4"}, hostsOf(m), "of what was recorded nothing comes again")
	require.Equal(t, relay.FlowRecordStatus{Waiting: 3, Recorded: 2}, w.relay.FlowRecordStatus())
	s.recorded(t, 5)
	require.Eventually(t, func() bool { return w.relay.FlowRecordStatus() == relay.FlowRecordStatus{Recorded: 5} }, soon, time.Millisecond)
}

func TestRecordsWaitForAControllerInBoundedMemory(t *testing.T) {
	t.Parallel()
	w, record, c := recording(t)
	c.next(t).hang <- nil
	c.stop()
	for i := range 20_000 {
		r := flowTo("db", 0)
		if i%4 == 0 {
			r.SpiffeId = phoneID
		}
		record(r)
	}
	st := w.relay.FlowRecordStatus()
	require.Equal(t, 8192, st.Waiting)
	require.EqualValues(t, 20_000-8192, st.Lost)
	c = startController(t, w.ca, c.addr, controllerID)
	s := c.next(t)
	s.hello(t)
	seen, phone := uint64(0), 0
	for seen < 8192 {
		m := s.records(t)
		require.Equal(t, seen+1, m.GetFirst(), "in order")
		require.LessOrEqual(t, len(m.GetRecords()), wire.MaxFlowRecords)
		require.LessOrEqual(t, proto.Size(m), wire.MaxUpdate)
		require.Equal(t, uint64(20_000-8192), m.GetLost())
		for _, r := range m.GetRecords() {
			if r.GetSpiffeId() == phoneID {
				phone++
			}
		}
		seen += uint64(len(m.GetRecords()))
		if seen%2048 == 0 { // no more is sent before these are recorded
			s.recorded(t, seen)
		}
	}
	require.Greater(t, phone, 2500, "a tunneler with many flows leaves room for the others")
	require.Eventually(t, func() bool { return w.relay.FlowRecordStatus().Waiting == 0 }, soon, time.Millisecond)
}

func TestAMessageOfRecordsHasAnEnd(t *testing.T) {
	t.Parallel()
	_, record, c := recording(t)
	s := c.next(t)
	s.hello(t)
	for range 300 {
		r := flowTo(strings.Repeat("a", 250), 0)
		r.ResourceName = strings.Repeat("é", 100)
		record(r)
	}
	for seen := 0; seen < 300; {
		m := s.records(t)
		require.LessOrEqual(t, proto.Size(m), wire.MaxUpdate)
		seen += len(m.GetRecords())
	}
}

// TestWhoIsRefusedAgainAndAgainMakesFewRecords: those that have none are counted.
func TestWhoIsRefusedAgainAndAgainMakesFewRecords(t *testing.T) {
	t.Parallel()
	_, record, c := recording(t, func(cfg *relay.Config) { cfg.Timing.Refusals = 20 * time.Millisecond })
	s := c.next(t)
	s.hello(t)
	const refused = 5000
	for i := range refused {
		record(flowTo(fmt.Sprint("host-", i), 1))
	}
	record(flowTo("db", 0))
	count, messages, last := uint64(0), 0, ""
	for count < refused+1 {
		m := s.records(t)
		for _, r := range m.GetRecords() {
			count += r.GetCount()
			messages++
			if r.GetCount() > 1 {
				last = r.GetHost()
			}
		}
	}
	require.EqualValues(t, refused+1, count)
	require.LessOrEqual(t, messages, 30)
	require.Equal(t, fmt.Sprint("host-", refused-1), last)
}

func TestAConnectorThatEndsSendsWhatItHas(t *testing.T) {
	t.Parallel()
	w, record, c := recording(t)
	s := c.next(t)
	s.hello(t)
	s.policy(t, 1, laptopID)
	s.applied(t, 1)
	for i := range 25 {
		record(flowTo(fmt.Sprint("host-", i), 1))
	}
	w.stop()
	count := uint64(0)
	for count < 25 {
		for _, r := range s.records(t).GetRecords() {
			count += r.GetCount()
		}
	}
}

// TestACarriedFlowIsNeverCountedAsARefusal, whatever its code says: its target and its bytes
// would be gone.
func TestACarriedFlowIsNeverCountedAsARefusal(t *testing.T) {
	t.Parallel()
	_, record, c := recording(t)
	s := c.next(t)
	s.hello(t)
	s.policy(t, 1, laptopID)
	s.applied(t, 1)
	const carried = 200
	for i := range carried {
		r := flowTo(fmt.Sprint("host-", i), uint32(flow.CodeRefused))
		r.Connected = true
		record(r)
	}
	for count := 0; count < carried; {
		for _, r := range s.records(t).GetRecords() {
			require.EqualValues(t, 1, r.GetCount())
			count++
		}
	}
}
