package flows

import (
	"context"
	"time"
)

// Numbered is a record with the number that its connector gave it.
type Numbered struct {
	Number uint64
	Record
}

// Batch is some records of one run of a connector, in the order of their numbers.
type Batch struct {
	Connector string
	Run       string // names the run; the numbers of another one begin again
	// First and Last are the numbers that the message had. Those between that Records lacks
	// were not believed.
	First, Last uint64
	Records     []Numbered
	// Lost is how many flows of this run had no room at the connector, since it began.
	Lost uint64
}

// unbelieved counts the records that are not there.
func (b Batch) unbelieved() uint64 { return b.Last - b.First + 1 - uint64(len(b.Records)) }

// Written is what became of a batch.
type Written struct {
	// Position is the last number of the run that is on the disk.
	Position uint64
	// New says that it led on from what was there. Otherwise the rest is empty.
	New     bool
	Records []Record // that came for the first time
	Lost    uint64   // flows that were lost since the batch before
}

// Minute is what ended within one minute.
type Minute struct {
	At time.Time
	Sum
}

// Store keeps records.
type Store interface {
	// AppendFlows writes batches in one transaction, in their order, and says what became of
	// each. What has a number up to the position of its run is not written again.
	AppendFlows(ctx context.Context, all []Batch, now time.Time) ([]Written, error)
	FindFlows(ctx context.Context, q Query) (Page, error)
	// FlowMinutes sums what ended since a time, by minute.
	FlowMinutes(ctx context.Context, since time.Time) ([]Minute, error)
	// CountFlows counts all records.
	CountFlows(ctx context.Context) (int64, error)
	// PruneFlows removes records that ended before a time, up to limit; and if none did, what is
	// known of runs that said nothing since before.
	PruneFlows(ctx context.Context, before time.Time, limit int) (n int, err error)
	// FlowShares counts the records of each tunneler at each connector. It reads all of them.
	FlowShares(ctx context.Context) ([]Share, error)
	// RemoveFlows removes the oldest records of each share, as many as it says, in one
	// transaction.
	RemoveFlows(ctx context.Context, of []Share) (n int, err error)
}
