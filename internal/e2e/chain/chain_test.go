package chain_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// TestMain lets rapid look at fewer histories than it does by itself, since each has TLS
// in it; -rapid.checks says how many.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "50"); err != nil {
		panic(err)
	}
	flag.Parse()
	os.Exit(m.Run())
}

// step is something that happens: an action, and a number for what it has to choose.
type step struct {
	what string
	n    int
}

func (s step) String() string { return fmt.Sprintf("%s (%d)", s.what, s.n) }

// TestAnyHistoryEndsWithThoseAdmittedWhomTheControllerNames: whatever interleaves of
// changes, lost wake-ups, restarts of either side, a log that is pruned or cannot be
// read, backups and restores, messages that are lost, doubled, swapped, repeated from
// before, of another position or timeline, statements of timelines that are true, forged
// or repeated. At no moment is anybody admitted who is not named, and
// 30 s after the last fault nobody is left out.
func TestAnyHistoryEndsWithThoseAdmittedWhomTheControllerNames(t *testing.T) {
	t.Parallel()
	histories := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
		return step{rapid.SampledFrom(slices.Sorted(maps.Keys(actions))).Draw(rt, "what"), rapid.IntRange(0, 63).Draw(rt, "n")}
	}), 1, 40)
	rapid.Check(t, func(rt *rapid.T) {
		history := histories.Draw(rt, "history")
		if fault := play(t, history, (*world).settled); fault != "" {
			rt.Fatal(fault)
		}
	})
}

// TestEachFault: those of which docs/fleet.md speaks, each by itself.
func TestEachFault(t *testing.T) {
	t.Parallel()
	for fault, history := range map[string][]string{
		"a wake-up is lost":                          {"enroll 1"},
		"the log is pruned before it is read":        {"the store fails", "enroll 1", "enroll 2", "prune", "the store is back"},
		"the last message is lost":                   {"enroll 1", "time goes 3", "hold", "enroll 2", "time goes 3", "lose", "release"},
		"a message is lost, and the request for all": {"enroll 1", "time goes 3", "hold", "enroll 2", "time goes 3", "lose", "lose", "lose a request", "release", "revoke 1", "wake"},
		"a revocation is lost":                       {"enroll 1", "time goes 3", "hold", "revoke 1", "time goes 3", "lose", "lose"},
		"a part of a message is lost":                {"enroll 1", "time goes 3", "hold", "enroll 2", "time goes 3", "lose a part", "release"},
		"a message names one who is not enrolled":    {"enroll 1", "time goes 3", "revoke 1", "time goes 3", "hold", "enroll 2", "time goes 3", "name a former one", "release"},
		"messages come doubled":                      {"enroll 1", "time goes 3", "hold", "revoke 1", "time goes 3", "double", "release"},
		"messages come in another order":             {"enroll 1", "time goes 3", "hold", "revoke 1", "time goes 3", "enroll 2", "time goes 3", "swap", "release"},
		"a whole policy of before is repeated":       {"time goes 3", "enroll 1", "time goes 3", "repeat"},
		"a change of before is repeated":             {"enroll 1", "time goes 3", "revoke 1", "time goes 3", "repeat 1", "repeat 2", "repeat 3"},
		"a change comes from another position":       {"enroll 1", "time goes 3", "revoke 1", "time goes 3", "another position 1", "another position 2"},
		"a change comes from another timeline":       {"enroll 1", "time goes 3", "revoke 1", "time goes 3", "another timeline 1", "another timeline 2", "another timeline 3", "another timeline 4", "another timeline 5"},
		"the next timeline is forged":                {"enroll 1", "time goes 3", "a forged statement 0", "a forged statement 1", "a forged statement 2", "a forged statement 3", "a forged statement 4", "a forged statement 5"},
		"the next timeline is not signed":            {"enroll 1", "time goes 3", "an unsigned statement 1", "an unsigned statement 2", "an unsigned statement 3", "an unsigned statement 4"},
		"a statement is repeated":                    {"enroll 1", "back up", "restore and start the recovery", "time goes 3", "restore and start the recovery", "time goes 3", "a statement again 0", "a statement again 1", "enroll 2", "another timeline 1"},
		"a recovery is started":                      {"enroll 1", "enroll 2", "time goes 3", "back up", "revoke 1", "enroll 3", "time goes 3", "restore and start the recovery", "time goes 3", "enroll 0"},
		"and the clock is behind":                    {"enroll 1", "enroll 2", "time goes 3", "back up", "revoke 1", "enroll 3", "time goes 3", "restore and start the recovery 1", "time goes 3", "enroll 0"},
		"the one before a recovery comes back":       {"enroll 1", "time goes 3", "back up", "restore and start the recovery", "time goes 3", "enroll 2", "time goes 3", "restore", "time goes 3"},
		"the controller restarts in between":         {"enroll 1", "time goes 3", "hold", "revoke 1", "restart the controller"},
		"the connector restarts in between":          {"enroll 1", "time goes 3", "hold", "revoke 1", "time goes 3", "restart the connector"},
		"the controller is restored":                 {"enroll 1", "enroll 2", "time goes 3", "back up", "revoke 1", "enroll 2", "enroll 3", "time goes 3", "restore"},
		"the controller is restored twice":           {"enroll 1", "back up", "enroll 2", "time goes 3", "restore", "revoke 1", "back up", "enroll 3", "time goes 3", "restore"},
		"the connector has more than its controller": {"enroll 1", "time goes 3", "back up", "revoke 1", "enroll 2", "time goes 3", "restore with the clock behind", "time goes 3"},
		"and its policy is reset":                    {"enroll 1", "time goes 3", "back up", "enroll 2", "time goes 3", "restore with the clock behind", "time goes 3", "reset the connector's witness"},
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, play(t, steps(history), (*world).settled))
		})
	}
}

