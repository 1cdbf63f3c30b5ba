package app

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/listen"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/reach"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/session"
)

// The names of the tunneler's own readiness checks.
const (
	checkDirectory = "directory"
	checkSession   = "session"
	checkAddr      = "connector_addr"
)

// flowDrain is how long flows may continue when the program stops.
const flowDrain = 5 * time.Second

// run keeps the sessions until ctx ends.
func run(ctx context.Context, cfg Config, log *zap.Logger) error {
	p, err := hostprogram.New(hostprogram.Config{ //nolint:contextcheck // binds at once
		Name: program, Workload: identity.Workload{Kind: identity.KindTunneler, ID: cfg.TunnelerID},
		Settings: cfg.Settings,
		Checks:   []string{checkDirectory, checkSession}, Log: log,
	})
	if err != nil {
		return err
	}
	p.Metrics.Connections("health", p.Health.Connections())
	local := &local{reach: reach.NewKeeper(cfg.TunnelerID)}
	if err := local.listen(cfg, p); err != nil { //nolint:contextcheck // binds at once, for an address in use is a mistake to see at once
		return errors.Join(err, p.Health.Close())
	}
	return errors.Join(p.Run(ctx, func(ctx context.Context, id hostprogram.Identity) error { return serve(ctx, cfg, p, id, local) }), local.Close())
}

// local is what programs of this host connect to, from before there is an identity.
type local struct {
	*listen.Server
	pool  atomic.Pointer[flow.Pool]
	reach *reach.Keeper
}

func (l *local) listen(cfg Config, p *hostprogram.Program) error {
	faces, users, err := cfg.faces()
	if err != nil {
		return err
	}
	l.Server, err = listen.New(listen.Config{Faces: faces, Users: users, Opener: l, Resources: l.reach.Document, Ended: flowMetrics(p.Metrics), Log: p.Log.Named("listen")})
	return err
}

// Open implements listen.Opener.
func (l *local) Open(ctx context.Context, to flow.Target, first []byte) (listen.Flow, error) {
	c, err := l.pool.Load().OpenWith(ctx, l.reach.Target(to), first)
	if err != nil {
		return nil, err
	}
	return spliced{c}, nil
}

// serve follows the directory, keeps the sessions that it names and opens flows on them.
func serve(ctx context.Context, cfg Config, p *hostprogram.Program, id hostprogram.Identity, local *local) error {
	version := cli.Version().Version
	watcher, err := directory.New(directory.Config{
		ID: cfg.TunnelerID, TrustDomain: id.TrustDomain, Version: version, Identity: id.Source,
		ControlAddresses: cfg.ControlAddresses(), StateDir: cfg.StateDir, Saved: p.Kept.Note, AgentSocket: id.AgentSocket,
		Reach: local.reach, Ended: p.Metrics.Reconnects(streamDirectory), Log: p.Log.Named("directory"),
	})
	if err != nil {
		return err
	}
	pool, err := flow.NewPool(flow.PoolConfig{
		Identity: id.Source, Route: local.reach.Networks, Log: p.Log.Named("flow"),
		Lapse: func(session *mtls.Conn, over func(error)) func() { return reproof.Lapse(session, id.Source, over) },
	})
	if err != nil {
		return err
	}
	local.pool.Store(pool)
	sessions, err := session.New(session.Config{
		ID: cfg.TunnelerID, Version: version, Identity: id.Source, Directory: watcher,
		ConnectorAddr: cfg.ConnectorAddr, ConnectorID: cfg.ConnectorID, Probe: cfg.SessionProbe,
		Flows: pool, Ended: p.Metrics.Reconnects(streamSession), Log: p.Log.Named("session"),
	})
	if err != nil {
		return err
	}
	export(p.Metrics, watcher.Status, sessions.Status)
	p.Health.Live().Register("sessions", sessions.Alive)
	checks := p.Health.Checks()
	checks.Register(checkDirectory, watcher.Ready)
	checks.Register(checkSession, sessions.Ready)
	if cfg.ConnectorAddr != "" {
		checks.Register(checkAddr, sessions.AddrReady)
		checks.Explain(checkAddr, sessions.ExplainAddr)
	}
	describe(p, id.Source, watcher, sessions)
	p.Health.Document("/sessions", func(since time.Time) any {
		return map[string]any{"bundle_authority_ids": id.Source.AuthorityIDs(), "sessions": sessions.Sessions(since)}
	})
	// At the end no connection is taken any more, and what is open gets flowDrain. What carries
	// it ends after it.
	carrying, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer stop()
		defer local.Drain(flowDrain)
		return local.Serve(ctx)
	})
	g.Go(func() error { return pool.Run(carrying) })
	g.Go(func() error { return watcher.Run(carrying) })
	g.Go(func() error { return sessions.Run(carrying) })
	return g.Wait()
}
