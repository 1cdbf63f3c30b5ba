package relay

import (
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

const (
	// maxRecords is how many records wait while no controller takes them, some 5 MB; half
	// of them may be of one tunneler, so that none hides the others.
	maxRecords, maxRecordsOf = 8192, maxRecords / 2
	// recordsAhead is how many were sent and are not on the controller's disk yet.
	recordsAhead = 8 * wire.MaxFlowRecords
	// recordsWait is how long a record waits for others, to be sent with them.
	recordsWait = time.Second
	// recordsAgain is when records that were sent and not acknowledged are sent again: a
	// controller whose database is busy passes them over.
	recordsAgain = 30 * time.Second
	// refusalsEach and refusalsSoon: a tunneler's refused opens are a record each at first,
	// and then once in a while; those between are counted in one.
	refusalsEach, refusalsSoon = 10 * time.Second, 20
	// maxMerged bounds the tunnelers whose refusals are counted.
	maxMerged = 4096
)

// flowRecords holds the records of flows until the controller has them. add never blocks.
type flowRecords struct {
	ready    topic.Hint // has a value when there is something to send
	refusals *sourcelimit.Keyed[string]
	now      func() time.Time

	mu       sync.Mutex
	waiting  []*zerotrustv1.FlowRecord // the first one has the number recorded + 1
	of       map[string]int            // how many of each tunneler
	merged   map[string]*zerotrustv1.FlowRecord
	recorded uint64 // what the controller has
	sent     uint64 // what was sent on this stream, or recorded
	progress time.Time
	timer    *time.Timer // until what waits is sent; nil if nothing does
	lost     uint64
}

func newFlowRecords(now func() time.Time) *flowRecords {
	return &flowRecords{
		ready: topic.NewHint(), refusals: sourcelimit.NewIdentities(refusalsEach, refusalsSoon, now), now: now,
		of: map[string]int{}, merged: map[string]*zerotrustv1.FlowRecord{},
	}
}

// add keeps a record until the controller has it. Whoever opens what is not granted, again
// and again, makes few records.
func (f *flowRecords) add(r *zerotrustv1.FlowRecord) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.GetCode() == uint32(flow.CodeRefused) && !r.GetConnected() && !f.refusals.AllowKey(r.GetSpiffeId()) {
		f.merge(r)
		return
	}
	f.keep(r)
}

// merge needs the lock.
func (f *flowRecords) merge(r *zerotrustv1.FlowRecord) {
	before, known := f.merged[r.GetSpiffeId()]
	if !known && len(f.merged) >= maxMerged {
		f.lost++
		return
	}
	r.Count = before.GetCount() + 1
	f.merged[r.GetSpiffeId()] = r
}

// keep needs the lock.
func (f *flowRecords) keep(r *zerotrustv1.FlowRecord) {
	if len(f.waiting) >= maxRecords || f.of[r.GetSpiffeId()] >= maxRecordsOf {
		f.lost += r.GetCount()
		return
	}
	f.waiting = append(f.waiting, r)
	f.of[r.GetSpiffeId()]++
	switch unsent := f.end() - f.sent; {
	case unsent >= wire.MaxFlowRecords:
		f.ready.Wake()
	case f.timer == nil:
		f.timer = time.AfterFunc(recordsWait, f.due)
	}
}

// end is the number of the last record. It needs the lock.
func (f *flowRecords) end() uint64 { return f.recorded + uint64(len(f.waiting)) }

func (f *flowRecords) due() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.timer = nil
	f.ready.Wake()
}

// begin is of a stream: what was sent on the one before and not acknowledged comes again.
func (f *flowRecords) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent, f.progress = f.recorded, f.now()
	f.ready.Wake()
}

// tick makes records of the refusals that were counted, and has what is overdue sent again.
func (f *flowRecords) tick() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, r := range f.merged {
		delete(f.merged, id)
		f.keep(r)
	}
	if f.sent > f.recorded && f.now().Sub(f.progress) >= recordsAgain {
		f.sent, f.progress = f.recorded, f.now()
		f.ready.Wake()
	}
}

// next is the next message, nil if there is none to send now. A last one waits for nothing.
func (f *flowRecords) next(last bool) *zerotrustv1.FlowRecords {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sent == f.recorded {
		f.progress = f.now() // nothing was owed
	}
	if !last && f.sent-f.recorded >= recordsAhead {
		return nil
	}
	m := &zerotrustv1.FlowRecords{First: f.sent + 1, Lost: f.lost}
	size := 0
	for _, r := range f.waiting[f.sent-f.recorded:] {
		size += proto.Size(r) + 8 // and its header
		if len(m.Records) == wire.MaxFlowRecords || size > wire.MaxUpdate-64 {
			break
		}
		m.Records = append(m.Records, r)
	}
	if len(m.GetRecords()) == 0 {
		return nil
	}
	f.sent += uint64(len(m.GetRecords()))
	return m
}

// took forgets what the controller has on its disk. Of a number that was not sent it is
// nothing.
func (f *flowRecords) took(position uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if position <= f.recorded || position > f.end() {
		return
	}
	n := position - f.recorded
	for i, r := range f.waiting[:n] {
		if f.of[r.GetSpiffeId()]--; f.of[r.GetSpiffeId()] == 0 {
			delete(f.of, r.GetSpiffeId())
		}
		f.waiting[i] = nil
	}
	f.waiting = f.waiting[n:]
	if len(f.waiting) == 0 {
		f.waiting = nil // the array behind it may be large
	}
	f.recorded, f.sent, f.progress = position, max(f.sent, position), f.now()
	if f.sent < f.end() {
		f.ready.Wake()
	}
}

// FlowRecordStatus says what waits for the controller, and how many flows have no record.
type FlowRecordStatus struct {
	Waiting        int
	Recorded, Lost uint64
}

func (f *flowRecords) status() FlowRecordStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	return FlowRecordStatus{Waiting: len(f.waiting), Recorded: f.recorded, Lost: f.lost}
}

// FlowRecordStatus is the state of the records at a moment.
func (r *Relay) FlowRecordStatus() FlowRecordStatus { return r.records.status() }

// sendRecords sends what there is; without last it leaves what is too far ahead of the
// controller.
func (r *Relay) sendRecords(stream controlStream, last bool) error {
	for m := r.records.next(last); m != nil; m = r.records.next(last) {
		if err := stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Flows{Flows: m}}); err != nil {
			return err
		}
	}
	return nil
}
