package server

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/conf"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
)

// Embedded is a supervised spire-server.
type Embedded struct {
	process *proc.Process
}

// NewEmbedded writes server.conf beside the server's data directory and prepares the
// child. program is the path of spire-server, which must be new enough.
func NewEmbedded(ctx context.Context, program string, conf conf.Server, log *zap.Logger) (*Embedded, error) {
	if err := proc.RequireVersion(ctx, program, proc.MinimumServer); err != nil {
		return nil, err
	}
	text, err := conf.Render()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(conf.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("spire-server data directory: %w", err)
	}
	file := filepath.Join(filepath.Dir(conf.DataDir), "server.conf")
	if err := atomicfile.Write(file, text, 0o600); err != nil {
		return nil, fmt.Errorf("spire-server configuration: %w", err)
	}
	p, err := proc.New(proc.Config{
		Name: "spire_server", Path: program, Args: []string{"run", "-config", file}, Logger: log,
		Ready: func(ctx context.Context) error { return proc.Serving(ctx, conf.SocketPath) },
	})
	if err != nil {
		return nil, err
	}
	return &Embedded{process: p}, nil
}

// Run keeps the server running until ctx ends.
func (s *Embedded) Run(ctx context.Context) error { return s.process.Run(ctx) }

// Restart has the server read its configuration anew, and the files that it names, and
// returns once it answers. Agents and programs keep what they have meanwhile.
func (s *Embedded) Restart(ctx context.Context) error {
	if err := s.process.Restart(ctx, func() error { return nil }); err != nil {
		return err
	}
	return s.process.WaitReady(ctx)
}

// WaitReady returns once the server answers.
func (s *Embedded) WaitReady(ctx context.Context) error { return s.process.WaitReady(ctx) }

// Ready is the readiness check of the child.
func (s *Embedded) Ready(context.Context) error {
	st := s.process.Status()
	if st.State == proc.StateReady {
		return nil
	}
	return fmt.Errorf("spire-server is %s, last exit: %q", st.State, st.LastExit)
}
