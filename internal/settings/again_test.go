package settings_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
)

type verbose struct {
	Level string `conf:"log_level" usage:"level"`
	Other string `conf:"other" usage:"other"`
}

// TestAgainReadsTheFileOfAUnitAsItIsNow: systemd gives a process the variables of
// EnvironmentFile= once, at its start.
func TestAgainReadsTheFileOfAUnitAsItIsNow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		environ      []string // beside the file's
		before, then string
		level, fault string
	}{
		"a value that was changed":              {nil, "LOG_LEVEL=info\n", "LOG_LEVEL=debug\n", "debug", ""},
		"one that was added":                    {nil, "#LOG_LEVEL=info\n", "LOG_LEVEL=debug\n", "debug", ""},
		"one that was taken away":               {nil, "LOG_LEVEL=info\n", "", "default", ""},
		"the environment from elsewhere wins":   {[]string{"LOG_LEVEL=warn"}, "", "LOG_LEVEL=debug\n", "warn", ""},
		"what another key says does not matter": {[]string{"OTHER=x"}, "LOG_LEVEL=info\n", "LOG_LEVEL=debug\n", "debug", ""},
		"a file that is not one is a fault":     {nil, "LOG_LEVEL=info\n", "LOG_LEVEL=debug\nwhat is ztc_this\n", "", "line 2 is not KEY=VALUE"},
		"not even without an end of its line":   {nil, "LOG_LEVEL=info\n", "no setting at all", "", "line 1 is not KEY=VALUE"},
		"what it holds is not quoted":           {nil, "", "\"ztc_secret\n", "", "line 1 is not KEY=VALUE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "unit.conf")
			require.NoError(t, os.WriteFile(file, []byte(c.before), 0o600))
			environ := append([]string{settings.EnvironmentFile + "=" + file}, c.environ...)
			if c.before == "LOG_LEVEL=info\n" {
				environ = append(environ, "LOG_LEVEL=info")
			}
			again := settings.New(settings.Spec{Format: settings.EnvFile, Environ: environ}, verbose{Level: "default"}).Again(nil)
			require.NoError(t, os.WriteFile(file, []byte(c.then), 0o600))
			got, err := again()
			if c.fault != "" {
				require.ErrorContains(t, err, c.fault)
				require.NotContains(t, err.Error(), "ztc_")
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.level, got.Level)
		})
	}
	t.Run("a file that is gone is a fault", func(t *testing.T) {
		t.Parallel()
		environ := []string{settings.EnvironmentFile + "=" + filepath.Join(t.TempDir(), "none")}
		_, err := settings.New(settings.Spec{Format: settings.EnvFile, Environ: environ}, verbose{}).Again(nil)()
		require.Error(t, err)
	})
}

// TestAgainReadsTheProgramsOwnFileAsItIsNow is a program that was started by hand.
func TestAgainReadsTheProgramsOwnFileAsItIsNow(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(file, []byte("log_level: info\n"), 0o600))
	again := settings.New(settings.Spec{File: file, Environ: []string{}}, verbose{}).Again(nil)
	require.NoError(t, os.WriteFile(file, []byte("log_level: debug\n"), 0o600))
	got, err := again()
	require.NoError(t, err)
	require.Equal(t, "debug", got.Level)
}

func TestANumber(t *testing.T) {
	t.Parallel()
	type c struct {
		Ratio float64 `conf:"ratio" usage:"share"`
	}
	for text, want := range map[string]float64{"0.25": 0.25, "1": 1} {
		got, err := settings.New(settings.Spec{Environ: []string{"RATIO=" + text}}, c{}).Load(nil)
		require.NoError(t, err)
		require.InDelta(t, want, got.Ratio, 0)
		file := filepath.Join(t.TempDir(), "c.yaml")
		require.NoError(t, os.WriteFile(file, []byte("ratio: "+text+"\n"), 0o600))
		got, err = settings.New(settings.Spec{File: file, Environ: []string{}}, c{}).Load(nil)
		require.NoError(t, err)
		require.InDelta(t, want, got.Ratio, 0)
	}
	_, err := settings.New(settings.Spec{Environ: []string{"RATIO=much"}}, c{}).Load(nil)
	require.ErrorContains(t, err, "must be a number")
}
