package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

// Outcome of an action.
type Outcome string

// Outcomes.
const (
	Success Outcome = "success"
	Denied  Outcome = "denied"
)

// Action is what was done. Each one is a constant of this package and has a Kind, which
// says the rest; no reader takes a text apart to learn what an event is.
type Action string

// Actions that are recorded.
const (
	TokenCreate    Action = "token.create"
	TokenRevoke    Action = "token.revoke"
	Enroll         Action = "enroll"
	HostContest    Action = "host.contested"
	HostCloned     Action = "host.cloned"
	HostRenew      Action = "host.renew"
	RequestCreate  Action = "request.create" // of a host that asks to be enrolled without a token
	RequestDeny    Action = "request.deny"
	RequestApprove Action = "request.approve"
	// RequestWithdraw is by the host, which asks for something else.
	RequestWithdraw  Action = "request.withdraw"
	ClaimOpen        Action = "claim.open" // the link to a token was opened
	ClaimRefuse      Action = "claim.refused"
	MemberRevoke     Action = "member.revoke"
	MemberUpdate     Action = "member.update" // name, labels, notes, network
	HostUpdate       Action = "host.update"   // name, labels, notes
	NetworkCreate    Action = "network.create"
	NetworkUpdate    Action = "network.update"
	NetworkDelete    Action = "network.delete"
	ResourceCreate   Action = "resource.create"
	ResourceUpdate   Action = "resource.update"
	ResourceDelete   Action = "resource.delete"
	GrantCreate      Action = "grant.create"
	GrantUpdate      Action = "grant.update"
	GrantDelete      Action = "grant.delete"
	PolicyTestCreate Action = "policy-test.create"
	PolicyTestUpdate Action = "policy-test.update"
	PolicyTestDelete Action = "policy-test.delete"
	SVIDAnchor       Action = "svid.anchor"        // the renewals of an hour, counted and hashed
	LogArchive       Action = "audit.archive"      // the oldest segments of the log, of which the hashes stay
	SessionOpen      Action = "session.open"       // reported by a connector, denied only
	ProofRefuse      Action = "proof.refused"      // in band, on a connection that was cut for it
	PolicyIssue      Action = "policy.publish"     // a revision was made that peers follow
	Restore          Action = "controller.restore" // a backup was put back
	BackUp           Action = "controller.backup"  // one was made
	RecoveryInit     Action = "recovery.init"      // the recovery key was made
	TimelineBegin    Action = "timeline.begin"     // a restored controller took over
	DenialsReturn    Action = "denials.return"     // a connector gave back denials that were not known
	DenialsCollect   Action = "denials.collect"    // a restored controller admits again
	WitnessReset     Action = "audit.witness.reset"
	RefusalsMany     Action = "audit.refusals" // refusals that were counted, not listed
	// AttentionDismiss is of an item that an operator has looked into.
	AttentionDismiss Action = "attention.dismiss"

	// AdminSignIn is a refused caller of the admin API.
	AdminSignIn Action = "admin.authenticate"
	// SignIn, SignOut and StepUp are of people.
	SignIn  Action = "session.sign-in"
	SignOut Action = "session.sign-out"
	StepUp  Action = "session.step-up"

	DeviceApprove Action = "device.approve" // a person signed a command line in
	DeviceDeny    Action = "device.deny"
	SessionRevoke Action = "session.revoke"
	PersonCreate  Action = "person.create"
	PersonUpdate  Action = "person.update"
	PersonDelete  Action = "person.delete"
	PersonReset   Action = "person.reset"
	PersonSetup   Action = "person.setup"
	KeyCreate     Action = "key.create"
	KeyUpdate     Action = "key.update" // another declaration of it
	KeyRevoke     Action = "key.revoke"
	KeyIssueToken Action = "key.token" // an access token for a key

	RotationStart  Action = "ca.rotation.start"
	RotationPhase  Action = "ca.rotation.phase"
	RotationDrop   Action = "ca.rotation.drop"
	RotationPause  Action = "ca.rotation.pause"
	RotationResume Action = "ca.rotation.resume"
	RotationAbort  Action = "ca.rotation.abort"
	RotationEnd    Action = "ca.rotation.end"
	BootstrapStart Action = "ca.bootstrap.start"
	BootstrapPhase Action = "ca.bootstrap.phase"
	BootstrapSkip  Action = "ca.bootstrap.skip"
	BootstrapAbort Action = "ca.bootstrap.abort"
	BootstrapEnd   Action = "ca.bootstrap.end"
)

