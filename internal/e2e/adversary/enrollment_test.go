package adversary_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/enrollclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

func (w *world) token(t *testing.T, r enroll.TokenRequest) string {
	t.Helper()
	r.Workload = connector
	_, secret, err := w.enroll.Create(t.Context(), r)
	require.NoError(t, err)
	return secret
}

func redemption(secret string, key enrolltest.Key) enroll.Redemption {
	return enroll.Redemption{
		Secret: secret, Workload: connector, CSR: key.CSR, Source: netip.MustParseAddrPort("192.0.2.7:4711"),
		Facts: enroll.Facts{BinaryPath: "/usr/bin/grpcconnector", UID: 1000, Hostname: "box", Version: "v1"},
	}
}

// redeem is a control.Redeemer made of a function.
type redeem func(context.Context, enroll.Redemption) (enroll.Enrollment, error)

// Redeem implements control.Redeemer.
func (f redeem) Redeem(ctx context.Context, r enroll.Redemption) (enroll.Enrollment, error) {
	return f(ctx, r)
}

// OpenZiti 2.1.0 changelog: bodies of callers that had shown no credential were
// buffered without a cap.
func TestAStrangersBodyIsRefusedUnread(t *testing.T) {
	t.Parallel()
	var heard atomic.Int32
	w := newWorld(t, between{redeemer: func(real control.Redeemer) control.Redeemer {
		return redeem(func(ctx context.Context, r enroll.Redemption) (enroll.Enrollment, error) {
			heard.Add(1)
			return real.Redeem(ctx, r)
		})
	}})
	anchors, err := bootstrap.LoadAnchors(w.ca.CertificatePath())
	require.NoError(t, err)
	conn, err := grpc.NewClient("passthrough:///"+w.door.Addr().String(),
		grpc.WithTransportCredentials(credentials.NewTLS(bootstrap.ClientConfig(anchors, td, nil))))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	api := zerotrustv1.NewEnrollmentServiceClient(conn)

	_, err = api.Enroll(patient(t), &zerotrustv1.EnrollRequest{Csr: make([]byte, 1<<20)})
	require.Equal(t, codes.ResourceExhausted, status.Code(err), "%v", err)
	require.Zero(t, heard.Load())
	_, err = api.Enroll(patient(t), &zerotrustv1.EnrollRequest{Csr: make([]byte, 1<<10)})
	require.Equal(t, codes.InvalidArgument, status.Code(err), "%v", err)
	require.Equal(t, int32(1), heard.Load())
}

// SPIRE #2454: a join token was spent when the server had used it, whether or not
// the agent ever got the reply; the host was stuck.
func TestALostReplyBurnsNoToken(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	w := newWorld(t, between{redeemer: func(real control.Redeemer) control.Redeemer {
		return redeem(func(ctx context.Context, r enroll.Redemption) (enroll.Enrollment, error) {
			got, err := real.Redeem(ctx, r)
			if calls.Add(1) == 1 && err == nil {
				return enroll.Enrollment{}, errors.New("the reply is lost")
			}
			return got, err
		})
	}})
	anchors, err := bootstrap.LoadAnchors(w.ca.CertificatePath())
	require.NoError(t, err)
	host, err := enrollclient.New(enrollclient.Config{Address: w.door.Addr().String(), Anchors: anchors, TrustDomain: td, Timeout: 2 * soon})
	require.NoError(t, err)
	token, err := enrollclient.NewToken(w.token(t, enroll.TokenRequest{}))
	require.NoError(t, err)
	got, err := host.Enroll(t.Context(), enrollclient.Request{
		Token: token, Workload: connector, Dir: hostagent.Dir{Root: t.TempDir()},
		Facts: &zerotrustv1.HostFacts{BinaryPath: "/usr/bin/grpcconnector", Uid: 1000, Hostname: "box", Version: "v1"},
	})
	require.NoError(t, err)
	require.Equal(t, connectorID, got.SPIFFEID)
	require.Equal(t, int32(2), calls.Load())
	hosts, err := w.store.Hosts(t.Context())
	require.NoError(t, err)
	require.Len(t, hosts, 1)
}

// headscale #3371: "authkey already used", though nobody had ever got in with it.
func TestARefusedAttemptSpendsNoToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	secret := w.token(t, enroll.TokenRequest{Source: netip.MustParsePrefix("192.0.2.0/24")})
	for name, spoil := range map[string]func(*enroll.Redemption){
		"for another id":       func(r *enroll.Redemption) { r.Workload.ID = "other" },
		"for another kind":     func(r *enroll.Redemption) { r.Workload.Kind = identity.KindTunneler },
		"from another network": func(r *enroll.Redemption) { r.Source = netip.MustParseAddrPort("198.51.100.1:1") },
		"with a broken CSR":    func(r *enroll.Redemption) { r.CSR = r.CSR[:len(r.CSR)-1] },
	} {
		r := redemption(secret, enrolltest.NewKey(t))
		spoil(&r)
		_, err := w.enroll.Redeem(t.Context(), r)
		require.Error(t, err, name)
	}
	_, err := w.enroll.Redeem(t.Context(), redemption(secret, enrolltest.NewKey(t)))
	require.NoError(t, err)
}

// together is a store whose first n transactions are all over before anybody sees
// the end of one: whoever decides in one and acts in the next is found out.
type together struct {
	enroll.Store

	n    int32
	open atomic.Bool
	over atomic.Int32
	all  chan struct{}
}

// EnrollTx implements enroll.Store.
func (s *together) EnrollTx(ctx context.Context, fn func(enroll.Tx) error) error {
	err := s.Store.EnrollTx(ctx, fn)
	if s.open.Load() {
		return err
	}
	if s.over.Add(1) == s.n {
		close(s.all)
	}
	<-s.all
	return err
}

// SPIRE before 1.14.6: of two agents that used one join token at the same time,
// both were let in.
func TestAContestedTokenHasOneWinner(t *testing.T) {
	t.Parallel()
	const n = 16
	gate := &together{n: n, all: make(chan struct{})}
	w := newWorld(t, between{store: func(real enroll.Store) enroll.Store { gate.Store = real; return gate }})
	gate.open.Store(true)
	secret := w.token(t, enroll.TokenRequest{})
	gate.open.Store(false)
	var won atomic.Int32
	var all sync.WaitGroup
	for range n {
		r := redemption(secret, enrolltest.NewKey(t))
		all.Go(func() {
			if _, err := w.enroll.Redeem(context.WithoutCancel(t.Context()), r); err == nil {
				won.Add(1)
			}
		})
	}
	all.Wait()
	require.Equal(t, int32(1), won.Load())
}

// OpenZiti config_edge.go: an enrollment life under the minimum silently became
// 180 minutes, longer than anybody had asked for.
func TestATooShortLifeIsAnErrorAndNeverAnotherLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	for _, ttl := range []time.Duration{-time.Minute, 1, enroll.MinTTL - 1, enroll.MaxTTL + 1} {
		_, _, err := w.enroll.Create(t.Context(), enroll.TokenRequest{Workload: connector, TTL: ttl})
		var field *enroll.FieldError
		require.ErrorAs(t, err, &field, "%s", ttl)
		require.Equal(t, "ttl", field.Field)
	}
	tokens, err := enrolltest.Tokens(t.Context(), w.enroll)
	require.NoError(t, err)
	require.Empty(t, tokens)
}
