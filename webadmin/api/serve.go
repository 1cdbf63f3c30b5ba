package api

import (
	"context"
	"crypto/tls"
	"fmt"
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

// webServer serves a handler within the limits of this API. What net/http logs is of
// handshakes and connections that failed: anybody can cause thousands of these lines, so
// they are for the level debug.
func (s *Server) webServer(handler http.Handler) *http.Server {
	std, _ := zap.NewStdLogAt(s.log, zapcore.DebugLevel) // the level is one that exists
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       s.timeouts.read,
		WriteTimeout:      s.timeouts.write,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          std,
	}
}

// serve runs one server until ctx ends.
func (s *Server) serve(ctx context.Context, srv *http.Server, l net.Listener) error {
	if err := sourcelimit.Serve(ctx, srv, l, s.timeouts.drain); err != nil {
		return fmt.Errorf("serve admin API: %w", err)
	}
	return nil
}
