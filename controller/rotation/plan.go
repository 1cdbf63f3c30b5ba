package rotation

import (
	"slices"
	"time"
)

// move is what is to be done next.
type move struct {
	call call
	// id is the authority that the call is about; for callPrepare it is empty.
	id string
}

// call is a change of SPIRE's state, or one of the two ends.
type call int

const (
	callNone  call = iota // SPIRE has done everything
	callStuck             // an authority is left that SPIRE cannot revoke any more
	callPrepare
	callActivate
	callTaint
	callRevoke
)

// plan derives the next move from what is to be replaced and what SPIRE says. It
// has no memory, so that it is right after any crash, and when SPIRE rotated by
// itself meanwhile.
//
// An old authority is retired before the next is prepared, because SPIRE would
// forget it. One that is left of a rotation by SPIRE itself is only tainted: an
// agent under it would not attest again at the next taint, and its serial number
// is all that the last gate sees of it. An authority that SPIRE prepared itself is
// used, even where it is to be replaced as well: a second prepare would leave it
// trusted until it expires.
func plan(replace []string, a Authorities, now time.Time) move {
	if old, ok := a.alive(a.Old.ID, now); ok {
		switch {
		case !old.Tainted && (slices.Contains(replace, old.ID) || slices.Contains(replace, a.Active.ID)):
			return move{callTaint, old.ID}
		case old.Tainted && slices.Contains(replace, old.ID):
			return move{callRevoke, old.ID}
		}
	}
	if slices.Contains(replace, a.Active.ID) {
		if a.Prepared.ID != "" {
			return move{callActivate, a.Prepared.ID}
		}
		return move{callPrepare, ""}
	}
	for _, id := range replace {
		if _, ok := a.alive(id, now); ok {
			return move{callStuck, id}
		}
	}
	return move{callNone, ""}
}

// Phase is how far a rotation is. Those in -ing are stored before their call and
// seen only while it runs, or after a crash.
type Phase string

// Phases, in their order.
const (
	Preparing  Phase = "preparing"
	Prepared   Phase = "prepared"
	Activating Phase = "activating"
	Active     Phase = "active"
	Tainting   Phase = "tainting"
	Tainted    Phase = "tainted"
	Revoking   Phase = "revoking"
	// Revoked waits until no online peer trusts what SPIRE has revoked: agents learn
	// of it with their next sync, and until then an SVID of it is accepted.
	Revoked Phase = "revoked"
	// Distrusted is the end.
	Distrusted Phase = "distrusted"
)

// Unfinished lists the phases but the last, in their order.
func Unfinished() []Phase {
	return []Phase{Preparing, Prepared, Activating, Active, Tainting, Tainted, Revoking, Revoked}
}

// reached is the phase in which a call is the next one, intended the one in which
// it is made.
func (c call) reached() Phase {
	switch c {
	case callPrepare:
		return Preparing
	case callActivate:
		return Prepared
	case callTaint:
		return Active
	case callRevoke:
		return Tainted
	default:
		return Revoked
	}
}

func (c call) intended() Phase {
	switch c {
	case callPrepare:
		return Preparing
	case callActivate:
		return Activating
	case callTaint:
		return Tainting
	case callRevoke:
		return Revoking
	default:
		return Distrusted
	}
}

// waits says whether the move has a gate. An emergency activates at once; it does
// wait until peers distrust what is revoked, which holds nothing up any more.
func (c call) waits(o Options) bool {
	return c == callNone || c == callRevoke || c == callActivate && !o.Emergency
}

// limit is how long the gate of the move may stay closed; zero is for ever.
func (c call) limit(o Options) time.Duration {
	switch {
	case o.Emergency && c == callRevoke:
		return emergencyGrace
	case o.Deadline == 0 && c == callNone:
		return distrustLimit
	default:
		return o.Deadline
	}
}
