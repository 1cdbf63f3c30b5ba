package hostcmd

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/doctor"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/envfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// write replaces each file in one rename. A conf file is last: it is what a person
// looks at, and a repeated run mends what was not written.
func (m *move) write(to target, host hostagent.Host, files []confFile) error {
	entries := []envfile.Entry{{Key: "CONTROLLER_ADDR", Value: to.enrollment}, {Key: "CONTROL_PLANE_ADDRS", Value: strings.Join(to.control, ",")}}
	merged := make([]string, len(files))
	for i, f := range files {
		var err error
		if merged[i], err = envfile.Merge(f.text, entries); err != nil {
			return fmt.Errorf("%s: %w; nothing was changed", f.path, err)
		}
	}
	host.ControllerAddress, host.SPIREServerAddress = to.enrollment, to.spire
	again := "run the same command again"
	if to.bundle != nil {
		if err := keepingOwner(m.dir.Bundle(), func() error { return m.dir.WriteBundle(to.bundle.Authorities) }); err != nil {
			return fmt.Errorf("trust bundle: %w: %s as root", err, again)
		}
	}
	if err := keepingOwner(m.dir.HostFile(), func() error { return m.dir.WriteHost(host) }); err != nil {
		return fmt.Errorf("host file: %w: %s as root", err, again)
	}
	for i, f := range files {
		err := keepingOwner(f.path, func() error { return atomicfile.Write(f.path, []byte(merged[i]), modeOf(f.path)) })
		if err != nil {
			return fmt.Errorf("%s was changed, and the conf file was not: %w: %s as root", m.dir.HostFile(), err, again)
		}
	}
	lines := []string{
		"the controller of this host is at " + to.enrollment, "  control plane  " + strings.Join(to.control, ", "), "  SPIRE server   " + to.spire,
		"  host file      " + m.dir.HostFile(),
	}
	for _, f := range files {
		lines = append(lines, "  conf file      "+f.path)
	}
	_, err := fmt.Fprintln(m.out, strings.Join(lines, "\n"))
	return err
}

// keepingOwner replaces a file and gives it to the owner that it had: root moves the
// host, and the user of spire-agent reads.
func keepingOwner(path string, replace func() error) error {
	info, err := os.Stat(path)
	if err := replace(); err != nil {
		return err
	}
	if err != nil || os.Geteuid() != 0 {
		return nil //nolint:nilerr // the file is new
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return os.Lchown(path, int(owner.Uid), int(owner.Gid))
}

func modeOf(path string) fs.FileMode {
	if info, err := os.Stat(path); err == nil {
		return info.Mode().Perm()
	}
	return 0o644
}

// restart restarts what runs under systemd; the rest is said.
func (m *move) restart(ctx context.Context, files []confFile) error {
	units := []string{agentUnit}
	var others []string
	for _, f := range files {
		as := envfile.Value(f.text, "ENROLLED_AS")
		if unit, ok := strings.CutPrefix(as, "systemd:"); ok && unit != "" && !slices.Contains(units, unit) {
			units = append(units, unit)
		} else if !ok {
			others = append(others, "the program of "+f.path)
		}
	}
	systemctl := doctor.Systemctl()
	if systemctl == "" || m.noRestart || m.dir.Root != hostprogram.DefaultHostDir {
		others = append(others, "the SPIRE agent's supervisor")
		_, err := fmt.Fprintf(m.out, "restart now: %s\n", strings.Join(others, ", "))
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, restartTimeout)
	defer cancel()
	for _, unit := range units {
		var said bytes.Buffer
		cmd := exec.CommandContext(ctx, systemctl, "try-restart", "--", unit) //nolint:gosec // a unit's name, as one argument
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("the host is moved, but %s did not restart: %w: %s: look at `journalctl -u %s`", unit, err, strings.TrimSpace(said.String()), unit)
		}
	}
	_, err := fmt.Fprintf(m.out, "restarted, where it ran: %s\nrun `%s doctor` to check it\n", strings.Join(units, ", "), m.name)
	if err == nil && len(others) > 0 {
		_, err = fmt.Fprintf(m.out, "restart now: %s\n", strings.Join(others, ", "))
	}
	return err
}

func (m *move) say(format string, args ...any) {
	_, _ = fmt.Fprintf(m.err, "%s: %s\n", m.name, fmt.Sprintf(format, args...))
}
