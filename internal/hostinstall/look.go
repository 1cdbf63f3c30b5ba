package hostinstall

import (
	"context"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/envfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// look finds out how the host is, and everything that is wrong with it and with what
// was given.
func (i *Installer) look(ctx context.Context) (*plan, error) {
	p := &plan{}
	var f faults
	i.checkVariables(&f)
	i.checkMachine(&f, "systemctl", "systemd-sysusers", "systemd-tmpfiles", "userdel", "getent")
	if len(f) == 0 { // only where the programs that are asked are there
		if err := i.lock(); err != nil { // nobody changes what is looked at from here on
			return nil, err
		}
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
		i.warn("note: a token on the command line stays in the shell's history and, with sudo, in sudo's log, and all users can see it among sudo's arguments (ps) until the command ends; without ENROLLMENT_TOKEN it is asked for")
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
			f.add("%s says %s=%s, and here it is %q: use that value, or -f to back up the file and enroll again", i.role.conf, e.Key, old, e.Value)
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
