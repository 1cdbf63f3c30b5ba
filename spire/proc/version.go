package proc

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"syscall"
	"time"

	"golang.org/x/mod/semver"
)

// The oldest SPIRE that we run.
const (
	// MinimumServer: before 1.15.3 the entry cache that follows events, which
	// spire/conf turns on, could miss an entry.
	MinimumServer = "1.15.3"
	// MinimumAgent is the release before: hosts are upgraded after their controller,
	// and a test runs that agent beside our server.
	MinimumAgent = "1.15.2"
)

var versionPattern = regexp.MustCompile(`(?m)^v?(\d{1,5}\.\d{1,5}\.\d{1,5})(?:[-+][0-9A-Za-z.+-]*)?\s*$`)

const (
	// answerWithin is long: on a machine that is short of CPU time or memory a program of
	// 170 MB takes its time to start, and who asks ends if it gets no answer.
	answerWithin = time.Minute
	// asked is how often a program is asked that is killed before it answers.
	asked = 3
)

var errNoAnswer = errors.New("no answer within " + answerWithin.String() + ": is this machine short of CPU time or memory, or its disk slow?")

// Version asks the program at path for its version and returns it as
// "major.minor.patch". A suffix is dropped: SPIRE built by `go install` calls
// itself "1.15.2-dev-unk" and is 1.15.2.
func Version(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerWithin, errNoAnswer)
	defer cancel()
	out, err := ask(ctx, path)
	for n := 1; n < asked && passing(err) && ctx.Err() == nil; n++ {
		out, err = ask(ctx, path)
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", path, err)
	}
	m := versionPattern.FindSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("ask %s for its version: no version in %q", path, clip(string(out)))
	}
	return string(m[1]), nil
}

func ask(ctx context.Context, path string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env = []string{} // a version needs none of our secrets
	cmd.WaitDelay = time.Second
	return cmd.CombinedOutput() // spire-server writes it to stderr
}

// passing errors are no fault of the program: somebody killed it, as the kernel does when
// memory is short, or it could not be started at this moment.
func passing(err error) bool {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status, ok := exit.Sys().(syscall.WaitStatus)
		return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
	}
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ETXTBSY)
}

// RequireVersion returns an error that says what to do when the program at path
// is older than minimum, which is MinimumServer or MinimumAgent.
func RequireVersion(ctx context.Context, path, minimum string) error {
	v, err := Version(ctx, path)
	if err != nil {
		return err
	}
	if semver.Compare("v"+v, "v"+minimum) < 0 {
		return fmt.Errorf("%s is SPIRE %s, but %s or newer is needed; run `make spire` for a current one or upgrade it", path, v, minimum)
	}
	return nil
}

func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
