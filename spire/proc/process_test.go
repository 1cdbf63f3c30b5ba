package proc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
)

const patience = 15 * time.Second

// run starts a supervised child in the given role and stops it with the test.
func run(t *testing.T, role string, change func(*proc.Config)) (*proc.Process, *observer.ObservedLogs, func()) {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	cfg := proc.Config{
		Name: "child", Path: "/proc/self/exe", Env: []string{roleVariable + "=" + role}, Logger: zap.New(core),
		MinBackoff: 10 * time.Millisecond, MaxBackoff: 50 * time.Millisecond,
	}
	if change != nil {
		change(&cfg)
	}
	p, err := proc.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop := func() {
		cancel()
		if done != nil {
			require.NoError(t, <-done)
			done = nil
		}
	}
	t.Cleanup(stop)
	return p, logs, stop
}

func waitReady(t *testing.T, p *proc.Process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, p.WaitReady(ctx))
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, patience, 10*time.Millisecond, what)
}

// alive says whether a process runs; a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := bytes.Cut(stat, []byte(") "))
	return len(after) > 0 && after[0] != 'Z'
}

func TestStopsTheChildWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	p, _, stop := run(t, "wait", nil)
	waitReady(t, p)
	pid := p.Status().PID
	require.True(t, alive(pid))
	stop()
	require.False(t, alive(pid))
	require.Equal(t, proc.StateStopped, p.Status().State)
	require.Zero(t, p.Status().Restarts)
	require.ErrorIs(t, p.Restart(t.Context(), nil), proc.ErrStopped)
	require.ErrorIs(t, p.WaitReady(t.Context()), proc.ErrStopped)
	require.Error(t, p.Run(t.Context()), "a second Run is a programming error")
}

func TestKillsAChildThatIgnoresSIGTERM(t *testing.T) {
	t.Parallel()
	var logs *observer.ObservedLogs
	p, logs, stop := run(t, "stubborn", func(c *proc.Config) { c.StopTimeout = 50 * time.Millisecond })
	eventually(t, "the child ignores SIGTERM", func() bool { return logs.FilterMessage("ignoring SIGTERM").Len() == 1 })
	pid := p.Status().PID
	stop()
	require.False(t, alive(pid))
	require.Contains(t, p.Status().LastExit, "killed")
}

func TestRestartsAChildThatDies(t *testing.T) {
	t.Parallel()
	t.Run("after a crash", func(t *testing.T) {
		t.Parallel()
		marker := filepath.Join(t.TempDir(), "crashed")
		p, _, _ := run(t, "crash once", func(c *proc.Config) { c.Env = append(c.Env, fileVariable+"="+marker) })
		eventually(t, "one restart", func() bool { s := p.Status(); return s.Restarts == 1 && s.State == proc.StateReady })
		require.Contains(t, p.Status().LastExit, "exit status 4")
	})
	t.Run("after SIGKILL", func(t *testing.T) {
		t.Parallel()
		p, _, _ := run(t, "wait", nil)
		waitReady(t, p)
		first := p.Status().PID
		require.NoError(t, syscall.Kill(first, syscall.SIGKILL))
		eventually(t, "another child", func() bool { s := p.Status(); return s.State == proc.StateReady && s.PID != first })
	})
	t.Run("with growing pauses", func(t *testing.T) {
		t.Parallel()
		p, _, _ := run(t, "crash", func(c *proc.Config) {
			c.MinBackoff, c.MaxBackoff = 20*time.Millisecond, time.Hour
			c.Ready = func(context.Context) error { return errors.New("never") }
		})
		begun := time.Now()
		eventually(t, "four deaths", func() bool { return p.Status().Restarts >= 4 })
		require.Greater(t, time.Since(begun), (20+40+80)*time.Millisecond*8/10)
	})
	t.Run("when the program is gone for a while", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "program")
		require.NoError(t, os.Symlink("/proc/self/exe", path))
		p, _, _ := run(t, "wait", func(c *proc.Config) { c.Path = path })
		waitReady(t, p)
		require.NoError(t, os.Remove(path))
		require.Error(t, p.Restart(t.Context(), nil))
		require.NoError(t, os.Symlink("/proc/self/exe", path))
		waitReady(t, p)
	})
}

