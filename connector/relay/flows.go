package relay

import (
	"errors"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// errFlowMisbehaved is what the audit log says of a flow connection that was cut for what the
// tunneler sent on it.
var errFlowMisbehaved = errors.New("the tunneler broke the flow protocol")

// Sessions of one tunneler, and so its flow connections, that are logged because it broke the
// protocol. The audit log counts all of them.
const misbehavedEvery, misbehavedBurst = 10 * time.Second, 10

// newFlows takes the flows of those whom the policy admits.
func (r *Relay) newFlows() (*flow.Acceptor, error) {
	log := r.log.Named("flow")
	carrier, err := r.cfg.Flows(reach{r.policy}, r.records.add)
	if err != nil {
		return nil, err
	}
	r.carrier = carrier
	logged := sourcelimit.NewIdentities(misbehavedEvery, misbehavedBurst, time.Now)
	return flow.NewAcceptor(flow.AcceptorConfig{
		Handler: carrier, Admit: r.policy.connected, Limits: r.cfg.Limits,
		Lapse: func(session *mtls.Conn, over func(error)) func() { return reproof.Lapse(session, r.cfg.Identity, over) },
		Misbehaved: func(c *mtls.Conn, err error) {
			if logged.AllowKey(c.Peer().String()) {
				log.Warn("tunneler broke the flow protocol, connection closed",
					zap.Stringer("spiffe_id", c.Peer()), zap.Stringer("caller_addr", c.RemoteAddr()), zap.Error(err))
			}
			r.refused.add(c.Peer().String(), c.RemoteAddr().String(), errFlowMisbehaved)
		},
		Log: log,
	})
}

// FlowStatus is the state of the flows at a moment.
func (r *Relay) FlowStatus() (st flow.AcceptorStatus) {
	if r.flows != nil {
		st = r.flows.Status()
	}
	return st
}

// sweepFlows ends the flows of those of these tunnelers, of all for nil, whom the policy does
// not admit.
func (r *Relay) sweepFlows(ids []spiffeid.ID) {
	if r.flows != nil {
		r.flows.Sweep(ids, r.policy.connected)
	}
}

// bind lets flows bind to a session whose first message this is. It returns the id by which
// the tunneler names it, nil where there are no flows.
func (v *service) bind(s *session, link *mtls.Conn, first *zerotrustv1.SessionRequest) ([]byte, error) {
	instance, ok := flow.ParseInstance(first.GetInstance())
	if v.flows == nil || !ok {
		return nil, nil
	}
	id := flow.NewSessionID()
	ticket, err := v.flows.Attach(flow.Accepted{ID: id, Instance: instance, Link: link})
	if err != nil {
		return nil, err
	}
	if !v.sessions.hold(s, ticket) {
		ticket.End(statusStopping)
	}
	return id[:], nil
}

// release lets the flows of a session that has ended wait for the next one, unless it ended
// for a reason that holds for them too.
func (s *session) release(err, cut error) {
	if s.ticket == nil {
		return
	}
	bad := cut != nil && !errors.Is(cut, mtls.ErrClosed) // we closed it, for a proof that is none above all
	switch endReason(err, cut) {
	case unproven, revoked, noPolicy, protocol:
		bad = true
	}
	if bad {
		s.ticket.End(errors.Join(flow.ErrRevoked, err))
		return
	}
	s.ticket.Lost()
}

// hold notes the flows of a session; false is a session that has ended.
func (ss *sessions) hold(s *session, t *flow.Ticket) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if s.ended {
		return false
	}
	s.ticket = t
	return true
}

// statusBadInstance is what a tunneler gets whose instance is none, or comes late.
var statusBadInstance = status.Error(codes.InvalidArgument, "instance must be 16 bytes, in the first message of a session only")

// checkInstance needs the first message to have 16 bytes or none, and the others none.
func checkInstance(msg *zerotrustv1.SessionRequest) error {
	_, ok := flow.ParseInstance(msg.GetInstance())
	if len(msg.GetInstance()) == 0 || ok && msg.GetSequence() == 1 {
		return nil
	}
	return statusBadInstance
}
