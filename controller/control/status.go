package control

import (
	"context"
	"errors"

	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

// toStatus turns a domain error into what a caller may know. Everything that is
// not meant for it becomes a fixed text with the request id of the log line.
func toStatus(ctx context.Context, err error, log *zap.Logger) error {
	requestID := logging.RequestOf(ctx).ID
	var field *enroll.FieldError
	switch {
	case errors.As(err, &field):
		return status.Error(codes.InvalidArgument, field.Error())
	case errors.Is(err, enroll.ErrRefused):
		return status.Error(codes.PermissionDenied, "enrollment refused, request id "+requestID)
	case errors.Is(err, enroll.ErrProof):
		return status.Error(codes.PermissionDenied, enroll.ErrProof.Error()+", request id "+requestID)
	case errors.Is(err, enroll.ErrTooManyRequests):
		return status.Error(codes.ResourceExhausted, enroll.ErrTooManyRequests.Error())
	case errors.Is(err, enroll.ErrRenewalRefused):
		return status.Error(codes.PermissionDenied, enroll.ErrRenewalRefused.Error())
	case errors.Is(err, enroll.ErrRequestDenied):
		return status.Error(codes.FailedPrecondition, enroll.ErrRequestDenied.Error())
	case errors.Is(err, enroll.ErrRequestExpired):
		return status.Error(codes.DeadlineExceeded, enroll.ErrRequestExpired.Error())
	case errors.Is(err, enroll.ErrRequestTaken):
		return status.Error(codes.Aborted, enroll.ErrRequestTaken.Error())
	case errors.Is(err, errNoAddress):
		return status.Error(codes.Unavailable, errNoAddress.Error())
	case errors.Is(err, errRecall):
		return errRecall
	case errors.Is(err, fleet.ErrRevoked):
		return status.Error(codes.PermissionDenied, "not enrolled, or revoked")
	case errors.Is(err, fleet.ErrMovesTooOften):
		return status.Error(codes.ResourceExhausted, fleet.ErrMovesTooOften.Error())
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return status.FromContextError(err).Err()
	}
	logging.For(ctx, log).Error("request failed", zap.Error(err))
	return status.Error(codes.Unavailable, "the controller cannot do this now, request id "+requestID)
}