func TestNewRefusesAProgramThatDoesNotExist(t *testing.T) {
	t.Parallel()
	_, err := proc.New(proc.Config{Name: "x", Path: "/does/not/exist", Logger: zap.NewNop()})
	require.ErrorContains(t, err, "/does/not/exist")
}

func TestRestart(t *testing.T) {
	t.Parallel()
	t.Run("runs the function while no child lives", func(t *testing.T) {
		t.Parallel()
		p, _, _ := run(t, "wait", nil)
		waitReady(t, p)
		first, lived := p.Status().PID, true
		require.NoError(t, p.Restart(t.Context(), func() error {
			lived = alive(first)
			return nil
		}))
		require.False(t, lived)
		waitReady(t, p)
		require.NotEqual(t, first, p.Status().PID)
		require.Zero(t, p.Status().Restarts, "a restart that was asked for is no death")
	})
	t.Run("returns the function's error and starts the child all the same", func(t *testing.T) {
		t.Parallel()
		p, _, _ := run(t, "wait", nil)
		waitReady(t, p)
		boom := errors.New("boom")
		require.ErrorIs(t, p.Restart(t.Context(), func() error { return boom }), boom)
		waitReady(t, p)
	})
	t.Run("cuts a pause short", func(t *testing.T) {
		t.Parallel()
		marker := filepath.Join(t.TempDir(), "crashed")
		p, _, _ := run(t, "crash once", func(c *proc.Config) {
			c.MinBackoff, c.MaxBackoff = time.Hour, time.Hour
			c.Env = append(c.Env, fileVariable+"="+marker)
		})
		eventually(t, "a pause", func() bool { return p.Status().State == proc.StateBackoff })
		require.NoError(t, p.Restart(t.Context(), nil))
		waitReady(t, p)
	})
	t.Run("gives up with its context when nothing runs", func(t *testing.T) {
		t.Parallel()
		p, err := proc.New(proc.Config{Name: "x", Path: "/proc/self/exe", Logger: zap.NewNop()})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, p.Restart(ctx, nil), context.Canceled)
		require.ErrorIs(t, p.WaitReady(ctx), context.Canceled)
	})
}

func TestIsReadyOnlyAfterTheProbeSucceeds(t *testing.T) {
	t.Parallel()
	var open atomic.Bool
	p, _, _ := run(t, "wait", func(c *proc.Config) {
		c.Ready = func(context.Context) error {
			if open.Load() {
				return nil
			}
			return errors.New("not yet")
		}
	})
	eventually(t, "a child", func() bool { return p.Status().PID != 0 })
	require.Equal(t, proc.StateStarting, p.Status().State)
	open.Store(true)
	waitReady(t, p)
}

func TestPassesTheLogOn(t *testing.T) {
	t.Parallel()
	_, logs, _ := run(t, "talk", func(c *proc.Config) { c.MinBackoff, c.MaxBackoff = time.Hour, time.Hour })
	eventually(t, "the last words", func() bool { return logs.FilterMessage("half a line").Len() == 1 })

	attested := logs.FilterMessage("Node attested").All()
	require.Len(t, attested, 1)
	require.Equal(t, zap.WarnLevel, attested[0].Level)
	require.Equal(t, "child", attested[0].LoggerName)
	require.Equal(t, map[string]any{"spiffe_id": "spiffe://a/b", "port": float64(8081), "child_logger": "x"}, attested[0].ContextMap())

	fatal := logs.FilterMessage("Fatal run error").All()
	require.Len(t, fatal, 1, "a child's fatal error must not end this process")
	require.Equal(t, zap.ErrorLevel, fatal[0].Level)

	require.Equal(t, zap.WarnLevel, logs.FilterMessage("panic: not JSON").All()[0].Level)
	require.Equal(t, zap.InfoLevel, logs.FilterMessage("plain line").All()[0].Level)
	long := logs.FilterField(zap.Bool("truncated", true)).All()
	require.Len(t, long, 1)
	require.Len(t, long[0].Message, 64<<10)

	// Whoever reads the log could spend a join token before its host does.
	for _, entry := range logs.All() {
		require.NotContains(t, fmt.Sprint(entry.Message, entry.ContextMap()), joinToken)
	}
	hidden := logs.FilterField(zap.Any("spiffe_id", "spiffe://a/spire/agent/join_token/[hidden]")).All()
	require.Len(t, hidden, 1, "the rest of the line is there")
	require.Equal(t, "agent spiffe://a/spire/agent/join_token/[hidden] attested", hidden[0].Message)
}

