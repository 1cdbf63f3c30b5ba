package flow

import (
	"errors"
	"fmt"
	"time"
)

// ErrOrder is of a frame that may not come now.
var ErrOrder = errors.New("flow frame out of order")

// Side is an end of a flow's connection.
type Side byte

// The two ends.
const (
	SideTunneler  Side = 0
	SideConnector Side = 1
)

// String implements fmt.Stringer.
func (s Side) String() string { return [...]string{"tunneler", "connector"}[s] }

// Phase is what a connection is in the middle of.
type Phase byte

// The phases, in their order.
const (
	PhaseUnbound Phase = iota // nothing was said
	PhaseIdle                 // bound, without a flow
	PhaseOpening              // an open was sent
	PhaseSeen                 // and seen: the connector lives, and decides or dials
	PhaseFlowing              // the target is connected
	PhaseOver                 // nothing may follow
)

// String implements fmt.Stringer.
func (p Phase) String() string {
	return [...]string{"unbound", "idle", "opening", "seen", "flowing", "over"}[p]
}

// Times bound the phases; zero is no bound.
type Times struct {
	Bind   time.Duration // PhaseUnbound
	Idle   time.Duration // PhaseIdle
	Seen   time.Duration // PhaseOpening
	Result time.Duration // PhaseSeen
	Quiet  time.Duration // PhaseFlowing, since something was sent or received
}

// Why a phase is over by its time.
var (
	errNotBound = fmt.Errorf("%w: not bound in time", ErrProtocol)
	errSpare    = errors.New("not needed any more")
	errNotSeen  = fmt.Errorf("%w: the open was not seen in time", ErrNoConnector)
	errNoResult = fmt.Errorf("%w: no result in time", ErrTimeout)
)

// Machine is the state of one connection. Both ends run the same one, and see the same
// order: each direction is ordered, and no frame is legal only before what may cross it.
// It is not safe for concurrent use.
type Machine struct {
	phase Phase
	fins  [2]bool
	times Times
	since time.Time // when the phase began; of a flow, when it moved last
}

// NewMachine is the state of a new connection.
func NewMachine(now time.Time, times Times) *Machine { return &Machine{times: times, since: now} }

// Phase is what the connection is in the middle of.
func (m *Machine) Phase() Phase { return m.phase }

// Ended says that this end has sent its fin of the present flow.
func (m *Machine) Ended(s Side) bool { return m.fins[s] }

// Check says whether a frame of this type may come from this end now.
func (m *Machine) Check(from Side, t Type) error {
	if m.allows(from, t) {
		return nil
	}
	what := m.phase.String()
	if m.phase == PhaseFlowing && m.fins[from] {
		what = "after its fin"
	}
	return fmt.Errorf("%w: %s of the %s, %s", ErrOrder, t, from, what)
}

func (m *Machine) allows(from Side, t Type) bool {
	switch {
	case m.phase == PhaseOver:
		return false
	case from == SideConnector:
		switch t {
		case TypeReset:
			return true
		case TypeSeen:
			return m.phase == PhaseOpening
		case TypeResult:
			return m.phase == PhaseSeen
		}
	case m.phase == PhaseUnbound:
		return t == TypeBind // no other frame comes from a peer that is not bound
	default:
		switch t {
		case TypeProof, TypeReset: // a reset may cross the fin or the result that ended its flow
			return true
		case TypeOpen:
			return m.phase == PhaseIdle
		}
	}
	return m.phase == PhaseFlowing && !m.fins[from] && (t == TypeData || t == TypeFin)
}

// Take is Check, and the step that the frame makes. code is that of a result.
func (m *Machine) Take(now time.Time, from Side, t Type, code Code) error {
	if err := m.Check(from, t); err != nil {
		return err
	}
	switch t {
	case TypeBind:
		m.enter(now, PhaseIdle)
	case TypeOpen:
		m.enter(now, PhaseOpening)
	case TypeSeen:
		m.enter(now, PhaseSeen)
	case TypeResult:
		if code == CodeOK {
			m.enter(now, PhaseFlowing)
		} else {
			m.enter(now, PhaseIdle)
		}
	case TypeData:
		m.since = now
	case TypeFin:
		m.since = now
		m.fins[from] = true
		if m.fins[1-from] {
			m.enter(now, PhaseIdle)
		}
	case TypeReset:
		m.enter(now, PhaseOver)
	}
	return nil
}

func (m *Machine) enter(now time.Time, p Phase) {
	m.phase, m.since, m.fins = p, now, [2]bool{}
}

// Moved notes that bytes of a frame came or went: a large one over a slow line is not quiet.
func (m *Machine) Moved(now time.Time) {
	if m.phase == PhaseFlowing {
		m.since = now
	}
}

// Due is when the connection ends unless something comes, and why; zero is never.
func (m *Machine) Due() (at time.Time, reason error) {
	var d time.Duration
	switch m.phase {
	case PhaseUnbound:
		d, reason = m.times.Bind, errNotBound
	case PhaseIdle:
		d, reason = m.times.Idle, errSpare
	case PhaseOpening:
		d, reason = m.times.Seen, errNotSeen
	case PhaseSeen:
		d, reason = m.times.Result, errNoResult
	case PhaseFlowing:
		d, reason = m.times.Quiet, ErrQuiet
	}
	if d == 0 {
		return time.Time{}, nil
	}
	return m.since.Add(d), reason
}
