package presence_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
)

// busy is a roster of n connectors and n tunnelers, all ONLINE.
func busy(n int) (r *presence.Roster, beat func(i int)) {
	r = presence.NewRoster(time.Now)
	ids, streams := make([]string, n), make([]uint64, n)
	for i := range n {
		ids[i] = fmt.Sprintf("c-%06d", i)
		streams[i] = r.ConnectorUp(presence.Arrival{ID: ids[i]}, "192.0.2.1:1", presence.SVID{})
		r.TunnelerReport(ids[i], presence.Report{TunnelerID: ids[i], Since: time.Now()})
	}
	r.Look()
	return r, func(i int) {
		i = i * 7919 % n
		r.ConnectorBeat(ids[i], streams[i], presence.SVID{}, uint64(i%3))
		r.TunnelerReport(ids[i], presence.Report{TunnelerID: ids[i], Since: time.Now()})
	}
}

// cpu is the time that this process has worked: what a busy machine takes from it does
// not count.
func cpu() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used) // it cannot fail with these arguments
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkRoster is what a look at who is here costs, and a heartbeat (with the report
// of a tunneler) alone and beside readers. Each of the first two may grow by at most 1.3
// from 1,000 to 50,000 members of each kind.
func BenchmarkRoster(b *testing.B) {
	for _, bm := range []struct {
		name string
		do   func(r *presence.Roster, turns *presence.Turns, beat func(int), i int)
	}{
		{"headcount", func(r *presence.Roster, _ *presence.Turns, _ func(int), _ int) { r.Headcount(someQuantiles...) }},
		{"watch", func(r *presence.Roster, _ *presence.Turns, _ func(int), _ int) { r.Look() }},
		{"heartbeat", func(_ *presence.Roster, _ *presence.Turns, beat func(int), i int) { beat(i) }},
		{"heartbeat, a look at who turned each 10", func(_ *presence.Roster, turns *presence.Turns, beat func(int), i int) {
			if beat(i); i%10 == 0 {
				turns.Take()
			}
		}},
		{"a connector with one tunneler starts anew", func(r *presence.Roster, _ *presence.Turns, _ func(int), i int) {
			r.ConnectorUp(presence.Arrival{ID: "one", InstanceID: fmt.Sprint(i)}, "192.0.2.1:1", presence.SVID{})
			r.TunnelerReport("one", presence.Report{TunnelerID: "its own", Since: time.Now()})
		}},
	} {
		var small float64
		for _, n := range []int{1_000, 10_000, 50_000} {
			b.Run(fmt.Sprintf("%s/members=%d", bm.name, n), func(b *testing.B) {
				r, beat := busy(n)
				turns := r.Turns()
				i, began := 0, cpu()
				for b.Loop() {
					bm.do(r, turns, beat, i)
					i++
				}
				each := float64((cpu() - began).Nanoseconds()) / float64(i)
				if n == 1_000 {
					small = each
				}
				b.ReportMetric(each, "cpu-ns/op")
				b.ReportMetric(each/small, "x-of-1000")
			})
		}
	}
}
