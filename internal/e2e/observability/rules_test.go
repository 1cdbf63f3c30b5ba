package observability_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// TestRulesPassPromtool: syntax, and alerts_test.yml, where time is not scaled.
func TestRulesPassPromtool(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"check", "rules", "alerts.yml"}, {"check", "config", "prometheus.yml"}, {"test", "rules", "alerts_test.yml"},
	} {
		cmd := exec.CommandContext(t.Context(), tool(t, "promtool"), args...)
		cmd.Dir = deploy("prometheus")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%v\n%s", args, out)
	}
}

// ruleFile is alerts.yml.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr, For string
			Labels           map[string]string
			Annotations      map[string]string
		}
	}
}

// TestEachAlertSaysWhatToDo: a severity, a summary, a description, and a section in
// docs/alerts.md for each alert, and no section without one.
func TestEachAlertSaysWhatToDo(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(deploy("prometheus", "alerts.yml"))
	require.NoError(t, err)
	var rules ruleFile
	require.NoError(t, yaml.Unmarshal(text, &rules))
	doc, err := os.ReadFile(deploy("..", "docs", "alerts.md"))
	require.NoError(t, err)
	var sections []string
	for line := range strings.Lines(string(doc)) {
		if name, ok := strings.CutPrefix(line, "### "); ok {
			sections = append(sections, strings.TrimSpace(name))
		}
	}
	tested, err := os.ReadFile(deploy("prometheus", "alerts_test.yml"))
	require.NoError(t, err)
	var names []string
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			names = append(names, r.Alert)
			require.Contains(t, []string{"critical", "warning"}, r.Labels["severity"], r.Alert)
			require.NotEmpty(t, r.Annotations["summary"], r.Alert)
			require.NotEmpty(t, r.Annotations["description"], r.Alert)
			require.Equal(t, "docs/alerts.md#"+strings.ToLower(r.Alert), r.Annotations["runbook"])
			require.Contains(t, string(tested), `{alertname="`+r.Alert+`"}`, "alerts_test.yml has no test of it")
		}
	}
	require.Equal(t, names, sections, "docs/alerts.md has a section an alert, in the order of alerts.yml")
}

// panel is a panel of the dashboard.
type panel struct {
	ID          int
	Type, Title string
	Description string
	Datasource  map[string]string
	GridPos     struct{ H, W, X, Y int }
	Targets     []struct {
		Expr, RefID string
		Datasource  map[string]string
	}
}

type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Panels        []panel
	Templating    struct {
		List []struct{ Name, Type string }
	}
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deploy("grafana"), "grpccontroller.json"))
	require.NoError(t, err)
	var d dashboard
	require.NoError(t, json.Unmarshal(text, &d))
	return d
}

// TestTheDashboardIsWellFormed is what can be said without a Grafana, which Debian
// does not have: ids, places and variables.
func TestTheDashboardIsWellFormed(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	require.NotEmpty(t, d.UID)
	require.NotEmpty(t, d.Title)
	require.GreaterOrEqual(t, d.SchemaVersion, 37)
	known := map[string]bool{"__rate_interval": true}
	var names []string
	for _, v := range d.Templating.List {
		names = append(names, v.Name)
		known[v.Name] = true
	}
	require.Equal(t, []string{"datasource", "job", "instance"}, names)
	ids, cells := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		require.False(t, ids[p.ID], "two panels have id %d", p.ID)
		ids[p.ID] = true
		require.NotEmpty(t, p.Title)
		require.Positive(t, p.GridPos.W)
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				require.Empty(t, cells[[2]int{x, y}], "%s lies on it", p.Title)
				cells[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		require.Contains(t, []string{"stat", "timeseries"}, p.Type, p.Title)
		require.NotEmpty(t, p.Targets, p.Title)
		for _, q := range p.Targets {
			require.Equal(t, "${datasource}", q.Datasource["uid"], p.Title)
			for _, m := range variable.FindAllStringSubmatch(q.Expr, -1) {
				require.True(t, known[m[1]], "%s uses $%s", p.Title, m[1])
			}
		}
	}
}

var variable = regexp.MustCompile(`\$\{?(\w+)`)
