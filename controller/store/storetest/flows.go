package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/flows"
)

// flowAt is a flow that was carried.
func flowAt(ended time.Time, tunneler string) flows.Record {
	return flows.Record{
		Opened: ended.Add(-time.Second), Ended: ended, Tunneler: tunneler, Connector: "c-1", Network: "default", Resource: "db", ResourceName: "Orders",
		Grant: "g-1", Target: "db.corp:5432", Address: "10.0.0.5:5432", Connected: true, Code: "ok", Decision: "granted", Up: 10, Down: 20, Count: 1,
	}
}

// batchOf numbers records from first on.
func batchOf(connector, run string, first uint64, all ...flows.Record) flows.Batch {
	b := flows.Batch{Connector: connector, Run: run, First: first, Last: first + uint64(len(all)) - 1}
	for i, r := range all {
		r.Connector = connector
		b.Records = append(b.Records, flows.Numbered{Number: first + uint64(i), Record: r})
	}
	return b
}

func appendFlows(t *testing.T, s Store, now time.Time, all ...flows.Batch) []flows.Written {
	t.Helper()
	out, err := s.AppendFlows(t.Context(), all, now)
	require.NoError(t, err)
	require.Len(t, out, len(all))
	return out
}

func findFlows(t *testing.T, s Store, q flows.Query) (out []flows.Record) {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 3
	}
	for range 100 {
		page, err := s.FindFlows(t.Context(), q)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Records), q.Limit)
		out = append(out, page.Records...)
		if page.Next == (flows.Place{}) {
			return out
		}
		q.After = page.Next
	}
	t.Fatal("the pages do not end")
	return nil
}

