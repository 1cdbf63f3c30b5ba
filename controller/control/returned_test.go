package control_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/denial"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// recalling is a control.Recall that a test shuts and opens.
type recalling struct {
	mu   sync.Mutex
	open chan struct{}
	gave []string
}

func newRecalling() *recalling {
	r := &recalling{}
	r.shut()
	close(r.open)
	return r
}

func (r *recalling) shut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = make(chan struct{})
}

func (r *recalling) Open() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open
}

func (r *recalling) Gave(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gave = append(r.gave, id)
}

func (r *recalling) answered() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gave
}

func (w *world) returned(result string, n int) {
	for range n {
		w.returns.add(result)
	}
}

// revoked is a denial as the controller of this world signed it, and its database does
// not know.
func (w *world) revoked(t *testing.T, who identity.Workload, at time.Time) denial.Entry {
	t.Helper()
	id, err := who.SPIFFEID(td)
	require.NoError(t, err)
	e, err := denial.Sign(w.key, denial.Entry{ID: id, SVIDNotBefore: at.UTC().Truncate(time.Second)})
	require.NoError(t, err)
	return e
}

func giveBack(complete bool, entries ...denial.Entry) *zerotrustv1.ConnectRequest {
	return &zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Denials{Denials: denial.Message(entries, complete)}}
}

func (w *world) live(t *testing.T, who identity.Workload) bool {
	t.Helper()
	live := false
	require.NoError(t, w.store.FleetTx(t.Context(), func(tx fleet.Tx) error {
		m, err := tx.Member(t.Context(), who)
		live = err == nil && m.Live()
		return nil
	}))
	return live
}

// TestARevocationThatOnlyAConnectorKnowsIsApplied: as by an operator, at once, for all
// connectors, and the audit log says whence it came.
func TestARevocationThatOnlyAConnectorKnowsIsApplied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, who := range []identity.Workload{connector("c-01"), connector("c-02"), tunneler("gone"), tunneler("stays")} {
		w.member(t, who)
	}
	other := w.open(t, connector("c-02"))
	other.say(hello("c-02"))
	require.Len(t, other.policy(t).tunnelers, 2)
	s := w.open(t, connector("c-01"))
	s.say(hello("c-01"), giveBack(true, w.revoked(t, tunneler("gone"), time.Now().Add(-time.Minute)), w.revoked(t, tunneler("unknown"), time.Now())))
	eventually(t, "the revocation", func() bool { return !w.live(t, tunneler("gone")) })
	require.True(t, w.live(t, tunneler("stays")))
	named := other.policy(t).tunnelers
	require.Len(t, named, 1)
	require.Equal(t, "spiffe://mycorp.internal/tunneler/stays", named[0].GetSpiffeId())
	eventually(t, "that it has answered", func() bool { return len(w.recall.answered()) == 1 })

	stones, err := w.store.Tombstones(t.Context(), "", 10, time.Now())
	require.NoError(t, err)
	require.Len(t, stones, 1, "its host is banned")
	require.Equal(t, mtlstest.HostOf("tunneler/gone"), stones[0].HostID)
	known, err := w.store.Denials(t.Context(), 0, time.Unix(0, 0))
	require.NoError(t, err)
	require.Len(t, known, 2, "the denial of somebody who is not enrolled here goes to all others too")
	events, err := w.store.AuditSince(t.Context(), time.Time{})
	require.NoError(t, err)
	var revoke, back audit.Event
	for _, e := range events {
		switch e.Action {
		case audit.MemberRevoke:
			revoke = e
		case audit.DenialsReturn:
			back = e
		}
	}
	require.Equal(t, "connector/c-01", revoke.Actor)
	require.Contains(t, revoke.Reason, "kept by connector/c-01")
	require.JSONEq(t, `{"denials":2,"revoked":1}`, back.After)
	require.True(t, w.returns.has("revoked") && w.returns.has("kept"))
}

