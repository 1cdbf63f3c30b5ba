package enroll

import (
	"context"
	"errors"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
)

// judgeRetry lets the key that claimed the token come back until what it enrolled
// has been seen alive: a lost reply burns nothing, a replay later gets nothing.
func (s *Service) judgeRetry(ctx context.Context, tx fleet.MembersTx, t Token, asked attestations) (string, error) {
	m, err := tx.Member(ctx, t.Workload)
	if errors.Is(err, fleet.ErrNotFound) || err == nil && (!m.Live() || m.HostID != t.HostID) {
		return whyGone, nil
	}
	if err != nil {
		return "", err
	}
	if !m.FirstSeenAt.IsZero() {
		return whySpent, nil
	}
	roles, err := tx.LiveMembersOf(ctx, t.HostID)
	if err != nil || len(roles) > 1 {
		// A second role: its host attested long ago, only the role itself shows it.
		return "", err
	}
	h, err := tx.Host(ctx, t.HostID)
	if err != nil {
		return "", err
	}
	if h.AgentID.IsZero() {
		return "", nil
	}
	attested, known := asked[h.AgentID]
	switch {
	case !known:
		return "", &askSPIREError{h.AgentID}
	case attested:
		return whySpent, nil
	default:
		return "", nil
	}
}

// askSPIREError ends a transaction that has to know whether an agent attested. SPIRE is
// asked outside of it, for while it runs nobody else can write.
type askSPIREError struct{ agent spiffeid.ID }

// Error implements error.
func (e *askSPIREError) Error() string { return "has " + e.agent.String() + " attested?" }

// attestations are SPIRE's answers so far.
type attestations map[spiffeid.ID]bool

// ask adds the answer for one agent.
func (s *Service) ask(ctx context.Context, asked attestations, agent spiffeid.ID) error {
	_, err := s.cfg.SPIRE.Agent(ctx, agent)
	if err != nil && !errors.Is(err, fleet.ErrNotFound) {
		return err
	}
	asked[agent] = err == nil
	return nil
}
