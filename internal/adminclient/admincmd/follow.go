package admincmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

const (
	followEvery = time.Second
	// silenceLimit is how long the controller may be away while a rotation is
	// followed: it may be restarted meanwhile and continues by itself.
	silenceLimit = 2 * time.Minute
	// mostNames is how many holdouts a line names.
	mostNames = 3
)

func registerFollow(cmd *cobra.Command, out *cli.Output, detach *bool) {
	cmd.Flags().BoolVar(detach, "detach", false, "do not wait for the end")
	out.Register(cmd.Flags())
}

// follow shows a rotation until it stops: a line a second on a terminal, else one
// for each change. Progress goes to standard error, the result to standard output.
func (c *connection) follow(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, out cli.Output, r adminapi.Rotation, detach bool) error {
	if !detach {
		var err error
		if r, err = c.watch(ctx, api, cmd.ErrOrStderr(), r); err != nil {
			return err
		}
	}
	err := out.Write(cmd.OutOrStdout(), r, func(w io.Writer) error { return writeRotation(w, r) })
	if err != nil || detach || r.Status == adminapi.RotationDone {
		return err
	}
	if r.Status == adminapi.RotationPaused {
		return fmt.Errorf("rotation %s is paused%s: grpccontroller ca resume continues it", r.ID, because(r.Reason))
	}
	return fmt.Errorf("rotation %s was %s%s", r.ID, r.Status, because(r.Reason))
}

func (c *connection) watch(ctx context.Context, api *adminclient.Client, w io.Writer, r adminapi.Rotation) (adminapi.Rotation, error) {
	err := watch(ctx, w, "rotation", func() (string, bool, error) {
		ca, err := api.CA(ctx)
		switch {
		case err != nil:
			return "", false, err
		case ca.Rotation == nil || ca.Rotation.ID != r.ID:
			return "", false, fmt.Errorf("%w: see ca status", errAnother)
		}
		r = *ca.Rotation
		return progressLine(r, time.Now()), r.Status != adminapi.RotationRunning, nil
	})
	return r, err
}

// errAnother ends a watch: what it followed is not the newest any more.
var errAnother = errors.New("another one has begun")

// watch calls look once a second and shows its line, on a terminal each, else when it has
// changed, until look says that it is over. The controller may be away meanwhile, but what
// it refuses is refused at once.
func watch(ctx context.Context, w io.Writer, what string, look func() (line string, over bool, err error)) error {
	terminal := isTerminal(w)
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for answered, last := time.Now(), ""; ; {
		line, over, err := look()
		refused, ok := errors.AsType[*adminclient.Error](err)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case ok && refused.Status < 500, errors.Is(err, errAnother), err != nil && time.Since(answered) > silenceLimit:
			return err
		case err != nil:
			line = "the controller does not answer; the " + what + " continues when it is back"
		case over:
			return nil
		default:
			answered = time.Now()
		}
		if news := withoutTimes(line); terminal || news != last {
			last = news
			if _, err := fmt.Fprintln(w, line); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// progressLine is "  4 s  prepared, 2 of 3 done, blocked by tunneler/t-1 (…)".
func progressLine(r adminapi.Rotation, now time.Time) string {
	line := fmt.Sprintf("%4.0f s  %s", now.Sub(r.StartedAt).Seconds(), r.Phase)
	if r.Status == adminapi.RotationPaused {
		line += " (paused)"
	}
	if r.Gate != nil {
		line += ", " + gateText(r.Gate, "done")
		if !r.Gate.Deadline.IsZero() {
			line += ", deadline " + relative(r.Gate.Deadline, now)
		}
	}
	return line + because(r.Reason)
}

// withoutTimes is the part of a line whose change is news.
func withoutTimes(line string) string {
	what := line
	if _, after, timed := strings.Cut(line, " s  "); timed {
		what = after
	}
	what, _, _ = strings.Cut(what, ", deadline ")
	return what
}

// gateText says how many are through a gate; state is what they are then.
func gateText(g *adminapi.Gate, state string) string {
	text := fmt.Sprintf("%d of %d %s", g.Through, g.Total, state)
	for i, h := range g.HeldUpBy {
		switch i {
		case mostNames:
			return text + fmt.Sprintf(" and %d more", len(g.HeldUpBy)-mostNames)
		case 0:
			text += ", blocked by "
		default:
			text += ", "
		}
		text += h.Name + because(h.Why)
	}
	return text
}

func writeRotation(w io.Writer, r adminapi.Rotation) error {
	text := fmt.Sprintf("rotation %s: %s, phase %s%s\n", r.ID, r.Status, r.Phase, because(r.Reason))
	for _, p := range r.Phases {
		if p.Seconds >= 0.1 {
			text += fmt.Sprintf("  %-10s %6.1f s\n", p.Phase, p.Seconds)
		}
	}
	if len(r.Dropped) > 0 {
		text += "continued without " + strings.Join(r.Dropped, ", ") + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}
