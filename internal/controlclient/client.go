package controlclient

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/rpcauth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

// DefaultStable is how long a stream must have lived before the next wait starts
// from the beginning again.
const DefaultStable = 30 * time.Second

// DefaultAnswer is how long a peer may take for its first message. Keepalive finds
// a dead transport, not a server that accepts streams and is stuck behind them.
const DefaultAnswer = 20 * time.Second

// maxRetryAfter bounds how long a peer can send us away: a wrong value must not
// take a site off the network for days.
const maxRetryAfter = 10 * time.Minute

// Serve uses one connection until its stream ends, and returns why. It calls
// established once the peer has answered on the stream: a handshake alone does
// not show that the peer wants us. It must return soon after ctx ends, and must
// not call established after it returned.
type Serve func(ctx context.Context, conn *grpc.ClientConn, established func()) error

// Around keeps both ends of a connection proven while use runs on it; see
// reproof.Client.
type Around func(ctx context.Context, conn *grpc.ClientConn, use func(context.Context) error) error

// Config configures a Client.
type Config struct {
	// Addresses (host:port) were configured. They are tried in turn and never leave
	// the rotation. The list may be empty at first.
	Addresses []string
	// Learned are tried after them: what Learn received in an earlier run.
	Learned Learned
	// TLS verifies the peer; see mtls.ClientConfig.
	TLS   *tls.Config
	Serve Serve
	// Reproof is not optional: without it a link would outlive the identities that
	// opened it.
	Reproof Around
	// Kick ends a wait at once. It gets a value when an attempt that failed may
	// work now: a fresh SVID. Optional; the client takes its values.
	Kick <-chan struct{}
	// MaxMessage is the largest message the peer may send, in bytes; 32 KiB by default.
	MaxMessage int
	// Dial reaches an address; TCP by default.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Stable defaults to DefaultStable.
	Stable time.Duration
	// Answer defaults to DefaultAnswer.
	Answer time.Duration
	// Jitter defaults to FullJitter.
	Jitter Jitter
	// Probe defaults to Dial and a handshake by TLS.
	Probe Probe
	// Ended is called with why each attempt ended, one of Reasons. Optional.
	Ended func(reason string)
	Log   *zap.Logger
}

// Status is what readiness asks of a link.
type Status struct {
	// Connected says that the peer has answered on the stream that is open now.
	Connected bool
	// Since is when the present state began.
	Since time.Time
	// Address is the one in use or tried last.
	Address string
	// LastError is why the last stream ended, nil before the first end.
	LastError error
}

// Client keeps one link alive.
type Client struct {
	cfg     Config
	changed topic.Hint // addresses were replaced

	mu        sync.Mutex
	addresses []string
	learned   Learned
	next      int // in rotation
	status    Status
	said      map[string]string // address to the reason logged last
	reasons   map[string]string // address to why its last attempt ended, one of Reasons
}

// RetryAfter is the error with which Serve reports that the peer asked to be left
// alone for a while.
type RetryAfter struct {
	Delay  time.Duration
	Reason string
}

// errNoAnswer ends an attempt whose peer accepts the stream and sends nothing.
var errNoAnswer = errors.New("the peer did not answer on the stream")

// Error implements error.
func (e *RetryAfter) Error() string { return "the peer closed the stream: " + e.Reason }

// New checks the configuration; Run does the work.
func New(cfg Config) (*Client, error) {
	if cfg.TLS == nil || cfg.Serve == nil || cfg.Reproof == nil || cfg.Log == nil {
		return nil, errors.New("control client needs TLS, Serve, Reproof and Log")
	}
	if cfg.Stable == 0 {
		cfg.Stable = DefaultStable
	}
	if cfg.Answer == 0 {
		cfg.Answer = DefaultAnswer
	}
	if cfg.MaxMessage == 0 {
		cfg.MaxMessage = defaultMessage
	}
	if cfg.Ended == nil {
		cfg.Ended = func(string) {}
	}
	if cfg.Probe == nil {
		cfg.Probe = handshake(cfg.TLS, cfg.Dial)
	}
	return &Client{
		cfg: cfg, changed: topic.NewHint(), addresses: slices.Clone(cfg.Addresses), learned: cfg.Learned.clone(),
		status: Status{Since: time.Now()}, said: map[string]string{}, reasons: map[string]string{},
	}, nil
}

// SetAddresses replaces the configured addresses. An open stream stays; a wait
// ends.
func (c *Client) SetAddresses(addresses []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(addresses, c.addresses) {
		c.addresses = slices.Clone(addresses)
		c.replaced()
	}
}

// Learn takes the addresses that the peer at the other end of the stream names (see
// Acceptable) in place of those learned before. An open stream stays; a wait ends.
func (c *Client) Learn(addresses []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.learned.Addresses
	c.learned = Learned{Addresses: addresses, ConfirmedAt: time.Now().Round(0)}.clone()
	if !slices.Equal(c.learned.Addresses, before) {
		c.replaced()
	}
}