// TestARevocationActsWhileThePolicyIsRefused: the controller came back from a backup, its
// clock is behind, and nobody has agreed on the connector's host yet.
func TestARevocationActsWhileThePolicyIsRefused(t *testing.T) {
	t.Parallel()
	require.Empty(t, play(t, steps([]string{
		"enroll 1", "enroll 2", "time goes 3", "back up", "enroll 3", "enroll 4", "enroll 3", "enroll 4", "time goes 3",
		"restore with the clock behind", "time goes 3", "revoke 1", "time goes 0", "revoke 2", "time goes 0",
	}), func(w *world, t require.TestingT) {
		require.ErrorContains(t, w.relay.PolicyReady(context.Background()), "witness reset")
		for i, h := range w.hosts {
			require.Equal(t, i >= 4, h.admitted(), h.workload) // the last holders of t-3 and t-0, whom the backup does not know
		}
	}))
}

// TestAResetIsNoticedWhileTheDiskRests: between two writes to a slow disk the connector
// waits for up to a minute, and its operator does not.
func TestAResetIsNoticedWhileTheDiskRests(t *testing.T) {
	t.Parallel()
	require.Empty(t, play(t, steps([]string{
		"enroll 1", "time goes 3", "back up", "enroll 2", "time goes 3", "the disk is slow", "restore with the clock behind", "time goes 3",
	}), func(w *world, t require.TestingT) {
		require.ErrorContains(t, w.relay.PolicyReady(context.Background()), "witness reset")
		w.reset()
		<-time.After(11 * time.Second) // it looks every 10 s
		synctest.Wait()
		require.NoError(t, w.relay.PolicyReady(context.Background()))
	}))
}

// steps reads an action a line, with its number at the end.
func steps(texts []string) (out []step) {
	for _, text := range texts {
		s := step{what: strings.TrimRight(text, " 0123456789")}
		s.n, _ = strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(text, s.what)))
		out = append(out, s)
	}
	return out
}

// play plays a history in fake time and returns what was wrong.
func play(t *testing.T, history []step, end func(*world, require.TestingT)) (fault string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.stop()
		defer func() {
			if f, ok := recover().(failure); ok {
				fault = string(f)
			}
		}()
		for _, s := range history {
			actions[s.what](w, s.n)
			w.onlyTheNamed(check{})
		}
		end(w, check{})
	})
	return fault
}

// check is a require.TestingT that ends a history.
type check struct{}

type failure string

func (check) FailNow()                          {}
func (check) Errorf(format string, args ...any) { panic(failure(fmt.Sprintf(format, args...))) }

type messages = []*zerotrustv1.ConnectResponse

