package control

import (
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
	// Outdated hears why a member is refused that speaks another protocol, and of each
	// that speaks ours; optional.
	Outdated func(w identity.Workload, why string)
	// Reports takes what tunnelers report; optional.
	Reports AuditReports
	// Stopping is closed when the controller shuts down.
	Stopping <-chan struct{}
	Log      *zap.Logger

	// Recall is as that of ControlPlane.
	Recall Recall
	// Timeline is which life of the controller this is; nil: the first.
	Timeline func() uint64
	// Recovery says how hosts can know that; nil: they cannot.
	Recovery Recovery

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

// Watch implements DirectoryService.
func (d *Directory) Watch(req *zerotrustv1.WatchRequest, stream zerotrustv1.DirectoryService_WatchServer) error {
	ctx := stream.Context()
	c, err := callerOf(ctx)
	if err != nil {
		return err
	}
	log := logging.For(ctx, d.Log)
	if req.GetTunnelerId() != c.ID {
		log.Warn("directory refused", zap.String("reason", "claimed another id"))
		return status.Error(codes.PermissionDenied, "tunneler_id is not the id of this SVID")
	}
	changed, unsubscribe := d.Policy.Subscribe()
	defer unsubscribe()
	moved, forget := subscribe(d.Moved)
	defer forget()
	hello := fleet.Hello{
		ID: c.ID, Version: req.GetVersion(), InstanceID: req.GetInstanceId(), BootID: req.GetBootId(), AgentStart: req.GetAgentStart(),
		From: c.addr, Began: c.conn.Began(),
	}
	if err := validateHello(hello); err != nil {
		log.Warn("directory refused", zap.Error(err))
		return err
	}
	if err := speaks(req.GetProtocol(), c, d.Policy, d.Outdated); err != nil {
		log.Warn("directory refused", zap.Error(err))
		return err
	}
	if err := admitting(ctx, d.Recall, maxHold, d.Stopping); err != nil {
		return err
	}
	again := d.Fleet.HearAgain(c.Workload)
	if err := d.Fleet.AdmitTunneler(ctx, hello, c.svid.Issue); err != nil {
		d.refused.log(log, "directory refused", c.ID, err)
		return toStatus(ctx, err, d.Log)
	}
	d.refused.admitted(c.ID)
	var number uint64
	replaced, release := d.streams.replace(c.ID, func() {
		d.count++
		number = d.count
	})
	defer release()
	defer d.Roster.TunnelerUnproved(c.ID, number)
	defer c.conn.OnProof(func(st mtls.SVIDStatus) { d.Roster.TunnelerProved(c.ID, number, svidOf(st)) })()
	log.Info("directory stream opened", zap.String("version", hello.Version), zap.String("instance_id", hello.InstanceID))
	defer log.Info("directory stream ended")
	d.share()
	td := c.conn.Peer().TrustDomain()
	denials := denying{denials: &d.denials, td: td, stream: stream}
	follow := following[policy.Connector, *zerotrustv1.DirectoryConnector]{updates: &d.updates, stream: stream, td: td}
	follow.begin(req.GetDirectory())
	timeline := saying{from: d.Recovery, send: func(m *zerotrustv1.Timeline) error {
		return stream.Send(&zerotrustv1.WatchResponse{Timeline: m})
	}}
	if err := timeline.say(); err != nil {
		return err
	}
	for {
		snapshot := d.Policy.Current()
		if !snapshot.Admits(c.Workload, c.svid.Issue) {
			return status.Error(codes.PermissionDenied, "not enrolled, or revoked")
		}
		if err := denials.update(snapshot); err != nil {
			return err
		}
		if err := follow.update(snapshot, d.Endpoints().ControlPlane); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-moved:
		case <-timeline.changed:
			if err := timeline.say(); err != nil {
				return err
			}
			follow.sent = false // the directory behind it has the tunneler pin the key
		case <-replaced:
			return errReplaced
		case <-again:
			return errHearAgain
		case <-d.Stopping:
			return status.Error(codes.Unavailable, "the controller is stopping")
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
}
