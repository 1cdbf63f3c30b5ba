package hostcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/doctor"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
)

// ErrNothingSent says that this host cannot do what enroll is to do, and that the
// controller does not know of it yet.
var ErrNothingSent = errors.New("nothing was sent and no token is spent")

// Systemd is the service manager of a host.
type Systemd struct {
	// Systemctl is the program, empty where systemd does not run.
	Systemctl string
	// Root says whether this process may start units.
	Root bool
}

func (p Program) systemd() Systemd {
	if p.Systemd != nil {
		return p.Systemd()
	}
	return Systemd{Systemctl: doctor.Systemctl(), Root: os.Geteuid() == 0}
}

// findUnit decides, before a token is read, what the host is enrolled for: the unit
// that is installed here, which is started afterwards, or a program that somebody
// starts by hand.
func (e *enrollment) findUnit(ctx context.Context) error {
	if e.noSystemd || e.ephemeral {
		return nil
	}
	if e.noStart {
		if e.unit == "" {
			e.unit = e.program.unit()
		}
		return nil
	}
	sd, given := e.program.systemd(), e.unit != ""
	if sd.Systemctl == "" {
		if given {
			return notSent("--systemd-unit %s: systemd does not run on this host: --no-start enrolls for the unit anyway, "+
				"--no-systemd for a program that you start yourself", e.unit)
		}
		e.say(fmt.Sprintf("systemd does not run on this host: enrolling for user %d, which has to start `%s run` and the SPIRE agent", e.runAs, e.program.Name))
		return nil
	}
	if !given {
		if own := e.ownPlace(); own != "" {
			// A word only where there is a unit that somebody could have meant.
			if p, err := doctor.Show(ctx, sd.Systemctl, e.program.unit()); err == nil && p["LoadState"] != "not-found" {
				e.say(fmt.Sprintf("%s is not the one of %s: enrolling for user %d and a program that you start yourself (--systemd-unit %s enrolls for the unit)",
					own, e.program.unit(), e.runAs, e.program.unit()))
			}
			return nil
		}
		e.unit = e.program.unit()
	}
	return e.examineUnit(ctx, sd)
}

// ownPlace names the first setting that is not the installed unit's: somebody who says
// it runs the program on another way.
func (e *enrollment) ownPlace() string {
	for _, own := range []struct {
		name    string
		differs bool
	}{
		{"HOST_DIR", e.set.HostDir != hostprogram.DefaultHostDir},
		{"SPIFFE_ENDPOINT_SOCKET", e.set.SpiffeSocket != hostprogram.DefaultSocket},
		{"--conf", e.conf != e.program.Conf},
		{"--run-as", e.runAs != os.Getuid()},
		{"--binary", e.binary != ""},
	} {
		if own.differs {
			return own.name
		}
	}
	return ""
}

// execPath finds the program in what systemctl shows of ExecStart.
var execPath = regexp.MustCompile(`^\{ path=([^ ;]+) ;`)

// examineUnit wants the unit and the SPIRE agent's on this host, and notes which
// program the unit runs: SPIRE gives the identity to that one.
func (e *enrollment) examineUnit(ctx context.Context, sd Systemd) error {
	for _, u := range []struct{ name, from string }{{e.unit, e.program.Name}, {agentUnit, "grpc-spire-agent"}} {
		p, err := doctor.Show(ctx, sd.Systemctl, u.name)
		if err != nil {
			return notSent("systemctl show %s: %v", u.name, err)
		}
		switch p["LoadState"] {
		case "loaded":
		case "masked":
			return notSent("%s is masked: systemctl unmask %s, then run the same command again", u.name, u.name)
		case "not-found":
			return notSent("%s is not installed on this host: install the package %s, or run the controller's setup script, which does all of it; "+
				"to start the program yourself, add --no-systemd", u.name, u.from)
		default:
			return notSent("%s cannot be loaded (%s): look at `systemctl status %s`", u.name, p["LoadState"], u.name)
		}
		if found := execPath.FindStringSubmatch(p["ExecStart"]); u.name == e.unit && found != nil && e.binary == "" {
			e.binary = found[1]
		}
	}
	if !sd.Root {
		return notSent("only root can start %s: run the same command as root, for example with sudo; to start the program yourself, add --no-systemd", e.unit)
	}
	if err := e.tryConf(); err != nil {
		return notSent("%v", err)
	}
	e.start = true
	return nil
}

// notSent is an error of findUnit.
func notSent(format string, args ...any) error {
	return cli.UsageError(fmt.Errorf("%s; %w", fmt.Sprintf(format, args...), ErrNothingSent))
}
