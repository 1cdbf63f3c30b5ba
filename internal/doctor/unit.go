package doctor

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// manyRestarts is how often a unit may have been started again without a word.
const manyRestarts = 3

// agentUnitName is the unit of the host's SPIRE agent.
const agentUnitName = "spire-agent.service"

func (x *examination) unit(ctx context.Context) []Finding {
	uid, byUID := strings.CutPrefix(x.EnrolledAs, "uid:")
	switch {
	case byUID:
		return Unseen("enrolled to run as user %s outside of systemd", uid)
	case x.Systemctl == "" && x.EnrolledAs != "":
		return Bad(Fault, "enroll again with a new token and --no-systemd: without systemd SPIRE cannot attest a unit",
			"enrolled to run as %s, and this host does not run systemd", x.unitName())
	case x.Systemctl == "":
		return Unseen("this host does not run systemd; whatever starts `%s run` has to keep it running", x.Program)
	}
	return x.examineUnit(ctx, x.unitName())
}

func (x *examination) agentUnit(ctx context.Context) []Finding {
	if x.Systemctl == "" || strings.HasPrefix(x.EnrolledAs, "uid:") {
		return Unseen("the agent is not a unit here; `%s agent run` has to run", x.Program)
	}
	return x.examineUnit(ctx, agentUnitName)
}

func (x *examination) examineUnit(ctx context.Context, unit string) []Finding {
	return Unit(ctx, x.Systemctl, unit)
}

// Unit asks systemctl about a unit that should be running.
func Unit(ctx context.Context, systemctl, unit string) []Finding {
	p, err := Show(ctx, systemctl, unit)
	if err != nil {
		return Unseen("systemctl show %s: %v", unit, err)
	}
	journal := "look at `journalctl -u " + unit + " -n 30`"
	switch p["LoadState"] {
	case "not-found":
		return Bad(Fault, "install it (the package, or setup.sh, has it), then `systemctl enable --now "+unit+"`", "%s does not exist", unit)
	case "masked":
		return Bad(Fault, "systemctl unmask "+unit+" && systemctl enable --now "+unit, "%s is masked", unit)
	case "loaded":
	default:
		return Bad(Fault, "look at `systemctl status "+unit+"`", "%s was not loaded: %s", unit, p["LoadState"])
	}
	state := p["ActiveState"] + " (" + p["SubState"] + ")"
	restarts, _ := strconv.Atoi(p["NRestarts"])
	switch {
	case p["SubState"] == "auto-restart" || p["ActiveState"] == "failed":
		return Bad(Fault, journal, "%s keeps exiting: %s, result %s, restarts %d", unit, state, p["Result"], restarts)
	case p["ActiveState"] == "activating":
		return Bad(Warning, journal, "%s is still starting: %s", unit, state)
	case p["ActiveState"] != "active" && p["ConditionResult"] == "no":
		return Bad(Fault, "enroll this host: the unit starts once the host is enrolled", "%s is %s because one of its conditions is not met", unit, state)
	case p["ActiveState"] != "active":
		return Bad(Fault, "systemctl enable --now "+unit, "%s is %s", unit, state)
	case restarts > manyRestarts:
		return Bad(Warning, journal, "%s is active, after %d restarts", unit, restarts)
	case p["UnitFileState"] == "disabled":
		return Bad(Warning, "systemctl enable "+unit, "%s is active, and will not be after a reboot", unit)
	}
	return Good("%s is %s", unit, state)
}

// Show asks systemd for the properties of a unit, as any user may. Beside what doctor
// looks at there is ExecStart, the program that the unit runs.
func Show(ctx context.Context, systemctl, unit string) (map[string]string, error) {
	cmd := exec.CommandContext(ctx, systemctl, "show", "--no-pager", //nolint:gosec // a fixed program, and a unit after --
		"--property=LoadState,ActiveState,SubState,UnitFileState,Result,NRestarts,ConditionResult,ExecStart", "--", unit)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("it failed: %w", err)
	}
	properties := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			properties[key] = value
		}
	}
	return properties, nil
}

// UnitVariable is the value that a unit gives to a variable of the environment; empty if
// it gives none, or there is no such unit. A value with quotes is not understood.
func UnitVariable(ctx context.Context, systemctl, unit, name string) string {
	if systemctl == "" {
		return ""
	}
	out, err := exec.CommandContext(ctx, systemctl, "show", "--no-pager", "--value", "--property=Environment", "--", unit).Output() //nolint:gosec // a fixed program, and a unit after --
	if err != nil {
		return ""
	}
	for _, pair := range strings.Fields(string(out)) {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}

// Systemctl is the program, empty on a host that does not run systemd.
func Systemctl() string {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return ""
	}
	path, err := exec.LookPath("systemctl")
	if err != nil {
		return ""
	}
	return path
}
