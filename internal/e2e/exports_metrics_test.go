package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/telemetrytest"
)

// scrape asks a program for its metrics.
func scrape(ctx context.Context, health string) (telemetrytest.Families, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+health+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	return telemetrytest.ParseMetrics(resp.Body)
}

// healthOf is where the program of a host answers.
func (s *system) healthOf(h *world.Host) string {
	s.t.Helper()
	at, err := h.Addresses()
	require.NoError(s.t, err)
	return at.Health
}

// atLeast waits until a program exports the value, or more.
func (s *system) atLeast(health, name string, labels metrics.Labels, want float64) {
	s.t.Helper()
	s.eventually(2*soon, fmt.Sprintf("%s%v >= %v", name, labels, want), func(ctx context.Context) error {
		all, err := scrape(ctx, health)
		if err != nil {
			return err
		}
		if got, ok := all.Value(name, labels); !ok || got < want {
			return fmt.Errorf("it is %v", got)
		}
		return nil
	})
}

// TestEachProgramExportsItsMetrics looks at the running programs as Prometheus
// does: what is exported is what is documented, and it moves when things happen.
func TestEachProgramExportsItsMetrics(t *testing.T) {
	t.Parallel()
	s := newWorld(t, "--svid-ttl-connector", "40s", "--svid-ttl-tunneler", "40s")
	gateway := s.join("gateway", "connector", "connector-local-01")
	laptop := s.join("laptop", "tunneler", "tunneler-local-01")
	thief := s.try(s.host("thief", "tunneler", "tunneler-local-03"), s.token("tunneler", "tunneler-local-02").Token)
	require.NotZero(t, thief.Code)
	at := map[string]string{"controller": s.Run.Health, "connector": s.healthOf(gateway), "tunneler": s.healthOf(laptop)}

	t.Log("a rotation on both hosts, and on the same streams")
	for _, program := range []string{"connector", "tunneler"} {
		s.atLeast(at[program], "zerotrust_svid_swaps_total", nil, 2)
	}
	s.atLeast(at["connector"], "zerotrust_reproofs_total", metrics.Labels{"link": "session", "result": "accepted"}, 1)
	s.atLeast(at["controller"], "zerotrust_reproofs_total", metrics.Labels{"link": "control", "result": "accepted"}, 1)
	all := map[string]telemetrytest.Families{}
	for program, health := range at {
		families, err := scrape(t.Context(), health)
		require.NoError(t, err)
		telemetrytest.Documented(t, program, families)
		all[program] = families
	}
	for _, tc := range []struct {
		program, name string
		labels        metrics.Labels
		want          float64
	}{
		{"connector", "zerotrust_sessions_ended_total", nil, 0},
		{"connector", "zerotrust_connections_cut_total", nil, 0},
		{"connector", "zerotrust_sessions", nil, 1},
		{"connector", "zerotrust_stream_connected", metrics.Labels{"stream": "control"}, 1},
		{"connector", "zerotrust_bundle_authorities", nil, 1},
		{"connector", "zerotrust_workload_api_up", nil, 1},
		{"tunneler", "zerotrust_sessions", nil, 1},
		{"tunneler", "zerotrust_sessions_wanted", nil, 1},
		{"tunneler", "zerotrust_stream_connected", metrics.Labels{"stream": "directory"}, 1},
		{"controller", "zerotrust_sessions", nil, 1},
		{"controller", "zerotrust_members_online", nil, 2},
		{"controller", "zerotrust_members_enrolled", nil, 2},
		{"controller", "zerotrust_heartbeat_age_seconds", nil, 2},
		{"controller", "zerotrust_policy_lag_revisions", nil, 0},
		{"controller", "zerotrust_enroll_total", metrics.Labels{"result": "enrolled"}, 2},
		{"controller", "zerotrust_enroll_total", metrics.Labels{"result": "id"}, 1},
		{"controller", "zerotrust_connections_cut_total", nil, 0},
		{"controller", "zerotrust_svid_swaps_total", nil, 1},
	} {
		got, ok := all[tc.program].Value(tc.name, tc.labels)
		require.True(t, ok, "%s %s%v", tc.program, tc.name, tc.labels)
		require.InDelta(t, tc.want, got, 0, "%s %s%v", tc.program, tc.name, tc.labels)
	}

	t.Log("a revocation")
	require.NoError(t, s.api.RevokeTunneler(t.Context(), laptop.ID))
	s.atLeast(at["controller"], "zerotrust_revocation_seconds", nil, 1)
	s.atLeast(at["connector"], "zerotrust_sessions_ended_total", metrics.Labels{"reason": "revoked"}, 1)
	s.atLeast(at["tunneler"], "zerotrust_stream_reconnects_total", metrics.Labels{"stream": "session", "reason": "refused"}, 1)

	for _, h := range []*world.Host{gateway, laptop} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.Program.PID()))
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "VmRSS") {
				t.Log(h.Kind, strings.TrimSpace(line))
			}
		}
	}
}
