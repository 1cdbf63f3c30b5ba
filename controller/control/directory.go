package control

import (
	"context"
	"sync"

	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// Directory serves DirectoryService.
type Directory struct {
	zerotrustv1.UnimplementedDirectoryServiceServer
	Fleet     Admitter
	Roster    Attendance
	Policy    Snapshots
	Endpoints func() Endpoints
	// Moved wakes all streams when Endpoints are others; optional.
	Moved Signal
	// Outdated is called with why a member is refused that speaks another protocol, and of each
	// that speaks ours; optional.
	Outdated func(w identity.Workload, why string)
	// Reports takes what tunnelers report; optional.
	Reports AuditReports
	// Stopping is closed when the controller shuts down.
	Stopping <-chan struct{}
	Log      *zap.Logger

	// Reaches lists what a tunneler may reach; nil: nothing is sent.
	Reaches Reaches
	// Recall is as that of ControlPlane.
	Recall Recall
	// Timeline is which life of the controller this is; nil: the first.
	Timeline func() uint64
	// Recovery says how hosts can know that; nil: they cannot.
	Recovery Recovery
	Patience Patience

	streams streams
	refused refused
	count   uint64 // numbers them, under the lock of streams; a later one is newer
	shared  sync.Once
	updates updates[policy.Connector, *zerotrustv1.DirectoryConnector]
	denials denials
}

// share makes what all streams have together.
func (d *Directory) share() {
	d.shared.Do(func() {
		d.updates.subject, d.updates.timeline = directories(), d.Timeline
		d.denials.message = func(m *zerotrustv1.Denials) proto.Message { return &zerotrustv1.WatchResponse{Denials: m} }
	})
}

// Watch implements DirectoryService. What it needs before it follows is in functions of
// their own: it stands in the stack of each stream for as long as that lives.
func (d *Directory) Watch(req *zerotrustv1.WatchRequest, stream zerotrustv1.DirectoryService_WatchServer) error {
	w, err := d.admit(req, stream)
	if err != nil {
		return err
	}
	defer w.woken.over()
	defer w.leave()
	return w.run(stream.Context())
}

// watch is an admitted directory stream.
type watch struct {
	d   *Directory
	c   caller
	log *zap.Logger

	woken *wakeups        // by the policy and what is sent along with it, or to end
	again <-chan struct{} // another hello is wanted

	denials  denying
	follow   following[policy.Connector, *zerotrustv1.DirectoryConnector]
	timeline saying
	reach    listing
	leave    func() // ends what admit has begun
}

// admit takes the request and begins a watch, of which leave is to be called.
func (d *Directory) admit(req *zerotrustv1.WatchRequest, stream zerotrustv1.DirectoryService_WatchServer) (*watch, error) {
	ctx := stream.Context()
	c, err := callerOf(ctx)
	if err != nil {
		return nil, err
	}
	w := &watch{d: d, c: c, log: logging.For(ctx, d.Log), woken: newWakeups()}
	hello, err := d.hello(req, c)
	if err != nil {
		w.log.Warn("directory refused", zap.Error(err))
		return nil, err
	}
	if err := admitting(ctx, d.Recall, d.Stopping); err != nil {
		return nil, err
	}
	w.woken.cuts(c.conn, d.Patience)
	// Subscribed before admitted: a revocation in between is not missed.
	w.woken.follow(d.Policy, d.Moved, d.Recovery)
	w.again = d.Fleet.HelloWanted(c.Workload)
	if err := d.Fleet.AdmitTunneler(ctx, hello, c.svid.Issue); err != nil {
		w.woken.leave()
		d.refused.log(w.log, "directory refused", c.ID, err)
		return nil, toStatus(ctx, err, d.Log)
	}
	d.refused.admitted(c.ID)
	var number uint64
	release := d.streams.replace(c.ID, w.woken, func() {
		d.count++
		number = d.count
	})
	unproved := c.conn.OnProof(func(st mtls.SVIDStatus) { d.Roster.TunnelerProved(c.ID, number, svidOf(st)) })
	w.leave = func() {
		w.log.Info("directory stream ended")
		w.reach.stop()
		unproved()
		d.Roster.TunnelerUnproved(c.ID, number)
		release()
		w.woken.leave()
	}
	w.log.Info("directory stream opened", zap.String("version", hello.Version), zap.String("instance_id", hello.InstanceID))
	d.share()
	td := c.conn.Peer().TrustDomain()
	w.denials = denying{denials: &d.denials, td: td, stream: stream}
	w.follow = following[policy.Connector, *zerotrustv1.DirectoryConnector]{updates: &d.updates, stream: stream, td: td}
	w.follow.begin(req.GetDirectory())
	w.reach = listing{of: d.Reaches, tunneler: c.ID, stream: stream, wake: w.woken.hint.Wake}
	w.timeline = saying{from: d.Recovery, send: func(m *zerotrustv1.Timeline) error {
		return stream.Send(&zerotrustv1.WatchResponse{Timeline: m})
	}}
	return w, nil
}

// hello checks what the request claims.
func (d *Directory) hello(req *zerotrustv1.WatchRequest, c caller) (fleet.Hello, error) {
	if req.GetTunnelerId() != c.ID {
		return fleet.Hello{}, status.Error(codes.PermissionDenied, "tunneler_id is not the id of this SVID")
	}
	h := fleet.Hello{
		ID: c.ID, Version: req.GetVersion(), InstanceID: req.GetInstanceId(), BootID: req.GetBootId(), AgentStart: req.GetAgentStart(),
		From: c.addr, Began: c.conn.Began(),
	}
	if err := validateHello(h); err != nil {
		return h, err
	}
	return h, speaks(req.GetProtocol(), c, d.Policy, d.Outdated)
}

func (w *watch) run(ctx context.Context) error {
	for {
		switch said, err := w.timeline.news(); {
		case err != nil:
			return err
		case said: // the directory behind it has the tunneler pin the key
			w.follow.sent = false
		}
		snapshot := w.d.Policy.Current()
		if !snapshot.Admits(w.c.Workload, w.c.svid.Issue) {
			return status.Error(codes.PermissionDenied, "not enrolled, or revoked")
		}
		if err := w.denials.update(snapshot); err != nil {
			return err
		}
		if err := w.follow.update(snapshot, w.d.Endpoints().ControlPlane); err != nil {
			return err
		}
		if err := w.reach.update(); err != nil {
			return err
		}
		select {
		case <-w.woken.hint:
			if why := w.woken.ended(); why != nil {
				return why
			}
		case <-w.again:
			return errHelloWanted
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
}

// directories are what tunnelers follow.
func directories() subject[policy.Connector, *zerotrustv1.DirectoryConnector] {
	return subject[policy.Connector, *zerotrustv1.DirectoryConnector]{
		removal: memberOf(identity.KindConnector),
		members: func(s *policy.Snapshot) policy.Members[policy.Connector] { return s.Connectors },
		entry:   connectorToProto,
		size:    func(c *zerotrustv1.DirectoryConnector) int { return proto.Size(c) },
		message: func(h *zerotrustv1.UpdateHeader, c chunk[*zerotrustv1.DirectoryConnector], end *ending) proto.Message {
			d := &zerotrustv1.DirectoryUpdate{Header: h, Removals: c.removals, Upserts: c.upserts}
			if end != nil {
				d.ControlPlaneAddresses = end.addresses
			}
			return &zerotrustv1.WatchResponse{Directory: d}
		},
	}
}