// rotation needs the lock.
func (c *Client) rotation() []string { return rotation(c.addresses, c.learned, time.Now()) }

// replaced begins with the first address again. It needs the lock.
func (c *Client) replaced() {
	c.next, c.said, c.reasons = 0, map[string]string{}, map[string]string{}
	c.changed.Wake()
}

// Status may be called at any time.
func (c *Client) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Run keeps the link until ctx ends, and returns nil then.
func (c *Client) Run(ctx context.Context) error {
	wait, probes := NewBackoff(c.cfg.Jitter), newProber(c.cfg.Jitter)
	for {
		addr, ok := c.nextAddress(ctx)
		if !ok {
			return nil
		}
		lived, err := c.attempt(ctx, addr)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end of ctx is the end that was asked for
		}
		c.ended(addr, err)
		if lived >= c.cfg.Stable {
			wait.Reset()
		}
		if lived > 0 {
			// A rotation, or a list of addresses, that came while the stream was up is no
			// reason to hurry now; the list came to everybody.
			drain(c.cfg.Kick)
			drain(c.changed)
		}
		probes.attempted(lived)
		c.pause(ctx, wait.Next(), err, probes)
	}
}

// nextAddress waits while there is none.
func (c *Client) nextAddress(ctx context.Context) (string, bool) {
	for ctx.Err() == nil {
		c.mu.Lock()
		addresses := c.rotation()
		if n := len(addresses); n > 0 {
			addr := addresses[c.next%n]
			c.next = (c.next + 1) % n
			c.status.Address = addr
			drain(c.changed)
			c.mu.Unlock()
			return addr, true
		}
		c.mu.Unlock()
		select {
		case <-c.changed:
		case <-ctx.Done():
		}
	}
	return "", false
}

// attempt returns how long the stream lived since the peer answered on it.
func (c *Client) attempt(ctx context.Context, addr string) (time.Duration, error) {
	conn, err := c.dial(addr)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(c.cfg.Answer, func() { cancel(errNoAnswer) })
	defer silence.Stop()
	var since time.Time
	established := sync.OnceFunc(func() {
		silence.Stop()
		since = c.established(addr)
	})
	err = c.cfg.Reproof(ctx, conn, func(ctx context.Context) error { return c.cfg.Serve(ctx, conn, established) })
	switch {
	case errors.Is(context.Cause(ctx), errNoAnswer):
		err = errNoAnswer
	case err == nil:
		err = errors.New("the stream ended")
	}
	if since.IsZero() {
		return 0, err
	}
	return max(time.Since(since), 1), err
}

func (c *Client) established(addr string) time.Time {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Connected, c.status.Since = true, now
	delete(c.said, addr)
	c.cfg.Log.Info("stream established", zap.String("address", addr))
	return now
}

// ended records why and logs it when it is news: an outage of a day is a handful
// of lines, not a thousand.
func (c *Client) ended(addr string, err error) {
	why, reason := reasonOf(err), shape(err)
	c.cfg.Ended(why)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reasons[addr] = why
	if c.status.Connected {
		c.status.Connected, c.status.Since = false, time.Now()
		c.learned.ConfirmedAt = time.Now().Round(0) // until now the peer confirmed them
	}
	c.status.LastError = Plain(err)
	if c.said[addr] == reason {
		return
	}
	c.said[addr] = reason
	c.cfg.Log.Warn("stream ended, retrying", zap.String("address", addr), requestOf(err), zap.Error(err))
}

// pause waits d, or as long as the peer asked for and d on top, so that everybody
// it sent away does not come back in the same moment. Only its own wait is cut
// short, by a kick or a probe; the peer's is kept.
func (c *Client) pause(ctx context.Context, d time.Duration, err error, probes *prober) {
	if asked := (*RetryAfter)(nil); errors.As(err, &asked) && asked.Delay > 0 {
		select {
		case <-time.After(min(asked.Delay, maxRetryAfter)):
			probes.stagger()
		case <-ctx.Done():
			return
		}
	}
	wait := time.NewTimer(d)
	defer wait.Stop()
	for {
		select {
		case <-wait.C:
			return
		case <-c.cfg.Kick:
			return
		case <-c.changed:
			return
		case <-ctx.Done():
			return
		case <-time.After(time.Until(probes.due)):
			if c.probe(ctx, probes) {
				return
			}
		}
	}
}

func drain(ch <-chan struct{}) {
	select {
	case <-ch:
	default:
	}
}

// requestOf is the id under which the peer's log has it.
func requestOf(err error) zap.Field {
	if id := rpcauth.RequestID(err); id != "" {
		return zap.String("request_id", id)
	}
	return zap.Skip()
}
