package app

import (
	"context"
	"fmt"
	"net"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// The names of the connector's own readiness checks.
const (
	checkControl  = "control_stream"
	checkPolicy   = "policy"
	checkListener = "listener"
	checkAudit    = "audit_witness"
)

// run serves until ctx ends. The listeners are opened first: an address in use is
// a mistake to see at once, not after the agent is up.
func run(ctx context.Context, cfg Config, log *zap.Logger) error {
	descriptors, err := sourcelimit.Descriptors()
	if err != nil {
		return err
	}
	bound, err := net.Listen("tcp", cfg.ListenAddr) //nolint:noctx // binds at once
	if err != nil {
		return fmt.Errorf("listen for tunnelers: %w: check LISTEN_ADDR", err)
	}
	listener := sourcelimit.NewListener(bound, sourcelimit.Share(descriptors, tunnelersShare, descriptors, 1024))
	defer func() { _ = listener.Close() }()
	p, err := hostprogram.New(hostprogram.Config{ //nolint:contextcheck // binds at once
		Name: program, Workload: identity.Workload{Kind: identity.KindConnector, ID: cfg.ConnectorID},
		Settings: cfg.Settings, Listen: listener.Addr().String(),
		Checks: []string{checkControl, checkPolicy, checkListener, checkAudit}, Log: log,
	})
	if err != nil {
		return err
	}
	exportConnections(p.Metrics, listener, p.Health.Connections())
	return p.Run(ctx, func(ctx context.Context, id hostprogram.Identity) error {
		return serve(ctx, cfg, listener, flowLimits(descriptors), p, id)
	})
}

// serve runs the relay.
func serve(ctx context.Context, cfg Config, listener net.Listener, limits flow.Limits, p *hostprogram.Program, id hostprogram.Identity) error {
	checks := p.Health.Checks()
	r, err := relay.New(relay.Config{
		ID: cfg.ConnectorID, TrustDomain: id.TrustDomain, Version: cli.Version().Version, Identity: id.Source, Listener: listener,
		ControlAddresses: cfg.ControlAddresses(), PrivateIP: cfg.PrivateIP, StateDir: cfg.StateDir, Saved: p.Kept.Note, AgentSocket: id.AgentSocket,
		Failing: func(ctx context.Context) error { return checks.Failing(ctx, hostprogram.CheckIdentity) },
		Flows:   carrier(listener, p.Metrics, p.Log.Named("flow")), Limits: limits,
		Events: countEvents(p.Metrics), Log: p.Log.Named("relay"),
	})
	if err != nil {
		return err
	}
	exportRelay(p.Metrics, r.Status)
	exportFlows(p.Metrics, r.FlowStatus)
	exportFlowRecords(p.Metrics, r.FlowRecordStatus)
	p.Health.Live().Register("relay", r.Alive)
	checks.Register(checkControl, r.ControlReady)
	checks.Register(checkPolicy, r.PolicyReady)
	checks.Register(checkListener, r.ListenerReady)
	checks.Register(checkAudit, r.AuditReady)
	p.Health.Document("/sessions", func(time.Time) any {
		return map[string]any{"bundle_authority_ids": id.Source.AuthorityIDs(), "sessions": r.Sessions()}
	})
	describe(p, id.Source, r)
	return r.Run(ctx)
}
