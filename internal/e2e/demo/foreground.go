package main

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// job is the argument of the demo that runs as a terminal's foreground job.
const job = "job"

// ownsTerminal reports whether standard input is a terminal whose foreground job we
// belong to.
func ownsTerminal() bool {
	group, err := unix.IoctlGetInt(int(os.Stdin.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// runAsJob runs the demo once more, as the terminal's foreground job, and returns its
// exit code. CTRL-C then reaches the demo alone: make, which started it, would kill
// itself by the same signal and turn a clean end into a failure. Whatever is sent to
// this process, or to its whole group, is handed on.
func runAsJob() (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	// To change the foreground group is what stops a background process, and this is
	// one until it has the terminal again. CTRL-Z would stop the demo and leave make
	// waiting, with no shell to go back to.
	signal.Ignore(syscall.SIGTTOU, syscall.SIGTSTP)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)

	runtime.LockOSThread() // Pdeathsig is sent when the thread that forked ends
	defer runtime.UnlockOSThread()
	terminal := int(os.Stdin.Fd())
	cmd := exec.Command(self, append(os.Args[1:], job)...) //nolint:noctx // signals end it
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Foreground: true, Ctty: terminal, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			_ = cmd.Process.Signal(s)
		case err := <-done:
			_ = unix.IoctlSetPointerInt(terminal, unix.TIOCSPGRP, unix.Getpgrp())
			if exit := new(exec.ExitError); errors.As(err, &exit) {
				return cmd.ProcessState.ExitCode(), nil
			}
			return 0, err
		}
	}
}
