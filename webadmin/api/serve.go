package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"net/http"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// Run serves until ctx ends, then lets requests in flight finish. It returns nil
// unless serving failed.
func (s *Server) Run(ctx context.Context) error {
	var listener net.Listener = s.listener
	if s.cfg.TLS != nil {
		listener = tls.NewListener(listener, s.cfg.TLS)
	}
	web := s.webServer(s.engine)
	web.RegisterOnShutdown(func() { close(s.stopping) })
	s.log.Info("admin API listening", zap.Stringer("address", s.Addr()))
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.serve(gctx, web, listener) })
	if s.local != nil {
		s.log.Info("local admin socket listening", zap.Stringer("path", s.local.Addr()))
		local := s.localServer()
		g.Go(func() error { return s.serve(gctx, local, s.local) })
	}
	return g.Wait()
}

// webServer serves a handler within the limits of this API.
func (s *Server) webServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       s.timeouts.read,
		WriteTimeout:      s.timeouts.write,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(webLog{s.log}, "", 0),
	}
}

// webLog takes what net/http logs. Anybody can cause thousands of lines about handshakes
// that failed, so they are for the level debug; a listener that accepts nobody is not.
type webLog struct{ log *zap.Logger }

// Write implements io.Writer, a line at a time.
func (w webLog) Write(line []byte) (int, error) {
	level := zapcore.WarnLevel
	if bytes.Contains(line, []byte("TLS handshake error")) {
		level = zapcore.DebugLevel
	}
	w.log.Log(level, "the web server reported a fault", zap.ByteString("fault", bytes.TrimSpace(line)))
	return len(line), nil
}

// serve runs one server until ctx ends.
func (s *Server) serve(ctx context.Context, srv *http.Server, l net.Listener) error {
	if err := sourcelimit.Serve(ctx, srv, l, s.timeouts.drain); err != nil {
		return fmt.Errorf("serve admin API: %w", err)
	}
	return nil
}
