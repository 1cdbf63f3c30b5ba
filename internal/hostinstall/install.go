package hostinstall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/envfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// state is the host as it was found.
type state struct {
	conf         string // text of the role's conf file
	enrolled     bool   // with this role and id
	agentPackage string // the tool that installed the SPIRE agent's package; empty for none
	agentActive  bool
	roleActive   bool
	healthy      bool
}

// plan is what is to be done. Nothing of it is done yet.
type plan struct {
	state

	offer        *release
	archives     []archive
	members      map[string][]member // of each package, those that have to be placed
	examples     map[string][]byte   // texts of the conf files that a new host begins with
	pin          bool                // keep the controller's release key
	enroll       bool
	move         bool            // to another address of the controller
	edits        []envfile.Entry // of the conf file
	token        string
	roleChanged  bool
	agentChanged bool
	newHost      bool
}

func (i *Installer) install(ctx context.Context) error {
	i.step = "Looking at this host"
	p, err := i.look(ctx)
	if err != nil {
		return err
	}
	if err := i.lock(); err != nil {
		return err
	}
	defer func() { _ = i.locked.Close() }()
	if err := i.workDir(); err != nil {
		return err
	}
	if err := i.fetch(ctx, p); err != nil {
		return err
	}
	if err := i.checkTargets(p); err != nil {
		return err
	}
	p.healthy = p.enrolled && i.healthy(ctx, p.conf)
	if i.opt.DryRun {
		i.show(p)
		return nil
	}
	if p.healthy && !p.anything() {
		if p.token != "" {
			i.say("The token was not used.")
		}
		i.say("%s/%s is installed, enrolled and ready (%s): nothing to do.", i.role.kind, i.id(), p.offer.version)
		return nil
	}
	return i.carryOut(ctx, p)
}

// anything says whether a host that is well would be changed.
func (p *plan) anything() bool {
	return p.enroll || p.pin || p.move || len(p.edits) > 0 || p.count() > 0
}

func (p *plan) count() (n int) {
	for _, m := range p.members {
		n += len(m)
	}
	return n
}

func (i *Installer) carryOut(ctx context.Context, p *plan) error {
	if err := i.place(ctx, p); err != nil {
		return err
	}
	if p.move {
		if err := i.moveHost(ctx); err != nil {
			return err
		}
	}
	if p.enroll {
		if err := i.enroll(ctx, p); err != nil {
			return err
		}
	}
	// A host that was not well before is not made better by taking this back.
	if !p.healthy {
		i.keep(p)
	}
	i.hint = fmt.Sprintf("the host is enrolled and keeps its identity. To find out more:\n  %s doctor\n  journalctl -u %s -u %s\nThe same command does what is left to do, without a token.",
		i.role.program, i.role.unit, agentUnit)
	if err := i.start(ctx, p); err != nil {
		return err
	}
	i.keep(p)
	i.report(p)
	return nil
}

// look finds out how the host is, and everything that is wrong with it and with what
// was given.
func (i *Installer) look(ctx context.Context) (*plan, error) {
	p := &plan{}
	var f faults
	i.checkVariables(&f)
	i.checkMachine(&f, "systemctl", "systemd-sysusers", "systemd-tmpfiles", "userdel", "getent")
	if len(f) == 0 { // only where the programs that are asked are there
		i.checkPackage(ctx, &f)
		i.checkAgent(ctx, &f)
		p.agentPackage = i.packaged(ctx, agentPackage)
	}
	var agent string
	for _, file := range []struct {
		path string
		text *string
	}{{i.role.conf, &p.conf}, {agentConf, &agent}} {
		text, err := i.host.read(file.path)
		if err != nil {
			f.add("%s cannot be read: %v", file.path, err)
		}
		*file.text = text
	}
	i.checkEnrollment(p, &f)
	i.checkPaths(&f, p.conf, agent)
	if len(f) == 0 {
		i.checkPorts(ctx, &f, p.conf)
	}
	p.enroll = !p.enrolled || i.opt.Force
	if p.enroll && !i.opt.DryRun {
		token, err := i.readToken(len(f) == 0)
		if err != nil {
			f.add("%v", err)
		}
		p.token = token
	}
	p.roleActive = i.property(ctx, i.role.unit, "ActiveState") == "active"
	p.agentActive = i.property(ctx, agentUnit, "ActiveState") == "active"
	return p, f.err()
}

// readToken asks only where nothing else is wrong.
func (i *Installer) readToken(ask bool) (string, error) {
	s := tokenSource{text: i.cfg.Token, file: i.vars.TokenFile, stdin: i.cfg.Stdin}
	if s.text != "" {
		i.warn("note: a token on the command line stays in the shell's history and, with sudo, in sudo's log; without ENROLLMENT_TOKEN it is asked for")
	}
	if ask {
		s.ask = i.cfg.Ask
	}
	return s.read(i.role)
}

