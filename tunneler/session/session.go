package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
)

// errHeld ends a stream to a connector that has one already.
var errHeld = errors.New("the session with this connector is open on another connection")

// errGone ends a session whose connector is wanted no more.
var errGone = errors.New("the connector left the directory, was enrolled again, or another connector of its network is used instead")

// Session is the link to one connector. It is carried by one stream at a time: of its
// own client, which dials the connector's addresses, or of the door.
type Session struct {
	cfg       Config
	connector directory.Connector
	client    *controlclient.Client
	kick      func()
	tally     *tally
	link      atomic.Pointer[mtls.Conn] // of the newest stream
	gone      chan struct{}             // closed when it is wanted no more
	left      func()                    // called when a stream has ended
	patience  patience                  // of state

	mu        sync.Mutex
	addresses []string // of the connector
	held      bool     // a stream carries it
	door      *controlclient.Client
	// withheld: CONNECTOR_ADDR is tried before the own addresses.
	withheld bool
	dialed   time.Time // when the own client was given addresses last

	choice Choice
	spare  atomic.Bool // another connector could be used in its place
}

func newSession(cfg Config, c directory.Connector, left func()) (*Session, error) {
	s := &Session{cfg: cfg, connector: c, tally: &tally{now: time.Now}, gone: make(chan struct{}), left: left}
	kick, unkick := cfg.Identity.Subscribe()
	s.kick = unkick
	var err error
	s.client, err = controlclient.New(controlclient.Config{
		TLS:        mtls.ClientConfig(cfg.Identity, mtls.Exactly(c.SPIFFEID)),
		Serve:      s.serve,
		Reproof:    cfg.reproof.Around,
		MaxMessage: wire.MaxToTunneler,
		Dial:       cfg.Dial,
		Kick:       kick,
		Ended:      cfg.Ended,
		Log:        cfg.Log.With(zap.Stringer("connector_spiffe_id", c.SPIFFEID)),
	})
	if err != nil {
		unkick()
		return nil, err
	}
	return s, nil
}

// dial sets the addresses of the connector.
func (s *Session) dial(addresses []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addresses = addresses
	s.apply()
}

// withhold keeps the own addresses back, or ends that.
func (s *Session) withhold(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.withheld = yes
	s.apply()
}

// apply has the own client dial, unless the door's turn comes first. It needs the lock.
func (s *Session) apply() {
	if s.withheld || s.door != nil {
		s.client.SetAddresses(nil)
		s.dialed = time.Time{}
		return
	}
	if s.dialed.IsZero() {
		s.dialed = time.Now()
	}
	s.client.SetAddresses(s.addresses)
}

// take makes the caller's stream the one that carries the session, nil for that of the
// own client. False: another one does.
func (s *Session) take(door *controlclient.Client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held {
		return false
	}
	s.held, s.door = true, door
	s.apply()
	return true
}

// leave undoes take.
func (s *Session) leave() {
	s.mu.Lock()
	if s.door != nil {
		s.withheld = true // for a moment: the door is tried first again
	}
	s.held, s.door = false, nil
	s.apply()
	s.mu.Unlock()
	s.left()
}

// status is that of the stream which carries the session, or of the own client.
func (s *Session) status() controlclient.Status {
	s.mu.Lock()
	carrier := s.door
	s.mu.Unlock()
	if carrier == nil {
		carrier = s.client
	}
	return carrier.Status()
}

func (s *Session) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

func (s *Session) waits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.withheld
}

// ready says why there is no session.
func (s *Session) ready() error {
	st := s.status()
	switch {
	case st.Connected:
		return nil
	case s.waits():
		return fmt.Errorf("connector %s: CONNECTOR_ADDR %s is tried first", s.connector.ID, s.cfg.ConnectorAddr)
	case st.Address == "":
		return fmt.Errorf("connector %s has no address yet: is it running?", s.connector.ID)
	case st.LastError == nil:
		return fmt.Errorf("connecting to connector %s at %s", s.connector.ID, st.Address)
	default:
		return fmt.Errorf("connector %s at %s: %w", s.connector.ID, st.Address, st.LastError)
	}
}

// Info is one session, for diagnosis.
type Info struct {
	ConnectorID string `json:"connector_id"`
	Connected   bool   `json:"connected"`
	// Address in use or tried last; Since is when that began, Failure why the last
	// attempt ended.
	Address string    `json:"address,omitempty"`
	Since   time.Time `json:"since"`
	Failure string    `json:"failure,omitempty"`
	// Network of the connector, and why this one is used of those that are in it.
	Network string `json:"network,omitempty"`
	Why     string `json:"why,omitempty"`
	// Latency is the shortest of the last answers' times; zero before the first.
	Latency time.Duration `json:"latency_ns,omitempty"`
	// Answered is when the connector acknowledged a message last.
	Answered time.Time `json:"answered_at,omitzero"`
	// Socket is our end of the newest connection.
	Socket string `json:"socket,omitempty"`
	// The SVID that the connector proved last on it.
	Serial      string `json:"serial,omitempty"`
	AuthorityID string `json:"authority_id,omitempty"`
	Counts
}

func (s *Session) info(since time.Time) Info {
	st := s.status()
	s.mu.Lock()
	choice := s.choice
	s.mu.Unlock()
	out := Info{
		Network: choice.Network, Why: choice.Why, Latency: s.tally.latency(),
		ConnectorID: s.connector.ID, Connected: st.Connected, Address: st.Address, Since: st.Since,
		Answered: s.tally.answered(), Counts: s.tally.since(since),
	}
	if st.LastError != nil && !st.Connected {
		out.Failure = st.LastError.Error()
	}
	if link := s.link.Load(); link != nil {
		proven, _ := link.Proven()
		out.Socket, out.Serial, out.AuthorityID = link.LocalAddr().String(), proven.Serial, proven.AuthorityID
	}
	return out
}

// errFormer ends a session with a host that held the connector's id before: it has
// the right SPIFFE ID until its last SVID expires, and would keep us.
var errFormer = errors.New("this host held the connector's id before and was revoked")

// opened is a Session stream on which nothing was said yet: the connector takes it for
// a session with the first heartbeat.
type opened struct {
	zerotrustv1.TunnelService_SessionClient

	link *mtls.Conn
}

func open(ctx context.Context, conn *grpc.ClientConn) (opened, error) {
	stream, err := zerotrustv1.NewTunnelServiceClient(conn).Session(ctx)
	if err != nil {
		return opened{}, err
	}
	link := mtls.ConnOf(stream.Context()) //nolint:contextcheck // gRPC's, which knows the connection
	if link == nil {
		return opened{}, mtls.ErrNoPeer
	}
	return opened{stream, link}, nil
}

// judge refuses a former holder of the id, whose SVID is of another host or of before
// the present one.
func (s *Session) judge(link *mtls.Conn) error {
	if !link.OpenedWith().To(s.connector.HostID, s.connector.SVIDNotBefore) {
		return errFormer
	}
	return nil
}
