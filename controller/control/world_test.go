package control_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/install"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store/storetest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

const patience = 20 * time.Second

// policyAge is what this controller tells its connectors.
const policyAge = 7 * time.Hour

func connector(id string) identity.Workload {
	return identity.Workload{Kind: identity.KindConnector, ID: id}
}

func tunneler(id string) identity.Workload {
	return identity.Workload{Kind: identity.KindTunneler, ID: id}
}

// world is a controller with both gRPC servers on loopback: everything real but
// SPIRE, which is in memory.
type world struct {
	spireCA    *mtlstest.CA
	spire      *enrolltest.SPIRE
	caDir      string
	ca         *bootstrapca.CA
	store      *store.Store
	roster     *presence.Roster
	fleet      *fleet.Fleet
	policy     *policy.Publisher
	endpoints  atomic.Pointer[control.Endpoints]
	enroll     *enroll.Service
	enrollment *control.Server
	plane      *control.Server
	memory     *bufconn.Listener // of enrollment; nil: it is on loopback

	results      results    // of Enroll
	installs     results    // of downloads
	recall       *recalling // open
	key          *audit.Signer
	returns      results // of denials given back
	controlPlane *control.ControlPlane
	directory    *control.Directory
	reports      lateReports            // of the control listener itself
	heard        heard                  // what hosts say that they trust
	unready      atomic.Bool            // what gRPC health answers by
	hostsFail    atomic.Bool            // the database does, when a host is looked up
	logs         *observer.ObservedLogs // of EnrollmentService

	moved    topic.Topic[struct{}] // wakes streams when endpoints are others
	shutDown func()                // tells both servers to stop
	stopped  chan error            // gets what each returned
}

// attendance lets a test stand between the control plane and the roster.
type attendance func(control.Attendance) control.Attendance

// bigFile of the install tree is more than the kernel buffers.
const (
	bigFile = "linux-amd64/big.tar.gz"
	bigSize = 16 << 20
)

// downloads is the service of a small release and bigFile.
func (w *world) downloads(t *testing.T) *install.Service {
	t.Helper()
	dir := hosttest.InstallTree(t)
	hosttest.WriteInstallFile(t, dir, bigFile, "")
	require.NoError(t, os.Truncate(filepath.Join(dir, bigFile), bigSize)) // sparse
	tree, err := install.OpenTree(dir)
	require.NoError(t, err)
	key, err := install.OpenKey(filepath.Join(t.TempDir(), "release.key"))
	require.NoError(t, err)
	s, err := install.New(install.Config{Source: install.Source{Tree: tree, Key: key, Log: zap.NewNop()}, Result: w.installs.add})
	require.NoError(t, err)
	return s
}

func newWorld(t *testing.T, hooks ...attendance) *world {
	t.Helper()
	return newWorldThatDrains(t, control.DrainTimeout, hooks...)
}

