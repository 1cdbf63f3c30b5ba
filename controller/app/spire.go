package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/conf"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/server"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
)

// startTimeout is how long SPIRE may take until the controller has its own SVID.
// A cold start takes about a second.
const startTimeout = 60 * time.Second

// identified is a foundation whose SPIRE runs and which has its own X509-SVID.
type identified struct {
	*foundation

	spire   *server.Client
	own     fleet.Entry
	source  *mtls.Source
	spireAt *net.TCPAddr // where the embedded spire-server listens
	// restartSPIRE has our spire-server read its files anew; nil with an operator's.
	restartSPIRE func(context.Context) error
}

// startSPIRE starts the server (mode embedded), registers the controller, starts
// the agent beside it and waits for the controller's own SVID. stop undoes it in
// the other order and is never nil.
func startSPIRE(ctx context.Context, f *foundation, abort context.CancelCauseFunc) (i *identified, stop func() error, err error) {
	i = &identified{foundation: f}
	var stages []*stage
	stop = func() error {
		if i.source != nil {
			i.source.Close()
		}
		var errs []error
		for n := len(stages) - 1; n >= 0; n-- {
			errs = append(errs, stages[n].stop())
		}
		if i.spire != nil {
			errs = append(errs, i.spire.Close())
		}
		return errors.Join(errs...)
	}
	within, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	socket := f.cfg.SPIRE.ServerSocket
	if f.cfg.SPIRE.Mode == config.Embedded {
		server, err := i.embeddedServer(within)
		if err != nil {
			return i, stop, err
		}
		i.restartSPIRE, socket = server.Restart, f.paths.serverSocket()
		stages = append(stages, start(ctx, abort, server.Run))
		if err := server.WaitReady(within); err != nil {
			return i, stop, fmt.Errorf("start spire-server: %w: see its lines in this log", err)
		}
		f.health.Checks().Register(checkServer, server.Ready)
	}
	if i.spire, err = server.Dial(socket, f.td, f.log, f.tracing.DialOptions()...); err != nil {
		return i, stop, err
	}
	if err := i.spire.Healthy(within); err != nil {
		return i, stop, fmt.Errorf("%w: is spire-server running, and is %s its admin socket?", err, socket)
	}
	if f.cfg.SPIRE.Mode == config.External {
		f.health.Checks().Register(checkServer, i.spire.Healthy)
	}
	agent, err := i.ownAgent(within)
	if err != nil {
		return i, stop, err
	}
	stages = append(stages, start(ctx, abort, agent.Run))
	err = i.ownIdentity(within)
	return i, stop, err
}

// embeddedServer prepares the child and learns its port.
func (i *identified) embeddedServer(ctx context.Context) (*server.Embedded, error) {
	program, err := proc.Find("spire-server", "SPIRE_SERVER_BIN")
	if err != nil {
		return nil, err
	}
	ip, port, err := spirePort(ctx, i.cfg.SPIRE.ServerListen)
	if err != nil {
		return nil, err
	}
	i.spireAt = &net.TCPAddr{IP: net.ParseIP(ip), Port: port}
	if i.cfg.SPIRE.ServerAddress == "" {
		i.reachedAt.spireListens(i.spireAt)
	}
	i.log.Info("using spire", zap.String("mode", i.cfg.SPIRE.Mode), zap.String("spire_server", program))
	return server.NewEmbedded(ctx, program, conf.Server{
		TrustDomain: i.td, BindAddress: ip, BindPort: port,
		SocketPath: i.paths.serverSocket(), DataDir: i.paths.spireServer(), LogLevel: i.cfg.Log.Level,
		CATTL: i.cfg.SPIRE.CATTL, X509SVIDTTL: i.cfg.SVIDTTL.Controller, AgentTTL: i.cfg.SPIRE.AgentTTL,
		HostCAPaths:          append([]string{i.ca.CertificatePath()}, i.cfg.CABundlePaths...),
		UnlimitedAttestation: !i.cfg.SPIRE.AttestationLimit, MetricsPort: i.cfg.SPIRE.ServerMetrics,
	}, i.log)
}

