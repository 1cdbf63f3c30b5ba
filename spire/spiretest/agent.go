package spiretest

import (
	"context"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/spire/conf"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/server"
)

// StartAgent starts a spire-agent of the server and waits until it has attested.
// attest says how: it gets a directory for the files it needs. The path of the
// Workload API socket is returned with the process.
func StartAgent(tb testing.TB, server *Server, attest func(conf *conf.Agent, dir string)) (*proc.Process, string) {
	tb.Helper()
	program, dir := Binary(tb, "spire-agent"), TempDir(tb)
	host, port, err := net.SplitHostPort(server.Address)
	require.NoError(tb, err)
	number, err := strconv.Atoi(port)
	require.NoError(tb, err)
	conf := conf.Agent{
		TrustDomain: server.TrustDomain, ServerAddress: host, ServerPort: number,
		SocketPath: filepath.Join(dir, "api.sock"), DataDir: filepath.Join(dir, "data"), BundlePath: filepath.Join(dir, "bundle.pem"),
		SyncInterval: time.Second,
	}
	WriteFile(tb, conf.BundlePath, server.BundlePEM(tb))
	attest(&conf, dir)
	rendered, err := conf.Render()
	require.NoError(tb, err)
	confPath := filepath.Join(dir, "agent.conf")
	WriteFile(tb, confPath, rendered)
	require.NoError(tb, os.MkdirAll(conf.DataDir, 0o700))
	return Start(tb, proc.Config{
		Name: "spire_agent", Path: program, Args: []string{"run", "-config", confPath},
		Ready: func(ctx context.Context) error { return proc.Serving(ctx, conf.SocketPath) },
	}), conf.SocketPath
}

// BundlePEM returns the server's current X.509 authorities.
func (s *Server) BundlePEM(tb testing.TB) []byte {
	tb.Helper()
	c, err := server.Dial(s.SocketPath, s.TrustDomain, zap.NewNop())
	require.NoError(tb, err)
	defer func() { require.NoError(tb, c.Close()) }()
	authorities, err := c.Bundle(tb.Context())
	require.NoError(tb, err)
	var out []byte
	for _, a := range authorities {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Raw})...)
	}
	return out
}

// WriteFile writes a file that only we may read.
func WriteFile(tb testing.TB, path string, data []byte) {
	tb.Helper()
	require.NoError(tb, os.WriteFile(path, data, 0o600))
}