// newWorldThatDrains has servers that wait so long for open streams to end by themselves.
func newWorldThatDrains(t *testing.T, drain time.Duration, hooks ...attendance) *world {
	t.Helper()
	w := &world{spireCA: mtlstest.NewCA(t, td), spire: enrolltest.NewSPIRE(td), stopped: make(chan error, 2)}
	var err error
	w.store, err = store.Open(t.Context(), storetest.File(t, filepath.Join(t.TempDir(), "controller.db")))
	require.NoError(t, err)
	w.caDir = t.TempDir()
	w.ca, err = bootstrapca.Open(w.caDir, td, time.Now)
	require.NoError(t, err)
	log := zap.NewNop()
	w.roster = presence.NewRoster(time.Now)
	w.policy = policy.NewPublisher(td, w.store, log, time.Now)
	trail := audit.New(log, time.Now)
	w.fleet = fleet.New(fleet.Config{Store: w.store, Roster: w.roster, Changed: w, Audit: trail, Now: time.Now})
	w.enroll = enroll.New(enroll.Config{
		TrustDomain: td, Store: w.store, Changes: w.store, Signer: w.ca, SPIRE: w.spire, Changed: w, Audit: trail, Log: log, Now: time.Now,
	})
	require.NoError(t, w.policy.Refresh(t.Context()))

	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	w.shutDown = cancel
	var roster control.Attendance = w.roster
	for _, hook := range hooks {
		roster = hook(roster)
	}
	own := w.spireCA.Identity(w.spireCA.SVID(t, "spiffe://mycorp.internal/controller/controller-01"))
	w.recall = newRecalling()
	w.key, err = audit.OpenSigner(t.TempDir(), audit.Origin(td.Name()))
	require.NoError(t, err)
	w.advertise(control.Endpoints{SPIREServer: "203.0.113.1:8081", ControlPlane: []string{"203.0.113.1:8444"}})
	endpoints := func() control.Endpoints { return *w.endpoints.Load() }
	core, logs := observer.New(zap.InfoLevel)
	w.logs = logs
	w.enrollment = control.NewEnrollmentServer(listen(t), w.ca.ServerConfig(), &control.Enrollment{
		TrustDomain: td, Redeemer: w.enroll, Requests: w.enroll, Stopping: ctx.Done(), Bundles: bundles{w.spireCA.Authority()}, Hosts: hosts{w.store, &w.hostsFail}, Policy: w.policy, Endpoints: endpoints,
		Result: w.results.add, Anchors: w.ca, Shown: w.heard.add, Install: w.downloads(t), Failing: w.failing, Log: zap.New(core), Recall: w.recall,
	}, log)
	w.controlPlane = &control.ControlPlane{
		Fleet: w.fleet, Roster: roster, Policy: w.policy, PolicyAge: policyAge, Endpoints: endpoints, Moved: &w.moved, Failing: w.failing, Stopping: ctx.Done(), Log: log, Reports: &w.reports, Recall: w.recall, Signer: w.key,
		Returns: control.Returns{Key: w.key.VerifierKey, TakeBack: w.fleet.TakeBack, Result: w.returned},
	}
	w.directory = &control.Directory{Fleet: w.fleet, Roster: roster, Policy: w.policy, Endpoints: endpoints, Moved: &w.moved, Stopping: ctx.Done(), Log: log, Recall: w.recall}
	w.plane = control.NewControlServer(listen(t), control.Peers{Identity: own, Authorize: mtls.Kinds(td, identity.KindConnector, identity.KindTunneler), LastWords: time.Second},
		w.controlPlane,
		w.directory, log)
	w.enrollment.SetDrain(drain)
	w.plane.SetDrain(drain)
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{w.enrollment.Run, w.plane.Run} {
		running.Go(func() { w.stopped <- run(ctx) })
	}
	running.Go(func() { _ = w.policy.Run(ctx) })
	running.Go(func() { _ = w.enroll.FollowRequests(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		require.NoError(t, w.store.Close())
	})
	return w
}

// hosts is a store that can fail.
type hosts struct {
	control.Hosts

	fail *atomic.Bool
}

func (h hosts) HostStanding(ctx context.Context, id identity.HostID) (known bool, live []identity.Workload, err error) {
	if h.fail.Load() {
		return false, nil, errors.New("database disk image is malformed")
	}
	return h.Hosts.HostStanding(ctx, id)
}

func (w *world) advertise(e control.Endpoints) { w.endpoints.Store(&e) }

func (w *world) failing(context.Context) error {
	if w.unready.Load() {
		return errors.New("store: database is locked")
	}
	return nil
}

// heard counts the anchors that each report of a host names.
type heard struct {
	mu  sync.Mutex
	all []int
}

func (h *heard) add(_ identity.HostID, _ *x509.Certificate, trusts [][]byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, len(trusts))
}

// results are what Enroll said of itself.
type results struct {
	mu  sync.Mutex
	all []string
}

func (r *results) add(result string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, result)
}

func (r *results) last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all[len(r.all)-1]
}

func (r *results) has(result string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.all, result)
}

// MembersChanged implements fleet.Changed as the program does.
func (w *world) MembersChanged(revoked []fleet.Member) {
	for _, m := range revoked {
		w.roster.Forget(m.Workload)
	}
}

type bundles struct{ authority *x509.Certificate }

func (b bundles) Bundle(context.Context) ([]*x509.Certificate, error) {
	return []*x509.Certificate{b.authority}, nil
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return lis
}

// member enrolls a workload on a host of its own, ten minutes ago, without a token.
func (w *world) member(t *testing.T, who identity.Workload) {
	t.Helper()
	w.memberSince(t, who, time.Now().Add(-10*time.Minute))
}

func (w *world) memberSince(t *testing.T, who identity.Workload, at time.Time) {
	t.Helper()
	host := mtlstest.HostOf(who.String())
	agent, err := host.AgentID(td)
	require.NoError(t, err)
	require.NoError(t, w.store.EnrollTx(t.Context(), func(tx enroll.Tx) error {
		if err := tx.PutHost(t.Context(), fleet.Host{ID: host, AgentID: agent, KeyHash: []byte(host), EnrolledAt: at}); err != nil {
			return err
		}
		if err := tx.PutMember(t.Context(), fleet.Member{Workload: who, HostID: host, EnrolledAt: at}); err != nil {
			return err
		}
		return tx.BumpPolicy(t.Context())
	}))
	require.NoError(t, w.policy.Refresh(t.Context()))
}

