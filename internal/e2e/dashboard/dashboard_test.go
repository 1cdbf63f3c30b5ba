package dashboard_test

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/oidctest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world/worldtest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

var (
	pictures = flag.String("pictures", "", "directory for a picture of every page")
	full     = flag.Bool("full", false, "stop, kill and upgrade the controller under every page")
)

const (
	ui      = "../../../webadmin/ui"
	longest = 8 * time.Minute // 2 to 3 on an idle machine, a TOTP code every 30 s
)

// TestDashboard is one story on one controller, from the setup link to the audit
// log; the suite reports each act.
func TestDashboard(t *testing.T) {
	requireBrowser(t)
	admin := hosttest.Address(t)
	provider := oidctest.Start(t, oidctest.Options{
		Accounts: map[string]oidctest.Account{
			"grace":   {Email: "grace@mycorp.internal", Name: "Grace Hopper", Groups: []string{"operators"}},
			"mallory": {Email: "mallory@mycorp.internal", Name: "Mallory", Groups: []string{"operators"}}, // confirms for grace
		},
		RedirectURIs: []string{"http://" + admin + "/api/admin/session/oidc/callback"},
	})
	secret := filepath.Join(t.TempDir(), "client-secret")
	require.NoError(t, os.WriteFile(secret, []byte(oidctest.ClientSecret), 0o600))
	w := worldtest.New(t,
		"--trust-domain", "mycorp.internal", "--spire-attestation-limit=false", "--listen-admin", admin, "--admin-public-url", "http://"+admin,
		"--admin-oidc-issuer", provider.Issuer, "--admin-oidc-name", "Corp SSO", "--admin-oidc-client-id", oidctest.ClientID,
		"--admin-oidc-client-secret-path", secret, "--admin-oidc-roles-operator", "operators",
		"--install-dir", hosttest.InstallTree(t))
	w.Secrets.Add("the secret at the provider", oidctest.ClientSecret)
	w.Boot()
	s := newStage(t, w)

	runSuite(t, "e2e/dashboard.mjs", longest, "DASHBOARD=http://"+admin, "STAGE="+s.URL, "ISSUER="+provider.Issuer)
}

func requireBrowser(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"node", "chromium"} {
		_, err := exec.LookPath(tool)
		require.NoError(t, err, "%s is missing: scripts/require.sh node chromium", tool)
	}
}

// runSuite runs a suite of webadmin/ui, which reports each of its acts.
func runSuite(t *testing.T, file string, limit time.Duration, env ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	suite := exec.CommandContext(ctx, "node", "--test-reporter=spec", file)
	suite.Dir, suite.Stdout, suite.Stderr = ui, os.Stdout, os.Stderr
	suite.Env = append(append(os.Environ(), "PICTURES="), env...)
	if *pictures != "" {
		out, err := filepath.Abs(*pictures)
		require.NoError(t, err)
		suite.Env = append(suite.Env, "PICTURES="+out)
	}
	require.NoError(t, suite.Run())
}
