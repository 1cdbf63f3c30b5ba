package hostinstall

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/envfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostcmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// place puts the files where they belong.
func (i *Installer) place(ctx context.Context, p *plan) error {
	i.begin("Placing %d files", p.count())
	// Undone last, once the files are back.
	if p.agentChanged && p.agentActive {
		i.undoRestart(agentUnit)
	}
	if p.roleActive && (p.roleChanged || len(p.edits) > 0) {
		i.undoRestart(i.role.unit)
	}
	i.changes.Undo("systemctl daemon-reload", func(ctx context.Context) error { return i.host.run(ctx, "systemctl", "daemon-reload") })
	if p.pin {
		if err := i.changes.Place(pinnedKey, bytes.NewReader(p.offer.key), 0o644); err != nil {
			return err
		}
	}
	for _, a := range p.archives {
		if err := i.unpack(a, p.members[a.pack.name]); err != nil {
			return err
		}
	}
	if p.agentPackage == "" {
		if err := i.settings(p, pack{agentPackage}, agentConf); err != nil {
			return err
		}
		if err := i.account(ctx); err != nil {
			return err
		}
	}
	if err := i.placeConf(p); err != nil {
		return err
	}
	return i.host.run(ctx, "systemctl", "daemon-reload")
}

func (i *Installer) undoRestart(unit string) {
	i.changes.Undo("systemctl try-restart "+unit, func(ctx context.Context) error { return i.host.run(ctx, "systemctl", "try-restart", unit) })
}

func (i *Installer) unpack(a archive, changed []member) error {
	if len(changed) == 0 {
		return nil
	}
	return a.each(func(path string, r io.Reader) error {
		n := slices.IndexFunc(changed, func(m member) bool { return m.path == path })
		if n < 0 {
			return nil
		}
		return i.changes.Place(path, r, changed[n].mode)
	})
}

// settings: a conf file that is there stays, it is the operator's, but everybody can
// read it, for the program does so as an unprivileged user.
func (i *Installer) settings(p *plan, pk pack, conf string) error {
	if !i.host.exists(conf) {
		text, err := p.example(pk, conf)
		if err != nil {
			return err
		}
		if err := i.changes.Place(conf, bytes.NewReader(text), 0o644); err != nil {
			return err
		}
	}
	return errors.Join(i.changes.Open(filepath.Dir(conf), 0o055), i.changes.Open(conf, 0o044))
}

func (i *Installer) placeConf(p *plan) error {
	if i.opt.Force && i.host.exists(i.role.conf) {
		if err := i.backUpConf(p); err != nil {
			return err
		}
	}
	if err := i.settings(p, pack{i.role.program}, i.role.conf); err != nil || len(p.edits) == 0 {
		return err
	}
	text, err := envfile.Merge(p.conf, p.edits)
	if err != nil {
		return err
	}
	for _, e := range p.edits {
		i.say("%s=%s in %s; the host keeps its identity", e.Key, e.Value, i.role.conf)
	}
	return i.changes.Place(i.role.conf, strings.NewReader(text), 0o644)
}

func (i *Installer) backUpConf(p *plan) error {
	backup := i.role.conf + "." + time.Now().UTC().Format("20060102T150405Z") + ".bak"
	if err := i.changes.Place(backup, strings.NewReader(p.conf), 0o644); err != nil {
		return err
	}
	i.backup = backup
	text, err := p.example(pack{i.role.program}, i.role.conf)
	if err != nil {
		return err
	}
	return i.changes.Place(i.role.conf, bytes.NewReader(text), 0o644)
}

// moveHost gives the host the controller's new address, if it is the controller that
// the host was enrolled with. Key, certificate and identity stay.
func (i *Installer) moveHost(ctx context.Context) error {
	i.begin("Moving this host to the controller's address %s; it keeps its identity", i.vars.ControllerAddr)
	for _, path := range []string{i.role.conf, i.role.otherConf, hostDir + "/host.json", hostDir + "/bundle.pem"} {
		if err := i.changes.Preserve(path); err != nil {
			return err
		}
	}
	i.undoRestart(agentUnit)
	i.undoRestart(i.role.unit)
	_, err := i.host.Commands.Run(ctx, Call{Name: i.role.binary(), Args: []string{"set-controller", i.vars.ControllerAddr}, Aloud: true})
	if err != nil {
		return completely("the host was not moved to %s, see the line above", i.vars.ControllerAddr)
	}
	return nil
}

