package proc_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
)

// script writes a program that prints text to stderr, as spire-server does.
func script(t *testing.T, name, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	hosttest.WriteProgram(t, path, "#!/bin/sh\n"+body+"\n")
	return path
}

func TestRequireVersion(t *testing.T) {
	t.Parallel()
	for _, out := range []string{"1.15.2", "1.15.2-dev-unk", "v1.15.3", "1.16.0", "2.0.0", "1.100.0"} {
		t.Run("accepts "+out, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, proc.RequireVersion(t.Context(), script(t, "spire-agent", "echo "+out+" >&2"), proc.MinimumAgent))
		})
	}
	for _, out := range []string{"1.15.1", "1.9.9", "0.99.0", "1.15.0-dev-abc"} {
		t.Run("refuses "+out+" and says what to do", func(t *testing.T) {
			t.Parallel()
			err := proc.RequireVersion(t.Context(), script(t, "spire-agent", "echo "+out+" >&2"), proc.MinimumAgent)
			require.ErrorContains(t, err, "make spire")
		})
	}
	t.Run("asks more of a server than of an agent", func(t *testing.T) {
		t.Parallel()
		before := script(t, "spire", "echo 1.15.2 >&2")
		require.NoError(t, proc.RequireVersion(t.Context(), before, proc.MinimumAgent))
		require.ErrorContains(t, proc.RequireVersion(t.Context(), before, proc.MinimumServer), "1.15.3 or newer is needed")
	})
	for name, body := range map[string]string{
		"says nothing": "true", "fails": "echo 1.15.2; exit 3", "talks about something else": "echo unknown flag 1.15.2 given",
	} {
		t.Run("refuses a program that "+name, func(t *testing.T) {
			t.Parallel()
			require.Error(t, proc.RequireVersion(t.Context(), script(t, "spire-agent", body), proc.MinimumAgent))
		})
	}
	t.Run("asks again when the program is killed, and not for ever", func(t *testing.T) {
		t.Parallel()
		asked := filepath.Join(t.TempDir(), "asked")
		path := script(t, "spire-server", `echo >>'`+asked+`'; test $(wc -l <'`+asked+`') -gt 2 || kill -9 $$; echo 1.15.3`)
		got, err := proc.Version(t.Context(), path)
		require.NoError(t, err)
		require.Equal(t, "1.15.3", got)
		_, err = proc.Version(t.Context(), script(t, "spire-server", "kill -9 $$"))
		require.ErrorContains(t, err, "signal: killed")
	})
	t.Run("ends with its caller, and says that it was the caller", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("SIGTERM"))
		_, err := proc.Version(ctx, script(t, "spire-server", "echo 1.15.3"))
		require.ErrorContains(t, err, "SIGTERM")
	})
	t.Run("gives the program none of our environment", func(t *testing.T) {
		t.Parallel()
		_, err := proc.Version(t.Context(), script(t, "spire-server", `test -z "$HOME" && echo 1.15.2`))
		require.NoError(t, err)
	})
}

// Not parallel: the environment decides here.
func TestFind(t *testing.T) {
	const variable = "GRPCCONTROLLER_TEST_BIN"
	t.Run("prefers the environment variable", func(t *testing.T) {
		named, inDir := script(t, "other-name", "true"), script(t, "spire-agent", "true")
		t.Setenv(variable, named)
		got, err := proc.Find("spire-agent", variable, filepath.Dir(inDir))
		require.NoError(t, err)
		require.Equal(t, named, got)
	})
	t.Run("refuses a variable that names no program", func(t *testing.T) {
		inDir := script(t, "spire-agent", "true")
		notExecutable := filepath.Join(t.TempDir(), "spire-agent")
		require.NoError(t, os.WriteFile(notExecutable, nil, 0o600))
		for _, bad := range []string{"/does/not/exist", t.TempDir(), notExecutable} {
			t.Setenv(variable, bad)
			_, err := proc.Find("spire-agent", variable, filepath.Dir(inDir))
			require.ErrorContains(t, err, variable)
		}
	})
	t.Run("looks in the given directories, then in PATH", func(t *testing.T) {
		t.Setenv(variable, "")
		inDir, inPath := script(t, "spire-agent", "true"), script(t, "spire-agent", "true")
		t.Setenv("PATH", filepath.Dir(inPath))
		got, err := proc.Find("spire-agent", variable, t.TempDir(), filepath.Dir(inDir))
		require.NoError(t, err)
		require.Equal(t, inDir, got)
		got, err = proc.Find("spire-agent", variable)
		require.NoError(t, err)
		require.Equal(t, inPath, got)
	})
	t.Run("says how to get a missing program", func(t *testing.T) {
		t.Setenv(variable, "")
		t.Setenv("PATH", t.TempDir())
		_, err := proc.Find("spire-agent", variable)
		require.ErrorIs(t, err, proc.ErrNotFound)
		require.ErrorContains(t, err, "make spire")
	})
}
