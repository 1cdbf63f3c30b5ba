package proc

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"
)

// ErrStopped is returned by Restart and WaitReady when Run has ended.
var ErrStopped = errors.New("supervisor has stopped")

// Config describes the child. Zero durations mean the defaults.
type Config struct {
	Name   string   // name in logs
	Path   string   // the program
	Args   []string // without the program's name
	Dir    string   // working directory; empty means ours
	Env    []string // "KEY=value", in addition to PATH, HOME, LANG and TZ
	Logger *zap.Logger

	// Ready is asked every 50 ms until its first success after a start. Nil
	// means ready when started.
	Ready func(ctx context.Context) error

	// Futile says, after a death, that another start is of no use for now: then the next
	// one waits for half a minute, and up to five minutes. Nil means never.
	Futile func() bool

	StopTimeout time.Duration // from SIGTERM to SIGKILL; default 10 s
	MinBackoff  time.Duration // first pause after a death; default 250 ms
	MaxBackoff  time.Duration // longest pause; default 10 s
	StableAfter time.Duration // a life this long counts as ready and resets the pause; default 30 s
}

// Process supervises one child.
type Process struct {
	cfg      Config
	log      *zap.Logger
	repeats  *repeats // over all lives of the child
	requests chan request
	stopped  chan struct{} // closed when Run ends

	mu      sync.Mutex
	running bool // Run was called
	status  Status
	changed chan struct{} // closed and replaced at each change of status
}

// request is one call of Restart.
type request struct {
	between func() error
	done    chan error // buffered: the caller may have gone
}

// New checks the configuration. It fails when the program does not exist.
func New(cfg Config) (*Process, error) {
	if cfg.Name == "" || cfg.Logger == nil {
		return nil, errors.New("supervisor: name and logger are required")
	}
	path, err := exec.LookPath(cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("supervise %s: %w", cfg.Name, err)
	}
	cfg.Path = path
	setDefault(&cfg.StopTimeout, 10*time.Second)
	setDefault(&cfg.MinBackoff, 250*time.Millisecond)
	setDefault(&cfg.MaxBackoff, 10*time.Second)
	setDefault(&cfg.StableAfter, 30*time.Second)
	return &Process{
		cfg:      cfg,
		log:      cfg.Logger.Named(cfg.Name),
		repeats:  &repeats{},
		requests: make(chan request),
		stopped:  make(chan struct{}),
		status:   Status{State: StateStopped, Since: time.Now()},
		changed:  make(chan struct{}),
	}, nil
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

// Run keeps the child running until ctx ends, then stops it (SIGTERM, after
// StopTimeout SIGKILL) and returns nil. It can be called once.
func (p *Process) Run(ctx context.Context) error {
	p.mu.Lock()
	again := p.running
	p.running = true
	p.mu.Unlock()
	if again {
		return fmt.Errorf("supervise %s: Run was called twice", p.cfg.Name)
	}
	defer close(p.stopped)
	defer p.set(func(s *Status) { s.State, s.PID = StateStopped, 0 })

	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = p.cfg.MinBackoff, p.cfg.MaxBackoff
	pause.Multiplier, pause.RandomizationFactor = 2, 0.1
	pause.Reset()
	var futile time.Duration
	var asked *request // a Restart that waits for the next start
	for ctx.Err() == nil {
		life := p.live(ctx, asked)
		asked = life.asked
		switch {
		case asked != nil || ctx.Err() != nil:
			continue
		case life.stable:
			pause.Reset()
		}
		asked = p.rest(ctx, p.pause(pause, &futile))
	}
	return nil
}

// Pauses before a start that is of no use: doubled from the first to the most.
const (
	futileFirst = 30 * time.Second
	futileMost  = 5 * time.Minute
)

// pause is how long to wait after a death; futile is the pause before it.
func (p *Process) pause(usual *backoff.ExponentialBackOff, futile *time.Duration) time.Duration {
	next := usual.NextBackOff()
	if p.cfg.Futile == nil || !p.cfg.Futile() {
		*futile = 0
		return next
	}
	*futile = min(max(2**futile, futileFirst), futileMost)
	return max(*futile, next)
}

// rest waits until the next start is due, or until Restart asks for it now.
func (p *Process) rest(ctx context.Context, pause time.Duration) *request {
	p.set(func(s *Status) { s.State, s.PID = StateBackoff, 0 })
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return nil
	case <-timer.C:
		return nil
	case r := <-p.requests:
		return &r
	}
}

// Restart stops the child, runs between (which may be nil) while no child lives,
// and starts it again at once, without a pause. It returns when the new child
// was started; WaitReady waits further. An error of between is returned, but the
// child is started all the same: an agent with old data beats none.
func (p *Process) Restart(ctx context.Context, between func() error) error {
	r := request{between: between, done: make(chan error, 1)}
	select {
	case p.requests <- r:
	case <-p.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-r.done:
		return err
	case <-p.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}