// maxState bounds Before and After, in bytes: a record is to fit a datagram.
const maxState = 24 << 10

// Errors of Record: faults of the program.
var (
	// ErrState is returned for a Before or After that is not JSON or too long.
	ErrState = errors.New("audit: state is not JSON of at most 24 KiB")
	// ErrAction is returned for an Action without a Kind.
	ErrAction = errors.New("audit: action is not known")
)

// Event is one record of the audit log.
type Event struct {
	Time      time.Time
	Actor     string // who: "key:<id>", "host:<id>", "local/root", "" for an unknown caller
	Action    Action
	Target    string // on what: "connector/<id>", "token/<id>"
	Outcome   Outcome
	Reason    string // for a refusal, the true one; the caller does not learn it
	RequestID string
	Source    string // address of the caller

	// Before and After are the target's state around a change, as JSON, or empty.
	// Never a token, a key or a password, nor a hash of one.
	Before, After string
}

// check refuses what no reader could use. A change whose state is too long is a
// fault of the program, and fails.
func (e Event) check() error {
	if _, known := KindOf(e.Action); !known {
		return fmt.Errorf("%w: %q", ErrAction, e.Action)
	}
	for _, s := range []string{e.Before, e.After} {
		if s != "" && (len(s) > maxState || !json.Valid([]byte(s))) {
			return fmt.Errorf("%w: event %s", ErrState, e.Action)
		}
	}
	return nil
}

// Store keeps events. Inside a transaction it is the transaction.
type Store interface {
	AppendAudit(ctx context.Context, e Event) error
}

// Log writes events to the store and, as a structured line, to the program's log.
type Log struct {
	log      *zap.Logger
	now      func() time.Time
	refusals *refusals
}

// New returns a Log.
func New(log *zap.Logger, now func() time.Time) *Log {
	return &Log{log: log.Named("audit"), now: now, refusals: newRefusals(now)}
}

// Record stores e in s and logs it. Inside a transaction the line may be logged
// although the transaction is rolled back later; the store is the evidence.
//
// What a refused or an unknown caller causes is not always stored by itself: the
// first of equal events is, the others are counted, and a Collector that runs records
// how many there were. No caller can make the log grow as fast as it can call.
func (l *Log) Record(ctx context.Context, s Store, e Event) error {
	if err := e.check(); err != nil {
		return err
	}
	if limited(e) {
		e.Actor, e.Target, e.Reason, e.Source = clip(e.Actor), clip(e.Target), clip(e.Reason), clip(e.Source)
		if !l.refusals.admit(e, 1, "") {
			return nil
		}
	}
	return l.record(ctx, s, e)
}

// record is Record for what has passed the limits.
func (l *Log) record(ctx context.Context, s Store, e Event) error {
	e.Time = l.now().UTC().Truncate(time.Microsecond) // what a store keeps
	if err := e.check(); err != nil {
		return err
	}
	if err := s.AppendAudit(ctx, e); err != nil {
		return err
	}
	l.log.Info("audit event",
		zap.String("action", string(e.Action)), zap.String("outcome", string(e.Outcome)), zap.String("reason", e.Reason),
		zap.String("actor", e.Actor), zap.String("target", e.Target),
		zap.String("request_id", e.RequestID), zap.String("caller_addr", e.Source), logging.Trace(ctx))
	return nil
}

// State is v as the text of Before or After: the fields of a struct in their order,
// so that the same state is the same text. What cannot be marshalled becomes a text
// that Record refuses.
func State(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
