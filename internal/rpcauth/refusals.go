package rpcauth

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// A caller has this many lines of its refused calls in the log, then one per
// refusalEvery, which counts those that have none: a flood of calls is no flood of
// lines, and does not hide the lines of others.
const (
	refusalEvery = time.Second
	refusalBurst = 20
)

// refusals notes refused calls.
type refusals struct {
	log      *zap.Logger
	callers  *sourcelimit.Keyed[string]
	unlogged atomic.Uint64
}

func newRefusals(log *zap.Logger) *refusals {
	return &refusals{log: log, callers: sourcelimit.NewKeyed[string](refusalEvery, refusalBurst, time.Now)}
}

// note returns what the caller receives; why is for the log.
func (r *refusals) note(ctx context.Context, method, why string) error {
	if r.callers.AllowKey(keyOf(logging.RequestOf(ctx))) {
		logging.For(ctx, r.log).Warn("rpc refused", zap.String("method", method), zap.String("reason", why), zap.Uint64("unlogged", r.unlogged.Swap(0)))
	} else {
		r.unlogged.Add(1)
	}
	return status.Error(codes.PermissionDenied, "this identity is not allowed to call this method")
}

// keyOf is who calls: an identity, else an address.
func keyOf(r logging.Request) string {
	if r.CallerID != "" {
		return r.CallerID
	}
	from, _ := netip.ParseAddrPort(r.CallerAddr) // those that do not parse are one
	return sourcelimit.Bucket(from.Addr()).String()
}