// enroll spends the token. Whatever the answer was, a key that the controller may have
// bound to the token is kept.
func (i *Installer) enroll(ctx context.Context, p *plan) error {
	i.begin("Enrolling %s/%s", i.role.kind, i.id())
	args := []string{
		"enroll", "--controller-addr", i.vars.ControllerAddr, "--controller-ca-path", absolute(i.vars.ControllerCAPath), "--" + string(i.role.kind) + "-id", i.id(),
		"--trust-domain", i.vars.TrustDomain, "--systemd-unit", i.role.unit, "--no-start", "--conf", i.role.conf, "--token-file", "-",
	}
	if i.role.kind == identity.KindConnector && i.vars.ConnectorPrivateIP != "" {
		args = append(args, "--connector-private-ip", i.vars.ConnectorPrivateIP)
	}
	if i.role.kind == identity.KindTunneler && i.vars.ConnectorAddr != "" {
		args = append(args, "--connector-addr", i.vars.ConnectorAddr)
	}
	if i.opt.Force && i.host.exists(hostDir+"/host.crt") && i.otherRole() == "" {
		i.undoNewHost()
		args, p.newHost = append(args, "--new-host"), true
	}
	hadKey := i.host.exists(hostDir+"/host.key") && !p.newHost
	if err := i.changes.Preserve(i.role.conf); err != nil {
		return err
	}
	i.keepKey = true // should this end while the answer is on its way
	_, err := i.host.Commands.Run(ctx, Call{Name: i.role.binary(), Args: args, Stdin: p.token + "\n", Aloud: true})
	p.token = ""
	var ended *CommandError
	switch {
	case err == nil:
	case errors.Is(err, ErrNotStarted):
		i.keepKey = false
		return err
	case errors.As(err, &ended) && (ended.Code == 2 || ended.Code == 3):
		// Refused before or by the controller: nothing is bound to the key.
		i.keepKey = false
		if hadKey && !i.host.exists(hostDir+"/host.crt") {
			i.say("%s/host.key is from an earlier try and works only with that token; to use another token, first run %s install --uninstall", hostDir, i.role.program)
		}
		return completely("the host is not enrolled")
	default:
		return completely("the host is not enrolled, or the answer of the controller was lost")
	}
	i.keepKey = false
	i.keep(p)
	return nil
}

// undoNewHost takes back enroll --new-host, which puts the old files aside as FILE.TIME.
func (i *Installer) undoNewHost() {
	pattern := i.host.at(hostDir + "/*.[0-9]*T[0-9]*Z")
	before, _ := filepath.Glob(pattern)
	i.changes.Undo("put back "+hostDir, func(context.Context) error {
		if i.keepKey {
			return nil
		}
		aside, _ := filepath.Glob(pattern)
		var faults []error
		for _, file := range aside {
			if slices.Contains(before, file) {
				continue
			}
			name := strings.TrimSuffix(file, filepath.Ext(file))
			faults = append(faults, os.RemoveAll(name), os.Rename(file, name))
		}
		return errors.Join(faults...)
	})
}

// otherRole is the program of the other role, if it is on this host.
func (i *Installer) otherRole() string {
	if i.host.exists("/usr/bin/"+i.role.other) || i.host.exists(units+"/"+i.role.other+".service") {
		return i.role.other
	}
	return ""
}

// keep ends what can be taken back, and drops what a run that was killed may have left.
func (i *Installer) keep(p *plan) {
	i.changes.Keep()
	paths := []string{i.role.conf, pinnedKey}
	for _, a := range p.archives {
		paths = append(paths, i.placed(a.pack)...)
	}
	for _, path := range paths {
		_ = remove(i.host.at(path + oldSuffix)) // the next run tries again
		_ = remove(i.host.at(path + newSuffix))
	}
}

// placed are the files of a package on this host, and what a killed run left of them.
func (i *Installer) placed(pk pack) (out []string) {
	for _, pattern := range pk.patterns() {
		found, _ := filepath.Glob(i.host.at(pattern))
		for _, path := range found {
			rel, err := filepath.Rel(i.host.Root, path)
			if err == nil {
				out = append(out, "/"+strings.TrimPrefix(rel, "/"))
			}
		}
	}
	return out
}

// start starts what is there now, and waits until it is ready: SPIRE needs a few
// seconds to give the first identity.
func (i *Installer) start(ctx context.Context, p *plan) error {
	i.begin("Starting %s", i.role.unit)
	seconds, _ := strconv.Atoi(i.vars.ReadyTimeout) // checked at the beginning
	err := i.cfg.BringOnline(ctx, hostcmd.Start{
		RestartAgent:   p.agentActive && (p.agentChanged || p.newHost),
		RestartProgram: p.roleActive && (p.roleChanged || p.enroll || p.move || len(p.edits) > 0),
		Timeout:        max(time.Duration(seconds)*time.Second, time.Millisecond), // 0 has another meaning there
		Say:            func(text string) { i.say("%s", text) },
	})
	if errors.Is(err, hostcmd.ErrNotOnline) {
		return completely("%v", err)
	}
	return err
}

func (i *Installer) healthy(ctx context.Context, conf string) bool {
	return i.property(ctx, i.role.unit, "ActiveState") == "active" && i.property(ctx, agentUnit, "ActiveState") == "active" &&
		i.host.run(ctx, "systemctl", "--quiet", "is-enabled", i.role.unit, agentUnit) == nil && i.host.System.Ready(ctx, or(envfile.Value(conf, "HEALTH_ADDR"), i.role.health)) == nil
}