// actions are what may happen. Enrollments and waits are there more often.
var actions = map[string]func(w *world, n int){
	"enroll":            (*world).enrollSome,
	"enroll another":    (*world).enrollSome,
	"revoke":            func(w *world, n int) { w.store.revoke(name(n), time.Now()) },
	"wake":              func(w *world, _ int) { w.store.Wake() },
	"time goes":         func(_ *world, n int) { <-time.After(time.Duration(n%4+1) * time.Second) },
	"more time goes":    func(_ *world, n int) { <-time.After(time.Duration(n%4+1) * time.Second) },
	"prune":             func(w *world, n int) { w.store.Prune(n % 4) },
	"the store fails":   func(w *world, _ int) { w.store.failing(errors.New("away")) },
	"the store is back": func(w *world, _ int) { w.store.failing(nil) },

	"hold":    func(w *world, _ int) { w.link.hold() },
	"release": func(w *world, _ int) { w.link.release() },
	"lose":    func(w *world, _ int) { w.link.with(func(all messages) messages { return all[min(1, len(all)):] }) },
	"double": func(w *world, _ int) {
		w.link.with(func(all messages) messages { return append(all, all[:min(1, len(all))]...) })
	},
	"swap":           func(w *world, _ int) { w.link.with(swap) },
	"lose a request": func(w *world, _ int) { w.link.lose() },
	"repeat":         func(w *world, n int) { w.repeat(n, func(*zerotrustv1.UpdateHeader) {}) },
	"lose a part": func(w *world, n int) {
		w.spoil(n, func(u *zerotrustv1.PolicyUpdate) { u.Upserts, u.Removals = nil, nil })
	},
	"name a former one": func(w *world, n int) {
		w.spoil(n, func(u *zerotrustv1.PolicyUpdate) { u.Upserts = append(u.Upserts, w.former(n)...) })
	},
	"another timeline":      (*world).elsewhere,
	"a forged statement":    (*world).forge,
	"an unsigned statement": (*world).unsigned,
	"a statement again":     (*world).replay,
	"another position": func(w *world, n int) {
		w.repeat(n, func(h *zerotrustv1.UpdateHeader) { h.From, h.To = h.GetFrom()+1<<40, h.GetTo()+1<<40 })
	},

	"restart the controller":         func(w *world, _ int) { w.controller(); w.startController(true) },
	"restart the connector":          func(w *world, _ int) { w.connector(); w.startConnector() },
	"back up":                        func(w *world, _ int) { w.backups = append(w.backups, w.store.backup()) },
	"restore":                        func(w *world, n int) { w.restore(n, true) },
	"restore with the clock behind":  func(w *world, n int) { w.restore(n, false) },
	"restore and start the recovery": func(w *world, n int) { w.recover(n, n%2 == 0) },
	"the disk is slow":               func(w *world, _ int) { w.slow.Store(true) },
	"reset the connector's witness":  func(w *world, _ int) { w.reset() },
}

func name(n int) string { return fmt.Sprintf("t-%d", n%4) }

func (w *world) enrollSome(n int) {
	if len(w.hosts) < 10 {
		w.enroll(name(n))
	}
}

func swap(all messages) messages {
	if n := len(all); n > 1 {
		all[0], all[n-1] = all[n-1], all[0]
	}
	return all
}

// repeat says again what some stream was told, with a fault. Whole policies are not
// spoilt: a controller may name anybody.
func (w *world) repeat(n int, fault func(*zerotrustv1.UpdateHeader)) {
	m := w.link.earlier(n)
	if h := m.GetPolicy().GetHeader(); h.GetFrom() > 0 {
		fault(h)
	}
	if m != nil {
		w.link.say(m)
	}
}

// spoil changes a message that waits and is not of a whole policy.
func (w *world) spoil(n int, fault func(*zerotrustv1.PolicyUpdate)) {
	w.link.with(func(all messages) messages {
		if len(all) > 0 {
			if u := all[n%len(all)].GetPolicy(); u.GetHeader().GetFrom() > 0 && u.GetHeader().GetFrom() < u.GetHeader().GetTo() {
				fault(u)
			}
		}
		return all
	})
}

// former is the entry of a host that held an id.
func (w *world) former(n int) []*zerotrustv1.PolicyTunneler {
	if len(w.hosts) == 0 {
		return nil
	}
	h := w.hosts[n%len(w.hosts)]
	return []*zerotrustv1.PolicyTunneler{{SpiffeId: "spiffe://" + td.Name() + "/" + h.workload.String(), HostId: string(h.id), SvidNotBefore: timestamppb.New(h.notBefore)}}
}

// restore replaces the store by a backup. A controller whose clock is behind says
// revisions of before.
func (w *world) restore(n int, clock bool) {
	if len(w.backups) == 0 {
		return
	}
	w.controller()
	w.replace(n)
	w.startController(clock)
}

// replace has a backup in the place of the store.
func (w *world) replace(n int) {
	older := w.backups[n%len(w.backups)].backup()
	older.carry(w.store)
	w.store = older
}
