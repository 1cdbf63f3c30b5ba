package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
)

const (
	readyInterval = 50 * time.Millisecond
	readyTimeout  = 2 * time.Second // of one question
)

// life is how one child ended.
type life struct {
	stable bool     // it was ready, or lived long enough
	asked  *request // it was stopped for this Restart
}

// live starts a child and returns when it is gone. A Restart that led here gets
// its answer when the child was started.
func (p *Process) live(ctx context.Context, asked *request) life {
	var err error
	if asked != nil && asked.between != nil {
		err = asked.between()
	}
	childCtx, stop := context.WithCancel(ctx)
	defer stop()
	p.set(func(s *Status) { s.State, s.PID = StateStarting, 0 })
	c := p.start(childCtx)
	started := <-c.started
	if asked != nil {
		asked.done <- errors.Join(err, started)
	}
	if started != nil {
		p.died(started.Error())
		<-c.exited
		return life{}
	}
	begun := time.Now()
	var probe sync.WaitGroup
	probe.Go(func() { p.probe(childCtx, c.pid) })

	next := p.await(ctx, c)
	if next != nil || ctx.Err() != nil {
		p.set(func(s *Status) { s.State = StateStopping })
	}
	stop()
	exit := <-c.exited
	probe.Wait()
	stable := p.Status().wasReady || time.Since(begun) >= p.cfg.StableAfter
	if next == nil && ctx.Err() == nil {
		p.died(exit)
	} else {
		p.log.Info("stopped child process", zap.Int("pid", c.pid), zap.String("exit", exit))
		p.set(func(s *Status) { s.LastExit = exit })
	}
	return life{stable: stable, asked: next}
}

// await returns when the child has exited, a Restart came or ctx ended.
func (p *Process) await(ctx context.Context, c *child) *request {
	select {
	case <-ctx.Done():
		return nil
	case exit := <-c.exited:
		c.exited <- exit
		return nil
	case r := <-p.requests:
		return &r
	}
}

func (p *Process) died(exit string) {
	p.log.Warn("child process ended, restarting it", zap.String("exit", exit))
	p.set(func(s *Status) {
		s.LastExit = exit
		s.Restarts++
	})
}

// child is one started program.
type child struct {
	started chan error  // one value: nil, or why it did not start
	exited  chan string // one value: the exit in words
	pid     int         // valid after started gave nil
}

// start runs the program in a goroutine of its own. The kernel sends Pdeathsig
// when the thread that forked ends, not the process: the goroutine keeps its
// thread for as long as the child lives, so that the signal means that we died,
// also by SIGKILL. Pdeathsig is SIGKILL because a child without us is
// unsupervised and would hold the socket and the data directory.
func (p *Process) start(ctx context.Context) *child {
	c := &child{started: make(chan error, 1), exited: make(chan string, 1)}
	go func() { // joined by exited
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		cmd := p.command(ctx)
		out, errs := newLines(p.log, zap.InfoLevel, p.repeats), newLines(p.log, zap.WarnLevel, p.repeats)
		cmd.Stdout, cmd.Stderr = out, errs
		if err := cmd.Start(); err != nil {
			c.exited <- "not started"
			c.started <- err
			return
		}
		c.pid = cmd.Process.Pid
		p.log.Info("started child process", zap.Int("pid", c.pid), zap.String("path", p.cfg.Path))
		p.set(func(s *Status) { s.PID = c.pid })
		c.started <- nil
		err := cmd.Wait()
		out.flush()
		errs.flush()
		c.exited <- exitText(cmd, err)
	}()
	return c
}

func (p *Process) command(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.cfg.Path, p.cfg.Args...) //nolint:gosec // the operator names the program
	cmd.Dir = p.cfg.Dir
	cmd.Env = append(minimalEnv(), p.cfg.Env...)
	// A process group of its own: Ctrl-C in a terminal reaches us only, and we
	// stop the children in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = p.cfg.StopTimeout // then SIGKILL
	return cmd
}

// minimalEnv keeps our secrets (enrollment tokens, database URLs, systemd
// credentials) out of the child.
func minimalEnv() []string {
	env := []string{}
	for _, key := range []string{"PATH", "HOME", "LANG", "TZ"} {
		if value, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+value)
		}
	}
	return env
}

// probe asks Ready until its first success.
func (p *Process) probe(ctx context.Context, pid int) {
	ticker := time.NewTicker(readyInterval)
	defer ticker.Stop()
	for {
		if p.ask(ctx) == nil && ctx.Err() == nil {
			p.set(func(s *Status) {
				if s.PID == pid && s.State == StateStarting {
					s.State, s.wasReady = StateReady, true
				}
			})
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (p *Process) ask(ctx context.Context) error {
	if p.cfg.Ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return p.cfg.Ready(ctx)
}

// exitText puts into words how a child ended; Wait's own error is about our pipes.
func exitText(cmd *exec.Cmd, err error) string {
	if cmd.ProcessState != nil {
		return cmd.ProcessState.String()
	}
	return fmt.Sprint(err)
}