func flowRecords(t *testing.T, open func(string) Store) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 6000, time.UTC)
	number := 0
	another := func(t *testing.T) Store {
		number++
		return fresh(t, func(string) Store { return open(fmt.Sprint("flows", number)) })
	}
	t.Run("are found as they were written", func(t *testing.T) {
		s := another(t)
		w := appendFlows(t, s, at.Add(time.Minute), batchOf("c-1", "run", 1, flowAt(at, "t-1")))
		require.True(t, w[0].New)
		require.EqualValues(t, 1, w[0].Position)
		want := flowAt(at, "t-1")
		want.Seq, want.Recorded = 1, at.Add(time.Minute)
		require.Equal(t, []flows.Record{want}, findFlows(t, s, flows.Query{}))
	})
	t.Run("that come again are not written again", func(t *testing.T) {
		s := another(t)
		a, b, c := flowAt(at, "t-1"), flowAt(at.Add(1), "t-2"), flowAt(at.Add(2), "t-3")
		appendFlows(t, s, at, batchOf("c-1", "run", 1, a, b))
		w := appendFlows(t, s, at, batchOf("c-1", "run", 1, a, b), batchOf("c-1", "run", 2, b, c), batchOf("c-1", "run", 1, a))
		require.Equal(t, []bool{false, true, false}, []bool{w[0].New, w[1].New, w[2].New})
		require.Equal(t, []uint64{2, 3, 3}, []uint64{w[0].Position, w[1].Position, w[2].Position})
		require.Empty(t, w[0].Records)
		require.Len(t, w[1].Records, 1, "the tail of a batch that overlaps")
		require.Len(t, findFlows(t, s, flows.Query{}), 3)
	})
	t.Run("survive the end of the program, with their positions", func(t *testing.T) {
		s := open("kept")
		appendFlows(t, s, at, batchOf("c-1", "run", 1, flowAt(at, "t-1"), flowAt(at, "t-1")))
		require.NoError(t, s.Close())
		s = fresh(t, func(string) Store { return open("kept") })
		require.Len(t, findFlows(t, s, flows.Query{}), 2)
		w := appendFlows(t, s, at, batchOf("c-1", "run", 1, flowAt(at, "t-1"), flowAt(at, "t-1")))
		require.False(t, w[0].New)
		require.Len(t, findFlows(t, s, flows.Query{}), 2)
	})
	t.Run("of another run and another connector have numbers of their own", func(t *testing.T) {
		s := another(t)
		w := appendFlows(t, s, at, batchOf("c-1", "a", 1, flowAt(at, "t-1")), batchOf("c-1", "b", 1, flowAt(at, "t-1")), batchOf("c-2", "a", 1, flowAt(at, "t-1")))
		require.True(t, w[0].New && w[1].New && w[2].New)
		for i := range 30 { // of all runs but the newest nothing is known any more
			appendFlows(t, s, at.Add(time.Duration(i+1)*time.Second), batchOf("c-1", fmt.Sprint("run", i), 1, flowAt(at, "t-1")))
		}
		require.False(t, appendFlows(t, s, at, batchOf("c-1", "run29", 1, flowAt(at, "t-1")))[0].New)
		require.False(t, appendFlows(t, s, at, batchOf("c-2", "a", 1, flowAt(at, "t-1")))[0].New)
	})
	t.Run("a gap is taken: a restored database knows less than its connectors", func(t *testing.T) {
		s := another(t)
		w := appendFlows(t, s, at, batchOf("c-1", "run", 1000, flowAt(at, "t-1")))
		require.True(t, w[0].New)
		require.EqualValues(t, 1000, w[0].Position)
	})
	t.Run("lost ones are counted once", func(t *testing.T) {
		s := another(t)
		lost := func(first, n uint64) uint64 {
			b := batchOf("c-1", "run", first, flowAt(at, "t-1"))
			b.Lost = n
			return appendFlows(t, s, at, b)[0].Lost
		}
		require.Equal(t, []uint64{5, 0, 2, 0}, []uint64{lost(1, 5), lost(1, 5), lost(2, 7), lost(3, 1)})
	})
	t.Run("that were not believed have their numbers", func(t *testing.T) {
		s := another(t)
		b := batchOf("c-1", "run", 1, flowAt(at, "t-1"))
		b.Last = 3
		require.EqualValues(t, 3, appendFlows(t, s, at, b)[0].Position)
	})
	t.Run("are found by each field, by time and in pages", func(t *testing.T) { flowQueries(t, another(t), at) })
	t.Run("are found in the order in which they were recorded", func(t *testing.T) {
		s := another(t)
		recorded := func(after int64, limit int, tunneler string) (seqs []int64, last int64) {
			page, err := s.FindFlows(t.Context(), flows.Query{Recorded: &after, Limit: limit, Tunneler: tunneler})
			require.NoError(t, err)
			for _, r := range page.Records {
				seqs = append(seqs, r.Seq)
			}
			return seqs, page.Last
		}
		none, last := recorded(-1, 10, "")
		require.Empty(t, none)
		require.Zero(t, last)
		// The connector sends the second when the first has long ended.
		appendFlows(t, s, at, batchOf("c-1", "run", 1, flowAt(at.Add(time.Hour), "t-1"), flowAt(at, "t-2"), flowAt(at.Add(time.Minute), "t-1")))
		seqs, last := recorded(0, 2, "")
		require.Equal(t, []int64{1, 2}, seqs)
		seqs, last = recorded(last, 2, "")
		require.Equal(t, []int64{3}, seqs)
		require.EqualValues(t, 3, last)
		seqs, last = recorded(0, 10, "t-2")
		require.Equal(t, []int64{2}, seqs)
		require.EqualValues(t, 3, last, "what is not chosen is not looked at again")
		seqs, last = recorded(last, 10, "")
		require.Empty(t, seqs)
		require.EqualValues(t, 3, last)
		_, last = recorded(-1, 10, "")
		require.EqualValues(t, 3, last)
	})
	t.Run("are removed by age and by number", func(t *testing.T) { flowPruning(t, another(t), at) })
	t.Run("are counted by whom they are of", func(t *testing.T) { flowShares(t, another(t), at) })
	t.Run("are summed by minute", func(t *testing.T) {
		s := another(t)
		refused, failed := flowAt(at, "t-1"), flowAt(at, "t-1")
		refused.Connected, refused.Code, refused.Count, refused.Up, refused.Down = false, flows.Refused, 7, 0, 0
		failed.Connected, failed.Code, failed.Up, failed.Down = false, "timeout", 0, 0
		appendFlows(t, s, at, batchOf("c-1", "run", 1, flowAt(at, "t-1"), refused, failed, flowAt(at.Add(-time.Hour), "t-1")))
		minutes, err := s.FlowMinutes(t.Context(), at.Add(-time.Minute))
		require.NoError(t, err)
		var sum flows.Sum
		for _, m := range minutes {
			require.Equal(t, at.Truncate(time.Minute), m.At)
			sum.Add(m.Sum)
		}
		require.Equal(t, flows.Sum{Flows: 1, Refused: 7, Failed: 1, Up: 10, Down: 20}, sum)
	})
}

