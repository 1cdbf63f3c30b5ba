package hostagent

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
)

// Status is a snapshot for health pages.
type Status struct {
	Agent         proc.Status
	ServerAddress string
	LastProbe     time.Time // zero before the first round
	FetchError    error     // of the last round; nil: the controller answered
	DialError     error     // nil: the SPIRE server accepted a connection
	HealthError   error     // nil: the Workload API answered
	Restarts      int       // by us; Agent.Restarts counts deaths
	LastRestart   time.Time
	LastReason    Reason
	Standing      Standing // of the host, as the controller said it last
}

// Status returns the current snapshot.
func (s *Supervisor) Status() Status {
	s.mu.Lock()
	status := s.status
	s.mu.Unlock()
	status.Agent = s.process.Status()
	return status
}

// Reason says why the host is not ready, in words for /readyz; empty means ready.
// An unreachable controller alone is no reason: workloads still get their SVIDs
// renewed as long as the agent can.
func (s *Supervisor) Reason() string {
	st := s.Status()
	if err := st.Standing.Err(); err != nil {
		return err.Error() // whatever else is wrong follows from it
	}
	switch {
	case st.Agent.State != proc.StateReady && st.Agent.LastExit != "":
		return fmt.Sprintf("SPIRE agent is %s, last exit: %s", st.Agent.State, st.Agent.LastExit)
	case st.Agent.State != proc.StateReady:
		return fmt.Sprintf("SPIRE agent is %s", st.Agent.State)
	case st.HealthError != nil && st.LastProbe.After(st.Agent.Since):
		return "Workload API does not answer: " + st.HealthError.Error()
	case st.DialError != nil:
		return st.DialError.Error()
	default:
		return ""
	}
}

// Alive returns nil while the rounds of probes continue. What they find does not
// count: an agent that hangs is restarted by them.
func (s *Supervisor) Alive(context.Context) error {
	last := s.Status().LastProbe
	if silent := s.cfg.Now().Sub(last); !last.IsZero() && silent > s.cfg.ProbeInterval+slowRound {
		return fmt.Errorf("host agent: no round of probes ended for %s", silent.Round(time.Second))
	}
	return nil
}

// noteRound keeps the outcome of a round and logs only what changed: a day
// without network is two lines. Of the agent's health the agent itself and
// spire/proc report.
func (s *Supervisor) noteRound(fetchErr, dialErr, healthErr error) {
	s.mu.Lock()
	before := s.status
	s.status.LastProbe, s.status.ServerAddress = s.cfg.Now(), s.host.SPIREServerAddress
	s.status.FetchError, s.status.DialError, s.status.HealthError = fetchErr, dialErr, healthErr
	s.mu.Unlock()
	s.logChange("controller", before.FetchError, fetchErr)
	s.logChange("SPIRE server", before.DialError, dialErr)
}

func (s *Supervisor) logChange(what string, before, now error) {
	switch {
	case before == nil && now != nil:
		s.log.Warn("probe fails", zap.String("probe", what), zap.Error(now))
	case before != nil && now == nil:
		s.log.Info("probe succeeds again", zap.String("probe", what))
	}
}

func (s *Supervisor) noteRestart(reason Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Restarts++
	s.status.LastRestart, s.status.LastReason = s.cfg.Now(), reason
}
