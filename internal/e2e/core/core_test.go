package core_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// full is set by make bench-core. Without it the fleet is small, and only the size of a
// message is limited.
var full = flag.Bool("full", false, "measure fleets of 1,000, 10,000 and 50,000 members")

// upTo is for a look that is over sooner.
var upTo = flag.Int("largest", 50_000, "with -full: no fleet of more members")

const (
	// mostGrowth is of a median, from the smallest fleet to the largest.
	mostGrowth = 1.3
	// mostBare is what a change may cost the controller, to what it costs bare gRPC.
	mostBare    = 1.2
	mostMessage = 64 << 10
	// mostStream is what a stream may take of the controller's memory, and mostMember what
	// a member that is not here may.
	mostStream, mostMember = 128 << 10, 4 << 10
)

// size of a measurement.
type size struct {
	members, streams int
	changes, reads   int
	idle             time.Duration
}

var (
	bench = []size{{1_000, 1_000, 20, 100, 20 * time.Second}, {10_000, 10_000, 20, 100, 20 * time.Second}, {50_000, 10_000, 20, 100, 20 * time.Second}}
	// short has a policy that takes several messages.
	short = []size{{1_040, 40, 2, 5, time.Second}}
)

// costs of a fleet.
type costs struct {
	size

	ownCPU, own   []time.Duration // of an enrollment, without streams
	heartbeat     time.Duration   // CPU
	changeCPU     time.Duration   // of one change, each stream
	revoked       []time.Duration // from the call until it is everywhere
	bytes         float64         // of one change, each stream
	bareCPU       time.Duration   // as changeCPU, of bare gRPC
	largest       int             // message
	page, one     []time.Duration // reads of the admin API
	alone, memory int             // resident, without and with streams
}

// TestTheCoreCostsTheSameWhateverTheFleet: what one change, one enrollment, one
// heartbeat and one read cost does not grow with the fleet.
func TestTheCoreCostsTheSameWhateverTheFleet(t *testing.T) {
	sizes := short
	if *full {
		sizes = bench
	}
	var all []costs
	for _, n := range sizes {
		if n.members > *upTo {
			continue
		}
		ok := t.Run(fmt.Sprintf("%d members", n.members), func(t *testing.T) { all = append(all, measure(t, n)) })
		require.True(t, ok)
		report(t, all) // also of what there is so far: the next fleet takes long
	}
	for _, c := range all {
		assert.LessOrEqual(t, c.largest, mostMessage, "bytes of the largest message to %d members", c.members)
	}
}

// measure one fleet.
func measure(t *testing.T, n size) costs {
	t.Helper()
	f := newFleet(t, n)
	c := costs{size: n}
	for range n.changes {
		cpu, took := f.cost(t, f.enroll)
		c.ownCPU, c.own = append(c.ownCPU, cpu), append(c.own, took)
	}
	c.page = f.read(t, "/api/admin/connectors?page_size=50")
	c.one = f.read(t, "/api/admin/connectors/connector-0000")
	f.settle(t)
	c.alone = f.memory(t)
	quiet := f.resting(t)

	players := f.players(t, f.Run.Control, false)
	f.settle(t)
	resting := f.resting(t)
	c.heartbeat = time.Duration((resting - quiet) * float64(beat) / float64(n.streams))
	before, _ := received(t, players)
	everywhere := func(change func(*testing.T)) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			change(t)
			for _, p := range players {
				p.says(t, "at")
			}
		}
	}
	var cpu time.Duration
	for range n.changes {
		used, took := f.cost(t, everywhere(f.enroll))
		cpu += used - time.Duration(resting*float64(took)) - median(c.ownCPU)
	}
	after, largest := received(t, players)
	c.largest, c.memory = largest, f.memory(t)
	c.bytes = float64(after-before) / float64(n.changes*n.streams)
	c.changeCPU = cpu / time.Duration(n.changes*n.streams)
	for range n.changes {
		_, took := f.cost(t, everywhere(f.revoke))
		c.revoked = append(c.revoked, took)
	}
	for _, p := range players {
		p.stop(t)
	}
	c.bareCPU = f.bare(t, int(c.bytes))
	return c
}

// received adds up what the streams of all players were sent.
func received(t *testing.T, players []*player) (bytes, largest int) {
	t.Helper()
	for _, p := range players {
		p.tell(t, "received")
		var b, l int
		_, err := fmt.Sscan(p.says(t, "received"), &b, &l)
		require.NoError(t, err)
		bytes, largest = bytes+b, max(largest, l)
	}
	return bytes, largest
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
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// report prints a line for each cost, and holds it to its limit.
func report(t *testing.T, all []costs) {
	t.Helper()
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "\t")
	for _, c := range all {
		fmt.Fprintf(w, "%d members\t", c.members)
	}
	fmt.Fprintln(w, "growth\t")
	first, last := all[0], all[len(all)-1]
	grows := func(what string, limit float64, of func(costs) time.Duration) {
		fmt.Fprint(w, what, "\t")
		for _, c := range all {
			fmt.Fprint(w, of(c).Round(10*time.Nanosecond), "\t")
		}
		growth := float64(of(last)) / float64(of(first))
		fmt.Fprintf(w, "%.2f\t\n", growth)
		if limit > 0 && *full {
			assert.LessOrEqual(t, growth, limit, what)
		}
	}
	times := func(what string, of func(costs) []time.Duration) {
		grows(what+", median", mostGrowth, func(c costs) time.Duration { return median(of(c)) })
		grows(what+", p99", 0, func(c costs) time.Duration { return quantile(of(c), .99) })
	}
	times("an enrollment", func(c costs) []time.Duration { return c.own })
	times("CPU of an enrollment", func(c costs) []time.Duration { return c.ownCPU })
	grows("CPU of a heartbeat", mostGrowth, func(c costs) time.Duration { return c.heartbeat })
	grows("CPU of a change, a stream", mostGrowth, func(c costs) time.Duration { return c.changeCPU })
	grows("the same of bare gRPC", 0, func(c costs) time.Duration { return c.bareCPU })
	grows("a revocation is everywhere, median", 0, func(c costs) time.Duration { return median(c.revoked) })
	grows("a revocation is everywhere, p99", 0, func(c costs) time.Duration { return quantile(c.revoked, .99) })
	times("first page", func(c costs) []time.Duration { return c.page })
	times("one by its id", func(c costs) []time.Duration { return c.one })
	for i, c := range all {
		ratio := float64(c.changeCPU) / float64(c.bareCPU)
		stream, member := (c.memory-c.alone)/c.streams, 0
		if i > 0 {
			member = (c.alone - first.alone) / (c.members - first.members)
		}
		fmt.Fprintf(w, "%d members, %d streams:\t%.0f bytes of a change, a stream\tlargest message %d\t%.2f of bare gRPC\t%d KiB a stream\t%d bytes a member\t\n",
			c.members, c.streams, c.bytes, c.largest, ratio, stream>>10, member)
		if !*full {
			continue
		}
		assert.LessOrEqual(t, ratio, mostBare, "of bare gRPC, %d members", c.members)
		assert.LessOrEqual(t, stream, mostStream, "bytes a stream, %d members", c.members)
		assert.LessOrEqual(t, member, mostMember, "bytes a member, %d members", c.members)
	}
	require.NoError(t, w.Flush())
	t.Log("\n" + b.String())
}