// TestALineThatRepeatsIsWrittenAFewTimes: 14 errors a minute about the same thing, and
// two lines for each request of each host, are no news.
func TestALineThatRepeatsIsWrittenAFewTimes(t *testing.T) {
	t.Parallel()
	_, logs, _ := run(t, "grumble", nil)
	eventually(t, "the last words", func() bool { return logs.FilterMessage("the end").Len() == 1 })
	require.Equal(t, 3, logs.FilterMessage("Failed to collect all selectors for PID").Len(), "one condition of one process")
	require.Equal(t, 20, logs.FilterMessage("No identity issued").Len(), "each of another process")
	require.Equal(t, 20, logs.FilterMessage("Agent banned").Len(), "each about another agent")
	accessed := logs.FilterMessage("API accessed")
	require.Equal(t, 3, accessed.FilterField(zap.String("status_message", "agent is banned")).Len())
	require.Equal(t, 3, accessed.FilterLevelExact(zap.InfoLevel).Len())
	require.Equal(t, 1000, accessed.FilterLevelExact(zap.DebugLevel).Len(), "ordinary requests are for debugging")
}

// Not parallel: it sets a variable that must not arrive.
func TestGivesTheChildAMinimalEnvironment(t *testing.T) {
	t.Setenv("ENROLLMENT_TOKEN", "ztc_secret")
	t.Setenv("TZ", "UTC")
	file := filepath.Join(t.TempDir(), "environment")
	run(t, "environment", func(c *proc.Config) { c.Env = append(c.Env, fileVariable+"="+file) })
	var env []byte
	eventually(t, "the environment", func() bool { env, _ = os.ReadFile(file); return len(env) > 0 })
	for line := range strings.Lines(string(env)) {
		key, _, _ := strings.Cut(strings.TrimSpace(line), "=")
		require.Contains(t, []string{"PATH", "HOME", "LANG", "TZ", roleVariable, fileVariable}, key)
	}
	require.Contains(t, string(env), "TZ=UTC")
}

func TestGivesTheChildItsOwnProcessGroup(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "group")
	run(t, "group", func(c *proc.Config) { c.Env = append(c.Env, fileVariable+"="+file) })
	var group []byte
	eventually(t, "the group", func() bool { group, _ = os.ReadFile(file); return len(group) > 0 })
	require.NotEqual(t, strconv.Itoa(syscall.Getpgrp()), string(group))
}

func TestAMurderedParentLeavesNoOrphan(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	parent := exec.CommandContext(t.Context(), "/proc/self/exe")
	parent.Env = append(os.Environ(), roleVariable+"=parent", fileVariable+"="+file)
	require.NoError(t, parent.Start())
	var child int
	eventually(t, "a grandchild", func() bool {
		b, err := os.ReadFile(file)
		if err != nil {
			return false
		}
		child, err = strconv.Atoi(string(b))
		return err == nil
	})
	require.True(t, alive(child))
	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()
	eventually(t, "the grandchild dies", func() bool { return !alive(child) })
}
