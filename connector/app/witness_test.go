package app_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/app"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/timeline"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// witnessed runs "grpcconnector witness ARGS" on this state directory.
func witnessed(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	return prepared(t, dir, args...)()
}

func prepared(t *testing.T, dir string, args ...string) (run func() (string, error)) {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "connector.conf")
	require.NoError(t, os.WriteFile(conf, []byte("CONNECTOR_ID=c-01\nTRUST_DOMAIN=mycorp.internal\nCONTROLLER_ADDR=ctl.example.com:9443\nSTATE_DIR="+dir+"\n"), 0o644))
	cmd := app.Command()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(append(append([]string{"witness"}, args...), "--config", conf))
	return func() (string, error) {
		err := cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
}

func witnessFile(t *testing.T) witness.File {
	t.Helper()
	o := controltest.NewLog(t, "mycorp.internal/audit").With(t, "a", "b").Offer(t, 0)
	return witness.File{
		Connector: "spiffe://mycorp.internal/connector/c-01", VerifierKey: o.VerifierKey, Checkpoint: string(o.Note),
		WitnessedAt: time.Unix(1767323045, 0).UTC(), Covered: 2,
	}
}

func TestWitnessShow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := witnessFile(t)
	require.NoError(t, f.Save(filepath.Join(dir, witness.FileName)))
	out, err := witnessed(t, dir, "show")
	require.NoError(t, err)
	require.Contains(t, out, "records    2 at 2026-01-02T03:04:05Z\n")
	require.Contains(t, out, "log        mycorp.internal/audit\n")
	require.Contains(t, out, "newest     accepted\n")

	out, err = witnessed(t, dir, "show", "-o", "json")
	require.NoError(t, err)
	var got witness.File
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.Equal(t, f, got)

	f.Failure, f.FailedAt, f.Refused = "it does not extend what was witnessed", f.WitnessedAt.Add(time.Hour), "another log\x1b[2J"
	require.NoError(t, f.Save(filepath.Join(dir, witness.FileName)))
	out, err = witnessed(t, dir, "show")
	require.NoError(t, err)
	require.Contains(t, out, "newest     REFUSED since 2026-01-02T04:04:05Z: it does not extend what was witnessed\n")
	require.Contains(t, out, `"another log\x1b[2J"`, "what was refused cannot rewrite the screen")
}

func TestWitnessReset(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, witness.FileName)
	require.NoError(t, witnessFile(t).Save(path))
	before, err := os.ReadFile(path)
	require.NoError(t, err)

	_, err = witnessed(t, dir, "reset")
	require.ErrorContains(t, err, "add --yes")
	require.FileExists(t, path)

	out, err := witnessed(t, dir, "reset", "--yes")
	require.NoError(t, err)
	require.NoFileExists(t, path)
	kept, err := filepath.Glob(path + ".*")
	require.NoError(t, err)
	require.Len(t, kept, 1)
	require.Contains(t, out, "kept in "+kept[0]+"\n")
	after, err := os.ReadFile(kept[0])
	require.NoError(t, err)
	require.Equal(t, before, after, "it is evidence")

	_, err = witnessed(t, dir, "reset", "--yes")
	require.ErrorContains(t, err, "nothing to reset")
	_, err = witnessed(t, dir, "show")
	require.ErrorContains(t, err, "nothing witnessed yet")
}

// TestWitnessResetDropsTheKeptPolicy: one of before the restore would be held against the
// controller for as long as it may be used.
func TestWitnessResetDropsTheKeptPolicy(t *testing.T) {
	t.Parallel()
	for name, witnessed := range map[string]bool{"with a witness file": true, "without one": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			policy := filepath.Join(dir, "policy.json")
			require.NoError(t, os.WriteFile(policy, []byte("{}"), 0o600))
			if witnessed {
				require.NoError(t, witnessFile(t).Save(filepath.Join(dir, witness.FileName)))
			}
			cmd := prepared(t, dir, "reset")
			_, err := cmd()
			require.ErrorContains(t, err, "add --yes")
			require.FileExists(t, policy)
			_, err = prepared(t, dir, "reset", "--yes")()
			require.NoError(t, err)
			require.NoFileExists(t, policy)
		})
	}
}

