package membudget_test

import (
	"context"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store/storetest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

// TestAControlStreamIsWithinItsBudget of the controller's memory: its connection, the
// re-proof stream beside it, and what the roster knows of the connector.
func TestAControlStreamIsWithinItsBudget(t *testing.T) {
	stream(t, identity.KindConnector, streamBudget)
}

// TestADirectoryStreamIsWithinItsBudget: so too, of a tunneler.
func TestADirectoryStreamIsWithinItsBudget(t *testing.T) {
	stream(t, identity.KindTunneler, directoryBudget)
}

func stream(t *testing.T, of identity.Kind, most budget) {
	t.Helper()
	if !alone(t) {
		return
	}
	const streams = 200
	ca := mtlstest.NewCA(t, td)
	f := newFleet(t)
	f.enroll(t, of, streams)
	require.NoError(t, f.policy.Refresh(t.Context()))
	clients := peersOf(t, ca, f.serve(t, ca), identity.KindController, of, streams)
	perObject(t, "a stream of a "+string(of), streams, most, func(t *testing.T) { clients.start(t) })
}

// fleetOf is the part of a controller that grows with its members.
type fleetOf struct {
	store  *store.Store
	roster *presence.Roster
	fleet  *fleet.Fleet
	policy *policy.Publisher
}

func newFleet(t testing.TB) *fleetOf {
	t.Helper()
	f := &fleetOf{roster: presence.NewRoster(time.Now)}
	var err error
	f.store, err = store.Open(t.Context(), storetest.File(t, filepath.Join(t.TempDir(), "controller.db")))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, f.store.Close()) })
	f.policy = policy.NewPublisher(td, f.store, zap.NewNop(), time.Now)
	f.fleet = fleet.New(fleet.Config{Store: f.store, Roster: f.roster, Changed: f, Audit: audit.New(zap.NewNop(), time.Now), Now: time.Now})
	return f
}

// MembersChanged implements fleet.Changed.
func (f *fleetOf) MembersChanged([]fleet.Member) {}

// enroll enrolls members, each on a host of its own.
func (f *fleetOf) enroll(t testing.TB, kind identity.Kind, n int) {
	t.Helper()
	at := time.Now().Add(-10 * time.Minute)
	require.NoError(t, f.store.EnrollTx(t.Context(), func(tx enroll.Tx) error {
		for i := range n {
			w := identity.Workload{Kind: kind, ID: idOf(kind, i)}
			host := mtlstest.HostOf(w.String())
			agent, err := host.AgentID(td)
			if err != nil {
				return err
			}
			if err := tx.PutHost(t.Context(), fleet.Host{ID: host, AgentID: agent, KeyHash: []byte(host), EnrolledAt: at}); err != nil {
				return err
			}
			if err := tx.PutMember(t.Context(), fleet.Member{
				Workload: w, HostID: host, EnrolledAt: at, Selectors: []fleet.Selector{{Type: "unix", Value: "uid:1000"}, {Type: "unix", Value: "path:/usr/bin/grpc" + string(kind)}},
			}); err != nil {
				return err
			}
		}
		return tx.BumpPolicy(t.Context())
	}))
}

// serve has the control listener until the test ends.
func (f *fleetOf) serve(t testing.TB, ca *mtlstest.CA) (addr string) {
	t.Helper()
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	endpoints := func() control.Endpoints { return control.Endpoints{ControlPlane: []string{lis.Addr().String()}} }
	log := zap.NewNop()
	own := ca.Identity(ca.SVID(t, "spiffe://mycorp.internal/controller/controller-01"))
	plane := control.NewControlServer(lis, control.Peers{Identity: own, Authorize: mtls.Kinds(td, identity.KindConnector, identity.KindTunneler)},
		&control.ControlPlane{Fleet: f.fleet, Roster: f.roster, Policy: f.policy, Endpoints: endpoints, Stopping: ctx.Done(), Log: log},
		&control.Directory{Fleet: f.fleet, Roster: f.roster, Policy: f.policy, Endpoints: endpoints, Stopping: ctx.Done(), Log: log}, log)
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(t, plane.Run(ctx)) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return lis.Addr().String()
}
