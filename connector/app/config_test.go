package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/app"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
)

func load(path string) (app.Config, error) {
	return settings.New(settings.Spec{Format: settings.EnvFile, File: path, Environ: []string{}}, app.DefaultConfig()).Load(nil)
}

func TestGoodFiles(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/*.good.conf")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		_, err := load(path)
		require.NoError(t, err, path)
	}
}

// Each bad file has one fault, which its first line says.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/*.bad.conf")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			first, _, _ := strings.Cut(string(raw), "\n")
			_, err = load(path)
			var faults settings.Faults
			require.ErrorAs(t, err, &faults)
			require.Len(t, faults, 1, "%v", err)
			require.ErrorContains(t, err, strings.TrimPrefix(first, "# want: "))
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestControlPlaneDefaultsToTheControllersHost(t *testing.T) {
	t.Parallel()
	c := app.DefaultConfig()
	c.ControllerAddr = "[2001:db8::1]:8443"
	require.Equal(t, []string{"[2001:db8::1]:8444"}, c.ControlPlane())
	c.ControlPlaneAddrs = []string{"a:1"}
	require.Equal(t, []string{"a:1"}, c.ControlPlane())
}

// TestTheControllersHostStaysInTheRotation: enrollment writes CONTROL_PLANE_ADDRS as a
// controller told it, which may have had a wrong public address just then.
func TestTheControllersHostStaysInTheRotation(t *testing.T) {
	t.Parallel()
	c := app.DefaultConfig()
	c.ControllerAddr = "right.example.com:8443"
	require.Equal(t, []string{"right.example.com:8444"}, c.ControlAddresses())
	c.ControlPlaneAddrs = []string{"typo.example.com:18444", "right.example.com:28444"}
	require.Equal(t, []string{"typo.example.com:18444", "right.example.com:28444", "right.example.com:18444"}, c.ControlAddresses())
	c.ControllerAddr = ""
	require.Equal(t, []string{"typo.example.com:18444", "right.example.com:28444"}, c.ControlAddresses())
}
