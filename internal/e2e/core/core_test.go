package core_test

import (
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// full is set by make bench-core. Without it the fleet is small, and only the size of a
// message is limited.
var full = flag.Bool("full", false, "measure fleets of 1,000, 10,000 and 50,000 members")

var (
	// upTo and only are for a look that is over sooner.
	upTo    = flag.Int("largest", 50_000, "with -full: no fleet of more members")
	only    = flag.String("fleets", "", "with -full: only fleets of these sizes, such as 1000,50000")
	most    = flag.Int("streams", 10_000, "with -full: no more streams; a busy machine opens few in an hour")
	jsonOut = flag.String("json", "", "also write what was measured to this file")
)

// size of a measurement.
type size struct {
	members, streams int
	few              int           // streams that the smallest fleet has, and each other one at first
	changes, reads   int           // how often each is measured
	looks            int           // at the controller while nothing changes
	idle             time.Duration // each of looks
	tail             time.Duration // what a change leads to later is its cost too
}

func fullSize(members, streams int) size {
	return size{members: members, streams: streams, changes: 20, reads: 200, looks: 3, idle: beat, tail: 500 * time.Millisecond}
}

var (
	bench = []size{fullSize(1_000, 1_000), fullSize(10_000, 10_000), fullSize(50_000, 10_000)}
	// short has a policy that takes several messages.
	short = []size{{members: 1_040, streams: 40, changes: 2, reads: 5, looks: 1, idle: time.Second}}
)

// costs of a fleet.
type costs struct {
	size

	own, ownCPU   []time.Duration // of an enrollment, without streams
	page, hosts   []time.Duration // first pages of the admin API
	one           []time.Duration // one by its id
	heartbeat     []time.Duration // CPU
	same          []time.Duration // CPU of a change, each stream, with few streams
	change, bare  []time.Duration // CPU of a change, each stream; and of bare gRPC
	acked, bareAs []time.Duration // the same with an acknowledgement of each stream
	everywhere    []time.Duration // a revocation, from the call until all streams have it
	bytes         float64         // of a change, each stream
	largest       int             // message
	lost          int             // streams, all in all
	alone, memory int             // resident, without and with streams
	bareMemory    int             // a stream, of bare gRPC
	gate, flush   quantiles       // of the packages' own benchmarks
}

// TestTheCoreCostsTheSameWhateverTheFleet: what one change, one enrollment, one
// heartbeat and one read cost does not grow with the fleet.
func TestTheCoreCostsTheSameWhateverTheFleet(t *testing.T) {
	sizes := short
	if *full {
		sizes = slices.DeleteFunc(bench, func(n size) bool {
			return n.members > *upTo || *only != "" && !slices.Contains(strings.Split(*only, ","), strconv.Itoa(n.members))
		})
	}
	for i := range sizes {
		sizes[i].streams = min(sizes[i].streams, *most)
		sizes[i].few = sizes[0].streams
	}
	looks, flushes := benchmarks(t, sizes)
	f := newFleet(t)
	crew := crew{start(t, part{Controller: f.Dir}), start(t, part{Controller: f.Dir})}
	var all []costs
	for _, n := range sizes {
		begin := time.Now()
		c := measure(t, f, crew, n)
		c.gate, c.flush = looks[n.members], flushes[n.members]
		all = append(all, c)
		t.Logf("%d members: measured in %s", n.members, time.Since(begin).Round(time.Second))
		if len(all) < len(sizes) {
			t.Log(tableOf(all)) // the next fleet takes long
		}
	}
	judge(t, tableOf(all))
}

// measure one fleet: f, once it has grown to n.
func measure(t *testing.T, f *fleet, crew crew, n size) costs {
	t.Helper()
	f.grow(t, n)
	c := costs{size: n}
	for range n.changes {
		cpu, took := f.cost(t, f.enroll)
		c.ownCPU, c.own = append(c.ownCPU, cpu), append(c.own, took)
	}
	f.settle(t, 0)
	took := f.read(t, "/api/admin/connectors?page_size=50", "/api/admin/hosts?page_size=50", "/api/admin/connectors/connector-0000")
	c.page, c.hosts, c.one = took[0], took[1], took[2]
	f.settle(t, 0)
	quiet := median(f.resting(t))
	c.alone = f.memory(t)

	if n.few < n.streams {
		c.same = f.withFew(t, crew, median(c.ownCPU))
	}
	crew.open(t, f.Run.Control, false, n.streams)
	f.settle(t, n.streams)
	shares := f.resting(t)
	for _, share := range shares {
		c.heartbeat = append(c.heartbeat, time.Duration((share-quiet)*float64(beat)/float64(n.streams)))
	}
	before, _, _ := crew.received(t)
	c.change = f.changed(t, crew, changing{f.changes, f.streams, median(shares), median(c.ownCPU)})
	if n.few == n.streams {
		c.same = c.change
	}
	after, largest, _ := crew.received(t)
	c.largest, c.memory, c.bytes = largest, f.memory(t), float64(after-before)/float64(n.changes*n.streams)
	crew.acknowledge(t, true)
	c.acked = f.changed(t, crew, changing{f.changes / 2, f.streams, median(shares), median(c.ownCPU)})
	for range n.changes {
		_, took := f.cost(t, func(t *testing.T) { crew.everywhere(t, f.revoke) })
		c.everywhere = append(c.everywhere, took)
		wait(t, f.tail)
	}
	_, _, c.lost = crew.received(t)
	crew.close(t)
	f.bare(t, crew, &c)
	return c
}

// withFew measures a change with as many streams as the smallest fleet has. Ten times as
// many streams are farther from the processor, of which each one costs more: of bare gRPC
// too. What the fleet costs is seen where that is the same.
func (f *fleet) withFew(t *testing.T, crew crew, own time.Duration) []time.Duration {
	t.Helper()
	crew.open(t, f.Run.Control, false, f.few)
	f.settle(t, f.few)
	return f.changed(t, crew, changing{f.changes, f.few, median(f.resting(t)), own})
}

// changing is how to measure changes.
type changing struct {
	n, streams int
	rest       float64       // share of a core that the controller takes anyway
	own        time.Duration // of an enrollment without streams
}

// changed has tunnelers enrolled under the streams, and returns the CPU of each that is
// the streams', a stream.
func (f *fleet) changed(t *testing.T, crew crew, c changing) (each []time.Duration) {
	t.Helper()
	for range c.n {
		used, took := f.cost(t, func(t *testing.T) {
			crew.everywhere(t, f.enroll)
			wait(t, f.tail)
		})
		each = append(each, (used-time.Duration(c.rest*float64(took))-c.own)/time.Duration(c.streams))
	}
	return each
}

// bare measures the same of a bare gRPC server that sends as many bytes.
func (f *fleet) bare(t *testing.T, crew crew, c *costs) {
	t.Helper()
	server := start(t, part{Controller: f.Dir, Server: true})
	at := server.says(t, "serves")
	alone := memory(t, server.Process.Pid)
	crew.open(t, at, true, f.streams)
	wait(t, f.idle/4)
	c.bareMemory = (memory(t, server.Process.Pid) - alone) / f.streams
	position := 1
	send := func(n int) (each []time.Duration) {
		for range n {
			position++
			used, _ := cost(t, server.Process.Pid, func(t *testing.T) {
				crew.everywhere(t, func(t *testing.T) { server.tell(t, "%d %d", position, int(c.bytes)) })
				wait(t, f.tail)
			})
			each = append(each, used/time.Duration(f.streams))
		}
		return each
	}
	c.bare = send(f.changes)
	crew.acknowledge(t, true)
	c.bareAs = send(f.changes / 2)
	crew.close(t)
	server.stop(t)
}

func wait(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d): // what is measured over a time
	case <-t.Context().Done():
	}
}

func median[T time.Duration | float64](all []T) T { return quantile(all, .5) }

func quantile[T time.Duration | float64](all []T, q float64) T {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// String names a fleet in a table.
func (n size) String() string { return fmt.Sprintf("%d members", n.members) }
