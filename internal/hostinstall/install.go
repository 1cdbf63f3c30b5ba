package hostinstall

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/envfile"
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

// fetch downloads what is offered and fills in what of it the host lacks.
func (i *Installer) fetch(ctx context.Context, p *plan) error {
	c, err := newController(i.vars.ControllerAddr, i.vars.ControllerCAPath, i.td)
	if err != nil {
		return err
	}
	c.cache, c.work = i.cfg.Fetched, i.work
	i.begin("Asking %s what to install", i.vars.ControllerAddr)
	if p.offer, err = c.offer(ctx); err != nil {
		return completely("%v", err)
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
			return completely("%v", err)
		}
		p.archives = append(p.archives, archive{one, file, cmp.Or(i.cfg.MaxUnpacked, maxUnpacked)})
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
		return false, completely("%s cannot be read: remove it to accept the controller's key again", pinnedKey)
	case known == offer.print:
		return false, nil
	case !i.opt.AcceptKey:
		return false, completely("the controller has another release key than the one that this host knows\n  known   %s  (%s)\n  offered %s\n"+
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
			return completely("%v", err)
		}
		has := func(path string) bool {
			return slices.ContainsFunc(members, func(m member) bool { return m.path == path })
		}
		if a.pack.name == i.role.program && (!has(i.role.binary()) || !has(units+"/"+i.role.unit)) {
			return completely("the controller's %s.tar.gz lacks the program or its unit", a.pack.name)
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
