package observability_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

// TestEachAlertFiresForItsFault runs three sites side by side and causes in them
// every fault that alerts.yml has a rule for. An alert that nobody caused fails the
// test, and so does a panel that has nothing to show at the end.
func TestEachAlertFiresForItsFault(t *testing.T) {
	t.Parallel()
	w := &watch{prometheus: startPrometheus(t, scaled), fired: map[string]bool{}}
	t.Run("faults", func(t *testing.T) {
		for name, cases := range map[string]func(*testing.T, *watch){
			"of a site at work": atWork, "of strangers and thieves": strangers, "of a dying controller": dying,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				cases(t, w)
			})
		}
	})
	if t.Failed() {
		return
	}
	rules, err := w.rules(t.Context())
	require.NoError(t, err)
	for _, r := range rules {
		require.True(t, w.fired[r.Name], "no case fires %s", r.Name)
		w.measured(t, r.Name, r.Query)
	}
	w.shown(t)
}

// names finds the metrics in a query.
var names = regexp.MustCompile(`\b(?:(?:zerotrust|spire_server|spire_agent|process|go)_[a-z0-9_]+|up\b|ALERTS\b)`)

// measured requires that each metric of a query exists.
func (w *watch) measured(t *testing.T, what, query string) {
	t.Helper()
	found := names.FindAllString(query, -1)
	require.NotEmpty(t, found, "%s: %s", what, query)
	for _, name := range found {
		n, err := w.series(t.Context(), name)
		require.NoError(t, err, "%s: %s", what, name)
		require.Positive(t, n, "%s: there is no %s", what, name)
	}
}

// shown requires data of each panel of the dashboard. A panel that shows only what
// happens ("> 0") may be empty; then what it compares must not.
func (w *watch) shown(t *testing.T) {
	t.Helper()
	var queries int
	for _, p := range readDashboard(t).Panels {
		for _, q := range p.Targets {
			query := variable.ReplaceAllStringFunc(q.Expr, func(v string) string {
				if v == "$__rate_interval" {
					return "15s"
				}
				return ".*" // All
			})
			queries++
			w.measured(t, p.Title, query)
			n, err := w.series(t.Context(), query)
			require.NoError(t, err, "%s: %s", p.Title, query)
			if all, happens := strings.CutSuffix(query, " > 0"); n == 0 && happens {
				n, err = w.series(t.Context(), all)
				require.NoError(t, err, "%s: %s", p.Title, all)
			}
			require.Positive(t, n, "%s shows nothing: %s", p.Title, query)
		}
	}
	t.Logf("the dashboard's %d queries return data", queries)
}

// TestAlertsDoNotFireForNothing is the other half: with the rules as they are, a site
// at which nothing goes wrong, while SVIDs rotate twice. It ends before SPIRE prepares its
// next CA.
func TestAlertsDoNotFireForNothing(t *testing.T) {
	t.Parallel()
	w := &watch{prometheus: startPrometheus(t, nil), fired: map[string]bool{}}
	s := newSite(t, w, "--spire-ca-ttl", "2m", "--spire-agent-ttl", "1m", "--svid-ttl-connector", "30s", "--svid-ttl-tunneler", "30s", "--svid-ttl-controller", "30s")
	s.boot()
	_, gateway := s.join("connector", "c-01")
	_, laptop := s.join("tunneler", "t-01")
	since := time.Now()
	require.NoError(t, world.Eventually(t.Context(), 2*soon, "two rotations", func(ctx context.Context) error {
		active, err := w.alerts(ctx)
		if err != nil {
			return err
		}
		active = slices.DeleteFunc(active, func(a alert) bool { return a.State != "firing" })
		require.Empty(t, active)
		for _, at := range []string{s.Run.Health, gateway, laptop} {
			n, err := w.series(ctx, fmt.Sprintf("zerotrust_svid_swaps_total{instance=%q} > 2", at))
			if err != nil || n == 0 {
				return errors.Join(fmt.Errorf("%s has not rotated twice", at), err)
			}
		}
		return nil
	}))
	t.Logf("quiet for %.0f s", time.Since(since).Seconds())
}
