package rpcauth

import (
	"context"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// identify says which request this is. The id is ours: callers send none.
func identify(ctx context.Context) context.Context {
	r := logging.RequestOf(ctx) // its trace, if there is one
	r.ID = logging.NewRequestID()
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		r.CallerAddr = p.Addr.String()
	}
	if id, err := mtls.PeerID(ctx); err == nil {
		r.CallerID = id.String()
	}
	return logging.WithRequest(ctx, r)
}

// withRequestID adds the id of the request to an error as google.rpc.RequestInfo,
// so that a caller can name the line of our log, whatever the text says.
func withRequestID(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	st, ok := status.FromError(err)
	if !ok {
		st = status.FromContextError(err) // as gRPC itself would
	}
	with, err := st.WithDetails(&errdetails.RequestInfo{RequestId: logging.RequestOf(ctx).ID})
	if err != nil {
		return st.Err() // cannot happen: the code of an error is not OK
	}
	return with.Err()
}

// RequestID is the id that a server gave to a failed request, or empty.
func RequestID(err error) string {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.RequestInfo); ok {
			return info.GetRequestId()
		}
	}
	return ""
}
