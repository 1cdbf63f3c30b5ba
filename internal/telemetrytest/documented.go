package telemetrytest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
)

// programs are the names in the last but one column of the document.
var programs = []string{"controller", "connector", "tunneler"}

// Metric is one row of the document, or what a program exports.
type Metric struct {
	Name, Type, Labels, Unit string
}

// Documented requires that what a program exported is exactly what docs/metrics.md
// lists for it, with that type, those labels and the unit that the name says, and
// that Prometheus' own linter has nothing against it.
func Documented(t *testing.T, program string, families Families) {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(here), "..", "..", "docs", "metrics.md"))
	require.NoError(t, err)
	want, err := rows(string(text), program)
	require.NoError(t, err)
	got, runtimes := exported(families)
	require.Empty(t, cmp.Diff(want, got), "docs/metrics.md (-) and what the %s exports (+)", program)
	require.Positive(t, runtimes, "no metrics of the Go runtime")
	ours := slices.DeleteFunc(slices.Clone(families), foreign)
	problems, err := promlint.NewWithMetricFamilies(ours).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
}

// foreign are the metrics of the Go runtime and of the process, which their own
// collectors document.
func foreign(f *dto.MetricFamily) bool {
	return strings.HasPrefix(f.GetName(), "go_") || strings.HasPrefix(f.GetName(), "process_")
}

func exported(families Families) (ours []Metric, others int) {
	for _, f := range families {
		if foreign(f) {
			others++
			continue
		}
		m := Metric{Name: f.GetName(), Type: strings.ToLower(f.GetType().String()), Unit: unitOf(f.GetName())}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		m.Labels = strings.Join(labels, ", ")
		ours = append(ours, m)
	}
	return ours, others
}

func unitOf(name string) string {
	if strings.HasSuffix(name, "_seconds") {
		return "s"
	}
	return ""
}

// rows reads the table: metric, type, labels, unit, programs, meaning.
func rows(doc, program string) (out []Metric, err error) {
	for line := range strings.Lines(doc) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.ReplaceAll(strings.TrimSpace(cells[i]), "`", "")
		}
		if !strings.HasPrefix(cells[0], "zerotrust_") || !strings.HasPrefix(line, "|") {
			continue
		}
		if len(cells) != 6 || cells[5] == "" {
			return nil, fmt.Errorf("%s: a row has metric, type, labels, unit, programs, meaning", cells[0])
		}
		of := strings.Split(cells[4], ", ")
		if cells[4] == "all" {
			of = programs
		}
		for _, p := range of {
			if !slices.Contains(programs, p) {
				return nil, fmt.Errorf("%s: there is no program %q", cells[0], p)
			}
		}
		if slices.Contains(of, program) {
			out = append(out, Metric{Name: cells[0], Type: cells[1], Labels: cells[2], Unit: cells[3]})
		}
	}
	slices.SortFunc(out, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
