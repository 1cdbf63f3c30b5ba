package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
)

// load reads a file as the program does, with nothing from the environment.
func load(file string, environ ...string) (config.Config, error) {
	spec := config.Spec()
	spec.File, spec.Environ = "", append([]string{"GRPCCONTROLLER_CONFIG=" + file}, environ...)
	return settings.New(spec, config.Default()).Load(nil)
}

func TestDefaultsAreValid(t *testing.T) {
	t.Parallel()
	require.NoError(t, config.Default().Validate())
	require.Equal(t, 550*time.Millisecond, config.Default().SPIRE.EntrySettle())
	external := config.Default().SPIRE
	external.Mode = config.External
	require.Equal(t, 5050*time.Millisecond, external.EntrySettle(), "SPIRE's own default, for nobody told us otherwise")
}

func TestGoodFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.good.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range append(files, "../../deploy/controller.yaml") {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			_, err := load(file)
			require.NoError(t, err)
		})
	}
	t.Run("an empty file changes nothing", func(t *testing.T) {
		t.Parallel()
		got, err := load("testdata/empty.good.yaml")
		require.NoError(t, err)
		require.Equal(t, config.Default(), got)
	})
	t.Run("every key arrives", func(t *testing.T) {
		t.Parallel()
		got, err := load("testdata/embedded.good.yaml", "GRPCCONTROLLER_SPIRE_AGENT_TTL=3h")
		require.NoError(t, err)
		require.Equal(t, "corp.example", got.TrustDomain)
		require.Equal(t, []string{"/etc/grpccontroller/old-ca.crt"}, got.CABundlePaths)
		require.Equal(t, "[::]:8444", got.Listen.Control)
		require.False(t, got.SPIRE.AttestationLimit)
		require.Equal(t, 3*time.Hour, got.SPIRE.AgentTTL, "the environment is over the file")
		require.Equal(t, config.SVIDTTL{Connector: time.Minute, Tunneler: 45 * time.Minute, Controller: 48 * time.Hour}, got.SVIDTTL)
		require.Equal(t, 8*time.Hour, got.PolicyAge)
		require.Equal(t, "console", got.Log.Format)
	})
}

// TestBadFiles: the first lines of each file are the faults it must have, and it
// must have no other.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.bad.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			var want []string
			for line := range strings.Lines(string(raw)) {
				if text, ok := strings.CutPrefix(strings.TrimSpace(line), "# want: "); ok {
					want = append(want, text)
				}
			}
			require.NotEmpty(t, want)
			_, err = load(file)
			var faults settings.Faults
			require.ErrorAs(t, err, &faults)
			for _, text := range want {
				require.ErrorContains(t, err, text)
			}
			require.Len(t, faults, len(want), "one message with every fault and none besides: %v", err)
		})
	}
}

func TestUnknownVariableIsAFault(t *testing.T) {
	t.Parallel()
	_, err := load("testdata/empty.good.yaml", "GRPCCONTROLLER_TRUSTDOMAIN=x", "GRPCCONTROLLER_SPIRE_MODE=x")
	require.ErrorContains(t, err, "GRPCCONTROLLER_TRUSTDOMAIN")
	require.ErrorContains(t, err, "spire.mode")
}

func TestPathsOfSystemdCredentials(t *testing.T) {
	t.Parallel()
	c, err := load("testdata/declared.good.yaml")
	require.NoError(t, err)
	given, err := c.WithCredentials("/run/credentials/grpccontroller.service")
	require.NoError(t, err)
	require.Equal(t, "/run/credentials/grpccontroller.service/owner-password", given.Declared.Owner.PasswordPath)
	require.Equal(t, "/run/credentials/grpccontroller.service/oidc", given.Admin.OIDC.ClientSecretPath)
	require.Equal(t, "/run/secrets/api-key", given.Declared.APIKey.Path)
	_, err = c.WithCredentials("")
	require.ErrorContains(t, err, "declared.owner.password_path: is $CREDENTIALS_DIRECTORY/owner-password")
	require.ErrorContains(t, err, "LoadCredential=oidc:FILE")
}
