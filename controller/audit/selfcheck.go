package audit

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// checkEvery is how often the controller verifies its own log.
	checkEvery = 15 * time.Minute
	// checkTurns is in how many checks all older segments and anchors are read again: a day.
	checkTurns = int64(24 * time.Hour / checkEvery)
)

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

// CheckStore is what a SelfCheck works on.
type CheckStore interface {
	VerifyStore
	// AuditMark is the stored Mark; empty if there is none.
	AuditMark(ctx context.Context) (string, error)
	PutAuditMark(ctx context.Context, mark string) error
}

// SelfCheck verifies the log while the controller runs. A check reads what came since the one
// before, and one part in checkTurns of the older segments, so that what somebody changes there
// is found within a day. Where the last check ended is in a signed Mark; a restart continues
// there. Who owns the controller can make it say anything: it is there to find damage early, and
// the witnesses are there for the rest.
type SelfCheck struct {
	store  CheckStore
	signer *Signer
	log    *zap.Logger
	now    func() time.Time
	result func(error)

	mu    sync.Mutex
	state CheckState
}

// NewSelfCheck returns a SelfCheck; result is called after each check, nil is a good one.
func NewSelfCheck(store CheckStore, s *Signer, log *zap.Logger, now func() time.Time, result func(error)) *SelfCheck {
	return &SelfCheck{store: store, signer: s, log: log, now: now, result: result, state: CheckState{State: CheckPending}}
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
	report, err := c.verify(ctx)
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

// verify continues at the mark. One that the controller has not signed is a problem of its
// own, and everything is verified.
func (c *SelfCheck) verify(ctx context.Context) (Report, error) {
	v := Verification{VerifierKey: c.signer.VerifierKey, Live: true, Progress: func(done, _ int64) {
		c.set(func(s *CheckState) { s.Done = done })
	}}
	raw, err := c.store.AuditMark(ctx)
	if err != nil {
		return Report{}, err
	}
	var last Mark
	forged := false
	if raw != "" {
		last, err = readStatement[Mark](raw, v.VerifierKey)
		forged = err != nil
	}
	if last.Size > 0 {
		v.Since, v.Again = &last, func(n int64) bool { return n%checkTurns == last.Turn }
	}
	report, err := Verify(ctx, c.store, v)
	if err != nil || report.Problem != nil {
		return report, err
	}
	if err := c.mark(ctx, report, (last.Turn+1)%checkTurns); err != nil {
		return report, err
	}
	if forged {
		report.Problem = &Problem{Kind: Forged, Index: -1, Detail: "the mark of the last verification is not signed with the key of this log; everything was verified anew, and is intact"}
	}
	return report, nil
}

func (c *SelfCheck) mark(ctx context.Context, r Report, turn int64) (err error) {
	if r.Size == 0 {
		return nil
	}
	m := Mark{Size: r.Size, Root: r.Root, Turn: turn}
	if m.Signature, err = c.signer.sign(m); err != nil {
		return err
	}
	return c.store.PutAuditMark(ctx, State(m))
}

func (c *SelfCheck) set(fn func(*CheckState)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fn(&c.state)
}
