package telemetrytest

import (
	"cmp"
	"io"
	"maps"
	"slices"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
)

// Families are metrics at one moment, by name.
type Families []*dto.MetricFamily

// GatherMetrics returns what a registry would export now.
func GatherMetrics(t *testing.T, r *metrics.Registry) Families {
	t.Helper()
	families, err := r.Gather()
	require.NoError(t, err)
	return families
}

// ParseMetrics reads the answer to a scrape, in Prometheus' text format.
func ParseMetrics(body io.Reader) (Families, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	byName, err := parser.TextToMetricFamilies(body)
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(byName), func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) }), nil
}

// Value is the value of one series, of a histogram or a summary how many
// observations it has. Labels that are not asked for may be anything; the values
// of all series that fit are added. ok is false when there is none.
func (all Families) Value(name string, labels metrics.Labels) (sum float64, ok bool) {
	for _, f := range all {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && fits(m, labels) {
				ok = true
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() +
					float64(m.GetHistogram().GetSampleCount()) + float64(m.GetSummary().GetSampleCount())
			}
		}
	}
	return sum, ok
}

func fits(m *dto.Metric, labels metrics.Labels) bool {
	have := map[string]string{}
	for _, l := range m.GetLabel() {
		have[l.GetName()] = l.GetValue()
	}
	for name, value := range labels {
		if have[name] != value {
			return false
		}
	}
	return true
}
