package footprint_test

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
)

// The promise of docs/footprint.md, for a connector and a tunneler that idle.
const (
	maxRSS    = 25 << 20 // bytes
	maxBinary = 25 << 20 // bytes
	maxCPU    = 0.2      // percent of a core
)

// row is one measured program.
type row struct {
	Program string `json:"program"`
	usage
	CPU        float64 `json:"cpu_percent"`
	Wakes      float64 `json:"wakeups_per_second"`
	Goroutines int     `json:"goroutines,omitempty"` // 0: not a program of ours
	Binary     uint64  `json:"binary"`               // bytes
	Promised   bool    `json:"promised"`             // the limits are for it
}

// broken names the limits that the row is over.
func (r row) broken() error {
	var errs []error
	if r.RSS > maxRSS {
		errs = append(errs, fmt.Errorf("%s: RSS of %.1f MiB is over %d MiB", r.Program, mib(r.RSS), maxRSS>>20))
	}
	if r.CPU > maxCPU {
		errs = append(errs, fmt.Errorf("%s: %.3f %% of a core is over %.1f %%", r.Program, r.CPU, maxCPU))
	}
	if r.Binary > maxBinary {
		errs = append(errs, fmt.Errorf("%s: program of %.1f MiB is over %d MiB", r.Program, mib(r.Binary), maxBinary>>20))
	}
	return errors.Join(errs...)
}

func table(rows []row) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tRSS MiB\tof it file\tPss\tpeak\tCPU %\twake-ups/s\tgoroutines\tthreads\tfds\tprogram MiB\t")
	for _, r := range rows {
		goroutines := "-"
		if r.Goroutines > 0 {
			goroutines = fmt.Sprint(r.Goroutines)
		}
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.3f\t%.1f\t%s\t%d\t%d\t%.1f\t\n", r.Program,
			mib(r.RSS), mib(r.File), mib(r.PSS), mib(r.Peak), r.CPU, r.Wakes, goroutines, r.Threads, r.Descriptors, mib(r.Binary))
	}
	fmt.Fprintf(w, "limit\t%d.0\t\t\t\t%.3f\t\t\t\t\t%d.0\t\n", maxRSS>>20, maxCPU, maxBinary>>20)
	_ = w.Flush()
	return out.String()
}

// slope says what a session costs a connector, by rows that differ in as many
// sessions each. What the handshakes left to the garbage collector is in it.
func slope(sessions int, rows ...row) string {
	out := "a session costs the connector"
	for i, r := range rows[1:] {
		out += fmt.Sprintf("  %.0f KiB", (float64(r.RSS)-float64(rows[i].RSS))/float64(sessions<<10))
	}
	return out + fmt.Sprintf("  (of RSS, each %d more)\n", sessions)
}

func mib(n uint64) float64 { return float64(n) / (1 << 20) }