// TestAConnectorsWordRevokesNobody: a connector that was stolen could else revoke the
// fleet.
func TestAConnectorsWordRevokesNobody(t *testing.T) {
	t.Parallel()
	foreign, err := audit.OpenSigner(t.TempDir(), audit.Origin(td.Name()))
	require.NoError(t, err)
	for name, change := range map[string]func(*denial.Entry){
		"unsigned":          func(e *denial.Entry) { e.Signature = nil },
		"signed by another": func(e *denial.Entry) { *e, _ = denial.Sign(foreign, *e) },
		"of another time":   func(e *denial.Entry) { e.SVIDNotBefore = time.Now() },
		"of another member": func(e *denial.Entry) { e.ID = spiffeid.RequireFromString("spiffe://mycorp.internal/tunneler/u-01") },
		"of another trust domain": func(e *denial.Entry) {
			e.ID = spiffeid.RequireFromString("spiffe://other.org/tunneler/t-01")
		},
		"of a controller": func(e *denial.Entry) { e.ID = spiffeid.RequireFromString("spiffe://mycorp.internal/controller/c") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for _, who := range []identity.Workload{connector("c-01"), tunneler("t-01"), tunneler("u-01")} {
				w.member(t, who)
			}
			e := w.revoked(t, tunneler("t-01"), time.Now().Add(-time.Minute))
			change(&e)
			s := w.open(t, connector("c-01"))
			s.say(hello("c-01"), giveBack(true, e))
			eventually(t, "that it has answered", func() bool { return len(w.recall.answered()) == 1 })
			require.True(t, w.live(t, tunneler("t-01")) && w.live(t, tunneler("u-01")))
			require.Equal(t, "refused", w.returns.last())
			known, err := w.store.Denials(t.Context(), 0, time.Unix(0, 0))
			require.NoError(t, err)
			require.Empty(t, known)
		})
	}
}

// TestWhatIsKnownIsNotAppliedAgain: nor what is over, nor to a successor.
func TestWhatIsKnownIsNotAppliedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, connector("c-01"))
	w.memberSince(t, tunneler("t-01"), time.Now())
	s := w.open(t, connector("c-01"))
	s.say(hello("c-01"))
	s.policy(t)
	old := w.revoked(t, tunneler("t-01"), time.Now().Add(-time.Hour))
	s.say(giveBack(false, old))
	eventually(t, "it is kept", func() bool { return w.returns.has("kept") })
	require.True(t, w.live(t, tunneler("t-01")), "a successor")
	require.NoError(t, w.policy.Refresh(t.Context()))
	s.say(giveBack(true, old, w.revoked(t, tunneler("u-01"), time.Now().Add(-denial.Life-time.Minute))))
	eventually(t, "it is known", func() bool { return w.returns.last() == "known" })
	require.True(t, w.live(t, tunneler("t-01")))
}

// TestAConnectorGivesBackOnce: each signature costs more to verify than to send.
func TestAConnectorGivesBackOnce(t *testing.T) {
	t.Parallel()
	t.Run("after the last message", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.member(t, connector("c-01"))
		s := w.open(t, connector("c-01"))
		s.say(hello("c-01"), giveBack(true), giveBack(true))
		s.endsWith(t, codes.InvalidArgument, "given back already")
	})
	t.Run("more messages than it can hold denials", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.member(t, connector("c-01"))
		s := w.open(t, connector("c-01"))
		s.say(hello("c-01"))
		for range denial.Max/denial.MaxMessage + 1 {
			s.say(giveBack(false))
		}
		s.endsWith(t, codes.InvalidArgument, "given back already")
		require.Empty(t, w.recall.answered())
	})
	t.Run("forged ones, and nobody looks at the rest", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.member(t, connector("c-01"))
		w.member(t, tunneler("t-01"))
		s := w.open(t, connector("c-01"))
		s.say(hello("c-01"))
		var forged []denial.Entry
		for i := range denial.MaxMessage {
			e := w.revoked(t, tunneler(fmt.Sprintf("n-%d", i)), time.Now())
			e.SVIDNotBefore = e.SVIDNotBefore.Add(-time.Second)
			forged = append(forged, e)
		}
		s.say(giveBack(false, forged...), giveBack(true, w.revoked(t, tunneler("t-01"), time.Now())))
		eventually(t, "that it has answered", func() bool { return len(w.recall.answered()) == 1 })
		require.True(t, w.live(t, tunneler("t-01")))
	})
}

// TestDenialsAreSigned: for connectors, which can give them back; with the same bytes for
// all of them.
func TestDenialsAreSigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, connector("c-01"))
	w.member(t, tunneler("t-01"))
	w.member(t, tunneler("watches"))
	w.revoke(t, tunneler("t-01"))
	require.NoError(t, w.policy.Refresh(t.Context()))
	s := w.open(t, connector("c-01"))
	s.say(hello("c-01"))
	m, err := s.Recv()
	require.NoError(t, err)
	require.True(t, m.GetDenials().GetComplete())
	got, left := denial.Parse(m.GetDenials(), td)
	require.Zero(t, left)
	require.True(t, denial.Genuine(w.key.VerifierKey, got[0]))

	watch, err := zerotrustv1.NewDirectoryServiceClient(w.dial(t, tunneler("watches"))).Watch(patient(t), &zerotrustv1.WatchRequest{Protocol: wire.Protocol, TunnelerId: "watches"})
	require.NoError(t, err)
	first, err := watch.Recv()
	require.NoError(t, err)
	require.Len(t, first.GetDenials().GetDenials(), 1)
	require.Empty(t, first.GetDenials().GetDenials()[0].GetSignature(), "a tunneler gives nothing back")
}

