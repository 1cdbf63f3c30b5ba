package control_test

import (
	"context"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// auditLog offers what a test says and notes what connectors answer.
type auditLog struct {
	mu       sync.Mutex
	size     int64
	from     []int64
	answers  []string
	refusals []audit.SessionRefusal
	more     uint64
	svids    []audit.Renewal
	proofs   []string
	unlisted uint64
	turns    chan struct{} // nil: nobody has a turn
	left     int
}

func (l *auditLog) Join() (<-chan struct{}, func()) {
	return l.turns, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.left++
	}
}

func (l *auditLog) answered() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.answers)
}

func (l *auditLog) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

func (l *auditLog) grow(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size += n
}

func (l *auditLog) Offer(_ context.Context, from int64) (witness.Offer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.from = append(l.from, from)
	return witness.Offer{VerifierKey: "key", Note: []byte("note"), From: from, Proof: [][]byte{{1}}}, nil
}

func (l *auditLog) Witnessed(_ context.Context, connector string, _ int64, failure string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers = append(l.answers, connector+":"+failure)
	return nil
}

func (l *auditLog) Renewed(s audit.Renewal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.svids = append(l.svids, s)
}

func (l *auditLog) Sessions(_ string, refused []audit.SessionRefusal, more uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refusals, l.more = append(l.refusals, refused...), l.more+more
}

func (l *auditLog) Proofs(reporter string, refused []audit.ProofRefusal, more uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range refused {
		l.proofs = append(l.proofs, reporter+" refused "+r.Peer+" at "+r.Remote+" from "+r.Local+": "+r.Reason)
	}
	l.unlisted += more
}

func (l *auditLog) unproven() ([]string, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.proofs, l.unlisted
}

func (l *auditLog) refused() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.refusals)
}

func answer(size uint64, failure string) *zerotrustv1.ConnectRequest {
	return &zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_AuditWitness{AuditWitness: &zerotrustv1.AuditWitness{Size: size, Failure: failure}}}
}

func refusals(r *zerotrustv1.SessionRefusals) *zerotrustv1.ConnectRequest {
	return &zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Refusals{Refusals: r}}
}

func refusal(change func(*zerotrustv1.SessionRefusal)) *zerotrustv1.SessionRefusals {
	r := &zerotrustv1.SessionRefusal{
		SpiffeId: "spiffe://mycorp.internal/tunneler/t1", Reason: "not \x1bnamed", RemoteAddress: "192.0.2.1", Count: 3,
		FirstAt: timestamppb.Now(), LastAt: timestamppb.Now(),
	}
	change(r)
	return &zerotrustv1.SessionRefusals{Refusals: []*zerotrustv1.SessionRefusal{r}, More: 2}
}

func (s stream) checkpoint(t *testing.T) *zerotrustv1.AuditCheckpoint {
	t.Helper()
	m, err := s.Recv()
	require.NoError(t, err)
	if m.GetDenials().GetComplete() { // the begin of a stream
		m, err = s.Recv()
		require.NoError(t, err)
	}
	require.NotNil(t, m.GetAuditCheckpoint(), "%v", m)
	return m.GetAuditCheckpoint()
}

// witnessed is a world whose control plane has this log.
func witnessed(t *testing.T, l *auditLog) (*world, identity.Workload) {
	t.Helper()
	w := newWorld(t)
	w.controlPlane.Audit, w.controlPlane.Reports = l, l
	who := identity.Workload{Kind: identity.KindConnector, ID: "c1"}
	w.member(t, who)
	return w, who
}

