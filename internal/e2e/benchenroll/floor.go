package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/conf"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/server"
)

// floor does with bare SPIRE what no enrollment can do without, on a spire-server
// of its own with the settings of the controller's. Host keys and certificates are
// made before the clock starts; this process is the workload.
type floor struct {
	dir, agent, address string
	td                  spiffeid.TrustDomain
	ca                  *bootstrapca.CA
	spire               *server.Client
	cancel              context.CancelFunc
	done                chan error
}

func newFloor(ctx context.Context, c *world.Controller, dir string) (*floor, error) {
	f := &floor{dir: filepath.Join(dir, "bare"), done: make(chan error, 1)}
	program, err := proc.Find("spire-server", "SPIRE_SERVER_BIN", c.Bin)
	if err != nil {
		return nil, err
	}
	if f.agent, err = proc.Find("spire-agent", "SPIRE_AGENT_BIN", c.Bin); err != nil {
		return nil, err
	}
	if f.td, err = spiffeid.TrustDomainFromString("bare.internal"); err != nil {
		return nil, err
	}
	if f.ca, err = bootstrapca.Open(filepath.Join(f.dir, "ca"), f.td, time.Now); err != nil {
		return nil, err
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	f.address = net.JoinHostPort("127.0.0.1", fmt.Sprint(port))
	socket := filepath.Join(f.dir, "server.sock")
	process, err := server.NewEmbedded(ctx, program, conf.Server{
		TrustDomain: f.td, BindAddress: "127.0.0.1", BindPort: port, SocketPath: socket, DataDir: filepath.Join(f.dir, "server"),
		CATTL: 24 * time.Hour, X509SVIDTTL: time.Hour, AgentTTL: time.Hour, HostCAPaths: []string{f.ca.CertificatePath()},
	}, zap.NewNop())
	if err != nil {
		return nil, err
	}
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f.cancel = cancel
	go func() { f.done <- process.Run(own) }()
	if f.spire, err = server.Dial(socket, f.td, zap.NewNop()); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, process.WaitReady(ctx)
}

func (f *floor) close() error {
	f.cancel()
	err := <-f.done
	if f.spire != nil {
		err = errors.Join(err, f.spire.Close())
	}
	return err
}

func freePort(ctx context.Context) (int, error) {
	lis, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	at, ok := lis.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("not a TCP listener")
	}
	return at.Port, lis.Close()
}

// once measures: create the entry, wait for the server's cache, attest, first SVID.
func (f *floor) once(ctx context.Context, i int) (time.Duration, error) {
	dir := hostagent.Dir{Root: filepath.Join(f.dir, fmt.Sprintf("h%d", i))}
	host, err := bootstrapca.PrepareOwnHost(dir, f.td, f.ca, f.address)
	if err != nil {
		return 0, err
	}
	id, err := spiffeid.FromSegments(f.td, "workload", fmt.Sprint(i))
	if err != nil {
		return 0, err
	}
	entry, err := bootstrapca.OwnEntry(id, fmt.Sprint(i), host, 5*time.Minute)
	if err != nil {
		return 0, err
	}
	bundle, err := f.spire.Bundle(ctx)
	if err != nil {
		return 0, err
	}
	socket, err := f.configure(dir, bundle)
	if err != nil {
		return 0, err
	}

	begin := time.Now()
	if err := f.spire.PutEntry(ctx, entry); err != nil {
		return 0, err
	}
	<-time.After(conf.CacheReloadInterval())
	agent, err := world.Start(world.Spec{Name: "spire-agent", Dir: dir.Root, Path: f.agent, Args: []string{"run", "-config", dir.AgentConf()}})
	if err != nil {
		return 0, err
	}
	within, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	source, err := mtls.Open(within, mtls.SourceConfig{Socket: "unix://" + socket, ID: id, Log: zap.NewNop()})
	took := time.Since(begin)
	if err != nil {
		return 0, errors.Join(fmt.Errorf("%w:\n%s", err, agent.Tail(10)), stopped(agent))
	}
	source.Close()
	return took, stopped(agent)
}

func stopped(p *world.Process) error {
	_, err := p.Stop()
	return err
}

// configure writes what `agent run` would write.
func (f *floor) configure(dir hostagent.Dir, bundle []*x509.Certificate) (socket string, err error) {
	socket = filepath.Join(dir.Root, "s")
	conf := conf.Agent{
		TrustDomain: f.td, ServerAddress: "127.0.0.1", SocketPath: socket, DataDir: dir.Data(), BundlePath: dir.Bundle(),
		X509POP: &conf.X509POP{PrivateKeyPath: dir.Key(), CertificatePath: dir.Certificate()},
	}
	if _, err := fmt.Sscanf(f.address, "127.0.0.1:%d", &conf.ServerPort); err != nil {
		return "", err
	}
	text, err := conf.Render()
	if err != nil {
		return "", err
	}
	return socket, errors.Join(dir.WriteBundle(bundle), os.MkdirAll(dir.Data(), 0o700), os.WriteFile(dir.AgentConf(), text, 0o600))
}