// checkEnrollment finds out whether the host has this role and id already. What the
// operator wrote into the conf file stays. Another address is none of another identity:
// the host takes it and stays who it is.
func (i *Installer) checkEnrollment(p *plan, f *faults) {
	td, err := i.trustDomain()
	if err != nil {
		f.add("%v", err)
	}
	if td != "" && td != i.vars.TrustDomain {
		f.add("the SPIRE agent of this host is enrolled in trust domain %q, not %q: check TRUST_DOMAIN; a host has one trust domain", td, i.vars.TrustDomain)
	}
	p.enrolled = i.host.exists(hostDir+"/host.crt") && envfile.Value(p.conf, "CONTROL_PLANE_ADDRS") != ""
	if i.opt.Force {
		return
	}
	for _, e := range i.given() {
		old := envfile.Value(p.conf, e.Key)
		switch {
		case old == "" && (!p.enrolled || !keepsIdentity(e.Key)), e.Value == "", old == e.Value:
		case p.enrolled && e.Key == "CONTROLLER_ADDR":
			p.move = true
		case p.enrolled && keepsIdentity(e.Key):
			p.edits = append(p.edits, e)
		default:
			f.add("%s says %s=%s, and here it is %q: use that, or -f to keep the file as a backup and enroll anew", i.role.conf, e.Key, old, e.Value)
		}
	}
}

// keepsIdentity says whether a setting has nothing to do with what the host is.
func keepsIdentity(key string) bool { return key == "CONNECTOR_ADDR" || key == "CONNECTOR_PRIVATE_IP" }

// given are the variables that a conf file has, too.
func (i *Installer) given() []envfile.Entry {
	out := []envfile.Entry{{Key: i.role.idKey(), Value: i.id()}, {Key: "CONTROLLER_ADDR", Value: i.vars.ControllerAddr}, {Key: "TRUST_DOMAIN", Value: i.vars.TrustDomain}}
	if i.role.kind == identity.KindTunneler {
		return append(out, envfile.Entry{Key: "CONNECTOR_ADDR", Value: i.vars.ConnectorAddr})
	}
	return append(out, envfile.Entry{Key: "CONNECTOR_PRIVATE_IP", Value: i.vars.ConnectorPrivateIP})
}

// fetch downloads what is offered and fills in what of it the host lacks.
func (i *Installer) fetch(ctx context.Context, p *plan) error {
	c, err := newController(i.vars.ControllerAddr, i.vars.ControllerCAPath, i.td)
	if err != nil {
		return err
	}
	c.cache, c.work = i.cfg.Fetched, i.work
	i.begin("Asking %s what to install", i.vars.ControllerAddr)
	if p.offer, err = c.offer(ctx); err != nil {
		return tell("%v", err)
	}
	if p.pin, err = i.checkKey(p.offer); err != nil {
		return err
	}
	i.begin("Downloading %s %s for linux/%s", i.role.program, p.offer.version, runtime.GOARCH)
	packs := []pack{{i.role.program}}
	if p.agentPackage == "" {
		packs = append(packs, pack{agentPackage})
	} else {
		i.say("The SPIRE agent comes from the package %s, and stays as it is.", agentPackage)
	}
	for _, one := range packs {
		path := "linux-" + runtime.GOARCH + "/" + one.name + ".tar.gz"
		file, err := c.archive(ctx, path, p.offer.sums[path])
		if err != nil {
			return tell("%v", err)
		}
		p.archives = append(p.archives, archive{one, file})
	}
	return i.compare(ctx, p)
}

// checkKey: who signed the checksums is whoever signed them at the first time.
func (i *Installer) checkKey(offer *release) (pin bool, err error) {
	text, err := i.host.read(pinnedKey)
	if err != nil {
		return false, err
	}
	if text == "" && !i.host.exists(pinnedKey) {
		i.say("release key %s: seen for the first time, and kept", offer.print)
		return true, nil
	}
	_, known, err := parseKey([]byte(text))
	switch {
	case err != nil:
		return false, tell("%s cannot be read: remove it to take the controller's key anew", pinnedKey)
	case known == offer.print:
		return false, nil
	case !i.opt.AcceptKey:
		return false, tell("the controller has another release key than the one that this host knows\n  known   %s  (%s)\n  offered %s\n"+
			"If the operator of the controller confirms the new one, run this again with --accept-release-key", known, pinnedKey, offer.print)
	}
	i.say("release key %s: accepted in place of %s", offer.print, known)
	return true, nil
}

