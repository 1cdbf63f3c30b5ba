package control

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"

	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
)

// toStatus turns a domain error into what a caller may know. Everything that is
// not meant for it becomes a fixed text with the request id of the log line.
func toStatus(err error, requestID string, log *zap.Logger) error {
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
	case errors.Is(err, enroll.ErrRequestDenied):
		return status.Error(codes.FailedPrecondition, enroll.ErrRequestDenied.Error())
	case errors.Is(err, enroll.ErrRequestExpired):
		return status.Error(codes.DeadlineExceeded, enroll.ErrRequestExpired.Error())
	case errors.Is(err, enroll.ErrRequestTaken):
		return status.Error(codes.Aborted, enroll.ErrRequestTaken.Error())
	case errors.Is(err, fleet.ErrRevoked):
		return status.Error(codes.PermissionDenied, "not enrolled, or revoked")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return status.FromContextError(err).Err()
	}
	log.Error("request failed", zap.String("request_id", requestID), zap.Error(err))
	return status.Error(codes.Unavailable, "the controller cannot do this now, request id "+requestID)
}

func newRequestID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails; it aborts the program instead
	return hex.EncodeToString(b[:])
}