// ownAgent registers the controller and prepares the agent beside it.
func (i *identified) ownAgent(ctx context.Context) (*hostagent.Supervisor, error) {
	program, err := proc.Find("spire-agent", "SPIRE_AGENT_BIN")
	if err != nil {
		return nil, err
	}
	if err := proc.RequireVersion(ctx, program, proc.MinimumAgent); err != nil {
		return nil, err
	}
	dir := hostagent.Dir{Root: i.paths.host()}
	host, err := bootstrapca.PrepareOwnHost(dir, i.td, i.ca, i.agentDials())
	if err != nil {
		return nil, err
	}
	id, err := identity.Workload{Kind: identity.KindController, ID: i.cfg.ControllerID}.SPIFFEID(i.td)
	if err != nil {
		return nil, err
	}
	if i.own, err = bootstrapca.OwnEntry(id, i.cfg.ControllerID, host, i.cfg.SVIDTTL.Controller); err != nil {
		return nil, err
	}
	if err := i.spire.PutEntry(ctx, i.own); err != nil {
		return nil, fmt.Errorf("register the controller: %w", err)
	}
	// An agent that asks before the server's cache has the entry asks again only
	// five seconds later.
	select {
	case <-time.After(i.cfg.SPIRE.EntrySettle()):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	bundle, err := i.spire.Bundle(ctx)
	if err != nil {
		return nil, err
	}
	if err := dir.WriteBundle(bundle); err != nil {
		return nil, err
	}
	agent, err := hostagent.New(hostagent.Config{
		Dir: dir, AgentBinary: program, Logger: i.log, Fetch: i.ownBundle,
		// Not Systemd: bootstrapca.OwnEntry names user and program.
		Agent: conf.Agent{SocketPath: i.paths.agentSocket(), LogLevel: i.cfg.Log.Level, MetricsPort: i.cfg.SPIRE.AgentMetrics},
	})
	if err != nil {
		return nil, err
	}
	i.health.Checks().Register(checkAgent, func(context.Context) error {
		if why := agent.Reason(); why != "" {
			return errors.New(why)
		}
		return nil
	})
	return agent, nil
}

// agentDials is where our own agent finds the server: on this machine where we
// run it, whatever name others use.
func (i *identified) agentDials() string {
	if i.cfg.SPIRE.Mode == config.External {
		return i.cfg.SPIRE.ServerAddress
	}
	host := i.spireAt.IP.String()
	if i.spireAt.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(i.spireAt.Port))
}

func (i *identified) ownBundle(ctx context.Context) (hostagent.Bundle, error) {
	authorities, err := i.spire.Bundle(ctx)
	out := hostagent.Bundle{Authorities: authorities, ServerAddress: i.agentDials(), SyncInterval: hostagent.MinSync}
	out.Renewed, out.TrustErr = bootstrapca.RenewOwnHost(hostagent.Dir{Root: i.paths.host()}, i.ca)
	return out, err
}

// ownIdentity waits for the controller's SVID, which it takes from the Workload
// API like everybody else.
func (i *identified) ownIdentity(ctx context.Context) error {
	var err error
	i.source, err = mtls.Open(ctx, mtls.SourceConfig{Socket: "unix://" + i.paths.agentSocket(), ID: i.own.SPIFFEID, Log: i.log.Named("identity")})
	if err != nil {
		return fmt.Errorf("the controller's own identity: %w", err)
	}
	i.health.Checks().Register(checkIdentity, i.source.Ready)
	i.metrics.Identity(i.source)
	return nil
}

// runFile says what is where, for the command line, scripts and tests. What hosts
// get is empty where there is no address to send.
type runFile struct {
	TrustDomain string `json:"trust_domain"`
	Enrollment  string `json:"enrollment"`
	Control     string `json:"control"`
	Admin       string `json:"admin"`
	AdminSocket string `json:"admin_socket"`
	Health      string `json:"health"`
	SPIREServer string `json:"spire_server"`
	CA          string `json:"ca"`
	// Config is what runs, which flags may have made other than the configuration file:
	// doctor judges it. It names files of secrets and holds none.
	Config *config.Config `json:"config,omitempty"`
}

func (c *controller) writeRunFile() error {
	at := c.reachedAt.endpoints()
	text, err := json.MarshalIndent(runFile{
		TrustDomain: c.td.Name(), Enrollment: c.reachedAt.enrollAt(), Control: strings.Join(at.ControlPlane, ","),
		Admin: c.adminAddress(), AdminSocket: c.paths.adminSocket(), Health: c.health.Addr().String(), SPIREServer: at.SPIREServer,
		CA: c.ca.CertificatePath(), Config: &c.cfg,
	}, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(c.paths.runFile(), append(text, '\n'), 0o600)
}

// adminAddress is host:port, or a URL if the listener has TLS.
func (c *controller) adminAddress() string {
	if c.cfg.Admin.TLS() {
		return c.admin.URL()
	}
	return api.Reachable(c.admin.Addr().String())
}
