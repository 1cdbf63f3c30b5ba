package hostcmd

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/doctor"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

const (
	// DefaultOnlineTimeout has room for a first identity on a slow host, which needs
	// some seconds, and for a tunneler that waits for its connector.
	DefaultOnlineTimeout = 2 * time.Minute
	pollEvery            = 250 * time.Millisecond
	// quietFor is how long nobody wonders whether something happens.
	quietFor = time.Second
	// repeatEvery is how often a reason that has not changed is printed again.
	repeatEvery = 10 * time.Second
	// crashLoop is after how many restarts a unit will not come up by itself.
	crashLoop = 3
)

// ErrNotOnline says that the host is enrolled and its unit is started, and that the
// program was not ready in time. The token is spent, and the unit continues to try.
var ErrNotOnline = errors.New("the host is enrolled, but not ONLINE yet")

// Start is what BringOnline needs to know. The host is enrolled.
type Start struct {
	// Unit defaults to that of the program.
	Unit string
	// Conf is the program's conf file; empty is that of the program.
	Conf string
	// RestartAgent, RestartProgram: it runs already, maybe, and has to begin anew.
	RestartAgent, RestartProgram bool
	// Timeout defaults to DefaultOnlineTimeout.
	Timeout time.Duration
	// Say receives, a line at a time, what a person who waits wants to know.
	Say func(string)
}

// BringOnline enables and starts the unit of the program and the SPIRE agent's, and
// waits until the program is ready: it has its identity and the controller lists it as
// ONLINE. It needs root. Errors: ErrNotOnline.
func BringOnline(ctx context.Context, p Program, s Start) error {
	if s.Unit == "" {
		s.Unit = p.unit()
	}
	if s.Timeout == 0 {
		s.Timeout = DefaultOnlineTimeout
	}
	if s.Conf == p.Conf {
		s.Conf = ""
	}
	b := &bringing{program: p, start: s, systemctl: p.systemd().Systemctl}
	if b.systemctl == "" {
		return fmt.Errorf("%s cannot be started: systemd does not run on this host", s.Unit)
	}
	if err := b.startUnits(ctx); err != nil {
		return err
	}
	return b.wait(ctx)
}

// bringing is one run of BringOnline.
type bringing struct {
	program   Program
	start     Start
	systemctl string

	began    time.Time // when the program was started, or started anew
	restarts int       // of its unit before that
}

// startUnits leaves waiting to wait, which can say what for.
func (b *bringing) startUnits(ctx context.Context) error {
	if err := b.do(ctx, "enable", "--quiet", "--", agentUnit, b.start.Unit); err != nil {
		return err
	}
	before, err := doctor.Show(ctx, b.systemctl, b.start.Unit)
	if err != nil {
		return fmt.Errorf("systemctl show %s: %w", b.start.Unit, err)
	}
	b.restarts, b.began = restartsOf(before), time.Now()
	for _, u := range []struct {
		name    string
		restart bool
	}{{agentUnit, b.start.RestartAgent}, {b.start.Unit, b.start.RestartProgram}} {
		verb := "start"
		if u.restart {
			verb = "restart"
		}
		if err := b.do(ctx, verb, "--no-block", "--", u.name); err != nil {
			return err
		}
	}
	return nil
}

func (b *bringing) do(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, restartTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, b.systemctl, args...).CombinedOutput() //nolint:gosec // a fixed program, and units after --
	if err != nil {
		return fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, health.OneLine(string(out)))
	}
	return nil
}

// wait asks the program, and reports why it is not ready.
func (b *bringing) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, b.start.Timeout)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var last, said string
	saidAt := b.began
	for {
		reason, hopeless := b.look(ctx)
		switch {
		case reason == "":
			return nil
		case hopeless:
			return fmt.Errorf("%w: %s", ErrNotOnline, reason)
		case ctx.Err() == nil:
			last = reason // and not that the time is over
		}
		waited := time.Since(b.began)
		if waited >= quietFor && (last != said && time.Since(saidAt) >= quietFor || time.Since(saidAt) >= repeatEvery) {
			said, saidAt = last, time.Now()
			b.start.Say(fmt.Sprintf("waiting until %s is ready, %d s: %s", b.program.Name, int(waited.Seconds()), last))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return fmt.Errorf("%w after %s: %s", ErrNotOnline, b.start.Timeout, last)
		}
	}
}

// look says why the program is not ready, empty if it is, and whether waiting cannot
// mend that.
func (b *bringing) look(ctx context.Context) (reason string, hopeless bool) {
	cfg, err := loadRunning(b.program, b.start.Conf)
	if err != nil {
		return health.OneLine(err.Error()), true
	}
	d, _, err := ask(ctx, b.program, cfg)
	switch {
	case err != nil:
		return b.unitState(ctx, err)
	case b.start.RestartProgram && d.StartedAt.Before(b.began):
		return "it is being restarted", false
	case d.Ready:
		return "", false
	}
	for _, c := range d.Checks {
		if !c.OK {
			return health.OneLine(c.Name + ": " + c.Detail), false
		}
	}
	return "it is starting", false
}

// unitState is why a program does not answer.
func (b *bringing) unitState(ctx context.Context, asked error) (reason string, hopeless bool) {
	p, err := doctor.Show(ctx, b.systemctl, b.start.Unit)
	if err != nil {
		return health.OneLine(asked.Error()), false
	}
	state := fmt.Sprintf("%s is %s (%s)", b.start.Unit, p["ActiveState"], p["SubState"])
	n := restartsOf(p)
	b.restarts = min(b.restarts, n) // a restart by systemctl begins to count anew
	if n-b.restarts >= crashLoop {
		return fmt.Sprintf("%s, and keeps exiting", state), true
	}
	if p["ActiveState"] == "active" {
		return health.OneLine(state + ", and does not answer: " + asked.Error()), false
	}
	return state, false
}

func restartsOf(properties map[string]string) int {
	n, _ := strconv.Atoi(properties["NRestarts"])
	return n
}
