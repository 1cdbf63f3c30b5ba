package hostprogram_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

func TestWhatTheSupervisorOfTheAgentSaysIsInReadyz(t *testing.T) {
	t.Parallel()
	const me, other = "spiffe://a/connector/me", "spiffe://a/tunneler/other"
	active := hostagent.Notice{Standing: hostagent.StandingActive, Members: []string{me, other}}
	for name, tc := range map[string]struct {
		before, now hostagent.Notice
		check, want string // empty: all is well
		ready       bool
	}{
		"all is well":         {before: active, now: active, ready: true},
		"it says nothing":     {ready: true},
		"the host is revoked": {active, hostagent.Notice{Standing: hostagent.StandingRevoked}, hostprogram.CheckHost, "has revoked this host: enroll this host again", false},
		"the host is unknown": {active, hostagent.Notice{Standing: hostagent.StandingUnknown}, hostprogram.CheckHost, "does not know this host", false},
		"this member is revoked, the other not": {
			active,
			hostagent.Notice{Standing: hostagent.StandingActive, Members: []string{other}},
			hostprogram.CheckHost, "has revoked " + me, false,
		},
		"a second role that the notice does not have yet": {hostagent.Notice{}, hostagent.Notice{Standing: hostagent.StandingActive, Members: []string{other}}, "", "", true},
		"the clock is a day ahead": {
			active,
			hostagent.Notice{Standing: hostagent.StandingActive, Members: []string{me}, Clock: "the clock of this host is 24h ahead"},
			hostprogram.CheckClock, "the clock of this host is 24h ahead", true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			socket := filepath.Join(t.TempDir(), "api.sock")
			put := func(n hostagent.Notice) {
				n.At = time.Now()
				raw, err := json.Marshal(n)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(hostagent.NoticePath(socket), raw, 0o600))
			}
			var checks health.Checks
			hostprogram.AgentChecks(&checks, socket, me)
			require.True(t, checks.Report(t.Context()).Ready, "without a supervisor of ours")
			put(tc.before)
			require.True(t, checks.Report(t.Context()).Ready)
			put(tc.now)
			r := checks.Report(t.Context())
			require.Equal(t, tc.ready, r.Ready)
			for _, c := range r.Checks {
				require.Equal(t, c.Name != tc.check, c.OK, c.Name)
				if c.Name == tc.check {
					require.Contains(t, c.Detail, tc.want)
				}
			}
		})
	}
}
