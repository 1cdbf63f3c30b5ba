package e2e_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// TestTheFirstOwnerAndTheWayBackIn is the life of a controller's sign-in on one
// running controller, whose data directory is of a release that kept an API key in a
// file: setup link, the local admin socket, a key for programs, break-glass.
func TestTheFirstOwnerAndTheWayBackIn(t *testing.T) {
	t.Parallel()
	s := prepareWorld(t)
	old := filepath.Join(s.Dir, "bootstrap-api-key")
	require.NoError(t, os.MkdirAll(s.Dir, 0o700))
	require.NoError(t, os.WriteFile(old, []byte("zta_00000000000000000000000000000000000000\n"), 0o600))
	s.start()
	require.NoFileExists(t, old)
	require.Equal(t, 1, strings.Count(s.Tail(1000), "the API key of the first start was revoked"))
	s.secrets = append(s.secrets, "correct horse battery", "another horse battery")
	keyFile, linkFile := filepath.Join(s.Dir, "api-key"), filepath.Join(s.Dir, "setup-link")
	text, err := os.ReadFile(linkFile)
	require.NoError(t, err)
	info, err := os.Stat(linkFile)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	require.NotContains(t, s.Tail(1000), "ztl_", "no log has the link")

	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	c := &http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(method, path string, in any, csrf string) (int, adminapi.CurrentSession) {
		b, err := json.Marshal(in)
		require.NoError(t, err)
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Run.Admin+"/api/admin"+path, bytes.NewReader(b))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-CSRF-Token", csrf)
		resp, err := c.Do(req)
		require.NoError(t, err)
		defer func() { _ = resp.Body.Close() }()
		var out adminapi.CurrentSession
		_ = json.NewDecoder(resp.Body).Decode(&out)
		return resp.StatusCode, out
	}
	_, code, _ := strings.Cut(strings.TrimSpace(string(text)), "#code=")
	status, session := ask(http.MethodPost, "/setup", adminapi.SetupRequest{Code: code, Name: "Ada", Email: "ada@example.com", Password: "correct horse battery"}, "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "owner", session.Person.Role)
	require.NoFileExists(t, linkFile)
	status, _ = ask(http.MethodPost, "/tokens", adminapi.TokenRequest{Kind: "connector", ID: "a"}, session.CSRFToken)
	require.Equal(t, http.StatusCreated, status)

	host := func(args ...string) string {
		r, err := s.CLI(t.Context(), args...)
		require.NoError(t, err)
		require.Zero(t, r.Code, r.Stderr)
		return r.Stdout
	}
	s.cli("connectors", "list") // as before there was an owner, without a key
	host("key", "create", "--name", "operator", "--scope", "all", "--out", keyFile)
	s.cli("connectors", "list", "--api-url", "http://"+s.Run.Admin, "--api-key-file", keyFile)

	link := host("admin", "reset-owner", "--yes")
	require.Contains(t, link, "ada@example.com")
	status, _ = ask(http.MethodGet, "/session", nil, "")
	require.Equal(t, http.StatusUnauthorized, status, "the sessions of that owner ended while the controller runs")
	_, code, _ = strings.Cut(strings.TrimSpace(link), "#code=")
	status, _ = ask(http.MethodPost, "/setup", adminapi.SetupRequest{Code: code, Password: "another horse battery"}, "")
	require.Equal(t, http.StatusOK, status)
}
