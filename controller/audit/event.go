package audit

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// Outcome of an action.
type Outcome string

// Outcomes.
const (
	Success Outcome = "success"
	Denied  Outcome = "denied"
)

// Actions that are recorded.
const (
	TokenCreate  = "token.create"
	TokenRevoke  = "token.revoke"
	Enroll       = "enroll"
	HostContest  = "host.contested"
	HostCloned   = "host.cloned"
	MemberRevoke = "member.revoke"
	AdminSignIn  = "admin.authenticate"

	RotationStart  = "ca.rotation.start"
	RotationPhase  = "ca.rotation.phase"
	RotationDrop   = "ca.rotation.drop"
	RotationPause  = "ca.rotation.pause"
	RotationResume = "ca.rotation.resume"
	RotationAbort  = "ca.rotation.abort"
	RotationEnd    = "ca.rotation.end"
)

// Event is one record of the audit log.
type Event struct {
	Time      time.Time
	Actor     string // who: "key:bootstrap", "host:<id>", "" for an unknown caller
	Action    string
	Target    string // on what: "connector/<id>", "token/<id>"
	Outcome   Outcome
	Reason    string // for a refusal, the true one; the caller is not told
	RequestID string
	Source    string // address of the caller
}

// Store keeps events. Inside a transaction it is the transaction.
type Store interface {
	AppendAudit(ctx context.Context, e Event) error
}

// Log writes events to the store and, as a structured line, to the program's log.
type Log struct {
	log *zap.Logger
	now func() time.Time
}

// New returns a Log.
func New(log *zap.Logger, now func() time.Time) *Log {
	return &Log{log: log.Named("audit"), now: now}
}

// Record stores e in s and logs it. Inside a transaction the line may be logged
// although the transaction is rolled back later; the store is the evidence.
func (l *Log) Record(ctx context.Context, s Store, e Event) error {
	e.Time = l.now().UTC()
	if err := s.AppendAudit(ctx, e); err != nil {
		return err
	}
	l.log.Info("audit event",
		zap.String("action", e.Action), zap.String("outcome", string(e.Outcome)), zap.String("reason", e.Reason),
		zap.String("actor", e.Actor), zap.String("target", e.Target),
		zap.String("request_id", e.RequestID), zap.String("caller_addr", e.Source))
	return nil
}
