package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/denial"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/timeline"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// Identity is the part of mtls.Source that a running connector needs.
type Identity interface {
	mtls.Identity
	Status() mtls.SVIDStatus
	AuthorityIDs() []string
	Subscribe() (<-chan struct{}, func())
	SubscribeBundle() (<-chan struct{}, func())
}

// maxConnections is how many connections one tunneler may have open: its session,
// and room for those of it that died and were not noticed yet.
const maxConnections = 64

// Config configures a Relay.
type Config struct {
	// ID of this connector, as in its SVID.
	ID          string
	TrustDomain spiffeid.TrustDomain
	Version     string
	Identity    Identity
	// Listener takes the tunnelers; Run closes it.
	Listener net.Listener
	// ControlAddresses of the controllers, host:port, as configured. What controllers
	// name themselves is tried after them.
	ControlAddresses []string
	// Dial reaches one of them; TCP by default.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// PrivateIP is reported to tunnelers; found out when empty.
	PrivateIP string
	// AgentSocket is the file of the Workload API; empty when the SPIRE agent's start
	// is not to be sent.
	AgentSocket string
	// StateDir keeps policy, denials, timeline and what was witnessed of the audit log over a
	// restart; empty keeps them in memory only.
	StateDir string
	// Saved is called with whether a file of StateDir could be written, each time. Optional.
	Saved func(file string, err error)
	// Failing is why a session would be of no use now, beside a policy that is not
	// usable, for gRPC health; see rpcauth.HealthConfig. Optional.
	Failing func(context.Context) error
	// Flows returns what connects the flows of the tunnelers to their targets, as these rules
	// decide; without it there are none.
	Flows  func(Reach, RecordFlow) (Carrier, error)
	Limits flow.Limits
	Timing Timing
	Events Events
	Log    *zap.Logger
}

// DefaultPolicyAge is how long a policy that does not say is used without a
// controller.
const DefaultPolicyAge = 24 * time.Hour

// Timing holds the intervals; zero values are replaced by the defaults.
type Timing struct {
	Heartbeat    time.Duration // to the controller; 10 s
	SessionIdle  time.Duration // a session without a heartbeat is closed; 30 s
	Drain        time.Duration // for streams to end at shutdown; 3 s
	PolicyAge    time.Duration // how long a policy that does not say is used without a controller; 24 h
	AuditBound   time.Duration // how long newer policy may be without a newer audit checkpoint; 2 min
	WitnessWrite time.Duration // between writes of a witnessed audit log that only grows; 1 min
	SaveAgain    time.Duration // before a policy that could not be written is tried again; 10 s
	Refusals     time.Duration // between reports of refused sessions; 10 s
	FirstWords   time.Duration // for a tunneler that is not admitted to ask and to get the refusal, before its new connection is closed; 2 s
	LastWords    time.Duration // for the status of a session that was ended to reach its tunneler, before the connection is closed; 20 ms
}

func (t Timing) orDefault() Timing {
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&t.Heartbeat, 10 * time.Second},
		{&t.SessionIdle, 30 * time.Second},
		{&t.Drain, 3 * time.Second},
		{&t.SaveAgain, 10 * time.Second},
		{&t.FirstWords, 2 * time.Second},
		{&t.LastWords, 20 * time.Millisecond},
		{&t.PolicyAge, DefaultPolicyAge},
		{&t.AuditBound, 2 * time.Minute},
		{&t.WitnessWrite, time.Minute},
		{&t.Refusals, refusalsEvery},
	} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	return t
}

// Relay is one running connector.
type Relay struct {
	cfg      Config
	log      *zap.Logger
	self     spiffeid.ID
	instance string
	policy   *policy
	timeline *timeline.Host
	denied   *denial.Kept
	witness  *auditWitness
	refused  *refusals
	applying sync.Mutex                     // held while a policy is applied; the first of all locks
	passed   uint64                         // revision that was refused last because of the audit log; under applying
	resync   topic.Hint                     // the whole policy is to be asked for
	returns  chan []*zerotrustv1.Denials    // for the controller, once a stream
	answers  chan *zerotrustv1.AuditWitness // to checkpoints; the controller sends one at a time
	outbox   *outbox
	sessions *sessions
	conns    *mtls.Conns    // of the tunnelers
	flows    *flow.Acceptor // nil without Flows
	carrier  Carrier        // so too
	records  *flowRecords
	control  *controlclient.Client
	unproven reproof.Reports                // of both, for the audit log
	prover   *reproof.Client                // on the connection to the controller
	proofs   atomic.Pointer[reproof.Server] // of the tunnelers; nil before Run
	applied  topic.Hint                     // a policy was applied; the controller wants to know
	kick     <-chan struct{}
	unkick   func()
	serving  atomic.Bool
	beat     atomic.Int64 // when the last heartbeat went to the controller, Unix ns
}

