package session

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
)

const (
	// lookEvery is how often sessions that could be replaced are looked at.
	lookEvery = 250 * time.Millisecond
	// stalled: this program itself stood still (SIGSTOP, a machine without CPU time) when
	// a look comes that late.
	stalled = time.Second
	// pingEvery is how often a connector that could be replaced is asked for an answer,
	// silentAfter how long it may take for one. Both and a look are less than 4.1 s: a
	// connector whose packets vanish has a successor within 5 s.
	pingEvery, silentAfter = 1250 * time.Millisecond, 2500 * time.Millisecond
	// Time for a session to open: again after an error, and at all.
	afterError, toOpen = 700 * time.Millisecond, 3 * time.Second
	// measureEvery is how often the latency of one connector without a session is
	// measured, give or take a fifth: 4 handshakes a minute whatever the fleet.
	measureEvery = 15 * time.Second
	// Of one measurement: for one address, and for all of them.
	measureAddress, measureAll = 3 * time.Second, 5 * time.Second
)

// Measure returns the latency of a connector that there is no session with.
type Measure func(ctx context.Context, c directory.Connector) (time.Duration, error)

// handshake is the Measure of a real tunneler: how long TCP takes. TLS follows, because
// only it shows who answered, and because a connector has no limits for the
// unauthenticated to spend on us.
func handshake(id Identity) Measure {
	return func(ctx context.Context, c directory.Connector) (latency time.Duration, err error) {
		ctx, cancel := context.WithTimeout(ctx, measureAll)
		defer cancel()
		config := mtls.ClientConfig(id, mtls.Exactly(c.SPIFFEID)).Clone()
		config.NextProtos = []string{"h2"}
		err = errors.New("it lists no address")
		for _, addr := range c.Addresses {
			if latency, err = shake(ctx, addr, config); err == nil || ctx.Err() != nil {
				return latency, err
			}
		}
		return 0, err
	}
}

func shake(ctx context.Context, addr string, config *tls.Config) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, measureAddress)
	defer cancel()
	begin := time.Now()
	socket, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, err
	}
	defer func() { _ = socket.Close() }()
	latency := time.Since(begin)
	conn := tls.Client(socket, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return 0, err
	}
	return latency, conn.Close()
}

// measured is what Measure said.
type measured struct {
	id      string
	latency time.Duration
	err     error
}

// measure begins to measure one connector, if it is the turn of any.
func (m *Manager) measure(ctx context.Context, g *errgroup.Group) (began bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id, ok := m.mesh.NextProbe(time.Now())
	if !ok {
		return false
	}
	c := m.candidates[m.ids[id]]
	g.Go(func() error {
		latency, err := m.cfg.Measure(ctx, c)
		select {
		case m.results <- measured{id, latency, err}:
		case <-ctx.Done():
		}
		return nil
	})
	return true
}

func (m *Manager) learn(r measured) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.err != nil {
		m.cfg.Log.Debug("connector not measured", zap.String("connector_id", r.id), zap.Error(r.err))
		m.mesh.Unreachable(time.Now(), r.id)
		return
	}
	m.mesh.Measured(r.id, r.latency)
}

// adoption asks the manager's loop for a session with the connector that
// CONNECTOR_ADDR leads to.
type adoption struct {
	id   spiffeid.ID
	done chan struct{}
}

// adopt returns the session with a listed connector, nil if it is not listed any more.
func (m *Manager) adopt(ctx context.Context, id spiffeid.ID) *Session {
	a := adoption{id, make(chan struct{})}
	select {
	case m.adoptions <- a:
	case <-ctx.Done():
		return nil
	}
	select {
	case <-a.done:
		return m.session(id)
	case <-ctx.Done():
		return nil
	}
}

// state is how the session is, for Mesh. Only Manager.reconcile calls it.
func (s *Session) state(awake stopwatch) Link {
	st := s.status()
	s.mu.Lock()
	withheld, addresses, began := s.withheld, len(s.addresses), s.dialed
	s.mu.Unlock()
	if st.Since.After(began) {
		began = st.Since
	}
	since := func(at time.Time) time.Duration { return s.patience.since(at, awake) }
	down := func(format string, values ...any) Link {
		return Link{State: Down, Why: fmt.Sprintf(format, values...)}
	}
	switch oldest := s.tally.oldest(); {
	case st.Connected && !oldest.IsZero() && since(oldest) > silentAfter:
		return down("it has not answered for %s", since(oldest).Round(100*time.Millisecond))
	case st.Connected:
		return Link{State: Up, Latency: s.tally.latency()}
	case withheld:
		return Link{}
	case addresses == 0:
		return down("it has no address yet")
	case st.LastError != nil && since(began) > afterError:
		return down("%v", st.LastError)
	case since(began) > toOpen:
		return down("no session within %s", toOpen)
	default:
		return Link{}
	}
}
