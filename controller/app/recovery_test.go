package app_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/app"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/timeline"
)

// told is command with something at standard input.
func told(stdin string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = cli.Execute(app.Root(), cli.Process{Args: args, Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs})
	return code, out.String(), errs.String()
}

// everything is the contents of all files below dir.
func everything(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		all.Write(raw)
		return err
	}))
	return all.String()
}

// secretOf is the last field of a recovery key, which may have a + in it.
func secretOf(private string) string { return strings.SplitN(strings.TrimSpace(private), "+", 5)[4] }

func TestTheRecoveryKeyIsPrintedOnceAndNotStored(t *testing.T) {
	t.Parallel()
	dir := evidence(t)
	code, private, stderr := command("recovery", "init", "--data-dir", dir)
	require.Zero(t, code, stderr)
	key, err := timeline.ParseKey(private, "test.example")
	require.NoError(t, err, "of the trust domain of the data directory")
	require.Contains(t, stderr, "not stored here")
	require.Contains(t, stderr, key.Public)
	stored := everything(t, dir)
	require.Contains(t, stored, key.Public)
	private = strings.TrimSpace(private)
	require.NotContains(t, stored, secretOf(private))

	code, stdout, stderr := command("recovery", "init", "--data-dir", dir)
	require.Equal(t, 1, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "there is a recovery key already")
	code, other, stderr := command("recovery", "init", "--replace", "--data-dir", dir)
	require.Zero(t, code, stderr)
	require.NotEqual(t, private, strings.TrimSpace(other))
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, unix.ENOSPC }

// TestAKeyThatCouldNotBePrintedIsNoKey: hosts would pin it within seconds.
func TestAKeyThatCouldNotBePrintedIsNoKey(t *testing.T) {
	t.Parallel()
	dir := evidence(t)
	var errs bytes.Buffer
	args := []string{"recovery", "init", "--data-dir", dir}
	code := cli.Execute(app.Root(), cli.Process{Args: args, Stdin: strings.NewReader(""), Stdout: fullDisk{}, Stderr: &errs})
	require.Equal(t, 1, code)
	require.Contains(t, errs.String(), "no recovery key was made")
	code, _, stderr := command(args...)
	require.Zero(t, code, stderr, "without --replace")
}

func TestTheRecoveryKeyIsSealedOrWritten(t *testing.T) {
	t.Parallel()
	dir, out := evidence(t), filepath.Join(t.TempDir(), "key")
	mine, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	code, stdout, stderr := command("recovery", "init", "--data-dir", dir, "--seal-to", mine.Recipient().String(), "--out", out)
	require.Zero(t, code, stderr)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "is in "+out+" and nowhere else: move that file away")
	info, err := os.Stat(out)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	sealed, err := os.ReadFile(out)
	require.NoError(t, err)
	require.NotContains(t, string(sealed), "PRIVATE")
	opened, err := age.Decrypt(armor.NewReader(bytes.NewReader(sealed)), mine)
	require.NoError(t, err)
	private, err := io.ReadAll(opened)
	require.NoError(t, err)
	_, err = timeline.ParseKey(string(private), "test.example")
	require.NoError(t, err)

	code, _, stderr = command("recovery", "init", "--data-dir", dir, "--out", out, "--replace")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "exists already")
	code, _, stderr = command("recovery", "init", "--data-dir", dir, "--replace", "--seal-to", "nonsense")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "--seal-to: must be an age recipient")
	code, _, stderr = command("recovery", "init", "--data-dir", t.TempDir())
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "no controller data")
}

func TestRecoveryStart(t *testing.T) {
	t.Parallel()
	dir := evidence(t)
	code, private, stderr := command("recovery", "init", "--data-dir", dir)
	require.Zero(t, code, stderr)
	thief, _, err := timeline.NewKey("test.example")
	require.NoError(t, err)
	abroad, _, err := timeline.NewKey("other.example")
	require.NoError(t, err)
	for name, c := range map[string]struct{ key, want string }{
		"no key":                  {"", "not a recovery key"},
		"another key":             {thief, "not the recovery key of this controller"},
		"of another trust domain": {abroad, "not a recovery key of this trust domain"},
		"a mistake in it":         {strings.TrimSpace(private) + "x", "not a recovery key"},
	} {
		code, stdout, stderr := told(c.key+"\n", "recovery", "start", "--data-dir", dir)
		require.Equal(t, 1, code, name)
		require.Contains(t, stderr, c.want, name)
		require.Empty(t, stdout, name)
		if c.key != "" {
			require.NotContains(t, stderr, secretOf(c.key), name)
		}
	}
	code, stdout, stderr := told(private, "recovery", "start", "--data-dir", dir, "--reason", "disk died")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "timeline 2 begins")
	code, stdout, stderr = told(private, "recovery", "start", "--data-dir", dir)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "timeline 2 has begun already")
	require.NotContains(t, stdout, "begins:", "a second number")
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte(private), 0o600))
	code, stdout, stderr = command("recovery", "start", "--data-dir", dir, "--key-file", file, "--after", "6")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "timeline 7 begins")

	s, err := store.Open(t.Context(), filepath.Join(dir, "controller.db"))
	require.NoError(t, err)
	now, err := s.Timeline(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.Equal(t, uint64(7), now.Number)
	require.NotEmpty(t, now.OldCheckpoint)
	key, err := audit.ReadVerifierKey(filepath.Join(dir, "audit"))
	require.NoError(t, err)
	require.Equal(t, key, now.OldVerifierKey)
	require.NotContains(t, everything(t, dir), secretOf(private))

	code, _, stderr = told(private, "recovery", "start", "--data-dir", dir, "--reason", "two\nlines")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "--reason: ")
	f, err := os.Create(filepath.Join(dir, "lock"))
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	require.NoError(t, unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)) // a controller runs
	code, _, stderr = told(private, "recovery", "start", "--data-dir", dir)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "systemctl stop grpccontroller.service")

	require.NoError(t, f.Close())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "restore.incomplete"), nil, 0o600))
	code, stdout, stderr = told(private, "recovery", "start", "--data-dir", dir)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "was interrupted")
	require.Empty(t, stdout, "half a database begins no timeline")
}
