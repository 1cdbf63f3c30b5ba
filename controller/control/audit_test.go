package control_test

import (
	"context"
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
	svids    []audit.SVID
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

func (l *auditLog) SVID(s audit.SVID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.svids = append(l.svids, s)
}

func (l *auditLog) Sessions(_ string, refused []audit.SessionRefusal, more uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refusals, l.more = append(l.refusals, refused...), l.more+more
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
	l := &auditLog{size: 7}
	w, who := witnessed(t, l)
	s := w.open(t, who)
	s.say(helloOf(&zerotrustv1.ConnectorHello{ConnectorId: "c1", AuditWitnessedSize: 5}))
	require.Equal(t, uint64(5), s.checkpoint(t).GetFromSize(), "the log comes before the policy")
	s.policy(t)
	l.grow(2)
	s.say(answer(7, ""))
	require.Equal(t, uint64(7), s.checkpoint(t).GetFromSize(), "from where the connector is")
	s.say(answer(9, ""))
	eventually(t, "both answers", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.answers) == 2 })
	require.Equal(t, []int64{5, 7}, l.from)

	t.Run("an answer to no checkpoint ends the stream", func(t *testing.T) {
		s.say(answer(9, ""))
		s.endsWith(t, codes.InvalidArgument, "no checkpoint")
	})
}

func TestAuditReportsAreChecked(t *testing.T) {
	t.Parallel()
	l := &auditLog{}
	w, who := witnessed(t, l)
	good := refusal(func(*zerotrustv1.SessionRefusal) {})
	for name, m := range map[string]*zerotrustv1.ConnectRequest{
		"a failure that is too long": answer(1, string(make([]byte, 257))),
		"more than 64 refusals":      refusals(&zerotrustv1.SessionRefusals{Refusals: append(make([]*zerotrustv1.SessionRefusal, 64), good.GetRefusals()...)}),
		"no SPIFFE ID":               refusals(refusal(func(r *zerotrustv1.SessionRefusal) { r.SpiffeId = "t1" })),
		"a SPIFFE ID of no workload": refusals(refusal(func(r *zerotrustv1.SessionRefusal) { r.SpiffeId = "spiffe://mycorp.internal/x/y/z" })),
		"no address":                 refusals(refusal(func(r *zerotrustv1.SessionRefusal) { r.RemoteAddress = "host" })),
		"a count of none":            refusals(refusal(func(r *zerotrustv1.SessionRefusal) { r.Count = 0 })),
		"no time":                    refusals(refusal(func(r *zerotrustv1.SessionRefusal) { r.LastAt = nil })),
		"a time of no calendar":      refusals(refusal(func(r *zerotrustv1.SessionRefusal) { r.FirstAt = &timestamppb.Timestamp{Nanos: -1} })),
	} {
		t.Run(name, func(t *testing.T) {
			s := w.open(t, who)
			s.say(hello("c1"))
			s.policy(t)
			s.say(m)
			s.endsWith(t, codes.InvalidArgument, "")
		})
	}
	require.Zero(t, l.refused())
	s := w.open(t, who)
	s.say(hello("c1"), refusals(good))
	eventually(t, "the refusal", func() bool { return l.refused() == 1 })
	require.Equal(t, "tunneler/t1", l.refusals[0].Caller)
	require.Equal(t, "not named", l.refusals[0].Reason, "without what a terminal would obey")
	require.Equal(t, uint64(2), l.more)
}
