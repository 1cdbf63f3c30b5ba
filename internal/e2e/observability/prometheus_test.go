package observability_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

const (
	// every is how often Prometheus scrapes and judges.
	every = time.Second
	// longestWait is the longest "for:" of a rule in the tests.
	longestWait = 5 * time.Second
)

// deploy is the path of a file in deploy/.
func deploy(name ...string) string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(append([]string{filepath.Dir(here), "..", "..", "..", "deploy"}, name...)...)
}

// tool finds a program of Debian's package prometheus, on the PATH or where
// scripts/require.sh puts it.
func tool(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	path := filepath.Join(cache, "grpccontroller", "prometheus", "usr", "bin", name)
	require.FileExists(t, path, "run scripts/require.sh prometheus promtool")
	return path
}

// prometheus is a running one.
type prometheus struct {
	process *world.Process
	addr    string
	targets string // directory
	began   time.Time

	mu   sync.Mutex
	jobs map[string][]string
}

// group is the part of a targets file that the tests need.
type group struct {
	Targets []string `json:"targets"`
}

// startPrometheus starts one with the rules of alerts.yml, or with what change makes
// of them.
func startPrometheus(t *testing.T, change func(*testing.T, []byte) []byte) *prometheus {
	t.Helper()
	dir := t.TempDir()
	p := &prometheus{
		addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(hosttest.Port(t))), targets: filepath.Join(dir, "targets"),
		began: time.Now(), jobs: map[string][]string{},
	}
	require.NoError(t, os.MkdirAll(p.targets, 0o700))
	rules, err := os.ReadFile(deploy("prometheus", "alerts.yml"))
	require.NoError(t, err)
	if change != nil {
		rules = change(t, rules)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "alerts.yml"), rules, 0o600))
	config := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(config, p.config(t), 0o600))
	p.process, err = world.Start(world.Spec{
		Name: "prometheus", Dir: dir, Path: tool(t, "prometheus"),
		Args: []string{"--config.file", config, "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", p.addr, "--log.level", "warn"},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := p.process.Stop()
		require.NoError(t, err)
		if t.Failed() {
			t.Log(p.process.Tail(20))
		}
	})
	p.eventually(t, 30*time.Second, "prometheus serves", func(ctx context.Context) error {
		_, err := p.rules(ctx)
		return err
	})
	return p
}

var wait = regexp.MustCompile(`(?m)^( +for: )(\S+)$`)

// scaled are the rules with shorter waits: a minute is a second, five seconds are
// the longest.
func scaled(t *testing.T, rules []byte) []byte {
	t.Helper()
	return wait.ReplaceAllFunc(rules, func(line []byte) []byte {
		m := wait.FindSubmatch(line)
		d, err := time.ParseDuration(string(m[2]))
		require.NoError(t, err)
		return fmt.Appendf(nil, "%s%dms", m[1], min(d/60, longestWait).Milliseconds())
	})
}

// config is deploy/prometheus/prometheus.yml with other intervals, and with targets
// that come and go while the test runs.
func (p *prometheus) config(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(deploy("prometheus", "prometheus.yml"))
	require.NoError(t, err)
	var c map[string]any
	require.NoError(t, yaml.Unmarshal(text, &c))
	c["global"] = map[string]any{"scrape_interval": every.String(), "scrape_timeout": every.String(), "evaluation_interval": every.String()}
	for _, job := range c["scrape_configs"].([]any) {
		job := job.(map[string]any)
		delete(job, "static_configs")
		job["file_sd_configs"] = []any{map[string]any{"files": []string{p.file(job["job_name"].(string))}}}
		p.jobs[job["job_name"].(string)] = nil
	}
	text, err = yaml.Marshal(c)
	require.NoError(t, err)
	return text
}

func (p *prometheus) file(job string) string { return filepath.Join(p.targets, job+".json") }

// scrape adds a target to a job, which has to be one of prometheus.yml.
func (p *prometheus) scrape(t *testing.T, job, addr string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Contains(t, p.jobs, job)
	p.jobs[job] = append(p.jobs[job], addr)
	text, err := json.Marshal([]group{{p.jobs[job]}})
	require.NoError(t, err)
	next := p.file(job) + ".next"
	require.NoError(t, os.WriteFile(next, text, 0o600))
	require.NoError(t, os.Rename(next, p.file(job)))
}

func (p *prometheus) eventually(t *testing.T, within time.Duration, what string, check func(context.Context) error) {
	t.Helper()
	require.NoError(t, world.Eventually(t.Context(), within, what, check))
}

// get calls the HTTP API.
func get[T any](ctx context.Context, p *prometheus, path string, query url.Values) (out T, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+"/api/v1/"+path+"?"+query.Encode(), nil)
	if err != nil {
		return out, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return out, err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Status, Error string
		Data          T
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return out, err
	}
	if answer.Status != "success" {
		return out, fmt.Errorf("%s %v: %s", path, query, answer.Error)
	}
	return answer.Data, nil
}

// rule is a rule as Prometheus has loaded it.
type rule struct {
	Name, Query string
	Labels      map[string]string
	Annotations map[string]string
}

func (p *prometheus) rules(ctx context.Context) (out []rule, err error) {
	loaded, err := get[struct{ Groups []struct{ Rules []rule } }](ctx, p, "rules", nil)
	for _, g := range loaded.Groups {
		out = append(out, g.Rules...)
	}
	return out, err
}

// alert is one that is pending or fires.
type alert struct {
	State       string
	Labels      map[string]string
	Annotations map[string]string
}

func (p *prometheus) alerts(ctx context.Context) ([]alert, error) {
	active, err := get[struct{ Alerts []alert }](ctx, p, "alerts", nil)
	return active.Alerts, err
}

// series counts the series that a query had since the start, as a panel that shows
// this time would.
func (p *prometheus) series(ctx context.Context, query string) (int, error) {
	at := func(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }
	found, err := get[struct{ Result []any }](ctx, p, "query_range", url.Values{
		"query": {query}, "start": {at(p.began)}, "end": {at(time.Now())}, "step": {"2s"},
	})
	return len(found.Result), err
}
