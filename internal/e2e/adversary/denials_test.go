package adversary_test

import (
	"context"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/denial"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// A denial that could be taken back would be a way in for whoever plays the controller.
func TestADenialIsNeverTakenBack(t *testing.T) {
	t.Parallel()
	at, id := time.Now().Add(-time.Minute).Truncate(time.Second), spiffeid.RequireFromString(tunnelerID)
	var l denial.List
	require.True(t, l.Add(denial.Entry{ID: id, SVIDNotBefore: at}, time.Now()))
	l.Add(denial.Entry{ID: id, SVIDNotBefore: at.Add(-time.Hour)}, time.Now())
	require.True(t, l.Denies(id, at.Add(-time.Second)), "an earlier time takes nothing back")
}

// A denial is about SVIDs of before it: whoever is enrolled under the id again is let in.
func TestASuccessorIsNotDenied(t *testing.T) {
	t.Parallel()
	at, id := time.Now().Add(-time.Minute).Truncate(time.Second), spiffeid.RequireFromString(tunnelerID)
	var l denial.List
	l.Add(denial.Entry{ID: id, SVIDNotBefore: at}, time.Now())
	require.True(t, l.Denies(id, at.Add(-time.Second)))
	require.False(t, l.Denies(id, at))
}

// keeping runs a program that keeps denials in dir, until the returned function ends it.
func keeping(t *testing.T, dir string) (k *denial.Kept, stop func()) {
	t.Helper()
	k = denial.Open(denial.Config{TrustDomain: td, StateDir: dir, SaveAgain: time.Hour, Log: zap.NewNop()})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	return k, func() { cancel(); require.NoError(t, <-done) }
}

func denied(at time.Time, id string) *zerotrustv1.Denials {
	return &zerotrustv1.Denials{Denials: []*zerotrustv1.Denial{{SpiffeId: id, SvidNotBefore: timestamppb.New(at)}}}
}

// Whoever is revoked would come back with the next controller, or the next start.
func TestDenialsOutliveARestart(t *testing.T) {
	t.Parallel()
	dir, at, id := t.TempDir(), time.Now().Add(-time.Minute), spiffeid.RequireFromString(tunnelerID)
	k, stop := keeping(t, dir)
	require.True(t, k.Take(denied(at, tunnelerID)))
	stop()
	k, stop = keeping(t, dir)
	defer stop()
	require.True(t, k.Denies(id, at.Add(-time.Minute)))
}

// An operator who has a host follow a restored controller does not forgive those whom
// the former one revoked.
func TestDenialsOutliveAReset(t *testing.T) {
	t.Parallel()
	dir, at, id := t.TempDir(), time.Now().Add(-time.Minute), spiffeid.RequireFromString(tunnelerID)
	k, stop := keeping(t, dir)
	require.True(t, k.Take(denied(at, tunnelerID)))
	stop()
	_, err := relay.DropPolicy(dir)
	require.NoError(t, err)
	k, stop = keeping(t, dir)
	defer stop()
	require.True(t, k.Denies(id, at.Add(-time.Minute)))
}

// forging is an audit log that begins to lie.
type forging struct{ begin, turn chan struct{} }

func (f forging) Size() int64 {
	select {
	case <-f.begin:
		return 1
	default:
		return 0
	}
}

func (f forging) Offer(context.Context, int64) (witness.Offer, error) {
	return witness.Offer{VerifierKey: "forged", Note: []byte("forged")}, nil
}

func (f forging) Join() (<-chan struct{}, func()) { return f.turn, func() {} }

func (f forging) Witnessed(context.Context, string, int64, string) error { return nil }

// A tunneler that was revoked kept its session for 24 h at a connector that refused
// what its controller sent.
func TestADenialActsWhateverTheWitnessSays(t *testing.T) {
	t.Parallel()
	lies := forging{make(chan struct{}), make(chan struct{})}
	w := newWorld(t, between{audit: lies})
	w.enrolled(t, connector, tunneler)
	g := w.gateway(t)
	n := g.attach(t)
	close(lies.begin)
	lies.turn <- struct{}{}
	eventually(t, "the connector refuses this controller", func() bool { return g.Refusal() != nil })
	require.NoError(t, n.beat(), "what is applied stays")
	w.revoke(t, tunneler)
	requireCut(t, n.link)
}

// A connector that refuses what its controller sends looks well, and nobody goes there.
func TestAConnectorThatRefusesIsNotReady(t *testing.T) {
	t.Parallel()
	lies := forging{make(chan struct{}), make(chan struct{})}
	w := newWorld(t, between{audit: lies})
	w.enrolled(t, connector, tunneler)
	g := w.gateway(t)
	g.attach(t)
	require.NoError(t, g.AuditReady(t.Context()))
	close(lies.begin)
	lies.turn <- struct{}{}
	eventually(t, "the connector refuses this controller", func() bool { return g.Refusal() != nil })
	require.ErrorContains(t, g.AuditReady(t.Context()), "newer policy is refused, see grpcconnector witness show")
}

// The restored datastore of SPIRE is of before the bans, and a revoked host is back
// before its turn comes.
func TestRevokedHostsAreBannedAtTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	w.enrolled(t, connector)
	hosts, err := w.store.Hosts(t.Context())
	require.NoError(t, err)
	spire := enrolltest.NewSPIRE(td)
	spire.Attest(hosts[0].AgentID)
	w.revoke(t, connector)
	bans := fleet.NewBanWatch(fleet.BanWatchConfig{Store: w.store, SPIRE: spire, Now: time.Now, Log: zap.NewNop()})
	require.NoError(t, bans.LookAtAll(t.Context()))
	a, err := spire.Agent(t.Context(), hosts[0].AgentID)
	require.NoError(t, err)
	require.True(t, a.Banned)
}

