package core_test

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Limits.
const (
	// mostGrowth is of a median, from the smallest fleet to the largest.
	mostGrowth = 1.3
	// mostBare is what a change of manyStreams may cost the controller, to what it costs
	// bare gRPC.
	mostBare, manyStreams = 1.2, 10_000
	mostMessage           = 64 << 10
	// mostStream is what a stream may take of the controller's memory, and mostMember what
	// a member that is not here may.
	mostStream, mostMember = 128 << 10, 4 << 10
)

// table is what was measured, a row for each cost and a column for each fleet.
type table struct {
	Machine string   `json:"machine"`
	Fleets  []string `json:"fleets"`
	Rows    []*row   `json:"rows"`
}

// row is one cost.
type row struct {
	What   string    `json:"what"`
	Unit   string    `json:"unit"` // ns, bytes, ratio, or none for a number
	Values []float64 `json:"values"`
	Growth float64   `json:"growth,omitempty"` // from the first fleet to the last
	Limit  string    `json:"limit,omitempty"`  // empty for what is only shown
	Judged bool      `json:"judged,omitempty"` // the limit is for one of these fleets
	Missed bool      `json:"missed,omitempty"`
}

// tableOf has all rows.
func tableOf(all []costs) *table {
	t, first := &table{Machine: machine()}, all[0]
	for _, c := range all {
		t.Fleets = append(t.Fleets, c.String())
	}
	times := func(what string, of func(costs) []time.Duration) {
		t.grows(all, what+", median", "ns", mostGrowth, func(c costs) float64 { return float64(median(of(c))) })
		t.grows(all, what+", p99", "ns", 0, func(c costs) float64 { return float64(quantile(of(c), .99)) })
	}
	times("enrollment", func(c costs) []time.Duration { return c.own })
	times("enrollment, CPU", func(c costs) []time.Duration { return c.ownCPU })
	t.grows(all, "bytes of a change, a stream", "bytes", mostGrowth, func(c costs) float64 { return c.bytes })
	times(fmt.Sprintf("CPU of a change, one of %d streams", first.few), func(c costs) []time.Duration { return c.same })
	// With all streams it is limited by what the same costs bare gRPC, below.
	t.grows(all, "CPU of a change, one of all streams, median", "ns", 0, func(c costs) float64 { return float64(median(c.change)) })
	t.grows(all, "CPU of a change, one of all streams, p99", "ns", 0, func(c costs) float64 { return float64(quantile(c.change, .99)) })
	t.grows(all, "gate look, median", "ns", mostGrowth, func(c costs) float64 { return c.gate.p50 })
	t.grows(all, "gate look, p99", "ns", 0, func(c costs) float64 { return c.gate.p99 })
	times("CPU of a heartbeat", func(c costs) []time.Duration { return c.heartbeat })
	times("first page of connectors", func(c costs) []time.Duration { return c.page })
	times("first page of hosts", func(c costs) []time.Duration { return c.hosts })
	times("GET by id", func(c costs) []time.Duration { return c.one })
	t.grows(all, "flush of last seen, a member, median", "ns", mostGrowth, func(c costs) float64 { return c.flush.p50 })
	t.grows(all, "flush of last seen, a member, p99", "ns", 0, func(c costs) float64 { return c.flush.p99 })

	t.most(all, "largest message", "bytes", mostMessage, nil, func(c costs) float64 { return float64(c.largest) })
	t.grows(all, "bare gRPC: CPU of a change, a stream, median", "ns", 0, func(c costs) float64 { return float64(median(c.bare)) })
	t.most(all, "change to bare gRPC", "ratio", mostBare, func(c costs) bool { return c.streams >= manyStreams },
		func(c costs) float64 { return float64(median(c.change)) / float64(median(c.bare)) })
	t.most(all, "the same with acknowledgements", "ratio", 0, nil,
		func(c costs) float64 { return float64(median(c.acked)) / float64(median(c.bareAs)) })
	t.most(all, "memory, a stream", "bytes", mostStream, func(c costs) bool { return c.streams >= manyStreams },
		func(c costs) float64 { return float64((c.memory - c.alone) / c.streams) })
	t.most(all, "bare gRPC: memory, a stream", "bytes", 0, nil, func(c costs) float64 { return float64(c.bareMemory) })
	t.most(all, "memory, a member", "bytes", mostMember, func(c costs) bool { return c.members > first.members },
		func(c costs) float64 { return float64(c.alone-first.alone) / float64(max(1, c.members-first.members)) })
	times = func(what string, of func(costs) []time.Duration) {
		t.grows(all, what+", median", "ns", 0, func(c costs) float64 { return float64(median(of(c))) })
		t.grows(all, what+", p99", "ns", 0, func(c costs) float64 { return float64(quantile(of(c), .99)) })
	}
	t.most(all, "streams lost and opened again", "", 0, nil, func(c costs) float64 { return float64(c.lost) })
	times("a revocation is everywhere", func(c costs) []time.Duration { return c.everywhere })
	return t
}

