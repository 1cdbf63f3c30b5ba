package fleet_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/denial"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// keeper is a connector, with what it keeps.
type keeper struct {
	dir  string
	kept *denial.Kept
	stop func()
	away bool
}

// restored is a controller whose machine is lost now and then, and its connectors. The
// replaced database is lost too: nothing is carried over from it.
type restored struct {
	t       *testing.T
	w       *world
	key     *audit.Signer
	keepers []*keeper
	backup  string // empty while there is none
	revoked map[identity.HostID]bool
}

// TestWhoWasRevokedStaysOut: in any order of enrollments, revocations, backups, restores,
// restarts and connectors that are away, nobody is live whose revocation a connector has
// given back; and when all connectors have been here again, nobody who was ever revoked.
func TestWhoWasRevokedStaysOut(t *testing.T) {
	t.Parallel()
	key, err := audit.OpenSigner(t.TempDir(), audit.Origin(td.Name()))
	require.NoError(t, err)
	rapid.Check(t, func(rt *rapid.T) {
		f := newRestored(t, key)
		defer f.end()
		rt.Repeat(map[string]func(*rapid.T){
			"enroll":  func(rt *rapid.T) { f.enroll(drawID(rt)) },
			"revoke":  func(rt *rapid.T) { f.revoke(drawID(rt)) },
			"backup":  func(*rapid.T) { f.copyTo() },
			"restore": func(*rapid.T) { f.restore() },
			"restart": func(rt *rapid.T) { f.restart(f.keepers[rapid.IntRange(0, 1).Draw(rt, "connector")]) },
			"leave or come": func(rt *rapid.T) {
				i := rapid.IntRange(0, 1).Draw(rt, "connector")
				f.keepers[i].away = !f.keepers[i].away && !f.keepers[1-i].away // the other one is here
				f.exchange()
			},
			"": f.check,
		})
		for _, k := range f.keepers {
			k.away = false
		}
		f.exchange()
		for host := range f.revoked {
			require.NotContains(rt, f.live(), host, "everybody has answered")
		}
	})
}

func drawID(rt *rapid.T) identity.Workload {
	return tunneler(fmt.Sprintf("t-%d", rapid.IntRange(0, 2).Draw(rt, "id")))
}

func newRestored(t *testing.T, key *audit.Signer) *restored {
	f := &restored{t: t, w: newWorld(t), key: key, revoked: map[identity.HostID]bool{}}
	f.w.clock.Advance(-time.Hour)
	for range 2 {
		k := &keeper{dir: t.TempDir()}
		f.keepers = append(f.keepers, k)
		f.open(k)
	}
	return f
}

func (f *restored) end() {
	for _, k := range f.keepers {
		k.stop()
	}
}

func (f *restored) open(k *keeper) {
	genuine := func(e denial.Entry) bool { return denial.Genuine(f.key.VerifierKey, e) }
	k.kept = denial.Open(denial.Config{TrustDomain: td, StateDir: k.dir, SaveAgain: time.Hour, Genuine: genuine, Log: zap.NewNop()})
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.t.Context()))
	done := make(chan error, 1)
	go func() { done <- k.kept.Run(ctx) }()
	k.stop = func() { cancel(); require.NoError(f.t, <-done) }
}

func (f *restored) restart(k *keeper) {
	k.stop()
	f.open(k)
}

func (f *restored) enroll(who identity.Workload) {
	f.w.clock.Advance(2 * time.Second) // denials have whole seconds
	for _, m := range f.members() {
		if m.Workload == who && m.Live() {
			return
		}
	}
	f.w.enroll(f.t, who)
}

// revoke is heard by the connectors that are here, of which there is always one.
func (f *restored) revoke(who identity.Workload) {
	f.w.clock.Advance(2 * time.Second)
	for _, m := range f.members() {
		if m.Workload == who && m.Live() {
			f.revoked[m.HostID] = true
			require.NoError(f.t, f.w.Revoke(f.t.Context(), fleet.Revocation{Workload: who, Actor: "key:test"}))
		}
	}
	f.exchange()
}

func (f *restored) copyTo() {
	file := filepath.Join(f.t.TempDir(), "backup.db")
	require.NoError(f.t, store.Snapshot(f.t.Context(), f.w.file, file))
	f.backup = file
}

func (f *restored) restore() {
	if f.backup == "" {
		return
	}
	file := filepath.Join(f.t.TempDir(), "controller.db")
	raw, err := os.ReadFile(f.backup)
	require.NoError(f.t, err)
	require.NoError(f.t, os.WriteFile(file, raw, 0o600))
	require.NoError(f.t, f.w.store.Close())
	f.w.file = file
	f.w.store, err = store.Open(f.t.Context(), file)
	require.NoError(f.t, err)
	f.w.Fleet = fleet.New(f.w.config())
	f.exchange()
}

// exchange is the begin of a stream with each connector that is here: all denials to it,
// and what it has besides back.
func (f *restored) exchange() {
	for range f.keepers { // what one gives back goes to the others
		for _, k := range f.keepers {
			if !k.away {
				f.stream(k)
			}
		}
	}
}

func (f *restored) stream(k *keeper) {
	known, err := f.w.store.Denials(f.t.Context(), 0, time.Unix(0, 0))
	require.NoError(f.t, err)
	has := map[spiffeid.ID]time.Time{}
	for _, d := range known {
		e, err := d.Entry(td)
		require.NoError(f.t, err)
		e, err = denial.Sign(f.key, e)
		require.NoError(f.t, err)
		has[e.ID] = e.SVIDNotBefore
		k.kept.Take(denial.Message([]denial.Entry{e}, false))
	}
	var back []fleet.Denial
	for _, e := range k.kept.Since(has) {
		require.True(f.t, denial.Genuine(f.key.VerifierKey, e))
		w, err := identity.ParseWorkload(e.ID)
		require.NoError(f.t, err)
		back = append(back, fleet.Denial{Workload: w, SVIDNotBefore: e.SVIDNotBefore})
	}
	if len(back) == 0 {
		return
	}
	revoked, err := f.w.TakeBack(f.t.Context(), fleet.Return{By: connector("c-01"), Denials: back})
	require.NoError(f.t, err)
	for _, m := range revoked {
		require.True(f.t, f.revoked[m.HostID], "only who was revoked")
	}
}

func (f *restored) members() []fleet.Tunneler {
	all, err := f.w.store.Tunnelers(f.t.Context())
	require.NoError(f.t, err)
	return all
}

func (f *restored) live() (hosts []identity.HostID) {
	for _, m := range f.members() {
		if m.Live() {
			hosts = append(hosts, m.HostID)
		}
	}
	return hosts
}

// check: nobody is live whom a connector that is here denies, in a database that it has
// given that back to.
func (f *restored) check(rt *rapid.T) {
	for _, m := range f.members() {
		for _, k := range f.keepers {
			if id, err := m.SPIFFEID(td); err == nil && m.Live() && !k.away {
				require.False(rt, k.kept.Denies(id, m.SVIDNotBefore()), "%s is live and denied", m.Workload)
				require.False(rt, f.revoked[m.HostID], "%s was revoked and is live", m.Workload)
			}
		}
	}
}
