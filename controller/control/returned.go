package control

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/denial"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Recall keeps a controller that was restored from admitting anybody until it has the
// revocations that connectors hold; policy.Recall is it.
type Recall interface {
	// Open is closed when members are admitted.
	Open() <-chan struct{}
	// Gave notes that a connector has given back all that it holds.
	Gave(connectorID string)
}

// Returns takes denials that connectors kept.
type Returns struct {
	// Key of the audit log, by which they are signed.
	Key string
	// TakeBack applies those that are not known; that of fleet.Fleet.
	TakeBack func(ctx context.Context, r fleet.Return) (revoked []fleet.Member, err error)
	// Result counts them, by one of ReturnResults. Optional.
	Result func(result string, n int)
}

// How a denial that a connector gives back can end.
const (
	returnRevoked = "revoked" // a member that was enrolled here
	returnKept    = "kept"    // news of nobody who is enrolled here
	returnKnown   = "known"   // or over
	returnRefused = "refused" // not of this trust domain, or not signed by this controller
)

// ReturnResults lists what Returns.Result may be called with.
func ReturnResults() []string {
	return []string{returnRevoked, returnKept, returnKnown, returnRefused}
}

const (
	// maxReturns is how many messages of a stream are read: as many as a connector can
	// hold denials.
	maxReturns = denial.Max / denial.MaxMessage
	// maxForged is how many signatures of a stream may be wrong before no more of it are
	// verified: that costs more than to send them. A controller with a new key has many.
	maxForged = denial.MaxMessage
	// maxHold is how long a tunneler waits on its stream while nobody is admitted. It
	// gives up a controller that is silent for longer than controlclient.DefaultAnswer.
	maxHold = 5 * time.Second
)

// errRecall is for hosts and members, whose people may know the operator.
var errRecall = status.Error(codes.Unavailable, "the controller was restored from a backup and first collects revocations from its connectors: try again in a minute")

// admitting waits until a controller that was restored admits again, for maxHold. recall
// is nil where no controller is ever restored.
func admitting(ctx context.Context, recall Recall, stopping <-chan struct{}) error {
	if recall == nil {
		return nil
	}
	select {
	case <-recall.Open():
		return nil
	default:
	}
	late := time.NewTimer(maxHold)
	defer late.Stop()
	select {
	case <-recall.Open():
		return nil
	case <-late.C:
		return errRecall
	case <-stopping:
		return status.Error(codes.Unavailable, "the controller is stopping")
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

// closed says whether nobody is admitted now.
func closed(recall Recall) bool {
	if recall == nil {
		return false
	}
	select {
	case <-recall.Open():
		return false
	default:
		return true
	}
}

// denied is the denials of the newest policy by member. After a restore each connector
// gives back up to denial.Max of them, in many messages: none may cost as much as all that
// there are. Its zero value is ready.
type denied struct {
	mu sync.Mutex
	of []fleet.Denial // those in latest
	// latest is the newest time of each member.
	latest map[identity.Workload]time.Time
}

// before is the time before which SVIDs of a member are denied by all, which are those of
// a snapshot: they are appended to, or are others.
func (d *denied) before(all []fleet.Denial, w identity.Workload) time.Time {
	if len(all) == 0 {
		return time.Time{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.of) == 0 || &d.of[0] != &all[0] {
		d.of, d.latest = all[:0], make(map[identity.Workload]time.Time, len(all))
	}
	for len(d.of) < len(all) {
		one := all[len(d.of)]
		if d.of = all[:len(d.of)+1]; one.SVIDNotBefore.After(d.latest[one.Workload]) {
			d.latest[one.Workload] = one.SVIDNotBefore
		}
	}
	return d.latest[w]
}

// returned is what one stream gave back.
type returned struct {
	messages, forged int
	complete         bool
}

// takeBack applies what a connector kept of this controller's denials. Only the signature
// counts: a connector that was stolen can revoke nobody.
func (t *conversation) takeBack(ctx context.Context, m *zerotrustv1.Denials) error {
	if t.returned.complete || t.returned.messages == maxReturns {
		return status.Error(codes.InvalidArgument, "denials were given back already")
	}
	t.returned.messages++
	news, refused, known := t.genuine(m)
	t.count(returnRefused, refused)
	t.count(returnKnown, known)
	if refused > 0 {
		t.complain("denials that this controller did not sign ignored", zap.Int("denials", refused))
	}
	if len(news) > 0 {
		revoked, err := t.s.Returns.TakeBack(ctx, fleet.Return{By: t.c.Workload, From: t.c.addr, Denials: news})
		if err != nil {
			return toStatus(ctx, err, t.log)
		}
		t.count(returnRevoked, len(revoked))
		t.count(returnKept, len(news)-len(revoked))
		t.log.Warn("connector gave back revocations that were not known", zap.Int("denials", len(news)), zap.Int("revoked", len(revoked)))
	}
	if t.returned.complete = m.GetComplete(); t.returned.complete && t.s.Recall != nil {
		t.s.Recall.Gave(t.c.ID)
	}
	return nil
}

func (t *conversation) count(result string, n int) {
	if n > 0 && t.s.Returns.Result != nil {
		t.s.Returns.Result(result, n)
	}
}

// genuine returns what of a message is news and signed by this controller.
func (t *conversation) genuine(m *zerotrustv1.Denials) (news []fleet.Denial, refused, known int) {
	entries, refused := denial.Parse(m, t.denials.td)
	if len(entries) == 0 {
		return nil, refused, 0
	}
	has, all := map[identity.Workload]time.Time{}, t.s.Policy.Current().Denials
	for _, e := range entries {
		w, err := identity.ParseWorkload(e.ID)
		switch {
		case err == nil && (!e.SVIDNotBefore.After(has[w]) || !e.SVIDNotBefore.After(t.s.denied.before(all, w)) || !e.SVIDNotBefore.Add(denial.Life).After(time.Now())):
			known++
		case err != nil || t.returned.forged == maxForged:
			refused++
		case !denial.Genuine(t.s.Returns.Key, e):
			refused++
			t.returned.forged++
		default:
			has[w] = e.SVIDNotBefore
			news = append(news, fleet.Denial{Workload: w, SVIDNotBefore: e.SVIDNotBefore})
		}
	}
	return news, refused, known
}
