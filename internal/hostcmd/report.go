package hostcmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/enrollclient"
)

// enrolledEvent and onlineEvent are what -o json prints, one a line.
type enrolledEvent struct {
	Event      string `json:"event"`
	SPIFFEID   string `json:"spiffe_id"`
	HostID     string `json:"host_id"`
	HostDir    string `json:"host_dir"`
	Conf       string `json:"conf,omitempty"`
	Unit       string `json:"unit,omitempty"`
	SecondRole bool   `json:"second_role"`
}

type onlineEvent struct {
	Event string `json:"event"`
	Unit  string `json:"unit"`
}

// report prints what was done and, where nothing is started, what to do next.
func (e *enrollment) report(got enrollclient.Result) error {
	if e.out.String() == cli.OutputJSON {
		return e.event(enrolledEvent{
			Event: "enrolled", SPIFFEID: got.SPIFFEID, HostID: string(got.HostID), HostDir: e.set.HostDir, Conf: e.conf, Unit: e.unit, SecondRole: got.SecondOne,
		})
	}
	host := "host " + string(got.HostID)
	if got.SecondOne {
		host += " (enrolled before, its key is kept)"
	}
	lines := []string{
		fmt.Sprintf("enrolled %s on %s", got.SPIFFEID, host),
		"  host files  " + e.set.HostDir,
	}
	if e.conf != "" {
		lines = append(lines, "  conf file   "+e.conf)
	}
	switch {
	case e.start:
	case e.unit != "":
		lines = append(lines, "next:", "  systemctl enable --now spire-agent.service "+e.unit)
	default:
		run := e.program.Name + " run"
		if e.conf != "" && e.conf != e.program.Conf {
			run += " --config " + e.conf
		}
		lines = append(lines, "next:",
			fmt.Sprintf("  %s agent run --host-dir %s --spiffe-endpoint-socket %s", e.program.Name, e.set.HostDir, e.set.SpiffeSocket), "  "+run)
	}
	_, err := fmt.Fprintln(e.stdout, strings.Join(lines, "\n"))
	return err
}

// bringOnline starts what the host was enrolled for, and says how to look further.
func (e *enrollment) bringOnline(ctx context.Context, got enrollclient.Result) error {
	e.say("starting " + agentUnit + " and " + e.unit)
	err := BringOnline(ctx, e.program, Start{
		// A second role finds the agent with the identity that it keeps.
		Unit: e.unit, Conf: e.conf, RestartAgent: !got.SecondOne, RestartProgram: true, Timeout: e.onlineTimeout, Say: e.say,
	})
	further := fmt.Sprintf("%[1]s doctor\n  systemctl status %[2]s %[3]s\n  journalctl -u %[2]s -u %[3]s", e.program.Name, e.unit, agentUnit)
	switch {
	case errors.Is(err, context.Canceled):
		e.say("stopped waiting: the host is enrolled, and " + e.unit + " keeps trying. To find out more:\n  " + further)
		return err
	case errors.Is(err, ErrNotOnline):
		return cli.CodedError(exitNotOnline, fmt.Errorf("%w\nThe token is spent, the host keeps its identity and %s keeps trying. To find out more:\n  %s", err, e.unit, further))
	case err != nil:
		return cli.CodedError(exitNotOnline, fmt.Errorf("the host is enrolled, but not started: %w\nThe token is spent, the host keeps its identity. To start it, once that is fixed:\n  systemctl enable --now %s %s\nTo find out more:\n  %s",
			err, agentUnit, e.unit, further))
	case e.out.String() == cli.OutputJSON:
		return e.event(onlineEvent{Event: "online", Unit: e.unit})
	}
	_, err = fmt.Fprintf(e.stdout, "%s/%s is ONLINE: %s runs, now and after each boot\nto find out more:\n  %s status\n  %s\n",
		e.program.Kind, e.set.id(e.program.Kind), e.unit, e.program.Name, further)
	return err
}
