package world

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Process is one running program. Its output is appended to a log file.
type Process struct {
	Name string
	Log  string // path of the log file
	cmd  *exec.Cmd
	done chan struct{}
	err  error // valid once done is closed
}

// Spec says what to run.
type Spec struct {
	Name   string
	Dir    string   // working directory and place of the log
	Prefix []string // such as: ip netns exec NAME
	Path   string
	Args   []string
	Env    []string
}

// stopTimeout is how long an orderly stop may take; SPIRE needs half a second.
const stopTimeout = 15 * time.Second

// pauseTimeout is how long the threads of a process may run on after SIGSTOP.
const pauseTimeout = 15 * time.Second

// Start runs a program.
func Start(s Spec) (*Process, error) {
	argv := append(append(append([]string(nil), s.Prefix...), s.Path), s.Args...)
	p := &Process{Name: s.Name, Log: filepath.Join(s.Dir, s.Name+".log"), done: make(chan struct{})}
	out, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	p.cmd = exec.Command(argv[0], argv[1:]...) //nolint:noctx // Stop ends it
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = s.Dir, append(Environment(), s.Env...), out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	go func() {
		// Pdeathsig is sent when the thread that forked ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer func() { _ = out.Close() }()
		defer close(p.done)
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	return p, nil
}

// Environment is what every program gets: no secret and no configuration of the
// caller, except where SPIRE's binaries are.
func Environment() []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	for _, name := range []string{"SPIRE_SERVER_BIN", "SPIRE_AGENT_BIN"} {
		if v := os.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// PID of the program.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Signal sends a signal to the program.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Pause stops the program where it is, until it gets SIGCONT.
func (p *Process) Pause() error { return Pause(p.PID()) }

// Stop asks the program to end, waits for it and returns its exit code.
func (p *Process) Stop() (int, error) {
	if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return -1, err
	}
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-time.After(stopTimeout):
		p.Kill()
		return -1, fmt.Errorf("%s did not stop within %s after SIGTERM, see %s", p.Name, stopTimeout, p.Log)
	}
}

// Kill ends the program at once.
func (p *Process) Kill() {
	_ = p.Signal(syscall.SIGKILL)
	<-p.done
}

// Tail is the end of the program's log, for error messages.
func (p *Process) Tail(lines int) string {
	b, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Children lists the processes that a program has started, and theirs.
func Children(pid int) []int {
	byParent := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		// "pid (name) state parent …"; the name may hold anything.
		var child, parent int
		var state string
		text := string(b)
		_, err = fmt.Sscan(text[strings.LastIndexByte(text, ')')+1:], &state, &parent)
		if _, err2 := fmt.Sscan(text, &child); err == nil && err2 == nil && state != "Z" {
			byParent[parent] = append(byParent[parent], child)
		}
	}
	var out []int
	for todo := byParent[pid]; len(todo) > 0; todo = todo[1:] {
		out = append(out, todo[0])
		todo = append(todo, byParent[todo[0]]...)
	}
	return out
}

// Pause stops a process where it is, until it gets SIGCONT. It returns when all its threads
// stand still: on a busy machine they run on for a while after the signal, and answer.
func Pause(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	return Eventually(context.Background(), pauseTimeout, fmt.Sprintf("process %d stands still", pid), func(context.Context) error {
		stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if len(stats) == 0 {
			return errors.New("it has ended")
		}
		for _, path := range stats {
			b, err := os.ReadFile(path)
			if err != nil {
				return err // a thread has ended meanwhile
			}
			if state := string(b[bytes.LastIndexByte(b, ')')+1:]); !strings.HasPrefix(state, " T ") {
				return fmt.Errorf("%s runs", path)
			}
		}
		return nil
	})
}

// Program is the name of the program that a process runs, empty when it has ended.
func Program(pid int) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return ""
	}
	return filepath.Base(path)
}

// Result is what a finished command left behind.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// Run runs a command to its end with the given standard input.
func Run(ctx context.Context, s Spec, stdin string) (Result, error) {
	argv := append(append(append([]string(nil), s.Prefix...), s.Path), s.Args...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var stdout, stderr strings.Builder
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.Stdin = s.Dir, append(Environment(), s.Env...), &stdout, &stderr, strings.NewReader(stdin)
	err := cmd.Run()
	r := Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return r, fmt.Errorf("run %s: %w", s.Name, err)
	}
	return r, nil
}

// Eventually calls check every 50 ms until it returns nil or the deadline passes.
func Eventually(ctx context.Context, within time.Duration, what string, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s: %w", what, within, err)
		}
	}
}
