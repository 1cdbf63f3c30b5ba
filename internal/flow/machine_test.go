package flow_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
)

// step is a frame of one end.
type step struct {
	from flow.Side
	t    flow.Type
	code flow.Code
}

const tun, con = flow.SideTunneler, flow.SideConnector

var (
	bind      = step{tun, flow.TypeBind, 0}
	open      = step{tun, flow.TypeOpen, 0}
	seen      = step{con, flow.TypeSeen, 0}
	connected = step{con, flow.TypeResult, flow.CodeOK}
	refused   = step{con, flow.TypeResult, flow.CodeRefused}
	proof     = step{tun, flow.TypeProof, 0}
	data      = step{tun, flow.TypeData, 0}
	dataBack  = step{con, flow.TypeData, 0}
	fin       = step{tun, flow.TypeFin, 0}
	finBack   = step{con, flow.TypeFin, 0}
	reset     = step{tun, flow.TypeReset, flow.CodeAborted}
	resetBack = step{con, flow.TypeReset, flow.CodeAborted}
)

var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func after(t *testing.T, steps ...step) *flow.Machine {
	t.Helper()
	m := flow.NewMachine(began, flow.Times{})
	for _, s := range steps {
		require.NoError(t, m.Take(began, s.from, s.t, s.code))
	}
	return m
}

func TestWhichFrameMayComeWhen(t *testing.T) {
	t.Parallel()
	flowing := []step{bind, open, seen, connected}
	with := func(more ...step) []step { return append(append([]step{}, flowing...), more...) }
	all := []step{bind, open, seen, connected, refused, proof, data, dataBack, fin, finBack, reset, resetBack}
	for name, c := range map[string]struct {
		after []step
		legal []step
		phase flow.Phase
	}{
		"at first, a bind and nothing else": {nil, []step{bind, resetBack}, flow.PhaseUnbound},
		"one bind a connection":             {[]step{bind}, []step{open, proof, reset, resetBack}, flow.PhaseIdle},
		"an open waits to be seen":          {[]step{bind, open}, []step{seen, proof, reset, resetBack}, flow.PhaseOpening},
		"no data before the result":         {[]step{bind, open, seen}, []step{connected, refused, proof, reset, resetBack}, flow.PhaseSeen},
		"a refusal frees the connection":    {[]step{bind, open, seen, refused}, []step{open, proof, reset, resetBack}, flow.PhaseIdle},
		"no open on a busy connection":      {flowing, []step{data, dataBack, fin, finBack, proof, reset, resetBack}, flow.PhaseFlowing},
		"a proof changes nothing":           {with(proof, data, proof), []step{data, dataBack, fin, finBack, proof, reset, resetBack}, flow.PhaseFlowing},
		"nothing after the tunneler's fin":  {with(data, fin), []step{dataBack, finBack, proof, reset, resetBack}, flow.PhaseFlowing},
		"nothing after the connector's fin": {with(finBack), []step{data, fin, proof, reset, resetBack}, flow.PhaseFlowing},
		"both fins free the connection":     {with(fin, finBack), []step{open, proof, reset, resetBack}, flow.PhaseIdle},
		"in the other order too":            {with(dataBack, finBack, data, fin), []step{open, proof, reset, resetBack}, flow.PhaseIdle},
		"the next flow has fins of its own": {with(fin, finBack, open, seen, connected), []step{data, dataBack, fin, finBack, proof, reset, resetBack}, flow.PhaseFlowing},
		"nothing after a reset":             {with(reset), nil, flow.PhaseOver},
		"nor after the connector's":         {[]step{resetBack}, nil, flow.PhaseOver},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.phase, after(t, c.after...).Phase())
			for _, s := range all {
				m := after(t, c.after...)
				err := m.Take(began, s.from, s.t, s.code)
				if contains(c.legal, s) {
					require.NoError(t, err)
					continue
				}
				require.ErrorIs(t, err, flow.ErrOrder, "%s of the %s", s.t, s.from)
				require.Equal(t, c.phase, m.Phase(), "a refused frame changes nothing")
			}
		})
	}
}

func contains(all []step, s step) bool {
	for _, o := range all {
		if o == s {
			return true
		}
	}
	return false
}

func TestEachPhaseHasItsTime(t *testing.T) {
	t.Parallel()
	times := flow.Times{Bind: 1 * time.Second, Idle: 2 * time.Second, Seen: 3 * time.Second, Result: 4 * time.Second, Quiet: 5 * time.Second}
	m := flow.NewMachine(began, times)
	now := began
	due := func(d time.Duration, why error) {
		t.Helper()
		at, reason := m.Due()
		require.Equal(t, now.Add(d), at)
		require.ErrorIs(t, reason, why)
	}
	take := func(s step) {
		t.Helper()
		now = now.Add(time.Millisecond)
		require.NoError(t, m.Take(now, s.from, s.t, s.code))
	}
	due(time.Second, flow.ErrProtocol)
	take(bind)
	at, _ := m.Due()
	require.Equal(t, now.Add(2*time.Second), at)
	take(open)
	due(3*time.Second, flow.ErrNoConnector)
	take(seen)
	due(4*time.Second, flow.ErrTimeout)
	take(connected)
	due(5*time.Second, flow.ErrQuiet)
	take(data)
	due(5*time.Second, flow.ErrQuiet)
	now = now.Add(time.Second)
	m.Moved(now)
	due(5*time.Second, flow.ErrQuiet)
	take(fin)
	due(5*time.Second, flow.ErrQuiet)
	m.Moved(now)
	before := now
	now = now.Add(time.Second)
	require.NoError(t, m.Take(before, tun, flow.TypeProof, 0))
	at, _ = m.Due()
	require.Equal(t, before.Add(5*time.Second), at, "a proof moves no data")
	take(resetBack)
	at, _ = m.Due()
	require.Zero(t, at)

	at, _ = flow.NewMachine(began, flow.Times{}).Due()
	require.Zero(t, at, "no bound")
}

// TestTheEndsNeverDisagree sends whatever each end may send, in any order, over two queues:
// what is legal to send is legal to receive, whatever crosses it.
func TestTheEndsNeverDisagree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ends := [2]*flow.Machine{flow.NewMachine(began, flow.Times{}), flow.NewMachine(began, flow.Times{})}
		var queues [2][]step // by sender
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			side := flow.Side(rapid.IntRange(0, 1).Draw(t, "side"))
			if rapid.Bool().Draw(t, "deliver") && len(queues[side]) > 0 {
				s := queues[side][0]
				queues[side] = queues[side][1:]
				to := ends[1-side]
				if to.Phase() == flow.PhaseOver {
					continue // it has sent a reset, and closes
				}
				if err := to.Take(began, s.from, s.t, s.code); err != nil {
					t.Fatalf("the %s did not expect %s: %v", 1-side, s.t, err)
				}
				continue
			}
			s := step{side, flow.Type(rapid.IntRange(1, 10).Draw(t, "type")), flow.Code(rapid.IntRange(0, 8).Draw(t, "code"))}
			if ends[side].Check(s.from, s.t) != nil {
				continue
			}
			if err := ends[side].Take(began, s.from, s.t, s.code); err != nil {
				t.Fatal(err)
			}
			queues[side] = append(queues[side], s)
		}
	})
}