// grows adds a row that may grow by so much from the first fleet to the last; 0 is no limit.
func (t *table) grows(all []costs, what, unit string, limit float64, of func(costs) float64) {
	r := t.add(all, what, unit, of)
	first, last := r.Values[0], r.Values[len(all)-1]
	if first > 0 {
		r.Growth = last / first
	}
	if limit > 0 && len(all) > 1 {
		r.Limit = fmt.Sprintf("growth <= %.1f", limit)
		r.Judged, r.Missed = true, first <= 0 || last <= 0 || r.Growth > limit
	}
}

// most adds a row of which no value may be more than a limit; 0 is none. Fleets that
// are not meant are shown only.
func (t *table) most(all []costs, what, unit string, limit float64, meant func(costs) bool, of func(costs) float64) {
	r := t.add(all, what, unit, of)
	if limit == 0 {
		return
	}
	r.Limit = "<= " + format(unit, limit)
	for i, c := range all {
		judged := meant == nil || meant(c)
		r.Judged, r.Missed = r.Judged || judged, r.Missed || judged && r.Values[i] > limit
	}
}

func (t *table) add(all []costs, what, unit string, of func(costs) float64) *row {
	r := &row{What: what, Unit: unit}
	for _, c := range all {
		r.Values = append(r.Values, of(c))
	}
	t.Rows = append(t.Rows, r)
	return r
}

func format(unit string, v float64) string {
	switch unit {
	case "ns":
		if v > 1e6 {
			return fmt.Sprintf("%.2f ms", v/1e6)
		}
		return fmt.Sprintf("%.2f us", v/1e3)
	case "bytes":
		return fmt.Sprintf("%.0f B", v)
	case "":
		return fmt.Sprintf("%.0f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// String is for people.
func (t *table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", t.Machine)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\t%s\tgrowth\tlimit\t\n", strings.Join(t.Fleets, "\t"))
	for _, r := range t.Rows {
		fmt.Fprint(w, r.What)
		for _, v := range r.Values {
			fmt.Fprintf(w, "\t%s", format(r.Unit, v))
		}
		growth, verdict := "", ""
		if r.Growth != 0 && len(r.Values) > 1 {
			growth = fmt.Sprintf("%.2f", r.Growth)
		}
		switch {
		case r.Missed:
			verdict = "MISSED"
		case r.Judged:
			verdict = "ok"
		}
		fmt.Fprintf(w, "\t%s\t%s\t%s\n", growth, r.Limit, verdict)
	}
	_ = w.Flush()
	return b.String()
}

// judge prints the table, writes it if that is asked for, and fails for each limit that
// is missed. A small fleet beside other tests has its messages limited only.
func judge(t *testing.T, all *table) {
	t.Helper()
	t.Log(all)
	if *jsonOut != "" {
		raw, err := json.MarshalIndent(all, "", "  ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(*jsonOut, append(raw, '\n'), 0o644))
	}
	for _, r := range all.Rows {
		if *full || r.Unit == "bytes" && r.What == "largest message" {
			assert.False(t, r.Missed, "%s: MISSED, %s", r.What, r.Limit)
		}
	}
}

// machine says what the figures are of.
func machine() string {
	load, _ := os.ReadFile("/proc/loadavg")
	model := "CPU of unknown model"
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	fields := strings.Fields(string(load))
	return fmt.Sprintf("%d x %s, load %s at %s", runtime.NumCPU(), model, strings.Join(fields[:min(3, len(fields))], " "), time.Now().Format(time.DateTime))
}
