package audit

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
)

// checkEvery is how often the controller verifies its own log.
const checkEvery = 15 * time.Minute

// States of a SelfCheck.
const (
	CheckPending = "pending"
	CheckOK      = "ok"
	CheckBad     = "bad"
	CheckFailed  = "failed" // it could not be done
)

// CheckState is the result of the last self check.
type CheckState struct {
	State    string
	At       time.Time
	Duration time.Duration
	Report   Report
	Err      error // for CheckFailed
	Running  bool
	Done     int64 // records, while it runs
}

// SelfCheck verifies the log while the controller runs. Who owns the controller
// can make it say anything: it is there to find damage early, and the witnesses
// are there for the rest.
type SelfCheck struct {
	store  VerifyStore
	key    string
	log    *zap.Logger
	now    func() time.Time
	result func(error)

	mu    sync.Mutex
	state CheckState
}

// NewSelfCheck returns a SelfCheck; result hears of each check, nil is a good one.
func NewSelfCheck(store VerifyStore, s *Signer, log *zap.Logger, now func() time.Time, result func(error)) *SelfCheck {
	return &SelfCheck{store: store, key: s.VerifierKey, log: log, now: now, result: result, state: CheckState{State: CheckPending}}
}

// State is that of the last check.
func (c *SelfCheck) State() CheckState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Run checks at once, because the controller is not ready before it has, and then every
// 15 min, until ctx ends.
func (c *SelfCheck) Run(ctx context.Context) error {
	t := time.NewTimer(checkEvery)
	defer t.Stop()
	for {
		c.Check(ctx)
		t.Reset(checkEvery)
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Check verifies once, now.
func (c *SelfCheck) Check(ctx context.Context) {
	started := c.now()
	c.set(func(s *CheckState) { s.Running, s.Done = true, 0 })
	report, err := Verify(ctx, c.store, Verification{VerifierKey: c.key, Live: true, Progress: func(done, _ int64) {
		c.set(func(s *CheckState) { s.Done = done })
	}})
	if ctx.Err() != nil {
		return
	}
	next := CheckState{State: CheckOK, At: started.UTC(), Duration: c.now().Sub(started), Report: report, Err: err, Done: report.Size}
	switch {
	case err != nil:
		next.State = CheckFailed
		c.log.Warn("audit log not verified", zap.Error(err))
	case report.Problem != nil:
		next.State, err = CheckBad, report.Problem
		c.log.Error("audit log was tampered with: stop, keep the database as evidence, see docs/audit.md",
			zap.String("kind", report.Problem.Kind), zap.Int64("index", report.Problem.Index), zap.Error(err))
	}
	c.set(func(s *CheckState) { *s = next })
	if c.result != nil {
		c.result(err)
	}
}

func (c *SelfCheck) set(fn func(*CheckState)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fn(&c.state)
}
