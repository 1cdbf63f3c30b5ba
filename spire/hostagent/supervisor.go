package hostagent

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/conf"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
)

// Bundle is what the controller says over the bootstrap trust.
type Bundle struct {
	Authorities []*x509.Certificate
	// ServerAddress of the SPIRE server, host:port. Empty leaves the host at the one
	// that it has: the controller sent none, or only Refused.
	ServerAddress string
	// Refused is an address that the controller sent and no host accepts from it: a
	// loopback one over the network, for example.
	Refused string
	// SyncInterval is how often the agent is to ask the SPIRE server, from its next start
	// on. What is not between 1 s and 5 s leaves it as it is.
	SyncInterval time.Duration
	// Standing is what the controller says of this host, Members who is enrolled on it.
	Standing Standing
	Members  []string // SPIFFE IDs
	// Renewed says that the host has another certificate now, with which its agent has to
	// attest; TrustErr why its certificate or its bootstrap CA could not be kept current.
	Renewed  bool
	TrustErr error
	// Clock is how far this host's clock is ahead of the controller's, nil if it did not say.
	Clock *health.ClockAhead
}

// Config describes the host. Zero durations mean the defaults.
type Config struct {
	Dir         Dir
	AgentBinary string
	// Agent is what its configuration says of SocketPath, LogLevel, MetricsPort and Systemd;
	// the rest of it is written here.
	Agent  conf.Agent
	Logger *zap.Logger

	// Fetch gets the current bundle over the bootstrap trust. It is also the probe
	// of the controller.
	Fetch func(ctx context.Context) (Bundle, error)

	ProbeInterval time.Duration    // default 10 s
	ProbeTimeout  time.Duration    // of each single probe; default 5 s
	JitterCap     time.Duration    // longest wait before a restart; default 5 s
	Patience      time.Duration    // how long an agent may be unhealthy; default 30 s
	Now           func() time.Time // default time.Now
}

// Supervisor keeps one spire-agent alive and current.
type Supervisor struct {
	cfg  Config
	log  *zap.Logger
	host Host // only Run's goroutine uses it, authorities, refused and doubted
	// authorities of the bundle that was fetched last, and what was refused of it.
	authorities []*x509.Certificate
	refused     string
	syncEvery   time.Duration // of the agent, from its next start on
	doubted     string        // address of a SPIRE server that was not followed
	refusals    int           // rounds in a row in which the controller did not want this host
	notice      Notice        // as it was written last
	telling     logging.Condition
	trusting    logging.Condition
	decider     Decider
	process     *proc.Process

	futile atomic.Bool // another start of the agent is of no use

	mu     sync.Mutex
	status Status
}

// New checks the configuration and reads host.json.
func New(cfg Config) (*Supervisor, error) {
	if cfg.Fetch == nil || cfg.Logger == nil {
		return nil, errors.New("host agent: fetch and logger are required")
	}
	if err := conf.CheckSocketPath(cfg.Agent.SocketPath); err != nil {
		return nil, fmt.Errorf("host agent: %w", err)
	}
	host, err := cfg.Dir.ReadHost()
	if err != nil {
		return nil, fmt.Errorf("host agent: %w", err)
	}
	setDefault(&cfg.ProbeInterval, 10*time.Second)
	setDefault(&cfg.ProbeTimeout, proc.Patience)
	setDefault(&cfg.JitterCap, 5*time.Second)
	setDefault(&cfg.Patience, 30*time.Second)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Supervisor{
		cfg: cfg, log: cfg.Logger.Named("hostagent"), host: host, syncEvery: defaultSync,
		decider: Decider{Interval: cfg.ProbeInterval, Patience: cfg.Patience, Ephemeral: host.Ephemeral},
		status:  Status{ServerAddress: host.SPIREServerAddress},
	}
	s.process, err = proc.New(proc.Config{
		Name: "spire_agent", Path: cfg.AgentBinary, Args: []string{"run", "-config", cfg.Dir.AgentConf()},
		Logger: cfg.Logger, Ready: func(ctx context.Context) error { return proc.Serving(ctx, cfg.Agent.SocketPath) },
		Futile: s.futile.Load,
	})
	if err != nil {
		return nil, fmt.Errorf("host agent: %w", err)
	}
	return s, nil
}

