package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
)

// missedBeats is how many heartbeats may stay unanswered.
const missedBeats = 3

// errUnanswered ends a session whose connector takes heartbeats and says nothing.
var errUnanswered = errors.New("the connector did not acknowledge our heartbeats")

// Session is the link to one connector.
type Session struct {
	cfg       Config
	connector directory.Connector
	client    *controlclient.Client
	kick      func()
}

func newSession(cfg Config, c directory.Connector) (*Session, error) {
	s := &Session{cfg: cfg, connector: c}
	kick, unkick := cfg.Identity.Subscribe()
	s.kick = unkick
	var err error
	s.client, err = controlclient.New(controlclient.Config{
		Addresses: c.Addresses,
		TLS:       mtls.ClientConfig(cfg.Identity, mtls.Exactly(c.SPIFFEID)),
		Serve:     s.serve,
		Reproof:   cfg.reproof.Around,
		Kick:      kick,
		Ended:     cfg.Ended,
		Log:       cfg.Log.With(zap.Stringer("connector_spiffe_id", c.SPIFFEID)),
	})
	if err != nil {
		unkick()
		return nil, err
	}
	return s, nil
}

func (s *Session) run(ctx context.Context) error {
	defer s.kick()
	return s.client.Run(ctx)
}

// ready says why there is no session.
func (s *Session) ready() error {
	st := s.client.Status()
	switch {
	case st.Connected:
		return nil
	case st.Address == "":
		return fmt.Errorf("connector %s has no address yet: is it running?", s.connector.ID)
	case st.LastError == nil:
		return fmt.Errorf("connecting to connector %s at %s", s.connector.ID, st.Address)
	default:
		return fmt.Errorf("connector %s at %s: %w", s.connector.ID, st.Address, st.LastError)
	}
}

// errFormer ends a session with a host that held the connector's id before: it has
// the right SPIFFE ID until its last SVID expires, and would keep us.
var errFormer = errors.New("this is a former, revoked holder of the connector's id")

// serve is one Session stream.
func (s *Session) serve(ctx context.Context, conn *grpc.ClientConn, established func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := zerotrustv1.NewTunnelServiceClient(conn).Session(ctx)
	if err != nil {
		return err
	}
	link := mtls.ConnOf(stream.Context()) //nolint:contextcheck // gRPC's, which knows the connection
	if link == nil || link.OpenedWith().NotBefore.Before(s.connector.SVIDNotBefore) {
		return errFormer
	}
	acks := make(chan struct{}, 1)
	gone := make(chan struct{})
	var cause error
	go func() {
		defer close(gone)
		defer cancel()
		cause = receive(stream, acks, established)
	}()
	err = s.beat(stream, acks, gone)
	if err == nil || errors.Is(err, io.EOF) { // the reason is on the receiving side
		<-gone
		return cause
	}
	cancel()
	<-gone
	return err
}

// receive returns why the connector ended the session.
func receive(stream zerotrustv1.TunnelService_SessionClient, acks chan<- struct{}, established func()) error {
	for {
		_, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return errors.New("the connector closed the session")
		}
		if err != nil {
			return err
		}
		established()
		select {
		case acks <- struct{}{}:
		default:
		}
	}
}

// beat sends heartbeats until the receiving side has ended, and returns nil then.
func (s *Session) beat(stream zerotrustv1.TunnelService_SessionClient, acks, gone <-chan struct{}) error {
	swapped, unsubscribe := s.cfg.Identity.Subscribe()
	defer unsubscribe()
	trust, forget := s.cfg.Identity.SubscribeBundle()
	defer forget()
	tick := time.NewTicker(s.cfg.Heartbeat)
	defer tick.Stop()
	for unanswered := 0; ; {
		if unanswered >= missedBeats {
			return errUnanswered
		}
		if err := stream.Send(s.heartbeat()); err != nil {
			return err
		}
		unanswered++
		for waiting := true; waiting; {
			select {
			case <-acks:
				unanswered = 0
			case <-tick.C:
				waiting = false
			case <-swapped: // the connector passes the new serial on
				waiting = false
			case <-trust: // and which authorities we trust
				waiting = false
			case <-gone:
				return nil
			}
		}
	}
}

func (s *Session) heartbeat() *zerotrustv1.SessionRequest {
	st := s.cfg.Identity.Status()
	return &zerotrustv1.SessionRequest{Heartbeat: &zerotrustv1.TunnelerHeartbeat{
		TunnelerId: s.cfg.ID, Version: s.cfg.Version,
		Svid:               &zerotrustv1.SVIDStatus{Serial: st.Serial, AuthorityId: st.AuthorityID, NotAfter: timestamppb.New(st.NotAfter)},
		BundleAuthorityIds: s.cfg.Identity.AuthorityIDs(),
	}}
}
