package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/doctor"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
)

const (
	controllerUnit = "grpccontroller.service"
	// maxRunFile bounds what is read as run.json.
	maxRunFile = 64 << 10
)

// controllerStatus is what status prints with -o json; docs/health.md has it.
type controllerStatus struct {
	Running    bool   `json:"running"`
	Failure    string `json:"failure,omitempty"`
	HealthAddr string `json:"health_addr"`
	// Addresses are those of run.json, absent for a user who may not read the data directory.
	Addresses *runFile       `json:"addresses,omitempty"`
	Ready     bool           `json:"ready"`
	Checks    []health.Check `json:"checks"`

	config *config.Config // of the controller that runs
}

func statusCommand() *cobra.Command {
	var out cli.Output
	cmd := cli.OnDataDir(&cobra.Command{
		Use:   "status",
		Short: "Show whether the running controller is ready, and why not",
		Long: `Status asks the controller on this host. It needs no root; users who can read the data
directory also see the listen addresses.

Exit codes: 0 ready, 1 not ready or not running, 2 wrong usage or configuration.`,
		Example: "  grpccontroller status\n  grpccontroller status -o json | jq .checks",
	}, loader(), func(cmd *cobra.Command, cfg config.Config) error {
		st := readStatus(cmd.Context(), cfg)
		if err := out.Write(cmd.OutOrStdout(), st, st.page); err != nil {
			return err
		}
		switch {
		case !st.Running:
			return fmt.Errorf("does not answer at %s (%s): %s", st.HealthAddr, st.Failure, howToFind(cmd.Flags()))
		case !st.Ready:
			return errors.New("not ready: `grpccontroller doctor` looks for the cause")
		}
		return nil
	})
	out.Register(cmd.Flags())
	return cmd
}

// howToFind is for a controller that does not answer where the flags say it is.
func howToFind(fs *pflag.FlagSet) string {
	how := "`grpccontroller doctor` looks for the cause"
	if !fs.Changed("config") && !fs.Changed("data-dir") {
		how = "if it runs with another configuration or data directory, name them with --config or --data-dir; " + how
	}
	return how
}

func readStatus(ctx context.Context, cfg config.Config) controllerStatus {
	st := controllerStatus{HealthAddr: cfg.Listen.Health, Checks: []health.Check{}}
	if raw, err := atomicfile.Read(paths(cfg.DataDir).runFile(), maxRunFile); err == nil {
		var at runFile
		if json.Unmarshal(raw, &at) == nil {
			st.config, at.Config = at.Config, nil
			st.Addresses, st.HealthAddr = &at, at.Health
		}
	}
	r, err := health.Fetch(ctx, st.HealthAddr)
	if err != nil {
		st.Failure = health.OneLine(err.Error())
		return st
	}
	st.Running, st.Ready, st.Checks = true, r.Ready, r.Checks
	return st
}

