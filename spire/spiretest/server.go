package spiretest

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/conf"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
)

// startLimit is generous: the machine may be busy with other tests.
const startLimit = 60 * time.Second

// Server is a running spire-server.
type Server struct {
	TrustDomain spiffeid.TrustDomain
	Address     string // host:port of its agent API
	SocketPath  string // admin API
	HostCA      *HostCA
	Process     *proc.Process
}

// StartServer starts a spire-server on loopback with its data in a temporary
// directory and waits until it serves. change may alter the configuration.
func StartServer(tb testing.TB, change func(*conf.Server)) *Server {
	tb.Helper()
	program, dir, ca := Binary(tb, "spire-server"), TempDir(tb), NewHostCA(tb)
	caPath := filepath.Join(dir, "host-ca.pem")
	writePEM(tb, caPath, "CERTIFICATE", ca.Certificate.Raw)
	conf := conf.Server{
		TrustDomain: spiffeid.RequireTrustDomainFromString("mycorp.internal"),
		BindAddress: "127.0.0.1", BindPort: hosttest.Port(tb),
		SocketPath: filepath.Join(dir, "admin.sock"), DataDir: filepath.Join(dir, "data"), LogLevel: "info",
		CATTL: 24 * time.Hour, X509SVIDTTL: time.Hour, AgentTTL: time.Hour,
		HostCAPaths: []string{caPath}, UnlimitedAttestation: true,
	}
	if change != nil {
		change(&conf)
	}
	rendered, err := conf.Render()
	require.NoError(tb, err)
	confPath := filepath.Join(dir, "server.conf")
	require.NoError(tb, os.WriteFile(confPath, rendered, 0o600))
	require.NoError(tb, os.MkdirAll(conf.DataDir, 0o700))
	return &Server{
		TrustDomain: conf.TrustDomain,
		Address:     net.JoinHostPort(conf.BindAddress, strconv.Itoa(conf.BindPort)),
		SocketPath:  conf.SocketPath,
		HostCA:      ca,
		Process: Start(tb, proc.Config{
			Name: "spire_server", Path: program, Args: []string{"run", "-config", confPath},
			Ready: func(ctx context.Context) error { return proc.Serving(ctx, conf.SocketPath) },
		}),
	}
}

// Start supervises a program until the test ends and waits until it is ready.
// The log appears with the test's output.
func Start(tb testing.TB, cfg proc.Config) *proc.Process {
	tb.Helper()
	cfg.Logger = zaptest.NewLogger(tb, zaptest.Level(zap.InfoLevel))
	p, err := proc.New(cfg)
	require.NoError(tb, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context())) // ends in Cleanup, after the test's own context
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		require.NoError(tb, <-done)
	})
	ready, stop := context.WithTimeout(tb.Context(), startLimit)
	defer stop()
	require.NoError(tb, p.WaitReady(ready))
	return p
}
