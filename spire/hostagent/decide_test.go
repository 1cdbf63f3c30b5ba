package hostagent_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// step is one round of probes, after seconds since the previous one.
type step struct {
	after int
	see   hostagent.Observation
	want  hostagent.Reason
}

var (
	fine    = hostagent.Observation{Reachable: true, Healthy: true}
	offline = hostagent.Observation{Healthy: true}
	sick    = hostagent.Observation{Reachable: true}
)

func (s step) because(r hostagent.Reason) step { s.want = r; return s }

// see is a round ten seconds after the previous one.
func see(o hostagent.Observation) step { return step{after: 10, see: o} }

func dying(deaths int) hostagent.Observation {
	return hostagent.Observation{Reachable: true, Exited: true, Deaths: deaths}
}

func unwanted(o hostagent.Observation) hostagent.Observation {
	o.Refused = true
	return o
}

func moved() hostagent.Observation {
	o := fine
	o.Moved = true
	return o
}

func orphan() hostagent.Observation {
	o := fine
	o.Orphaned = true
	return o
}

func renewed() hostagent.Observation {
	o := fine
	o.Renewed = true
	return o
}

func repeat(n int, s step) []step {
	var out []step
	for range n {
		out = append(out, s)
	}
	return out
}

func join(parts ...[]step) []step {
	var out []step
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func TestDecider(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ephemeral, absent bool
		steps             []step
	}{
		"leaves a healthy agent alone": {steps: repeat(1000, see(fine))},
		"restarts at the first success after a failure": {steps: []step{
			see(fine), see(offline), see(fine).because(hostagent.NetworkReturned), see(fine), see(fine),
		}},
		"waits for the end of a long absence": {steps: join(
			repeat(500, see(offline)), []step{see(sick).because(hostagent.NetworkReturned), see(fine)},
		)},
		"restarts when the controller was away before the start": {absent: true, steps: []step{
			see(fine).because(hostagent.NetworkReturned), see(fine),
		}},
		"restarts after the machine slept, though no probe failed": {steps: []step{
			see(fine), {after: 3600, see: fine, want: hostagent.NetworkReturned}, see(fine),
		}},
		"takes a slow round for no sleep": {steps: []step{see(fine), {after: 55, see: fine}, see(fine)}},
		"restarts at most every third round on a flapping network": {steps: []step{
			see(offline), see(fine).because(hostagent.NetworkReturned), see(offline), see(fine),
			see(offline).because(hostagent.NoReason), see(fine).because(hostagent.NetworkReturned),
		}},
		"gives an unhealthy agent thirty seconds": {steps: []step{
			see(fine), see(sick), see(sick), see(sick), see(sick).because(hostagent.Unhealthy), see(fine),
		}},
		"restarts an agent that missed the revocation of its authority": {steps: []step{
			see(fine), see(orphan()), see(orphan()).because(hostagent.AuthorityGone), see(fine), see(fine),
		}},
		"leaves an agent alone that follows a revocation by itself": {steps: []step{
			see(fine), see(orphan()), see(fine), see(orphan()), see(fine),
		}},
		"does not restart an orphaned agent at every round": {steps: []step{
			see(orphan()), see(orphan()).because(hostagent.AuthorityGone), see(orphan()), see(orphan()), see(orphan()).because(hostagent.AuthorityGone),
		}},
		"leaves the agent of a host that is not wanted alone, whatever its deaths": {steps: join(
			repeat(3, see(fine)), repeat(50, see(unwanted(dying(7)))), repeat(50, see(unwanted(sick))),
		)},
		"restarts the agent of a host that is wanted again": {steps: join(
			repeat(50, see(unwanted(dying(7)))), []step{see(dying(7)).because(hostagent.NetworkReturned), see(fine)},
		)},
		"forgets a short illness": {steps: []step{see(sick), see(sick), see(fine), see(sick), see(sick), see(fine)}},
		"restarts an agent that stays unhealthy ever more seldom": {steps: join(
			repeat(3, see(sick)), []step{see(sick).because(hostagent.Unhealthy)}, // at 30 s
			repeat(2, see(sick)), []step{see(sick).because(hostagent.Unhealthy)}, // 30 s later
			repeat(5, see(sick)), []step{see(sick).because(hostagent.Unhealthy)}, // 60 s later
			repeat(11, see(sick)), []step{see(sick).because(hostagent.Unhealthy)}, // 120 s later
			repeat(23, see(sick)), []step{see(sick).because(hostagent.Unhealthy)}, // 240 s later
			repeat(29, see(sick)), []step{see(sick).because(hostagent.Unhealthy)}, // 300 s later, and so on
			repeat(29, see(sick)), []step{see(sick).because(hostagent.Unhealthy)},
		)},
		"restarts an agent that keeps dying sooner": {steps: []step{
			see(fine), see(dying(1)), see(dying(3)).because(hostagent.Dying), see(dying(6)), see(dying(9)), see(dying(12)).because(hostagent.Dying),
		}},
		"takes single deaths of a healthy agent for granted": {steps: []step{
			see(fine), see(dying(1)), see(hostagent.Observation{Reachable: true, Healthy: true, Deaths: 1}),
			see(dying(2)), see(hostagent.Observation{Reachable: true, Healthy: true, Deaths: 2}), see(dying(4)),
		}},
		"does nothing about an unhealthy agent while nothing can be fetched": {steps: repeat(100, see(hostagent.Observation{}))},
		"restarts once when the server moved":                                {steps: []step{see(fine), see(moved()).because(hostagent.ServerMoved), see(fine)}},
		"restarts once when the host certificate was renewed":                {steps: []step{see(fine), see(renewed()).because(hostagent.CertRenewed), see(fine), see(fine)}},
		"remembers that the host certificate was renewed": {steps: []step{
			see(hostagent.Observation{Healthy: true, Renewed: true}), see(fine).because(hostagent.CertRenewed), see(fine),
		}},
		"remembers that the server moved until it answers": {steps: []step{
			see(hostagent.Observation{Healthy: true, Moved: true}), see(fine).because(hostagent.ServerMoved), see(fine),
		}},
		"never restarts a running ephemeral agent": {ephemeral: true, absent: true, steps: join(
			[]step{see(fine), see(offline), see(fine), see(moved()), {after: 3600, see: fine}}, repeat(100, see(sick)),
		)},
		"restarts an ephemeral agent that exited": {ephemeral: true, steps: []step{
			see(fine), see(dying(1)), see(dying(4)).because(hostagent.Dying),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := hostagent.Decider{Interval: 10 * time.Second, Patience: 30 * time.Second, Ephemeral: c.ephemeral}
			if c.absent {
				d.Absent()
			}
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			for i, s := range c.steps {
				now = now.Add(time.Duration(s.after) * time.Second)
				s.see.At = now
				require.Equal(t, s.want, d.Decide(s.see), "round %d", i)
			}
		})
	}
}
