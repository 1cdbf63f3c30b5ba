package control

import (
	"context"
	"crypto/tls"
	"net/http"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// What HTTP clients of the enrollment listener may hold: anybody can be one.
const (
	maxWebConns     = 256
	maxWebConnsFrom = 64
	maxWebHeader    = 4 << 10 // net/http adds 4 KiB
	// webWriteBuffer is what the kernel holds for a reader: left alone it grows to
	// megabytes, times maxWebConns, and hides from us how slow a reader is.
	webWriteBuffer = 256 << 10
	// requestTimeout is for a whole request, with the body that no request of ours has.
	requestTimeout = 10 * time.Second
	// replyTimeout is for a reply that does not move its own deadline.
	replyTimeout = 10 * time.Second
)

// noDeadline clears a deadline.
var noDeadline time.Time

// web is the HTTP/1.1 server of the enrollment listener.
type web struct {
	http *http.Server
	lis  *webListener
}

func newWeb(lis *webListener, h http.Handler, log *zap.Logger) *web {
	if h == nil {
		h = http.NotFoundHandler() // net/http would take a global one
	}
	std, _ := zap.NewStdLogAt(log, zapcore.DebugLevel) // the level is one that exists
	var only http.Protocols
	only.SetHTTP1(true)
	s := &http.Server{
		Handler: h, ErrorLog: std, DisableGeneralOptionsHandler: true,
		ReadTimeout: requestTimeout, WriteTimeout: replyTimeout, MaxHeaderBytes: maxWebHeader,
		// HTTP/2 is gRPC's: no upgrade, no preface.
		Protocols: &only, TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	s.SetKeepAlivesEnabled(false) // a connection is one request: none is held idle
	return &web{s, lis}
}

// run serves until ctx ends. What is being sent then has drainTimeout to arrive.
func (w *web) run(ctx context.Context) {
	_ = sourcelimit.Serve(ctx, w.http, w.lis, drainTimeout) // the listener ends with the server only
}
