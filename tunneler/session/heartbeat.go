package session

import (
	"errors"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// missedBeats is how many heartbeats in a row may find that nothing was answered
// since the one before.
const missedBeats = 3

// window is how many messages may be unanswered when a probe is sent: a connector
// that stood still for a while is not greeted with more than it allows at once.
const window = 16

// errUnanswered ends a session whose connector takes heartbeats and answers none.
var errUnanswered = errors.New("the connector did not acknowledge our heartbeats")

// beat sends heartbeats, and probes between them, until the receiving side has
// ended, and returns nil then.
func (s *Session) beat(stream zerotrustv1.TunnelService_SessionClient, gone <-chan struct{}) error {
	swapped, unsubscribe := s.cfg.Identity.Subscribe()
	defer unsubscribe()
	trust, forget := s.cfg.Identity.SubscribeBundle()
	defer forget()
	tick := time.NewTicker(s.cfg.Heartbeat)
	defer tick.Stop()
	probe, stopProbes := ticks(s.cfg.Probe)
	defer stopProbes()
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	missed, acknowledged := 0, s.tally.acknowledged()
	for hb := s.heartbeat(); ; hb = s.heartbeat() {
		if err := s.send(stream, hb); err != nil {
			return err
		}
		for waiting := true; waiting; {
			select {
			case <-probe:
				if err := s.ask(stream); err != nil {
					return err
				}
			case <-ping.C:
				if !s.spare.Load() {
					continue
				}
				if err := s.ask(stream); err != nil {
					return err
				}
			case <-tick.C:
				waiting = false
				last := acknowledged
				if acknowledged = s.tally.acknowledged(); acknowledged > last {
					missed = 0
				} else if missed++; missed >= missedBeats {
					return errUnanswered
				}
			case <-swapped: // the connector passes the new serial on
				waiting = false
			case <-trust: // and which authorities we trust
				waiting = false
			case <-s.gone:
				return errGone
			case <-gone:
				return nil
			}
		}
	}
}

// ticks is a ticker, or none for zero.
func ticks(every time.Duration) (c <-chan time.Time, stop func()) {
	if every == 0 {
		return nil, func() {}
	}
	t := time.NewTicker(every)
	return t.C, t.Stop
}

// ask sends a probe, unless too many messages wait for their answers already.
func (s *Session) ask(stream zerotrustv1.TunnelService_SessionClient) error {
	if s.tally.pending() >= window {
		return nil
	}
	return s.send(stream, nil)
}

// send sends the next message, a probe without a heartbeat.
func (s *Session) send(stream zerotrustv1.TunnelService_SessionClient, hb *zerotrustv1.TunnelerHeartbeat) error {
	m := &zerotrustv1.SessionRequest{Heartbeat: hb, Sequence: s.tally.send()}
	if m.Sequence == 1 && s.cfg.Flows != nil {
		m.Instance = s.cfg.instance[:]
	}
	return stream.Send(m)
}

func (s *Session) heartbeat() *zerotrustv1.TunnelerHeartbeat {
	st := s.cfg.Identity.Status()
	return &zerotrustv1.TunnelerHeartbeat{
		TunnelerId: s.cfg.ID, Version: wire.Clip(s.cfg.Version, wire.MaxLabel),
		Svid:               &zerotrustv1.SVIDStatus{Serial: st.Serial, AuthorityId: st.AuthorityID, NotAfter: timestamppb.New(st.NotAfter)},
		BundleAuthorityIds: wire.ClipAuthorities(s.cfg.Identity.AuthorityIDs()),
	}
}
