package hostagent

import "time"

const (
	// maxPause bounds how seldom an agent that stays unhealthy is restarted: a
	// banned host must not hammer the server, one that was un-banned should not
	// wait for ever.
	maxPause = 5 * time.Minute
	// manyDeaths in a row count as unhealthy without waiting longer.
	manyDeaths = 3
	// slowRound is how much longer than its interval a round may take: three probes that
	// time out, a restart with its jitter.
	slowRound = 30 * time.Second
)

// Observation is what one round of probes saw.
type Observation struct {
	At        time.Time // a laptop that sleeps stops the monotonic clock, so this is wall time
	Reachable bool      // the controller gave a bundle and the SPIRE server accepted a connection
	Healthy   bool      // the Workload API answers
	Exited    bool      // no agent process runs now
	Deaths    int       // deaths of agent processes since Run began
	Moved     bool      // the SPIRE server's address has changed since the last round
	Orphaned  bool      // the authority of the agent's own SVID is not trusted any more
	Renewed   bool      // the host has another certificate since this round
	Refused   bool      // the controller has revoked this host, or does not know it
}

// Reason says why the agent is restarted; empty means that it is not.
type Reason string

// The reasons for a restart.
const (
	NoReason        Reason = ""
	NetworkReturned Reason = "the network came back"
	Unhealthy       Reason = "the agent was unhealthy"
	Dying           Reason = "the agent kept dying"
	ServerMoved     Reason = "the SPIRE server's address changed"
	CertRenewed     Reason = "the host certificate was renewed"
	AuthorityGone   Reason = "the agent missed the revocation of its authority"
)

// Decider decides when the agent is restarted with the current bundle. It does
// no I/O and reads no clock. It is not safe for concurrent use.
type Decider struct {
	// Interval is the time from one round to the next. A much longer gap means
	// that the machine slept.
	Interval time.Duration
	// Patience is how long an agent may be unhealthy before it is restarted.
	Patience time.Duration
	// Ephemeral: only an agent that has exited is restarted.
	Ephemeral bool

	last           time.Time // previous round
	absent         bool      // the network, or this machine, was away since the last restart
	moved          bool
	renewed        bool
	unhealthySince time.Time // zero while healthy
	orphanedSince  time.Time // zero while the agent's authority is trusted
	refused        bool      // in the round before
	deaths         int       // at the last restart
	restarted      time.Time // zero before the first
	pause          time.Duration
}

// Absent informs the Decider that the network was away before the first round.
func (d *Decider) Absent() { d.absent = true }

// Decide takes one round of probes and says why the agent has to be restarted
// now. The Decider takes it as done.
func (d *Decider) Decide(o Observation) Reason {
	o.At = o.At.Round(0) // wall time
	d.note(o)
	if !o.Reachable {
		return NoReason // nothing to fetch, and SPIRE itself retries
	}
	reason := d.reason(o)
	if reason == NoReason {
		return NoReason
	}
	d.absent, d.moved, d.renewed, d.deaths, d.restarted = false, false, false, o.Deaths, o.At
	if !o.Healthy {
		d.unhealthySince = o.At // the new agent gets its own time
	}
	d.orphanedSince = time.Time{}
	d.pause = min(max(2*d.pause, d.Patience), maxPause)
	return reason
}

// note keeps what later rounds need.
func (d *Decider) note(o Observation) {
	slept := !d.last.IsZero() && o.At.Sub(d.last) > 3*d.Interval+slowRound
	d.last = o.At
	// A host that is wanted again was as good as absent.
	d.absent = d.absent || slept || !o.Reachable || d.refused && !o.Refused
	d.refused = o.Refused
	d.moved = d.moved || o.Moved
	d.renewed = d.renewed || o.Renewed
	switch {
	case !o.Orphaned:
		d.orphanedSince = time.Time{}
	case d.orphanedSince.IsZero():
		d.orphanedSince = o.At
	}
	switch {
	case o.Healthy:
		d.unhealthySince, d.pause, d.deaths = time.Time{}, 0, o.Deaths
	case d.unhealthySince.IsZero():
		d.unhealthySince = o.At
	}
}

func (d *Decider) reason(o Observation) Reason {
	if d.Ephemeral && !o.Exited {
		// It heals by itself or not at all: another start needs another token.
		d.absent, d.moved = false, false
		return NoReason
	}
	since := o.At.Sub(d.restarted)
	switch {
	case o.Refused:
		// SPIRE refuses its agent whatever we do, and it starts by itself every few minutes.
		return NoReason
	case d.moved:
		return ServerMoved
	case d.renewed:
		return CertRenewed
	case d.absent && (d.restarted.IsZero() || since >= 3*d.Interval):
		// A network that flaps restarts the agent at most every third round.
		return NetworkReturned
	case !d.orphanedSince.IsZero() && o.At.Sub(d.orphanedSince) >= d.Interval && since >= 3*d.Interval:
		// An agent that learned of the taint has a new SVID before its old authority goes;
		// one that did not would hand out SVIDs nobody trusts until half of their life.
		return AuthorityGone
	case o.Healthy || since < d.pause:
		return NoReason
	case o.Deaths-d.deaths >= manyDeaths:
		return Dying
	case o.At.Sub(d.unhealthySince) >= d.Patience:
		return Unhealthy
	default:
		return NoReason
	}
}
