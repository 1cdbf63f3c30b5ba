package health

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// drainTimeout is how long a request in flight may take after the end of Run's
// context.
const drainTimeout = 2 * time.Second

// defaultCaps are for probes, a scrape, and a person who looks. All may come from
// one address, which is loopback.
var defaultCaps = sourcelimit.Caps{Most: 64, Anonymous: 64, AnonymousFrom: 32}

// Config configures a Server.
type Config struct {
	// Listen is a loopback address "host:port"; port 0 picks a free one. The
	// reasons in a report describe the inside of the program and there is no
	// authentication, so any other address needs AllowRemote.
	Listen string
	// AllowRemote permits an address that is not loopback, for a container whose
	// probes come from outside.
	AllowRemote bool
	// Caps of the connections; the zero value is for a few probes.
	Caps sourcelimit.Caps
	// Checks is the registry to report; nil makes a new one.
	Checks *Checks
	Log    *zap.Logger
}

// Server serves /livez, /readyz and what Handle and Document added.
type Server struct {
	checks   *Checks
	live     Checks
	log      *zap.Logger
	listener *sourcelimit.Listener
	mux      *http.ServeMux
}

// New opens the listener, so that a port in use fails at start; it serves once
// Run is called.
func New(c Config) (*Server, error) {
	if c.Checks == nil {
		c.Checks = &Checks{}
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("health listener: %w", err)
	}
	if addr, ok := l.Addr().(*net.TCPAddr); !c.AllowRemote && (!ok || !addr.IP.IsLoopback()) {
		_ = l.Close()
		return nil, fmt.Errorf("health listener: %s is not a loopback address", c.Listen)
	}
	if c.Caps == (sourcelimit.Caps{}) {
		c.Caps = defaultCaps
	}
	s := &Server{checks: c.Checks, log: c.Log, listener: sourcelimit.NewListener(l, c.Caps), mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /livez", s.livez)
	s.mux.HandleFunc("GET /readyz", s.readyz)
	return s, nil
}

// Addr is the actual address of the listener.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Connections are those of the listener.
func (s *Server) Connections() *sourcelimit.Listener { return s.listener }

// Checks is the registry that /readyz reports.
func (s *Server) Checks() *Checks { return s.checks }

// Live holds the checks of /livez: only what a restart of this program would
// heal, such as a main loop that hangs, and never what others are to blame for.
func (s *Server) Live() *Checks { return &s.live }

// Alive returns the first check of Live that fails.
func (s *Server) Alive(ctx context.Context) error {
	for _, c := range s.live.Report(ctx).Checks {
		if !c.OK {
			return fmt.Errorf("%s: %s", c.Name, c.Detail)
		}
	}
	return nil
}

// Summary is the state of all checks in one line.
func (s *Server) Summary(ctx context.Context) string { return s.checks.Report(ctx).Summary() }

// Handle mounts another handler, such as "GET /metrics", also while Run serves.
func (s *Server) Handle(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// Close frees the listener of a server that will not run.
func (s *Server) Close() error { return s.listener.Close() }

// Run serves until ctx ends, then lets requests in flight finish. It returns nil
// unless serving failed.
func (s *Server) Run(ctx context.Context) error {
	srv := &http.Server{
		Handler:           s.mux,
		ReadHeaderTimeout: 2 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          zap.NewStdLog(s.log),
	}
	s.log.Info("health endpoints listening", zap.Stringer("address", s.Addr()))
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		s.checks.Follow(gctx)
		return nil
	})
	g.Go(func() error {
		if err := sourcelimit.Serve(gctx, srv, s.listener, drainTimeout); err != nil {
			return fmt.Errorf("serve health endpoints: %w", err)
		}
		return nil
	})
	return g.Wait()
}

func (s *Server) livez(w http.ResponseWriter, r *http.Request) {
	report := s.live.Report(r.Context())
	if len(report.Checks) == 0 || report.Ready {
		s.write(w, r, http.StatusOK, Report{Ready: true, Checks: report.Checks}, "ok\n")
		return
	}
	s.write(w, r, http.StatusServiceUnavailable, report, report.text())
}

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	report := s.checks.Report(r.Context())
	status := http.StatusOK
	if !report.Ready {
		status = http.StatusServiceUnavailable
	}
	s.write(w, r, status, report, report.text())
}

// write renders JSON for a client that accepts it, else plain text.
func (s *Server) write(w http.ResponseWriter, r *http.Request, status int, report Report, text string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if strings.Contains(r.Header.Get("Accept"), "application/json") || r.URL.Query().Get("format") == "json" {
		s.writeJSON(w, status, report)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the client has gone; nothing to do about it
}

func (s *Server) writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		s.log.Error("health report not encoded", zap.Error(err))
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone; nothing to do about it
}

// Summary names in one line what is not ready, or else what is degraded.
func (r Report) Summary() string {
	var failing, light []string
	for _, c := range r.Checks {
		switch {
		case c.Failing():
			failing = append(failing, c.Name+": "+c.Detail)
		case c.Degraded:
			light = append(light, c.Name+": "+c.Detail)
		}
	}
	switch {
	case len(failing) > 0:
		return "not ready: " + strings.Join(failing, "; ")
	case len(light) > 0:
		return "ready, degraded: " + strings.Join(light, "; ")
	}
	return "ready"
}

// text is the report for a person with curl.
func (r Report) text() string {
	var b strings.Builder
	for _, c := range r.Checks {
		mark, detail := "[-]", c.Detail
		switch {
		case c.OK:
			mark, detail = "[+]", strings.TrimSuffix("ok, "+c.Detail, ", ")
		case c.Degraded:
			mark, detail = "[~]", "degraded: "+c.Detail
		}
		fmt.Fprintf(&b, "%s %s: %s (since %s)\n", mark, c.Name, detail, c.Since.Format(time.RFC3339))
	}
	switch {
	case !r.Ready:
		b.WriteString("not ready\n")
	case r.Degraded:
		b.WriteString("ready, degraded\n")
	default:
		b.WriteString("ready\n")
	}
	return b.String()
}
