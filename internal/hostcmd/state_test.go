package hostcmd_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostcmd"
)

func TestStateOf(t *testing.T) {
	t.Parallel()
	there := t.TempDir()
	closed := filepath.Join(t.TempDir(), "state") // as that of a unit with DynamicUser, for whoever is not root
	require.NoError(t, os.Symlink("/nonexistent/private", closed))
	for name, c := range map[string]struct {
		configured, ofUnit, conf, want string
	}{
		"what is configured wins":                     {"/srv/state", there, "", "/srv/state"},
		"the unit's, where nothing is configured":     {"", there, "", there},
		"the unit's, although not everybody may look": {"", closed, "", closed},
		"nothing, where no unit has run":              {"", there + "/no", "", ""},
		"nothing of the unit, with another conf file": {"", there, "./other.conf", ""},
		"the unit's, with its conf file by name":      {"", there, "/etc/x.conf", there},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs := pflag.NewFlagSet("show", pflag.ContinueOnError)
			fs.String("config", "/etc/x.conf", "")
			if c.conf != "" {
				require.NoError(t, fs.Set("config", c.conf))
			}
			require.Equal(t, c.want, hostcmd.StateOf(c.configured, c.ofUnit, fs))
		})
	}
}