func (w *world) revoke(t *testing.T, who identity.Workload) {
	t.Helper()
	require.NoError(t, w.fleet.Revoke(t.Context(), fleet.Revocation{Workload: who, Actor: "key:test"}))
}

// dial connects to the control plane with an SVID of this SPIFFE ID.
func (w *world) dial(t *testing.T, who identity.Workload, opts ...mtlstest.Option) *grpc.ClientConn {
	t.Helper()
	own := w.spireCA.Identity(w.spireCA.SVID(t, "spiffe://mycorp.internal/"+who.String(), append([]mtlstest.Option{mtlstest.OnHost(mtlstest.HostOf(who.String()))}, opts...)...))
	return dialTLS(t, w.plane.Addr(), mtls.ClientConfig(own, mtls.Kinds(td, identity.KindController)))
}

func dialTLS(t *testing.T, addr net.Addr, c *tls.Config) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+addr.String(), grpc.WithTransportCredentials(credentials.NewTLS(c)))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// stream is the connector's end of a control stream.
type stream struct {
	zerotrustv1.ControlPlaneService_ConnectClient

	set *delta.Set[*zerotrustv1.PolicyTunneler] // as the connector has it
}

func (w *world) open(t *testing.T, who identity.Workload, opts ...mtlstest.Option) stream {
	t.Helper()
	s, err := zerotrustv1.NewControlPlaneServiceClient(w.dial(t, who, opts...)).Connect(patient(t))
	require.NoError(t, err)
	return stream{s, controltest.Tunnelers()}
}

// say sends messages. An error means that the stream has ended, which Recv tells.
func (s stream) say(messages ...*zerotrustv1.ConnectRequest) {
	for _, m := range messages {
		_ = s.Send(m)
	}
}

// applied is a policy as a connector has it, with the last message of it.
type applied struct {
	*zerotrustv1.PolicyUpdate

	tunnelers []*zerotrustv1.PolicyTunneler // by SPIFFE ID
}

func (a applied) GetRevision() uint64 { return a.GetHeader().GetTo() }

func (a applied) GetTunnelers() []*zerotrustv1.PolicyTunneler { return a.tunnelers }

// policy returns the policy after the next update. All messages but denials and rules must be
// of one that leads on from what is there.
func (s stream) policy(t *testing.T) applied {
	t.Helper()
	for {
		m, err := s.Recv()
		require.NoError(t, err)
		if m.GetDenials() != nil || m.GetRules() != nil {
			continue
		}
		require.NotNil(t, m.GetPolicy())
		r, err := s.set.Take(controltest.PolicyPart(m.GetPolicy()))
		require.NoError(t, err)
		require.Contains(t, []delta.Outcome{delta.More, delta.Applied}, r.Outcome)
		if r.Outcome == delta.Applied {
			return applied{m.GetPolicy(), controltest.Sorted(s.set)}
		}
	}
}

// end reads until the stream ends and returns how.
func (s stream) end() *status.Status {
	for {
		if _, err := s.Recv(); err != nil {
			return status.Convert(err)
		}
	}
}

func (s stream) endsWith(t *testing.T, code codes.Code, text string) {
	t.Helper()
	st := s.end()
	require.Equal(t, code, st.Code(), st.Message())
	require.Contains(t, st.Message(), text)
}

func (s stream) endsRevoked(t *testing.T) {
	t.Helper()
	s.endsWith(t, codes.PermissionDenied, "not enrolled, or revoked")
}

func hello(id string, addresses ...string) *zerotrustv1.ConnectRequest {
	return helloOf(&zerotrustv1.ConnectorHello{
		ConnectorId: id, Version: "v1", InstanceId: "instance", BootId: "boot", PrivateIp: "10.0.0.7", ListenAddresses: addresses,
	})
}

func helloOf(h *zerotrustv1.ConnectorHello) *zerotrustv1.ConnectRequest {
	h.Protocol = wire.Protocol
	return &zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Hello{Hello: h}}
}

func heartbeat(id string, revision uint64) *zerotrustv1.ConnectRequest {
	return &zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Heartbeat{
		Heartbeat: &zerotrustv1.ConnectorHeartbeat{ConnectorId: id, AppliedPolicyRevision: revision},
	}}
}

func report(r *zerotrustv1.TunnelerReport) *zerotrustv1.ConnectRequest {
	return &zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Tunneler{Tunneler: r}}
}

func (w *world) status(id string) presence.Status { return w.roster.Connector(id, time.Time{}).Status }

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, patience, 2*time.Millisecond, what)
}