// An agent learns of a second role on its host, and of a new, tainted or revoked authority,
// when it asks the SPIRE server: a CA rotation waits for that three times. SPIRE's default
// is five seconds.
const (
	// MinSync is the least that a controller may say.
	MinSync = time.Second
	// MaxSync is the most.
	MaxSync = 5 * time.Second
	// defaultSync is for a host whose controller gives no interval.
	defaultSync = 2 * time.Second
)

func setDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

// Run starts the agent and keeps it until ctx ends; then it stops the agent and
// returns nil. An error means that the host's files cannot be used.
func (s *Supervisor) Run(ctx context.Context) error {
	if err := s.prepare(ctx); err != nil {
		return fmt.Errorf("host agent: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.process.Run(ctx) })
	group.Go(func() error {
		s.watch(ctx)
		return nil
	})
	return group.Wait()
}

// prepare makes the files for the first start. A host that was off for days gets
// the current bundle here; when the controller is away, the first success later
// counts as the network's return.
func (s *Supervisor) prepare(ctx context.Context) error {
	if err := makeSocketDir(filepath.Dir(s.cfg.Agent.SocketPath)); err != nil {
		return err
	}
	round := s.observe(ctx)
	if !round.Reachable {
		s.decider.Absent()
	}
	// The agent's key lives in memory, so what an earlier agent left is of no use
	// to this one, and its bundle may be stale.
	if round.Reachable && !s.host.Ephemeral {
		if err := clearDir(s.cfg.Dir.Data()); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(s.cfg.Dir.Data(), 0o700); err != nil {
		return err
	}
	return s.writeAgentConf()
}

// makeSocketDir lets every user reach the Workload API: SPIRE decides by
// attestation who gets an identity, not by file modes. A directory that exists
// (systemd's RuntimeDirectory) stays as it is.
func makeSocketDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.Chmod(dir, 0o755) //nolint:gosec // against a tight umask
}

func (s *Supervisor) writeAgentConf() error {
	host, port, err := splitAddress(s.host.SPIREServerAddress)
	if err != nil {
		return fmt.Errorf("SPIRE server address: %w", err)
	}
	agent := s.cfg.Agent
	agent.TrustDomain, agent.ServerAddress, agent.ServerPort = s.host.TrustDomain, host, port
	agent.DataDir, agent.BundlePath, agent.SyncInterval = s.cfg.Dir.Data(), s.cfg.Dir.Bundle(), s.syncEvery
	switch {
	case !s.host.Ephemeral:
		agent.X509POP = &conf.X509POP{PrivateKeyPath: s.cfg.Dir.Key(), CertificatePath: s.cfg.Dir.Certificate()}
	case s.host.JoinTokenFile != "":
		agent.JoinTokenFile = s.host.JoinTokenFile
	default:
		agent.JoinTokenFile = s.cfg.Dir.JoinToken()
	}
	data, err := agent.Render()
	if err != nil {
		return err
	}
	return atomicfile.Write(s.cfg.Dir.AgentConf(), data, 0o600)
}

// watch probes until ctx ends.
func (s *Supervisor) watch(ctx context.Context) {
	ticker := time.NewTicker(s.cfg.ProbeInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		round := s.observe(ctx)
		if ctx.Err() != nil {
			return
		}
		if reason := s.decider.Decide(round); reason != NoReason {
			s.restart(ctx, reason)
		}
	}
}

// restart waits a random moment, so that a thousand hosts do not come back at
// once, and gives the agent a new start with nothing but the files of the host.
func (s *Supervisor) restart(ctx context.Context, reason Reason) {
	jitter := rand.N(s.cfg.JitterCap) //nolint:gosec // spreads load, protects nothing
	s.log.Info("restarting SPIRE agent with the current bundle", zap.String("reason", string(reason)), zap.Duration("jitter", jitter))
	timer := time.NewTimer(jitter)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return
	case <-timer.C:
	}
	err := s.process.Restart(ctx, func() error { return errors.Join(clearDir(s.cfg.Dir.Data()), s.writeAgentConf()) })
	if err != nil && ctx.Err() == nil {
		s.log.Warn("SPIRE agent did not restart cleanly", zap.Error(err))
	}
	s.noteRestart(reason)
}
