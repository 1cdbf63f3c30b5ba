package control

import (
	"errors"
	"math"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/flows"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/visible"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
)

// FlowLog keeps the records of flows; flows.Recorder is it.
type FlowLog interface {
	// Take has a batch written and done called then; false: it is not taken, and nothing
	// that follows it may be.
	Take(b flows.Batch, done func(position uint64)) bool
	Open(connector string, stream uint64, flows uint32)
	Left(connector string, stream uint64)
}

const (
	// fastClock is how far the clock of a connector may be ahead of ours.
	fastClock = 5 * time.Minute
	// oldestFlow is how long ago a flow may have ended: a connector works for up to
	// 30 days without a controller.
	oldestFlow = 31 * 24 * time.Hour
	// movedWithin is how long records of the network that a connector has left may come.
	movedWithin = 5 * time.Minute
	maxDecision = 32
	// maxOpenFlows is more than a connector has descriptors for.
	maxOpenFlows = 1 << 20
	// maxFlowNumber keeps numbers, bytes and counts where SQL has them.
	maxFlowNumber = math.MaxInt64 / 4
	maxFlowCount  = 1 << 40
)

// reporting is what one stream has reported of flows.
type reporting struct {
	next     uint64 // number that the next message begins with, at most; 0 for any
	recorded atomic.Uint64
	said     uint64 // of recorded
	network  string // of the connector, as of the last message
	left     string // the one before it
	leftAt   time.Time
}

// flows takes a message of records. What is wrong with one of them may be a tunneler's doing, so
// it is left out and counted; what is wrong with the numbers is the connector's.
func (t *conversation) flows(in *zerotrustv1.FlowRecords) error {
	n := uint64(len(in.GetRecords()))
	if n == 0 || n > wire.MaxFlowRecords || in.GetFirst() == 0 || in.GetFirst() > maxFlowNumber || in.GetLost() > maxFlowNumber || t.instance == "" {
		return status.Error(codes.InvalidArgument, "flows: not 1 to 256 records with their numbers")
	}
	r := &t.reported
	if t.s.Flows == nil || r.next != 0 && in.GetFirst() > r.next {
		return nil // what is before it was not taken, and comes again
	}
	now := time.Now()
	t.follow(now)
	b := flows.Batch{Connector: t.c.ID, Run: t.instance, First: in.GetFirst(), Last: in.GetFirst() + n - 1, Lost: in.GetLost()}
	var fault error
	for i, one := range in.GetRecords() {
		rec, err := t.flow(one, now)
		if err != nil {
			fault = err
			continue
		}
		b.Records = append(b.Records, flows.Numbered{Number: b.First + uint64(i), Record: rec})
	}
	if fault != nil {
		t.complain("records of flows left out", zap.Int("left_out", int(n)-len(b.Records)), zap.Error(fault))
	}
	if !t.s.Flows.Take(b, t.recorded) {
		r.next = b.First
		return nil
	}
	r.next = b.Last + 1
	return nil
}

// recorded is called when records are on the disk, by whoever wrote them.
func (t *conversation) recorded(position uint64) {
	t.reported.recorded.Store(position)
	t.woken.hint.Wake()
}

// acknowledge says what was recorded since it was said last.
func (t *conversation) acknowledge() error {
	r := &t.reported
	position := r.recorded.Load()
	if position == r.said {
		return nil
	}
	r.said = position
	return t.stream.Send(&zerotrustv1.ConnectResponse{Message: &zerotrustv1.ConnectResponse_FlowsRecorded{FlowsRecorded: &zerotrustv1.FlowsRecorded{Position: position}}})
}

// follow notes the network of the connector. The records of flows that its move has ended come
// after the move.
func (t *conversation) follow(now time.Time) {
	r := &t.reported
	c, _ := t.s.Policy.Current().Connectors.Get(t.c.ID)
	if c.NetworkID != r.network {
		r.network, r.left, r.leftAt = c.NetworkID, r.network, now
	}
}

// What a record may not say. The texts go into the log, without what it said.
var (
	errFlowTunneler = errors.New("its tunneler is not enrolled, and was not revoked in the last days")
	errFlowTarget   = errors.New("its target is no host and port, or its address none that was dialed")
	errFlowNetwork  = errors.New("its network is not that of the connector")
	errFlowNames    = errors.New("what its decision names cannot be a resource, a grant or a code")
	errFlowTimes    = errors.New("its times are in the future, in the wrong order, or long ago")
	errFlowNumbers  = errors.New("its bytes, its count and its end contradict one another")
)

