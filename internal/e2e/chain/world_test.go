package chain_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

const (
	// backdate is how far before its issue SPIRE sets an SVID's notBefore.
	backdate = 10 * time.Second
	// truth is how long it may take after the last fault until everything is as the
	// controller says.
	truth = 30 * time.Second
	// probing is how long a tunneler tries to open a session.
	probing = 5 * time.Second
)

// host is one that held an id, now or once.
type host struct {
	workload  identity.Workload
	id        identity.HostID
	notBefore time.Time // of its SVID
	conn      *grpc.ClientConn
}

// world is a controller, a connector and their link, in a synctest bubble.
type world struct {
	t       *testing.T
	ca      *mtlstest.CA
	dir     string
	store   *store
	backups []*store
	link    *link
	hosts   []*host
	late    bool   // a controller had its clock behind
	forgets bool   // an operator has reset the connector
	applied uint64 // the newest revision that the connector had, in the timeline that it follows
	follows uint64
	lives   lives
	slow    atomic.Bool // the disk of the connector is

	up   atomic.Pointer[bufconn.Listener] // where the connector reaches the controller
	down atomic.Pointer[bufconn.Listener] // where tunnelers reach the connector

	controller, connector func() // stop them
	relay                 *relay.Relay
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, ca: mtlstest.NewCA(t, td), dir: t.TempDir(), store: newStore(), link: &link{}, lives: newLives(t)}
	w.startController(true)
	w.startConnector()
	return w
}

func (w *world) stop() {
	for _, h := range w.hosts {
		_ = h.conn.Close()
	}
	w.connector()
	w.controller()
}

// network is a listener whose connections have addresses.
type network struct{ *bufconn.Listener }

type socket struct{ net.Conn }

func (socket) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8444} }
func (socket) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 50000} }
func (network) Addr() net.Addr      { return socket{}.LocalAddr() }

func (n network) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return socket{c}, nil
}

// over dials whatever listens there now.
func over(l *atomic.Pointer[bufconn.Listener]) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, _ string) (net.Conn, error) { return l.Load().DialContext(ctx) }
}

// startController starts one on the store; clock says that its clock is right.
func (w *world) startController(clock bool) {
	if clock {
		w.store.begin(time.Now())
	}
	w.late = w.late || !clock
	ctx, cancel := context.WithCancel(context.Background())
	publisher := policy.NewPublisher(td, w.store, zap.NewNop(), time.Now)
	roster := presence.NewRoster(time.Now)
	number, recovering := w.store.timeline.Now, &said{RecoveryKey: w.lives.key.Public, Timeline: w.store.timeline}
	endpoints := func() control.Endpoints { return control.Endpoints{} }
	lis := bufconn.Listen(64 << 10)
	w.up.Store(lis)
	server := control.NewControlServer(network{lis},
		control.Peers{Identity: w.identity("controller/c1", time.Now()), Authorize: mtls.Kinds(td, identity.KindConnector)},
		&control.ControlPlane{Fleet: w.store, Roster: roster, Policy: publisher, Endpoints: endpoints, Timeline: number, Recovery: recovering, Stopping: ctx.Done(), Log: zap.NewNop()},
		&control.Directory{Fleet: w.store, Roster: roster, Policy: publisher, Endpoints: endpoints, Timeline: number, Recovery: recovering, Stopping: ctx.Done(), Log: zap.NewNop()},
		zap.NewNop(), grpc.ChainStreamInterceptor(w.link.interceptor))
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{server.Run, publisher.Run} {
		running.Go(func() { _ = run(ctx) })
	}
	w.controller = func() {
		cancel()
		running.Wait()
	}
}

func (w *world) identity(name string, notBefore time.Time, opts ...mtlstest.Option) *mtlstest.Identity {
	opts = append(opts, mtlstest.Since(notBefore), mtlstest.Lifetime(12*time.Hour))
	return w.ca.Identity(w.ca.SVID(w.t, "spiffe://"+td.Name()+"/"+name, opts...))
}

func (w *world) startConnector() {
	lis := bufconn.Listen(64 << 10)
	w.down.Store(lis)
	r, err := relay.New(relay.Config{
		ID: gateway, TrustDomain: td, Version: "v1", Listener: network{lis}, PrivateIP: "10.0.0.7", StateDir: w.dir,
		Identity:         w.identity("connector/"+gateway, time.Now(), mtlstest.OnHost(mtlstest.HostOf(gateway))),
		ControlAddresses: []string{"controller:1"}, Dial: over(&w.up), Saved: w.saved, Log: zap.NewNop(),
	})
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	w.relay, w.connector = r, func() {
		cancel()
		require.NoError(w.t, <-done)
	}
}

