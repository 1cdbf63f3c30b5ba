package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

// TestNoProgramWritesASecretAtTheLevelDebug has every program, SPIRE's too, say all it
// can say while secrets of every kind are made, spent and refused. The end of each
// world looks for them; so does this one.
func TestNoProgramWritesASecretAtTheLevelDebug(t *testing.T) {
	t.Parallel()
	s := newWorld(t, "--log-level", "debug")
	hosts := []*world.Host{s.host("a", "connector", "loud-01"), s.host("b", "tunneler", "loud-02"), s.host("c", "connector", "loud-03")}
	for i, h := range hosts {
		h.Env = append(h.Env, "LOG_LEVEL=debug")
		more := []string{}
		if i == 2 {
			more = append(more, "--ephemeral")
		}
		s.enroll(h, more...)
		require.NoError(t, h.Start())
	}
	s.online(hosts...)

	// Refused: a spent token, a wrong one, a wrong key.
	spent := s.host("d", "connector", "loud-01")
	require.NotZero(t, s.try(spent, s.secrets[0]).Code)
	require.NotZero(t, s.try(s.host("e", "connector", "loud-04"), s.secrets[0][:42]+"a").Code)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Run.Admin+"/api/admin/connectors?token="+s.secrets[0], nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+s.secrets[0])
	req.Header.Set("X-Request-Id", s.secrets[0])
	req.AddCookie(&http.Cookie{Name: "session", Value: s.secrets[0]})
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.NotEqual(t, http.StatusOK, resp.StatusCode)

	link := strings.TrimSpace(s.cli("token", "create", "--kind", "tunneler", "--id", "loud-05", "--claim", "--quiet"))
	_, code, ok := strings.Cut(link, "/claim#")
	require.True(t, ok)
	claimed, err := s.api.OpenClaim(t.Context(), code)
	require.NoError(t, err)
	s.secrets = append(s.secrets, code, claimed.Token)
	s.cli("key", "create", "--name", "more", "--scope", "fleet:read", "--out", filepath.Join(s.Dir, "one-more-key"))
	require.NoError(t, s.api.RevokeConnector(t.Context(), "loud-03"))
	s.signUp()

	// Connector and tunneler have nothing to say at this level.
	s.logged(s.Process, `"level":"debug"`)
	s.logged(hosts[0].Agent, `"level":"debug"`)
}

// signUp makes the first owner, who has a password.
func (s *system) signUp() {
	s.t.Helper()
	const password = "a long sentence, not a riddle"
	s.secrets = append(s.secrets, password)
	_, code, ok := strings.Cut(s.SetupLink(), "#code=")
	require.True(s.t, ok)
	body := fmt.Sprintf(`{"code":%q,"name":"Ada","email":"ada@example.com","password":%q}`, code, password)
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, "http://"+s.Run.Admin+"/api/admin/setup", bytes.NewReader([]byte(body)))
	require.NoError(s.t, err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	require.NoError(s.t, resp.Body.Close())
	require.Equal(s.t, http.StatusOK, resp.StatusCode)
	for _, c := range resp.Cookies() {
		s.secrets = append(s.secrets, c.Value)
	}
}

// TestASignalChangesTheLevelOfEachProgram: without a restart, so without an outage.
func TestASignalChangesTheLevelOfEachProgram(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "controller.yaml")
	require.NoError(t, os.WriteFile(file, []byte("log:\n  level: info\n"), 0o600))
	s := newWorld(t, "--config", file)
	h := s.host("host", "connector", "connector-01")
	s.enroll(h)
	// As systemd does it: the file is also the environment.
	unit := filepath.Join(h.Dir, "agent.conf")
	require.NoError(t, os.WriteFile(unit, []byte("LOG_LEVEL=info\n"), 0o600))
	h.Env = append(h.Env, "ENVIRONMENT_FILE="+unit, "LOG_LEVEL=info")
	require.NoError(t, h.Start())
	s.online(h)

	for _, p := range []struct {
		process *world.Process
		file    string
		text    string
	}{
		{s.Process, file, "log:\n  level: %s\n"}, {h.Agent, unit, "LOG_LEVEL=%s\n"}, {h.Program, unit, "LOG_LEVEL=%s\n"},
	} {
		for _, step := range []struct{ text, says string }{
			{fmt.Sprintf(p.text, "debug"), `"before":"info","log_level":"debug"`},
			{"no setting at all", `"msg":"log level not changed`},
			{fmt.Sprintf(p.text, "warn"), `"before":"debug","log_level":"warn"`},
		} {
			require.NoError(t, os.WriteFile(p.file, []byte(step.text), 0o600))
			require.NoError(t, p.process.Signal(syscall.SIGHUP))
			s.logged(p.process, step.says)
		}
		require.NoError(t, os.WriteFile(p.file, fmt.Appendf(nil, p.text, "info"), 0o600))
	}
	// None of them went away.
	s.eventually(soon, "ONLINE", func(ctx context.Context) error { return h.Online(ctx, s.api) })
	require.Equal(t, adminapi.Online, s.seen(h).Status)
}
