package core_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// quantiles of what a benchmark of a package measured, in nanoseconds.
type quantiles struct{ p50, p99 float64 }

// benchmarks run those of two packages that need no process: a look at a closed gate of
// a rotation, and a flush of the last-seen times of everybody, a member. By members. A
// flush is measured over the same number of members, so that what the database does now and
// then (it copies its log into the file) falls on few members as often as on many.
func benchmarks(t *testing.T, sizes []size) (looks, flushes map[int]quantiles) {
	t.Helper()
	if !*full {
		return nil, nil
	}
	var names []string
	for _, n := range sizes {
		names = append(names, strconv.Itoa(n.members))
	}
	some := strings.Join(names, "|")
	looks = benchmark(t, "../../../controller/rotation", fmt.Sprintf("BenchmarkLook$/^(%s)_members$", some), "2000x")
	flushes = benchmark(t, "../../../controller/presence", fmt.Sprintf("BenchmarkFlush$/^members=(%s)$", some), "8s")
	for _, n := range sizes {
		require.Contains(t, looks, n.members)
		require.Contains(t, flushes, n.members)
	}
	return looks, flushes
}

var sizeOf = regexp.MustCompile(`^Benchmark\w+/\D*(\d+)\D`)

// benchmark runs one three times, of which the median counts, and reads p50-ns and
// p99-ns by the number in the name.
func benchmark(t *testing.T, dir, name, n string) map[int]quantiles {
	t.Helper()
	var out []byte
	for range 3 { // and not -count: all runs of one size would follow one another
		cmd := exec.CommandContext(t.Context(), "go", "test", "-run", "NoTest", "-bench", name, "-benchtime", n, ".")
		cmd.Dir, cmd.Stderr = dir, os.Stderr
		run, err := cmd.Output()
		require.NoError(t, err, "%s", run)
		out = append(out, run...)
	}
	p50, p99 := map[int][]float64{}, map[int][]float64{}
	for line := range strings.Lines(string(out)) {
		m := sizeOf.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		members, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		p50[members] = append(p50[members], metric(t, line, "p50-ns"))
		p99[members] = append(p99[members], metric(t, line, "p99-ns"))
	}
	all := map[int]quantiles{}
	for members := range p50 {
		all[members] = quantiles{median(p50[members]), median(p99[members])}
	}
	return all
}

// metric is the number before a unit in a line of a benchmark.
func metric(t *testing.T, line, unit string) float64 {
	t.Helper()
	fields := strings.Fields(line)
	for i, f := range fields {
		if f == unit {
			v, err := strconv.ParseFloat(fields[i-1], 64)
			require.NoError(t, err)
			return v
		}
	}
	require.Fail(t, "no "+unit, line)
	return 0
}