// flow reads a record. A connector may make up flows, but only of those whom it can have seen,
// in its own network, and in the past.
func (t *conversation) flow(in *zerotrustv1.FlowRecord, now time.Time) (out flows.Record, err error) {
	out = flows.Record{
		Connector: t.c.ID, Network: in.GetNetworkId(), Resource: in.GetResourceId(), ResourceName: in.GetResourceName(), Grant: in.GetGrantId(),
		Address: in.GetAddress(), Connected: in.GetConnected(), Decision: in.GetDecision(), Up: in.GetUp(), Down: in.GetDown(), Count: in.GetCount(),
	}
	id, err := spiffeid.FromString(in.GetSpiffeId())
	if err != nil || len(in.GetSpiffeId()) > maxSPIFFEID || id.TrustDomain() != t.c.conn.Peer().TrustDomain() {
		return out, errFlowTunneler
	}
	w, err := identity.ParseWorkload(id)
	if err != nil || w.Kind != identity.KindTunneler || !t.known(w) {
		return out, errFlowTunneler
	}
	out.Tunneler = w.ID
	if !dialable(in) {
		return out, errFlowTarget
	}
	out.Target = net.JoinHostPort(in.GetHost(), strconv.FormatUint(uint64(in.GetPort()), 10))
	switch r := &t.reported; {
	case out.Network == "":
		out.Network = r.network
	case out.Network == r.network, out.Network == r.left && now.Sub(r.leftAt) <= movedWithin:
	default:
		return out, errFlowNetwork
	}
	if !named(in) {
		return out, errFlowNames
	}
	out.Code = flow.Code(in.GetCode()).String() //nolint:gosec // named has checked it
	if !sane(in.GetOpenedAt()) || !sane(in.GetEndedAt()) {
		return out, errFlowTimes
	}
	out.Opened, out.Ended = in.GetOpenedAt().AsTime(), in.GetEndedAt().AsTime()
	if out.Ended.After(now.Add(fastClock)) || out.Opened.After(out.Ended) || out.Ended.Before(now.Add(-oldestFlow)) || out.Opened.Before(time.Unix(0, 0)) {
		return out, errFlowTimes
	}
	if !addsUp(in) {
		return out, errFlowNumbers
	}
	return out, nil
}

// known says whether a tunneler is enrolled or was revoked lately: the records of the flows that
// a revocation has ended come after it.
func (t *conversation) known(w identity.Workload) bool {
	s := t.s.Policy.Current()
	return s.Names(w) || !t.s.denied.before(s.Denials, w).IsZero()
}

// dialable says whether there can be an open of this target, and a dial of this address.
func dialable(in *zerotrustv1.FlowRecord) bool {
	if in.GetPort() > math.MaxUint16 {
		return false
	}
	target, err := flow.NewTarget(in.GetHost(), uint16(in.GetPort())) //nolint:gosec // checked above
	if err != nil || target.Host != in.GetHost() {
		return false
	}
	if in.GetAddress() == "" {
		return !in.GetConnected()
	}
	addr, err := netip.ParseAddrPort(in.GetAddress())
	return err == nil && addr.Addr().Zone() == "" && addr.String() == in.GetAddress()
}

// named says whether a decision can name that.
func named(in *zerotrustv1.FlowRecord) bool {
	for _, id := range []string{in.GetNetworkId(), in.GetResourceId(), in.GetGrantId()} {
		if id != "" && identity.ValidateID(id) != nil {
			return false
		}
	}
	if visible.Line(in.GetResourceName(), access.MaxResourceName) != nil || in.GetResourceId() == "" && in.GetResourceName() != "" {
		return false
	}
	if in.GetDecision() == "" || len(in.GetDecision()) > maxDecision || in.GetCode() > uint32(flow.LastCode) {
		return false
	}
	for _, c := range []byte(in.GetDecision()) {
		if (c < 'a' || c > 'z') && c != '_' {
			return false
		}
	}
	return true
}

// addsUp says whether the numbers fit together: what was not connected has carried nothing, and
// only refused opens are counted in one record.
func addsUp(in *zerotrustv1.FlowRecord) bool {
	refused := in.GetCode() == uint32(flow.CodeRefused)
	switch {
	case in.GetUp() > maxFlowNumber, in.GetDown() > maxFlowNumber, in.GetCount() == 0, in.GetCount() > maxFlowCount:
		return false
	case in.GetCount() > 1 && !refused, refused && in.GetConnected():
		return false
	case !in.GetConnected():
		return in.GetUp() == 0 && in.GetDown() == 0 && in.GetCode() != uint32(flow.CodeOK)
	}
	return true
}