func TestCheckpointsAreOfferedOneAtATime(t *testing.T) {
	t.Parallel()
	l := &auditLog{size: 7, turns: make(chan struct{})}
	w, who := witnessed(t, l)
	s := w.open(t, who)
	s.say(helloOf(&zerotrustv1.ConnectorHello{ConnectorId: "c1", AuditWitnessedSize: 5}))
	require.Equal(t, uint64(5), s.checkpoint(t).GetFromSize(), "the log comes before the policy")
	s.policy(t)
	l.grow(2)
	l.turns <- struct{}{} // while the first one is unanswered
	s.say(answer(7, ""))
	eventually(t, "the answer", func() bool { return l.answered() == 1 })
	require.Equal(t, []int64{5}, l.from, "without a turn none is offered, though the log has grown")
	l.turns <- struct{}{}
	require.Equal(t, uint64(7), s.checkpoint(t).GetFromSize(), "from where the connector is")
	s.say(answer(9, ""))
	eventually(t, "both answers", func() bool { return l.answered() == 2 })
	l.turns <- struct{}{} // nothing is new
	l.turns <- struct{}{}
	require.Equal(t, []int64{5, 7}, l.from)

	t.Run("an answer without a checkpoint ends the stream", func(t *testing.T) {
		s.say(answer(9, ""))
		s.endsWith(t, codes.InvalidArgument, "without a checkpoint")
		eventually(t, "its turn goes to others", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.left == 1 })
	})
}

// What a tunneler may have had a hand in never ends the stream of its connector.
func TestARefusalThatIsNothingIsOnlyCounted(t *testing.T) {
	t.Parallel()
	l := &auditLog{}
	w, who := witnessed(t, l)
	good := refusal(func(*zerotrustv1.SessionRefusal) {})
	good.More = 0
	s := w.open(t, who)
	s.say(hello("c1"))
	s.policy(t)
	bad := &zerotrustv1.SessionRefusals{}
	for _, change := range []func(*zerotrustv1.SessionRefusal){
		func(r *zerotrustv1.SessionRefusal) { r.SpiffeId = "t1" },
		func(r *zerotrustv1.SessionRefusal) { r.SpiffeId = "spiffe://mycorp.internal/x/y/z" },
		func(r *zerotrustv1.SessionRefusal) {
			r.SpiffeId = "spiffe://mycorp.internal/" + strings.Repeat("a", 2048)
		},
		func(r *zerotrustv1.SessionRefusal) { r.RemoteAddress = "host" },
		func(r *zerotrustv1.SessionRefusal) { r.Count = 0 },
		func(r *zerotrustv1.SessionRefusal) { r.LastAt = nil },
		func(r *zerotrustv1.SessionRefusal) { r.FirstAt = &timestamppb.Timestamp{Nanos: -1} },
	} {
		bad.Refusals = append(bad.Refusals, refusal(change).GetRefusals()...)
	}
	bad.More = math.MaxUint64 - 3 // with seven more there are no such numbers
	s.say(refusals(bad), refusals(good))
	eventually(t, "the refusal after them", func() bool { return l.refused() == 1 })
	require.Equal(t, "tunneler/t1", l.refusals[0].Caller)
	require.Equal(t, "not named", l.refusals[0].Reason, "without what a terminal would obey")
	require.Equal(t, uint64(math.MaxUint64), l.more, "seven beside those that the connector counts")

	many := &zerotrustv1.SessionRefusals{}
	for range 70 {
		many.Refusals = append(many.Refusals, good.GetRefusals()...)
	}
	l.mu.Lock()
	l.more = 0
	l.mu.Unlock()
	s.say(refusals(many))
	eventually(t, "64 of them", func() bool { return l.refused() == 65 })
	require.Equal(t, uint64(6), l.more)
}

// The witness's failure quotes what a controller wrote.
func TestALongFailureOfAWitnessIsClipped(t *testing.T) {
	t.Parallel()
	l := &auditLog{size: 7}
	w, who := witnessed(t, l)
	s := w.open(t, who)
	s.say(hello("c1"))
	s.checkpoint(t)
	s.say(answer(1, strings.Repeat("é", 200)))
	eventually(t, "the answer", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.answers) == 1 })
	require.Equal(t, "c1:"+strings.Repeat("é", 128), l.answers[0])
}