// compare fills in the files to place.
func (i *Installer) compare(ctx context.Context, p *plan) error {
	p.members, p.examples = map[string][]member{}, map[string][]byte{}
	for _, a := range p.archives {
		members, err := a.members()
		if err != nil {
			return tell("%v", err)
		}
		has := func(path string) bool {
			return slices.ContainsFunc(members, func(m member) bool { return m.path == path })
		}
		if a.pack.name == i.role.program && (!has(i.role.binary()) || !has(units+"/"+i.role.unit)) {
			return tell("the controller's %s.tar.gz lacks the program or its unit", a.pack.name)
		}
		if err := p.readExamples(a); err != nil {
			return err
		}
		if there := i.versionOf(ctx, a.pack.program()); !supersedes(p.offer.version, there) {
			i.say("%s %s on this host is newer, and stays", a.pack.name, there)
			continue
		}
		changed := slices.DeleteFunc(members, i.host.same)
		p.members[a.pack.name] = changed
		if len(changed) > 0 {
			p.roleChanged = p.roleChanged || a.pack.name == i.role.program
			p.agentChanged = p.agentChanged || a.pack.name == agentPackage
		}
	}
	return nil
}

// versionOf is that of an installed program of ours; empty for none.
func (i *Installer) versionOf(ctx context.Context, program string) string {
	if !i.host.exists(program) {
		return ""
	}
	words := strings.Fields(i.host.ask(ctx, program, "version"))
	if len(words) < 2 {
		return ""
	}
	return words[1]
}

// checkTargets looks at whether everything could be written.
func (i *Installer) checkTargets(p *plan) error {
	var f faults
	need := map[uint64]uint64{}
	free := map[uint64]string{}
	have := map[uint64]uint64{}
	reasons := map[string][]string{}
	for path, size := range i.targets(p) {
		dir, err := i.host.nearest(filepath.Dir(path))
		if err != nil {
			reasons[err.Error()] = append(reasons[err.Error()], filepath.Dir(path))
			continue
		}
		if info, err := os.Lstat(i.host.at(path)); err == nil && info.IsDir() && size > 0 {
			f.add("%s is a directory, and a file of that name has to be placed: move it away", path)
		}
		if err := i.host.System.Writable(i.host.at(dir)); err != nil {
			reasons[err.Error()] = append(reasons[err.Error()], dir)
		}
		n, device, err := i.host.System.Space(i.host.at(dir))
		if err != nil {
			f.add("%s: %v", dir, err)
			continue
		}
		need[device] += size + 4096
		have[device], free[device] = n, dir
	}
	for _, why := range slices.Sorted(maps.Keys(reasons)) {
		dirs := reasons[why]
		slices.Sort(dirs)
		f.add("cannot write in %s: %s", strings.Join(slices.Compact(dirs), ", "), why)
	}
	for _, device := range slices.Sorted(maps.Keys(need)) {
		if have[device] < need[device]+margin {
			f.add("no space: the file system of %s has %s free, and %s are needed", free[device], mebibytes(have[device]), mebibytes(need[device]+margin))
		}
	}
	return f.err()
}

// margin is what is left free, for the journal and what starts later.
const margin = 256 << 10

func mebibytes(n uint64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// targets are all that would be written, with its size.
func (i *Installer) targets(p *plan) map[string]uint64 {
	out := map[string]uint64{}
	for _, members := range p.members {
		for _, m := range members {
			out[m.path] = uint64(m.size) //nolint:gosec // bounded by maxUnpacked
		}
	}
	if p.enroll || p.move || len(p.edits) > 0 {
		out[i.role.conf] = maxConf / 64
		out[hostDir+"/host.key"] = 0
	}
	if p.pin {
		out[pinnedKey] = uint64(len(p.offer.key))
	}
	if p.agentPackage == "" && !i.host.exists(hostDir) {
		out["/etc/passwd"], out[madeFile] = 0, 0
	}
	return out
}

// readExamples keeps the conf files that a new host begins with.
func (p *plan) readExamples(a archive) error {
	return a.each(func(path string, r io.Reader) error {
		if !strings.HasSuffix(path, ".conf") || !strings.HasPrefix(path, "/usr/share/doc/") {
			return nil
		}
		text, err := io.ReadAll(io.LimitReader(r, maxConf))
		p.examples[path] = text
		return err
	})
}

var errNoExample = errors.New("the controller's archive has no example of it")

// example is the text that a conf file begins with.
func (p *plan) example(pk pack, conf string) ([]byte, error) {
	text, ok := p.examples[pk.example(conf)]
	if !ok {
		return nil, fmt.Errorf("%s: %w", conf, errNoExample)
	}
	return text, nil
}