// A ban lives in SPIRE's datastore: one that was restored from before it, or an agent
// that was evicted, let a revoked host attest again.
func TestARevokedHostStaysBanned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	w.enrolled(t, connector)
	hosts, err := w.store.Hosts(t.Context())
	require.NoError(t, err)
	spire := enrolltest.NewSPIRE(td)
	bans := fleet.NewBanWatch(fleet.BanWatchConfig{Store: w.store, SPIRE: spire, Now: time.Now, Log: zap.NewNop()})
	spire.Attest(hosts[0].AgentID)
	w.revoke(t, connector)
	for range 2 {
		require.NoError(t, bans.Look(t.Context()))
		a, err := spire.Agent(t.Context(), hosts[0].AgentID)
		require.NoError(t, err)
		require.True(t, a.Banned)
		spire.Unban(hosts[0].AgentID)
	}
}

// A backup of before a revocation enrolled the revoked again.
func TestARestoreForgivesNobody(t *testing.T) {
	t.Parallel()
	now, old := newWorld(t, between{}), newWorld(t, between{})
	now.enrolled(t, connector, tunneler)
	hosts, err := now.store.Hosts(t.Context())
	require.NoError(t, err)
	// The backup: the same members on the same hosts.
	require.NoError(t, old.store.EnrollTx(t.Context(), func(tx enroll.Tx) error {
		for _, h := range hosts {
			if err := tx.PutHost(t.Context(), h); err != nil {
				return err
			}
		}
		for _, who := range []identity.Workload{connector, tunneler} {
			m, err := now.member(t, who)
			if err == nil {
				err = tx.PutMember(t.Context(), m)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}))
	now.revoke(t, tunneler)
	_, err = old.store.Carry(t.Context(), now.store, audit.Event{Actor: "local"}, time.Now())
	require.NoError(t, err)
	all, err := old.store.Tunnelers(t.Context())
	require.NoError(t, err)
	require.False(t, all[0].Live())
	connectors, err := old.store.Connectors(t.Context())
	require.NoError(t, err)
	require.True(t, connectors[0].Live(), "and takes nothing from anybody else")
}

func (w *world) member(t *testing.T, who identity.Workload) (m fleet.Member, err error) {
	t.Helper()
	err = w.store.FleetTx(t.Context(), func(tx fleet.Tx) (err error) {
		m, err = tx.Member(t.Context(), who)
		return err
	})
	return m, err
}
