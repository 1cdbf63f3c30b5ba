package hostcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/enrollclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// Exit codes of enroll, beside those of every command.
const (
	exitDenied    = 3
	exitUndecided = 4
	exitNotOnline = 5
)

const (
	// requestTimeout is a little longer than the controller keeps a request.
	requestTimeout = 16 * time.Minute
	// remindEvery is how often a person who waits sees that enroll still waits.
	remindEvery = time.Minute
)

// registerRequest adds the flags of the ways that need no plain token.
func (e *enrollment) registerRequest(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&e.id, "id", "", fmt.Sprintf("short for --%s-id", e.program.Kind))
	fs.BoolVar(&e.ask, "request", false, "enroll without a token: an operator compares a fingerprint and approves")
	fs.StringVar(&e.sealed, "sealed", "", "`file` with an enrollment token sealed to a key of this host, - is standard input")
	fs.StringArrayVar(&e.identities, "identity", nil, "private key `file` to open --sealed with, SSH or age (default the host's SSH keys)")
	fs.DurationVar(&e.timeout, "timeout", 0, "how long to try, or with --request to wait (default 1m, with --request 16m)")
	e.out.Register(fs)
	cmd.MarkFlagsMutuallyExclusive("request", "sealed", "token-file")
	cmd.MarkFlagsMutuallyExclusive("request", "identity")
}

func (e *enrollment) timeLimit() time.Duration {
	switch {
	case e.timeout > 0:
		return e.timeout
	case e.ask:
		return requestTimeout
	default:
		return enrollclient.DefaultTimeout
	}
}

// pendingEvent, and those in report.go, are what -o json prints, one a line.
type pendingEvent struct {
	Event       string    `json:"event"`
	Workload    string    `json:"workload"`
	Code        string    `json:"code"`
	Fingerprint string    `json:"fingerprint"`
	ExpiresAt   time.Time `json:"expires_at"`
}

func (e *enrollment) event(v any) error { return json.NewEncoder(e.stdout).Encode(v) }

// await shows what to compare and waits for the operator.
func (e *enrollment) await(ctx context.Context, client *enrollclient.Client, req enrollclient.Request) (enrollclient.Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	var reminding sync.WaitGroup
	defer reminding.Wait()
	defer cancel()
	expires := make(chan time.Time, 1)
	reminding.Go(func() { e.remind(ctx, expires) })
	got, err := client.RequestEnrollment(ctx, req, func(p enrollclient.Pending) {
		e.show(req.Workload.String(), p)
		select {
		case expires <- p.ExpiresAt:
		case <-ctx.Done():
		}
	})
	switch {
	case errors.Is(err, enrollclient.ErrDenied):
		err = cli.CodedError(exitDenied, err)
	case errors.Is(err, enrollclient.ErrUndecided):
		err = cli.CodedError(exitUndecided, err)
	case errors.Is(err, context.Canceled):
		e.say("the request stays until it expires; the same command continues to wait for it")
	}
	return got, err
}

// show is the host's half of the comparison. The other half must be read beside
// it, and not believed from a message.
func (e *enrollment) show(workload string, p enrollclient.Pending) {
	if e.out.String() == cli.OutputJSON {
		_ = e.event(pendingEvent{Event: "pending", Workload: workload, Code: p.Code, Fingerprint: p.Fingerprint, ExpiresAt: p.ExpiresAt})
		return
	}
	paint := cli.NewPaint(e.stderr)
	_, last := keys.SplitFingerprint(p.Fingerprint)
	_, _ = fmt.Fprintf(e.stderr, `
This host asks to be enrolled as %s.

  code         %s
  fingerprint  %s

An operator has to approve it until %s, in the dashboard under
"Pending approvals" or with

  grpccontroller requests approve %s

The operator sees the same fingerprint without its last group and has to enter that
one: %s. Give it only to somebody you know. If the rest differs, the request
must be denied: the connection to the controller was intercepted.

Waiting. Ctrl-C stops waiting; the same command continues.
`, workload, paint.Bold(printable(p.Code)), paint.Bold(p.Fingerprint), p.ExpiresAt.Local().Format("15:04"), printable(p.Code), paint.Bold(last))
}

// printable takes out of a peer's text what a terminal would obey.
func printable(s string) string {
	out := make([]rune, 0, len(s))
	for _, r := range s {
		if r > ' ' && r <= '~' && len(out) < 16 {
			out = append(out, r)
		}
	}
	return string(out)
}

func (e *enrollment) remind(ctx context.Context, expires <-chan time.Time) {
	tick := time.NewTicker(remindEvery)
	defer tick.Stop()
	var until time.Time
	for {
		select {
		case until = <-expires:
		case <-tick.C:
			if left := time.Until(until).Round(time.Minute); !until.IsZero() && left > 0 {
				e.say(fmt.Sprintf("still waiting for an operator, %d min left", int(left.Minutes())))
			}
		case <-ctx.Done():
			return
		}
	}
}
