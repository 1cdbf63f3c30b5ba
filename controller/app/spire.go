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

	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/selfhost"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/agentconf"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/binary"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/embedded"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/registrar"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
)

// startTimeout is how long SPIRE may take until the controller has its own SVID.
// A cold start takes about a second.
const startTimeout = 60 * time.Second

// startSPIRE starts the server (mode embedded), registers the controller, starts
// the agent beside it and waits for the controller's own SVID. stop undoes it in
// the other order and is never nil.
func (c *controller) startSPIRE(ctx context.Context, abort context.CancelCauseFunc) (stop func() error, err error) {
	var stages []*stage
	stop = func() error {
		if c.source != nil {
			c.source.Close()
		}
		var errs []error
		for i := len(stages) - 1; i >= 0; i-- {
			errs = append(errs, stages[i].stop())
		}
		if c.spire != nil {
			errs = append(errs, c.spire.Close())
		}
		return errors.Join(errs...)
	}
	within, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	socket := c.cfg.SPIRE.ServerSocket
	if c.cfg.SPIRE.Mode == config.Embedded {
		server, err := c.embeddedServer(within)
		if err != nil {
			return stop, err
		}
		c.restartSPIRE, socket = server.Restart, c.paths.serverSocket()
		stages = append(stages, start(ctx, abort, server.Run))
		if err := server.WaitReady(within); err != nil {
			return stop, fmt.Errorf("start spire-server: %w: see its lines in this log", err)
		}
		c.health.Checks().Register(checkServer, server.Ready)
	}
	if c.spire, err = registrar.Dial(socket, c.td, c.log, c.tracing.DialOptions()...); err != nil {
		return stop, err
	}
	if err := c.spire.Healthy(within); err != nil {
		return stop, fmt.Errorf("%w: is spire-server running, and is %s its admin socket?", err, socket)
	}
	if c.cfg.SPIRE.Mode == config.External {
		c.health.Checks().Register(checkServer, c.spire.Healthy)
	}
	agent, err := c.ownAgent(within)
	if err != nil {
		return stop, err
	}
	stages = append(stages, start(ctx, abort, agent.Run))
	return stop, c.ownIdentity(within)
}

// embeddedServer prepares the child and learns its port.
func (c *controller) embeddedServer(ctx context.Context) (*embedded.Server, error) {
	program, err := binary.Find("spire-server", "SPIRE_SERVER_BIN")
	if err != nil {
		return nil, err
	}
	ip, port, err := spirePort(ctx, c.cfg.SPIRE.ServerListen)
	if err != nil {
		return nil, err
	}
	c.spireAt = &net.TCPAddr{IP: net.ParseIP(ip), Port: port}
	if c.cfg.SPIRE.ServerAddress == "" {
		c.reachedAt.spireListens(c.spireAt)
	}
	c.log.Info("using spire", zap.String("mode", c.cfg.SPIRE.Mode), zap.String("spire_server", program))
	return embedded.New(ctx, program, agentconf.Server{
		TrustDomain: c.td, BindAddress: ip, BindPort: port,
		SocketPath: c.paths.serverSocket(), DataDir: c.paths.spireServer(), LogLevel: c.cfg.Log.Level,
		CATTL: c.cfg.SPIRE.CATTL, X509SVIDTTL: c.cfg.SVIDTTL.Controller, AgentTTL: c.cfg.SPIRE.AgentTTL,
		HostCAPaths:          append([]string{c.ca.CertificatePath()}, c.cfg.CABundlePaths...),
		UnlimitedAttestation: !c.cfg.SPIRE.AttestationLimit, MetricsPort: c.cfg.SPIRE.ServerMetrics,
	}, c.log)
}

// ownAgent registers the controller and prepares the agent beside it.
func (c *controller) ownAgent(ctx context.Context) (*hostagent.Supervisor, error) {
	program, err := binary.Find("spire-agent", "SPIRE_AGENT_BIN")
	if err != nil {
		return nil, err
	}
	if err := binary.RequireVersion(ctx, program, binary.MinimumAgent); err != nil {
		return nil, err
	}
	dir := hostagent.Dir{Root: c.paths.host()}
	host, err := selfhost.Prepare(dir, c.td, c.ca, c.agentDials())
	if err != nil {
		return nil, err
	}
	id, err := identity.Workload{Kind: identity.KindController, ID: c.cfg.ControllerID}.SPIFFEID(c.td)
	if err != nil {
		return nil, err
	}
	if c.own, err = selfhost.Entry(id, c.cfg.ControllerID, host, c.cfg.SVIDTTL.Controller); err != nil {
		return nil, err
	}
	if err := c.spire.PutEntry(ctx, c.own); err != nil {
		return nil, fmt.Errorf("register the controller: %w", err)
	}
	// An agent that asks before the server's cache has the entry asks again only
	// five seconds later.
	select {
	case <-time.After(c.cfg.SPIRE.EntrySettle()):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	bundle, err := c.spire.Bundle(ctx)
	if err != nil {
		return nil, err
	}
	if err := dir.WriteBundle(bundle); err != nil {
		return nil, err
	}
	agent, err := hostagent.New(hostagent.Config{
		Dir: dir, SocketPath: c.paths.agentSocket(), AgentBinary: program, LogLevel: c.cfg.Log.Level, Logger: c.log, Fetch: c.ownBundle,
		MetricsPort: c.cfg.SPIRE.AgentMetrics, // no Units: selfhost.Entry names user and program
	})
	if err != nil {
		return nil, err
	}
	c.health.Checks().Register(checkAgent, func(context.Context) error {
		if why := agent.Reason(); why != "" {
			return errors.New(why)
		}
		return nil
	})
	return agent, nil
}

// agentDials is where our own agent finds the server: on this machine where we
// run it, whatever name others use.
func (c *controller) agentDials() string {
	if c.cfg.SPIRE.Mode == config.External {
		return c.cfg.SPIRE.ServerAddress
	}
	host := c.spireAt.IP.String()
	if c.spireAt.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(c.spireAt.Port))
}

func (c *controller) ownBundle(ctx context.Context) (hostagent.Bundle, error) {
	authorities, err := c.spire.Bundle(ctx)
	out := hostagent.Bundle{Authorities: authorities, ServerAddress: c.agentDials()}
	out.Renewed, out.TrustErr = selfhost.Renew(hostagent.Dir{Root: c.paths.host()}, c.ca)
	return out, err
}

// ownIdentity waits for the controller's SVID, which it takes from the Workload
// API like everybody else.
func (c *controller) ownIdentity(ctx context.Context) error {
	var err error
	c.source, err = mtls.Open(ctx, mtls.SourceConfig{Socket: "unix://" + c.paths.agentSocket(), ID: c.own.SPIFFEID, Log: c.log.Named("identity")})
	if err != nil {
		return fmt.Errorf("the controller's own identity: %w", err)
	}
	c.health.Checks().Register(checkIdentity, c.source.Ready)
	c.metrics.Identity(c.source)
	return nil
}

// runFile says what is where, for the command line, scripts and tests. What hosts
// are told is empty where there is no address to tell.
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
