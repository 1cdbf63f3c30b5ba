package logging

import (
	"context"
	"crypto/rand"
	"encoding/hex"

	"go.uber.org/zap"
)

// Request is what distinguishes one request from all others in the log, and in the trace.
// Empty fields are left out of the lines.
type Request struct {
	ID         string // request_id, of NewRequestID
	TraceID    string // trace_id, where the request is traced
	CallerID   string // caller_id: the SPIFFE ID of the peer, or who calls the admin API
	CallerAddr string // caller_addr
}

// NewRequestID draws an id. It is ours alone: what a caller could choose could
// repeat another's.
func NewRequestID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails; it aborts the program instead
	return hex.EncodeToString(b[:])
}

type requestKey struct{}

// WithRequest has everything that is done with the context belong to r.
func WithRequest(ctx context.Context, r Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// RequestOf is the request that ctx belongs to, or the zero one.
func RequestOf(ctx context.Context) Request {
	r, _ := ctx.Value(requestKey{}).(Request)
	return r
}

// For is log with the fields of the request that ctx belongs to.
func For(ctx context.Context, log *zap.Logger) *zap.Logger {
	r := RequestOf(ctx)
	fields := make([]zap.Field, 0, 4)
	for _, f := range []struct{ key, value string }{
		{"request_id", r.ID}, {"trace_id", r.TraceID}, {"caller_id", r.CallerID}, {"caller_addr", r.CallerAddr},
	} {
		if f.value != "" {
			fields = append(fields, zap.String(f.key, f.value))
		}
	}
	return log.With(fields...)
}

// Trace is the field trace_id, for a line that has the others already.
func Trace(ctx context.Context) zap.Field {
	if id := RequestOf(ctx).TraceID; id != "" {
		return zap.String("trace_id", id)
	}
	return zap.Skip()
}
