package fleet_test

import (
	"flag"
	"path/filepath"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store/storetest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// TestMain lets rapid look at fewer histories than it does by itself, since each waits for
// the disk; -rapid.checks says how many.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

var (
	td     = spiffeid.RequireTrustDomainFromString("mycorp.internal")
	svidOf = map[identity.Kind]time.Duration{identity.KindConnector: 5 * time.Minute, identity.KindTunneler: 30 * time.Minute}
)

func connector(id string) identity.Workload {
	return identity.Workload{Kind: identity.KindConnector, ID: id}
}

func tunneler(id string) identity.Workload {
	return identity.Workload{Kind: identity.KindTunneler, ID: id}
}

func newClock() *hosttest.Clock {
	return hosttest.NewClock(time.Now().UTC().Truncate(time.Microsecond))
}

// world is a fleet on the real store with SPIRE in memory.
type world struct {
	*fleet.Fleet
	store   *store.Store
	file    string // of store
	spire   *enrolltest.SPIRE
	changes *enrolltest.Changes
	roster  *presence.Roster
	clock   *hosttest.Clock
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{spire: enrolltest.NewSPIRE(td), changes: &enrolltest.Changes{}, clock: newClock()}
	w.file = storetest.File(t, filepath.Join(t.TempDir(), "controller.db"))
	var err error
	w.store, err = store.Open(t.Context(), w.file)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.store.Close()) })
	w.roster = presence.NewRoster(w.clock.Now)
	w.Fleet = fleet.New(w.config())
	return w
}

func (w *world) config() fleet.Config {
	return fleet.Config{
		Store: w.store, Roster: w.roster, Changed: w.changes, Audit: audit.New(zap.NewNop(), w.clock.Now), Now: w.clock.Now,
	}
}

// restart makes a fleet that remembers what is stored, with another policy.
func (w *world) restart(clones fleet.ClonePolicy) {
	c := w.config()
	c.Clones = clones
	w.Fleet = fleet.New(c)
}

// enroll writes members onto one new host, as a redeemed token does, and returns
// the host. What SPIRE should know of them is the reconciler's business.
// issue is that of an SVID of the present holder of an id.
func (w *world) issue(t testing.TB, who identity.Workload, notBefore time.Time) identity.Issue {
	t.Helper()
	out := identity.Issue{NotBefore: notBefore}
	require.NoError(t, w.store.FleetTx(t.Context(), func(tx fleet.Tx) error {
		m, err := tx.Member(t.Context(), who)
		if err == nil {
			out.Host = m.HostID
		}
		return nil
	}))
	return out
}

func (w *world) enroll(t *testing.T, roles ...identity.Workload) fleet.Host {
	t.Helper()
	h := fleet.Host{ID: identity.NewHostID(), EnrolledAt: w.clock.Now(), About: fleet.About{Revision: 1}}
	h.KeyHash = []byte(h.ID)
	var err error
	h.AgentID, err = h.ID.AgentID(td)
	require.NoError(t, err)
	require.NoError(t, w.store.EnrollTx(t.Context(), func(tx enroll.Tx) error {
		if err := tx.PutHost(t.Context(), h); err != nil {
			return err
		}
		for _, who := range roles {
			if err := tx.PutMember(t.Context(), w.member(who, h)); err != nil {
				return err
			}
		}
		return nil
	}))
	return h
}

func (w *world) member(who identity.Workload, h fleet.Host) fleet.Member {
	return fleet.Member{
		Workload: who, HostID: h.ID, EnrolledAt: w.clock.Now(),
		Selectors: []fleet.Selector{{Type: "unix", Value: "uid:1000"}, {Type: "unix", Value: "path:/usr/bin/grpc" + string(who.Kind)}},
	}
}

func (w *world) entry(t *testing.T, who identity.Workload, h fleet.Host) fleet.Entry {
	t.Helper()
	e, err := fleet.EntryFor(w.member(who, h), h, td, svidOf)
	require.NoError(t, err)
	return e
}

func (w *world) host(t *testing.T, id identity.HostID) fleet.Host {
	t.Helper()
	var h fleet.Host
	require.NoError(t, w.store.FleetTx(t.Context(), func(tx fleet.Tx) (err error) {
		h, err = tx.Host(t.Context(), id)
		return err
	}))
	return h
}

func (w *world) revoke(t *testing.T, who identity.Workload) {
	t.Helper()
	require.NoError(t, w.Revoke(t.Context(), fleet.Revocation{Workload: who, Actor: "key:test", RequestID: "r1", From: "192.0.2.1:1"}))
}

// entries are SPIRE's, by ID.
func (w *world) entries() map[string]fleet.Entry {
	out := map[string]fleet.Entry{}
	for _, e := range w.spire.Entries() {
		out[e.ID] = e
	}
	return out
}