// TestNobodyIsAdmittedUntilRevocationsAreCollected: no policy, no directory, no host.
func TestNobodyIsAdmittedUntilRevocationsAreCollected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, who := range []identity.Workload{connector("c-01"), tunneler("gone"), tunneler("stays")} {
		w.member(t, who)
	}
	w.recall.shut()
	s := w.open(t, connector("c-01"))
	s.say(hello("c-01"))
	m, err := s.Recv()
	require.NoError(t, err)
	require.True(t, m.GetDenials().GetComplete(), "the connector is asked")

	_, secret := w.token(t, connector("new"))
	client := w.enrollmentClient(t, nil)
	refused := func(what string, err error) {
		require.Equal(t, codes.Unavailable, status.Code(err), "%s: %v", what, err)
		require.ErrorContains(t, err, "restored from a backup", what)
	}
	enroll := func() error {
		_, err := client.Enroll(patient(t), request(secret, "new", enrolltest.NewKey(t)))
		return err
	}
	refused("enroll", enroll())
	_, err = client.RenewHostCertificate(patient(t), &zerotrustv1.RenewHostCertificateRequest{HostId: string(identity.NewHostID())})
	refused("renew", err)
	await, err := client.AwaitEnrollment(patient(t))
	require.NoError(t, err)
	_, err = await.Recv()
	refused("await", err)
	_, err = client.FetchBundle(patient(t), &zerotrustv1.FetchBundleRequest{})
	require.NoError(t, err, "hosts need the bundle to come back")

	watch, err := zerotrustv1.NewDirectoryServiceClient(w.dial(t, tunneler("gone"))).Watch(patient(t), &zerotrustv1.WatchRequest{Protocol: wire.Protocol, TunnelerId: "gone"})
	require.NoError(t, err)
	s.say(giveBack(true, w.revoked(t, tunneler("gone"), time.Now().Add(-time.Minute))))
	eventually(t, "the revocation", func() bool { return len(w.recall.answered()) == 1 })
	require.False(t, w.live(t, tunneler("gone")))
	require.NoError(t, w.policy.Refresh(t.Context()))
	close(w.recall.open)
	_, err = watch.Recv()
	require.Equal(t, codes.PermissionDenied, status.Code(err), "%v", err)
	require.Len(t, s.policy(t).tunnelers, 1)
	require.NoError(t, enroll())
}

// TestTheLastConnectorOpensTheDoor: the real Recall on the real store, on real streams.
func TestTheLastConnectorOpensTheDoor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, who := range []identity.Workload{connector("c-01"), connector("c-02"), tunneler("gone")} {
		w.member(t, who)
	}
	require.NoError(t, w.store.MarkRestored(t.Context(), time.Now()))
	recall := policy.NewRecall(policy.RecallConfig{Store: w.store, Policy: w.policy, Actor: "controller/c1", Now: time.Now, Log: zap.NewNop()})
	require.NoError(t, recall.Begin(t.Context()))
	w.controlPlane.Recall = recall
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- recall.Run(ctx) }()
	defer func() { cancel(); require.NoError(t, <-done) }()
	first, second := w.open(t, connector("c-01")), w.open(t, connector("c-02"))
	first.say(hello("c-01"), giveBack(true))
	second.say(hello("c-02"))
	m, err := second.Recv()
	require.NoError(t, err)
	require.True(t, m.GetDenials().GetComplete())
	eventually(t, "the first one", func() bool { return strings.HasSuffix(recall.Collecting().Error(), "not answered yet: c-02") })
	second.say(giveBack(true, w.revoked(t, tunneler("gone"), time.Now().Add(-time.Minute))))
	require.Empty(t, first.policy(t).tunnelers)
	require.Empty(t, second.policy(t).tunnelers)
	require.NoError(t, recall.Collecting())
	at, err := w.store.RestoredAt(t.Context())
	require.NoError(t, err)
	require.True(t, at.IsZero(), "the next start admits at once")
}

var _ control.Recall = (*policy.Recall)(nil)