// saved is told of a file that the connector has written: the policy is late on a slow
// disk. The others are written under locks, which fake time does not wait for.
func (w *world) saved(file string, _ error) {
	if file == "policy.json" && w.slow.Load() {
		<-time.After(3 * time.Second)
	}
}

// enroll gives an id to a new host. Whoever had it is revoked.
func (w *world) enroll(id string) {
	now := time.Now()
	w.store.revoke(id, now)
	h := &host{workload: tunneler(id), id: mtlstest.HostOf(fmt.Sprint(id, len(w.hosts))), notBefore: now.Add(-backdate).Truncate(time.Second)}
	own := w.identity(h.workload.String(), h.notBefore, mtlstest.OnHost(h.id))
	var err error
	h.conn, err = grpc.NewClient("passthrough:///connector", grpc.WithContextDialer(over(&w.down)),
		grpc.WithTransportCredentials(mtls.ClientCredentials(mtls.ClientConfig(own, mtls.Kinds(td, identity.KindConnector)))))
	require.NoError(w.t, err)
	w.hosts = append(w.hosts, h)
	w.store.enroll(id, h.id, now)
}

// admitted says whether a host can open a session now.
func (h *host) admitted() bool {
	ctx, cancel := context.WithTimeout(context.Background(), probing)
	defer cancel()
	s, err := zerotrustv1.NewTunnelServiceClient(h.conn).Session(ctx, grpc.WaitForReady(true))
	if err != nil {
		return false
	}
	if s.Send(&zerotrustv1.SessionRequest{Sequence: 1, Heartbeat: &zerotrustv1.TunnelerHeartbeat{TunnelerId: h.workload.ID, Version: "v1"}}) != nil {
		return false
	}
	_, err = s.Recv()
	return err == nil
}

// denied says whether a denial of this host's SVID has reached the connector.
func (w *world) denied(h *host) bool {
	w.link.mu.Lock()
	defer w.link.mu.Unlock()
	id, err := h.workload.SPIFFEID(td)
	require.NoError(w.t, err)
	return slices.ContainsFunc(w.link.denied, func(d *zerotrustv1.Denial) bool {
		return d.GetSpiffeId() == id.String() && h.notBefore.Before(d.GetSvidNotBefore().AsTime())
	})
}

// onlyTheNamed: nobody is admitted whom the policy that the connector has applied does
// not name, or whose denial has reached it, and no older policy is applied.
func (w *world) onlyTheNamed(t require.TestingT) {
	synctest.Wait()
	status, denied := w.relay.Status(), map[*host]bool{}
	revision := status.PolicyRevision
	if status.Timeline != w.follows {
		w.follows, w.applied = status.Timeline, 0
	}
	require.True(t, w.forgets || revision >= w.applied, "an older policy was applied")
	w.applied = revision
	for _, h := range w.hosts {
		denied[h] = w.denied(h)
	}
	for _, h := range w.hosts {
		if !h.admitted() {
			continue
		}
		require.Falsef(t, denied[h], "%s on host %s was revoked, the connector has heard that, and it is admitted", h.workload, h.id)
		named := w.store.namedAt(w.relay.Status().PolicyRevision, h.workload.ID, h.id) // another timeline may begin anywhere
		for r := revision; r <= w.relay.Status().PolicyRevision && !named; r++ {       // a newer one came while we asked
			named = w.store.namedAt(r, h.workload.ID, h.id)
		}
		require.Truef(t, named, "%s on host %s is admitted, revision %d does not name it", h.workload, h.id, revision)
	}
}

// settled: the faults are over, and 30 s later exactly those are admitted whom the
// controller names. Only if its clock or its timeline is behind does an operator have to
// act before.
func (w *world) settled(t require.TestingT) {
	w.store.failing(nil)
	w.link.release()
	<-time.After(truth) // of fake time
	w.agree(t)
	synctest.Wait()
	for _, h := range w.hosts {
		named := w.store.holder(h.workload.ID) == h.id
		require.Equalf(t, named, h.admitted(), "%s on host %s, which the controller names: %t; the connector says: %v, %v",
			h.workload, h.id, named, w.relay.ControlReady(context.Background()), w.relay.PolicyReady(context.Background()))
	}
	require.NoError(t, w.relay.PolicyReady(context.Background()))
}