func (st controllerStatus) page(w io.Writer) error {
	paint := cli.NewPaint(w)
	state := map[bool]string{true: paint.Good("ready"), false: paint.Bad("not ready")}[st.Ready]
	if !st.Running {
		state = paint.Bad("not running")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", paint.Bold("grpccontroller"), state)
	if at := st.Addresses; at != nil && st.Running {
		for _, l := range [][2]string{
			{"trust domain", at.TrustDomain}, {"enrollment", at.Enrollment}, {"control", at.Control}, {"admin", at.Admin}, {"SPIRE server", at.SPIREServer},
		} {
			fmt.Fprintf(&b, "  %s %s\n", paint.Dim(fmt.Sprintf("%-14s", l[0])), l[1])
		}
	}
	for _, c := range st.Checks {
		mark := paint.Good("ok   ")
		switch {
		case c.Failing():
			mark = paint.Bad("FAILS")
		case c.Degraded:
			mark = paint.Warn("WARNS")
		}
		fmt.Fprintf(&b, "  %s %-14s  %s\n", mark, health.OneLine(c.Name), health.OneLine(c.Detail))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func doctorCommand() *cobra.Command {
	var out cli.Output
	l := loader()
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find faults of this controller and say what to do",
		Long: `Doctor checks the configuration, the unit, the data directory, SPIRE's programs, the
ports, the certificate of the admin listener, and what the running controller reports.
It changes nothing. Checks that need root are skipped for other users.

Exit codes: 0 no fault, 1 a fault was found, 2 wrong usage.`,
		Example: "  sudo grpccontroller doctor\n  grpccontroller doctor -o json",
	}
	l.Flags(cmd.Flags())
	cli.ShowOnly(cmd.Flags(), "config", "data-dir")
	out.Register(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := l.Load(cmd.Flags()) // a fault in it is a finding
		x := checkup{cfg: cfg, fault: err, systemctl: doctor.Systemctl()}
		if !asksWhatIf(cmd.Flags()) {
			x.judgeRunning(cmd.Context())
		}
		r := doctor.Examine(cmd.Context(), doctor.Report{Program: "grpccontroller", ID: cfg.ControllerID}, x.checks())
		if err := out.Write(cmd.OutOrStdout(), r, r.Write); err != nil {
			return err
		}
		if !r.Healthy {
			return fmt.Errorf("faults found: %d", r.Count(doctor.Fault))
		}
		return nil
	}
	return cmd
}

// checkup is one examination of a controller's host.
type checkup struct {
	cfg       config.Config
	fault     error
	systemctl string
	differs   []string // keys of the running controller that are not those of cfg as read

	status controllerStatus
}

// asksWhatIf says that the command line has keys of its own, which are to be judged.
func asksWhatIf(fs *pflag.FlagSet) (asks bool) {
	fs.Visit(func(f *pflag.Flag) {
		asks = asks || f.Name != "config" && f.Name != "data-dir" && f.Name != "output"
	})
	return asks
}

// judgeRunning takes over the configuration of the controller that runs on the data
// directory. Its flags are not in the configuration file, and that may have changed.
func (x *checkup) judgeRunning(ctx context.Context) {
	at := readStatus(ctx, x.cfg)
	if !at.Running || at.config == nil {
		return
	}
	x.differs, x.cfg = differences(x.cfg, *at.config), *at.config
}

// differences names the keys in which two configurations differ.
func differences(a, b config.Config) []string {
	one, other := map[string]string{}, map[string]string{}
	flatten(reflect.ValueOf(a), "", one)
	flatten(reflect.ValueOf(b), "", other)
	var out []string
	for _, key := range slices.Sorted(maps.Keys(one)) {
		if one[key] != other[key] {
			out = append(out, key)
		}
	}
	return out
}

// flatten adds the values of a configuration by their keys.
func flatten(v reflect.Value, prefix string, into map[string]string) {
	for i := range v.NumField() {
		key := v.Type().Field(i).Tag.Get("conf")
		if key == "" {
			continue
		}
		if f := v.Field(i); f.Kind() == reflect.Struct {
			flatten(f, prefix+key+".", into)
		} else {
			into[prefix+key] = fmt.Sprint(f.Interface())
		}
	}
}

func (x *checkup) checks() []doctor.Check {
	return []doctor.Check{
		{Name: "conf", Run: x.conf},
		{Name: "public_address", Run: x.publicAddress},
		{Name: "unit", Run: x.unit},
		{Name: "data_dir", Run: x.dataDir},
		{Name: "spire", Run: x.spire},
		{Name: "program", Run: x.program},
		{Name: "port", Run: x.ports},
		{Name: "admin_certificate", Run: x.adminCertificate},
		{Name: "declared", Run: x.declarations},
	}
}

func (x *checkup) conf(context.Context) []doctor.Finding {
	if x.fault != nil {
		return doctor.Bad(doctor.Fault, "correct these keys, then run `grpccontroller check-config`", "%v", x.fault)
	}
	if len(x.differs) > 0 {
		return doctor.Good("the configuration is valid, but the running controller uses other values, from flags or from its start, and so do the checks below: %s",
			strings.Join(x.differs, ", "))
	}
	return doctor.Good("the configuration is valid: %s in %s, SPIRE is %s", x.cfg.ControllerID, x.cfg.TrustDomain, x.cfg.SPIRE.Mode)
}

func (x *checkup) unit(ctx context.Context) []doctor.Finding {
	if x.systemctl == "" {
		return doctor.Unseen("this host does not run systemd; whatever starts `grpccontroller serve` has to keep it running")
	}
	return doctor.Unit(ctx, x.systemctl, controllerUnit)
}

// dataDir must be closed to others: the key of the bootstrap CA is in it.
func (x *checkup) dataDir(context.Context) []doctor.Finding {
	const unknown = -1 // the user that the unit made up
	out := doctor.Directory(x.cfg.DataDir, unknown)
	info, err := os.Stat(x.cfg.DataDir)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		return doctor.Bad(doctor.Fault, "chmod 0700 "+x.cfg.DataDir, "other users can read %s (%v), which holds keys", x.cfg.DataDir, info.Mode())
	}
	return out
}

func (x *checkup) spire(ctx context.Context) (out []doctor.Finding) {
	programs := [][3]string{
		{"spire-server", "SPIRE_SERVER_BIN", proc.MinimumServer},
		{"spire-agent", "SPIRE_AGENT_BIN", proc.MinimumAgent},
	}
	if x.cfg.SPIRE.Mode == config.External {
		programs = programs[1:]
	}
	for _, p := range programs {
		path := doctor.UnitVariable(ctx, x.systemctl, controllerUnit, p[1])
		var err error
		if path == "" || os.Getenv(p[1]) != "" {
			path, err = proc.Find(p[0], p[1])
		}
		if err == nil {
			err = proc.RequireVersion(ctx, path, p[2])
		}
		if err != nil {
			out = append(out, doctor.Bad(doctor.Fault, "install it, or set "+p[1]+" to its path", "%v", err)...)
			continue
		}
		out = append(out, doctor.Good("%s is %s or newer", path, p[2])...)
	}
	return out
}

func (x *checkup) program(ctx context.Context) []doctor.Finding {
	x.status = readStatus(ctx, x.cfg)
	if !x.status.Running {
		do := "start `grpccontroller serve`"
		if x.systemctl != "" {
			do = "systemctl enable --now " + controllerUnit + ", then `journalctl -u " + controllerUnit + " -n 30`"
		}
		return doctor.Bad(doctor.Fault, do, "the controller does not answer at %s: %s", x.status.HealthAddr, x.status.Failure)
	}
	out := doctor.Good("the controller answers at %s", x.status.HealthAddr)
	for _, c := range x.status.Checks {
		if !c.OK {
			out = append(out, doctor.Bad(doctor.LevelOf(c), "docs/troubleshooting.md says what to do about this check; the log has the cause", "%s: %s", c.Name, c.Detail)...)
		}
	}
	return out
}

// ports are to be open while the controller runs, and free while it does not.
func (x *checkup) ports(ctx context.Context) (out []doctor.Finding) {
	if !x.status.Running {
		for key, addr := range map[string]string{
			"listen.enrollment": x.cfg.Listen.Enrollment, "listen.control": x.cfg.Listen.Control, "listen.admin": x.cfg.Listen.Admin, "listen.health": x.cfg.Listen.Health,
		} {
			lis, err := listenOn(ctx, key, addr)
			if err != nil {
				out = append(out, doctor.Bad(doctor.Fault, "`ss -ltnp` shows the process that uses it: stop it, or choose another "+key, "%v", err)...)
				continue
			}
			_ = lis.Close()
		}
		if len(out) == 0 {
			return doctor.Good("the ports are free; the controller does not run")
		}
		return out
	}
	if x.status.Addresses == nil {
		return doctor.Unseen("the listen addresses are in the data directory, which this user cannot read: run doctor as root")
	}
	at := x.status.Addresses
	for _, l := range [][2]string{{"enrollment", at.Enrollment}, {"control", at.Control}, {"SPIRE server", at.SPIREServer}} {
		if l[1] == "" {
			out = append(out, doctor.Bad(doctor.Fault, setPublicAddress, "%s: the controller has no address to advertise to hosts", l[0])...)
			continue
		}
		conn, err := (&net.Dialer{Timeout: 3 * time.Second}).DialContext(ctx, "tcp", l[1])
		if err != nil {
			out = append(out, doctor.Bad(doctor.Fault, "hosts get this address: check public_address and the firewall", "%s: %v", l[0], err)...)
			continue
		}
		_ = conn.Close()
		out = append(out, doctor.Good("%s: %s, the address that hosts get, accepts connections", l[0], l[1])...)
	}
	return out
}
