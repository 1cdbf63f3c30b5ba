package hostinstall

import "fmt"

// show is the plan for people.
func (i *Installer) show(p *plan) {
	i.begin("This would be done")
	for _, a := range p.archives {
		for _, m := range p.members[a.pack.name] {
			verb := "create "
			if i.host.exists(m.path) {
				verb = "replace"
			}
			i.say("%s %s", verb, m.path)
		}
	}
	if p.pin {
		i.say("keep    %s", pinnedKey)
	}
	switch {
	case !i.host.exists(i.role.conf):
		i.say("create  %s", i.role.conf)
	case i.opt.Force:
		i.say("back up %s, and write a new one", i.role.conf)
	}
	for _, e := range p.edits {
		i.say("set     %s=%s in %s; the host keeps its identity", e.Key, e.Value, i.role.conf)
	}
	if p.move {
		i.say("move    to the controller's address %s; the host keeps its identity", i.vars.ControllerAddr)
	}
	if p.enroll {
		i.say("enroll  %s/%s at %s, which spends the token", i.role.kind, i.id(), i.vars.ControllerAddr)
	}
	if !p.healthy || p.anything() {
		i.say("start   %s %s", agentUnit, i.role.unit)
	}
	i.say("Nothing was changed.")
}

func (i *Installer) report(p *plan) {
	i.begin("%s/%s is installed, enrolled and ready", i.role.kind, i.id())
	i.say("program    %s (%s)", i.role.binary(), p.offer.version)
	conf := i.role.conf
	if i.backup != "" {
		conf += fmt.Sprintf(" (before: %s)", i.backup)
	}
	i.say("conf       %s", conf)
	i.say("identity   %s, shared by all roles of this host; SPIRE renews it", hostDir)
	i.say("units      %s, %s", i.role.unit, agentUnit)
	i.say("logs       journalctl -u %s", i.role.unit)
	_, _ = fmt.Fprintln(i.cfg.Out)
	i.say("See how it is:   %s status", i.role.program)
	i.say("Find a fault:    %s doctor", i.role.program)
	i.say("Remove it:       %s install --uninstall", i.role.program)
}
