package control

import (
	"sync/atomic"

	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// Directory serves DirectoryService.
type Directory struct {
	zerotrustv1.UnimplementedDirectoryServiceServer
	Fleet     Admitter
	Roster    Attendance
	Policy    Snapshots
	Endpoints Endpoints
	// Stopping is closed when the controller shuts down.
	Stopping <-chan struct{}
	Log      *zap.Logger

	streams atomic.Uint64 // numbers them; a later one is newer
}

// Watch implements DirectoryService.
func (d *Directory) Watch(req *zerotrustv1.WatchRequest, stream zerotrustv1.DirectoryService_WatchServer) error {
	ctx := stream.Context()
	c, err := callerOf(ctx)
	if err != nil {
		return err
	}
	log := d.Log.With(zap.Stringer("caller_id", c), zap.String("caller_addr", c.addr))
	if req.GetTunnelerId() != c.ID {
		log.Warn("directory refused", zap.String("reason", "claimed another id"))
		return status.Error(codes.PermissionDenied, "tunneler_id is not the id of this SVID")
	}
	changed, unsubscribe := d.Policy.Subscribe()
	defer unsubscribe()
	if err := d.Fleet.AdmitTunneler(ctx, c.ID, c.svid.NotBefore); err != nil {
		log.Warn("directory refused", zap.Error(err))
		return toStatus(err, newRequestID(), log)
	}
	number := d.streams.Add(1)
	defer d.Roster.TunnelerUnproved(c.ID, number)
	defer c.conn.OnProof(func(st mtls.SVIDStatus) { d.Roster.TunnelerProved(c.ID, number, svidOf(st)) })()
	log.Info("directory stream opened")
	defer log.Info("directory stream ended")
	for {
		snapshot := d.Policy.Current()
		if !snapshot.Names(c.Workload, c.svid.NotBefore) {
			return status.Error(codes.PermissionDenied, "not enrolled, or revoked")
		}
		if err := stream.Send(&zerotrustv1.WatchResponse{Directory: directoryToProto(snapshot, d.Endpoints)}); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-d.Stopping:
			return status.Error(codes.Unavailable, "the controller is stopping")
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
}