func flowQueries(t *testing.T, s Store, at time.Time) {
	var all []flows.Record
	for i := range 20 {
		r := flowAt(at.Add(time.Duration(i/2)*time.Minute), fmt.Sprint("t-", i%3)) // two end at once
		r.Target, r.Resource = fmt.Sprintf("host-%d:22", i%4), fmt.Sprint("r-", i%5)
		if i%5 == 0 {
			r.Resource, r.Code, r.Connected = "", flows.Refused, false
		}
		all = append(all, r)
	}
	appendFlows(t, s, at, batchOf("c-1", "run", 1, all[10:]...), batchOf("c-2", "run", 1, all[:10]...)) // not in the order of their ends
	count := func(q flows.Query) int { return len(findFlows(t, s, q)) }
	require.Equal(t, 20, count(flows.Query{}))
	for name, q := range map[string]flows.Query{"7 of a tunneler": {Tunneler: "t-0"}, "5 of a target": {Target: "host-2:22"}, "4 of a resource": {Resource: "r-1"}} {
		require.Equal(t, int(name[0]-'0'), count(q), name)
	}
	require.Equal(t, 10, count(flows.Query{Connector: "c-2"}))
	require.Equal(t, 4, count(flows.Query{Code: flows.Refused}))
	require.Equal(t, 20, count(flows.Query{Network: "def*", Decision: "granted"}))
	require.Equal(t, 1, count(flows.Query{Tunneler: "t-0", Target: "host-0:22", Code: "ok", Connector: "c-*", Since: at.Add(time.Minute)}))
	require.Zero(t, count(flows.Query{Tunneler: "t"}))
	require.Zero(t, count(flows.Query{Since: at.Add(time.Hour)}))
	require.Equal(t, 4, count(flows.Query{Since: at.Add(time.Minute), Until: at.Add(3 * time.Minute)}), "until is excluded")
	newest, oldest := findFlows(t, s, flows.Query{}), findFlows(t, s, flows.Query{Oldest: true})
	for i := range newest {
		require.Equal(t, newest[i], oldest[len(oldest)-1-i])
		if i > 0 {
			require.False(t, newest[i].Ended.After(newest[i-1].Ended))
		}
	}
}

func flowPruning(t *testing.T, s Store, at time.Time) {
	prune := func(before time.Time, limit int) int {
		n, err := s.PruneFlows(t.Context(), before, limit)
		require.NoError(t, err)
		return n
	}
	left := func() int64 {
		n, err := s.CountFlows(t.Context())
		require.NoError(t, err)
		return n
	}
	for i := range 10 {
		appendFlows(t, s, at.Add(time.Duration(i)*time.Hour), batchOf("c-1", fmt.Sprint(i/5), uint64(i%5+1), flowAt(at.Add(time.Duration(i)*time.Hour), "t-1")))
	}
	require.Equal(t, 2, prune(at.Add(5*time.Hour), 2))
	require.Equal(t, 3, prune(at.Add(5*time.Hour), 100))
	require.Zero(t, prune(at.Add(5*time.Hour), 100))
	require.EqualValues(t, 5, left())
	n, err := s.RemoveFlows(t.Context(), []flows.Share{{Connector: "c-1", Tunneler: "t-1", Records: 2}, {Connector: "c-2", Tunneler: "t-1", Records: 2}})
	require.NoError(t, err)
	require.Equal(t, 2, n, "the oldest")
	got := findFlows(t, s, flows.Query{Oldest: true})
	require.Len(t, got, 3)
	require.Equal(t, at.Add(7*time.Hour), got[0].Ended)
	require.False(t, appendFlows(t, s, at, batchOf("c-1", "1", 5, flowAt(at, "t-1")))[0].New, "of a run that still reports the position stays")
	require.True(t, appendFlows(t, s, at, batchOf("c-1", "0", 5, flowAt(at, "t-1")))[0].New)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.AppendFlows(ctx, []flows.Batch{batchOf("c-1", "1", 6, flowAt(at, "t-1"))}, at)
	require.Error(t, err)
	_, err = s.RemoveFlows(ctx, []flows.Share{{Connector: "c-1", Tunneler: "t-1", Records: 1}})
	require.Error(t, err)
}

// flowShares: of whom they are, by connector and tunneler.
func flowShares(t *testing.T, s Store, at time.Time) {
	flow := func(connector, tunneler string) flows.Record {
		r := flowAt(at, tunneler)
		r.Connector = connector
		return r
	}
	appendFlows(t, s, at, batchOf("c-1", "run", 1, flow("c-1", "t-1"), flow("c-1", "t-2"), flow("c-1", "t-1")), batchOf("c-2", "run", 1, flow("c-2", "t-1")))
	shares := func() []flows.Share {
		all, err := s.FlowShares(t.Context())
		require.NoError(t, err)
		return all
	}
	require.Equal(t, []flows.Share{{Connector: "c-1", Tunneler: "t-1", Records: 2}, {Connector: "c-1", Tunneler: "t-2", Records: 1}, {Connector: "c-2", Tunneler: "t-1", Records: 1}}, shares())
	n, err := s.RemoveFlows(t.Context(), []flows.Share{{Connector: "c-1", Tunneler: "t-1", Records: 5}})
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, []flows.Share{{Connector: "c-1", Tunneler: "t-2", Records: 1}, {Connector: "c-2", Tunneler: "t-1", Records: 1}}, shares(), "of nobody else")
}