func TestWitnessCommandsRefuse(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spoil       func(t *testing.T, path string)
		show, reset string // parts of the errors; reset moves also what it cannot read
	}{
		"no file": {func(*testing.T, string) {}, "nothing witnessed yet", "nothing to reset"},
		"a file cut short": {func(t *testing.T, path string) {
			rewrite(t, path, func(s string) string { return s[:len(s)/2] })
		}, witness.FileName + ": ", ""},
		"a checkpoint that was changed": {func(t *testing.T, path string) {
			rewrite(t, path, func(s string) string { return strings.Replace(s, `audit\n2`, `audit\n3`, 1) })
		}, "witnessed checkpoint", ""},
		"an unknown field": {func(t *testing.T, path string) {
			rewrite(t, path, func(s string) string { return strings.Replace(s, `"covered"`, `"uncovered"`, 1) })
		}, "uncovered", ""},
		"a directory in its place": {func(t *testing.T, path string) {
			_ = os.Remove(path)
			require.NoError(t, os.Mkdir(path, 0o700))
		}, witness.FileName, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, witness.FileName)
			if name != "no file" {
				require.NoError(t, witnessFile(t).Save(path))
			}
			tc.spoil(t, path)
			_, err := witnessed(t, dir, "show")
			require.ErrorContains(t, err, tc.show)
			_, err = witnessed(t, dir, "reset", "--yes")
			if tc.reset != "" {
				require.ErrorContains(t, err, tc.reset)
				return
			}
			require.NoError(t, err)
		})
	}
	t.Run("without a state directory", func(t *testing.T) {
		t.Parallel()
		for _, args := range [][]string{{"show"}, {"reset", "--yes"}} {
			_, err := witnessed(t, "", args...)
			require.ErrorContains(t, err, "STATE_DIR is empty")
		}
	})
}

// TestWitnessCommandsNeedTheRightsToTheFile: what is refused stays as it was.
func TestWitnessCommandsNeedTheRightsToTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, witness.FileName)
	require.NoError(t, witnessFile(t).Save(path))
	require.NoError(t, os.Chmod(path, 0))
	show, reset := prepared(t, dir, "show"), prepared(t, dir, "reset", "--yes")
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755)) // nobody gets as far as dir
	require.NoError(t, os.Chmod(dir, 0o555))               // and no further
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	var shown, moved error
	asNobody(t, func() {
		_, shown = show()
		_, moved = reset()
	})
	require.ErrorIs(t, shown, os.ErrPermission)
	require.ErrorContains(t, shown, path)
	require.ErrorIs(t, moved, os.ErrPermission)
	require.ErrorContains(t, moved, path)
	require.FileExists(t, path)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
}

// asNobody runs fn without the rights of root to all files, for root runs tests too.
func asNobody(t *testing.T, fn func()) {
	t.Helper()
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with its changed rights
		if os.Geteuid() == 0 {
			err = syscall.Setfsuid(65534)
		}
		fn()
	}()
	<-done
	require.NoError(t, err)
}

func rewrite(t *testing.T, path string, edit func(string) string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	edited := edit(string(raw))
	require.NotEqual(t, string(raw), edited)
	require.NoError(t, os.WriteFile(path, []byte(edited), 0o600))
}

func TestWitnessShowsAndResetsTheTimeline(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, witnessFile(t).Save(filepath.Join(dir, witness.FileName)))
	out, err := witnessed(t, dir, "show")
	require.NoError(t, err)
	require.Contains(t, out, "no recovery key is pinned")

	_, k, err := timeline.NewKey("mycorp.internal")
	require.NoError(t, err)
	pin := &zerotrustv1.Timeline{RecoveryKey: k.Public}
	pin.Statement, err = k.Sign(timeline.Statement{TrustDomain: "mycorp.internal", Number: 2, Reason: "disk died"})
	require.NoError(t, err)
	require.NoError(t, timeline.Enrolled(dir, os.Getuid(), pin, 2, "mycorp.internal", time.Now()))
	out, err = witnessed(t, dir, "show")
	require.NoError(t, err)
	require.Contains(t, out, "timeline   2\n")
	require.Contains(t, out, k.Public)
	require.Contains(t, out, ": disk died\n")

	out, err = witnessed(t, dir, "reset", "--yes")
	require.NoError(t, err)
	require.Contains(t, out, "recovery key reset")
	require.NoFileExists(t, filepath.Join(dir, timeline.FileName))
	require.NoError(t, timeline.Enrolled(dir, os.Getuid(), pin, 2, "mycorp.internal", time.Now()))
	_, err = witnessed(t, dir, "reset", "--yes")
	require.NoError(t, err, "a pin alone can be reset too")
}
