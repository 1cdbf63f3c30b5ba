package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
)

// The check of /readyz that the identity's finding is about.
const identityCheck = "identity"

func (x *examination) running(ctx context.Context) []Finding {
	d, err := x.Ask(ctx)
	switch {
	case errors.Is(err, hostprogram.ErrOther):
		return Bad(Fault, "give each program of this host a HEALTH_ADDR of its own", "at the health address %v", err)
	case err != nil:
		return Bad(Fault, x.byUnit("systemctl enable --now "+x.unitName()+", then `journalctl -u "+x.unitName()+" -n 30`",
			"start `"+x.Program+" run --config "+x.Conf+"`"), "the program does not answer at its health address: %v", err)
	}
	x.program = &d
	if d.Version != x.Version {
		return Bad(Warning, x.byUnit("systemctl restart "+x.unitName(), "restart it"), "version %s runs (pid %d), and %s is installed", d.Version, d.Process.PID, x.Version)
	}
	return Good("%s %s runs (pid %d), version %s", x.Program, d.ID, d.Process.PID, d.Version)
}

// workload compares how the program runs with how it was enrolled: SPIRE gives the
// identity to that unit (or user) and binary, and to no other.
func (x *examination) workload(context.Context) []Finding {
	if x.program == nil {
		return Unseen("the program does not run")
	}
	p := x.program.Process
	if x.EnrolledAs == "" {
		return Unseen("the conf file does not say how it was enrolled (ENROLLED_AS); it runs as unit %q, user %d, %s", p.Unit, p.UID, p.Binary)
	}
	if unit, ok := strings.CutPrefix(x.EnrolledAs, "systemd:"); ok && unit != p.Unit {
		runs := "outside of any unit"
		if p.Unit != "" {
			runs = "as " + p.Unit
		}
		return Bad(Fault, fmt.Sprintf("stop it (pid %d) and `systemctl enable --now %s`; to keep it as it is, enroll again with a new token and --systemd-unit or --no-systemd", p.PID, unit),
			"enrolled to run as %s, and runs %s: SPIRE gives it no identity", unit, runs)
	}
	if uid, ok := strings.CutPrefix(x.EnrolledAs, "uid:"); ok && uid != strconv.Itoa(p.UID) {
		return Bad(Fault, fmt.Sprintf("start it as user %s, or enroll again with a new token and --run-as %d", uid, p.UID),
			"enrolled to run as user %s, and runs as user %d: SPIRE gives it no identity", uid, p.UID)
	}
	binary, replaced := strings.CutSuffix(p.Binary, " (deleted)")
	switch {
	case x.EnrolledBinary != "" && binary != x.EnrolledBinary:
		return Bad(Fault, "start "+x.EnrolledBinary+", or enroll again with a new token and --binary "+binary,
			"enrolled to run %s, and runs %s: SPIRE gives it no identity", x.EnrolledBinary, binary)
	case replaced:
		return Bad(Warning, x.byUnit("systemctl restart "+x.unitName(), "restart it"), "%s was replaced while it runs: SPIRE does not attest it again", binary)
	}
	return Good("it runs as it was enrolled: %s, %s", x.EnrolledAs, binary)
}

// identity is what the program says: doctor itself gets none.
func (x *examination) identity(context.Context) []Finding {
	c, known := x.checkOf(identityCheck)
	switch {
	case !known:
		return Unseen("the program does not run, and SPIRE gives the identity only to the program")
	case c.OK:
		return Good("the program has its identity: %s", c.Detail)
	case x.program.SVID == nil || strings.Contains(c.Detail, "no identity issued"):
		return Bad(Fault, "if the agent answers, SPIRE has no registration entry for this process: compare unit, user and binary with those of the enrollment, "+
			"and ask an operator whether this host was revoked (`grpccontroller "+string(x.Kind)+"s list`)", "%s", c.Detail)
	case c.Degraded:
		return Bad(Warning, "the SVID in use is valid until it expires; check the agent", "%s", c.Detail)
	default:
		return Bad(Fault, "check the agent, and see clock below", "%s", c.Detail)
	}
}

// revoked is what to do about a controller that answers, and says no.
const revoked = "; if it says `not enrolled, or revoked`, ask an operator, and enroll again with a new token and --new-host"

// advice for the other checks of /readyz.
var advice = map[string]string{
	"host":           "ask an operator; to use the host again, get a new token and run `enroll --new-host`",
	"clock":          health.ClockAdvice,
	"control_stream": "see port, trust and clock below; `journalctl` has each attempt" + revoked,
	"directory":      "see port, trust and clock below; sessions continue with the directory stored on disk" + revoked,
	"policy":         "without a policy tunnelers are refused until the connector reaches a controller: see control_stream; if it is refused, do what it says",
	"listener":       "see the program's log: its listener has ended",
	"audit_witness":  "the controller's audit log does not extend the witnessed one: ask an operator, then run `grpcconnector witness show`",
	"connector_addr": "correct CONNECTOR_ADDR in the conf file, or remove it: the controller's directory has the addresses; the other sessions continue",
	"state_dir":      "see state_dir below: free space, or make the file system writable; it is written again within 10 s",
	"session":        "is the connector ONLINE, is its address reachable from here (port), and does a policy name this tunneler?",
}

func (x *examination) readiness(context.Context) (out []Finding) {
	if x.program == nil {
		return Unseen("the program does not run")
	}
	for _, c := range x.program.Checks {
		if c.OK || c.Name == identityCheck {
			continue
		}
		do := advice[c.Name]
		if do == "" {
			do = "look at the program's log"
		}
		out = append(out, Bad(LevelOf(c), do, "%s: %s", c.Name, c.Detail)...)
	}
	if len(out) == 0 {
		return Good("no other check of /readyz fails")
	}
	return out
}

// LevelOf is how bad a check of /readyz is that is not OK.
func LevelOf(c health.Check) Level {
	if c.Degraded {
		return Warning
	}
	return Fault
}

func (x *examination) checkOf(name string) (health.Check, bool) {
	if x.program == nil {
		return health.Check{}, false
	}
	i := slices.IndexFunc(x.program.Checks, func(c health.Check) bool { return c.Name == name })
	if i < 0 {
		return health.Check{}, false
	}
	return x.program.Checks[i], true
}
