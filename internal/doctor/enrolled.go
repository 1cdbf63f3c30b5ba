package doctor

import (
	"context"
	"slices"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// refusedMember is the controller's answer to a member that it does not want.
const refusedMember = "not enrolled, or revoked"

// follows are the checks whose faults on a revoked host all come from that: its agent is
// banned, so the program has no identity. What they say would lead away from the cause.
var follows = map[string]bool{
	"unit": true, "agent_unit": true, "program": true, "socket": true, "workload": true, "identity": true, "readiness": true,
	"dns": true, "port": true, "token": true, "host_certificate": true, "bundle": true, "state_dir": true,
}

// enrolled asks whether the controller still wants this host, and this member of it. It
// comes first: of a host that was revoked nothing else is worth looking at.
func (x *examination) enrolled(ctx context.Context) []Finding {
	standing, members, how := x.standing(ctx)
	anew := "if this is a mistake, ask an operator why; to use the host again, get a new token and run `" + x.Program + " enroll --new-host`"
	switch standing {
	case hostagent.StandingRevoked, hostagent.StandingUnknown:
		x.revoked = true
		word := "revoked: enroll anew"
		if standing == hostagent.StandingUnknown {
			word = "not known to the controller: enroll anew"
		}
		return Bad(Fault, anew, "%s (%s)", word, how)
	case hostagent.StandingActive:
	case hostagent.StandingUnsaid:
		return x.saidByTheProgram(ctx, anew)
	}
	me, err := identity.Workload{Kind: x.Kind, ID: x.ID}.SPIFFEID(x.td)
	if err != nil || slices.Contains(members, me.String()) {
		return Good("the controller knows this host and its members: %s", strings.Join(members, ", "))
	}
	x.revoked = true
	return Bad(Fault, "if this is a mistake, ask an operator why; to use the host again, get a new token and run `"+x.Program+" enroll`",
		"revoked: enroll anew: %s is not enrolled on this host, only %s (%s)", me, strings.Join(members, ", "), how)
}

// standing is what the controller says now, or else what it said to the agent's supervisor.
func (x *examination) standing(ctx context.Context) (s hostagent.Standing, members []string, how string) {
	if x.Standing != nil {
		if s, members, err := x.Standing(ctx); err == nil && s != hostagent.StandingUnsaid {
			return s, members, "the controller says so"
		}
	}
	if x.Socket == "" {
		return hostagent.StandingUnsaid, nil, ""
	}
	n, err := hostagent.ReadNotice(x.Socket, x.Now())
	if err != nil {
		return hostagent.StandingUnsaid, nil, ""
	}
	return n.Standing, n.Members, "the controller told the supervisor of the agent so"
}

// saidByTheProgram looks at what the controller answered to the program.
func (x *examination) saidByTheProgram(ctx context.Context, anew string) []Finding {
	d, err := x.Ask(ctx)
	for _, c := range d.Checks {
		if err == nil && !c.OK && strings.Contains(c.Detail, refusedMember) {
			x.revoked = true
			return Bad(Fault, anew, "revoked: enroll anew (the controller told the program so: %s)", c.Detail)
		}
	}
	return Unseen("the controller could not be asked: run doctor as root, which can use the host certificate")
}