// New checks the configuration and loads the policy that an earlier run kept.
func New(cfg Config) (*Relay, error) {
	if cfg.Identity == nil || cfg.Listener == nil || cfg.Log == nil {
		return nil, errors.New("relay needs Identity, Listener and Log")
	}
	self, err := identity.Workload{Kind: identity.KindConnector, ID: cfg.ID}.SPIFFEID(cfg.TrustDomain)
	if err != nil {
		return nil, fmt.Errorf("connector id: %w", err)
	}
	cfg.Timing = cfg.Timing.orDefault()
	if cfg.Saved == nil {
		cfg.Saved = func(string, error) {}
	}
	r := &Relay{cfg: cfg, log: cfg.Log, self: self, instance: controlclient.ProgramStart(), outbox: newOutbox(), applied: topic.NewHint(), resync: topic.NewHint(), records: newFlowRecords(time.Now)}
	r.denied = denial.Open(denial.Config{
		TrustDomain: cfg.TrustDomain, StateDir: cfg.StateDir, Saved: cfg.Saved, Genuine: r.genuine, SaveAgain: cfg.Timing.SaveAgain, Log: cfg.Log.Named("denials"),
	})
	r.timeline = timeline.Open(timeline.HostConfig{
		TrustDomain: cfg.TrustDomain.Name(), StateDir: cfg.StateDir, Reset: "grpcconnector witness reset --yes", Saved: cfg.Saved, Log: cfg.Log.Named("timeline"),
	})
	r.policy = newPolicy(policyConfig{Self: self, StateDir: cfg.StateDir, Saved: cfg.Saved, MaxAge: cfg.Timing.PolicyAge, SaveAgain: cfg.Timing.SaveAgain, Retake: r.retake, Reset: r.timeline.PolicyReset, Stopped: r.timeline.Stopped, Denies: r.denied.Denies, Log: cfg.Log.Named("policy")})
	r.timeline.Begin(r.policy.timeline())
	r.witness = newAuditWitness(witnessConfig{
		Self: self.String(), StateDir: cfg.StateDir, Saved: cfg.Saved, Bound: cfg.Timing.AuditBound, WriteEvery: cfg.Timing.WitnessWrite, Observe: cfg.Events.AuditJudged, Log: cfg.Log.Named("audit"),
	})
	r.refused, r.answers, r.returns = newRefusals(), make(chan *zerotrustv1.AuditWitness, 1), make(chan []*zerotrustv1.Denials, 1)
	r.sessions, r.conns = newSessions(r.outbox), mtls.NewConns(maxConnections)
	if cfg.Flows != nil {
		if r.flows, err = r.newFlows(); err != nil {
			return nil, err
		}
	}
	r.kick, r.unkick = cfg.Identity.Subscribe()
	r.prover = reproof.NewClient(cfg.Identity, cfg.Log.Named("reproof")).OnRefusal(r.unproven.Add)
	r.control, err = controlclient.New(controlclient.Config{
		Addresses: cfg.ControlAddresses,
		Learned:   r.policy.learned(),
		TLS:       mtls.ClientConfig(cfg.Identity, mtls.Kinds(cfg.TrustDomain, identity.KindController)),
		Serve:     r.serveControl,
		Reproof:   r.prover.Around,
		// A message over its receiver's cap would end every stream it is sent on.
		MaxMessage: wire.MaxFromController,
		Dial:       cfg.Dial,
		Kick:       r.kick,
		Ended:      cfg.Events.ControlEnded,
		Log:        cfg.Log.Named("control"),
	})
	if err != nil {
		r.unkick()
		return nil, err
	}
	return r, nil
}

// Sessions returns the attached tunnelers, by id.
func (r *Relay) Sessions() []SessionInfo { return r.sessions.list() }

// ControlReady is the readiness check of the control stream.
func (r *Relay) ControlReady(context.Context) error {
	st := r.control.Status()
	switch {
	case st.Connected:
		return nil
	case st.LastError == nil:
		return fmt.Errorf("connecting to the controller at %s", st.Address)
	default:
		return fmt.Errorf("not connected since %s, last tried %s: %w", st.Since.UTC().Format(time.RFC3339), st.Address, st.LastError)
	}
}

// Explain says how the control stream, the policy, the listener and the witness of
// the audit log are while they are ready, for /readyz.
func (r *Relay) Explain() Explanation {
	return Explanation{Control: r.explainControl, Policy: r.policy.explain, Listener: r.explainListener, Audit: r.witness.explain}
}

// Alive asks the loop that ends sessions when the policy says so, and takes every
// lock. It returns nil when all that came back; it hangs as long as a lock does.
func (r *Relay) Alive(ctx context.Context) error {
	_ = r.Status()
	if err := r.policy.pulse.Check(ctx); err != nil {
		return fmt.Errorf("policy loop: %w", err)
	}
	return nil
}

// PolicyReady is the readiness check of the policy: there is one that may be used, and
// it is what the controller says now.
func (r *Relay) PolicyReady(context.Context) error {
	return cmp.Or(r.timeline.Stopped(), r.policy.usable(), r.refusal())
}

// failing is why a session would be of no use now.
func (r *Relay) failing(ctx context.Context) error {
	if r.cfg.Failing != nil {
		if err := r.cfg.Failing(ctx); err != nil {
			return err
		}
	}
	return cmp.Or(r.timeline.Stopped(), r.policy.usable())
}

// AuditReady is the readiness check of the controller's audit log, as this
// connector witnesses it.
func (r *Relay) AuditReady(context.Context) error { return r.witness.ready() }

// ListenerReady is the readiness check of the tunnelers' listener.
func (r *Relay) ListenerReady(context.Context) error {
	if !r.serving.Load() {
		return fmt.Errorf("not accepting tunnelers on %s", r.cfg.Listener.Addr())
	}
	return nil
}
