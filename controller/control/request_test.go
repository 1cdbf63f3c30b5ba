package control_test

import (
	"context"
	"crypto/x509"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/enrollclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// asks is the real client of a host that asks; shown gets what its screen shows.
func (w *world) asks(t *testing.T, address string, shown chan<- enrollclient.Pending) func() (enrollclient.Result, error) {
	t.Helper()
	c, err := enrollclient.New(enrollclient.Config{Address: address, Anchors: w.anchors(), TrustDomain: td, Timeout: patience})
	require.NoError(t, err)
	r := enrollclient.Request{
		Workload: connector("c-01"), Facts: &zerotrustv1.HostFacts{BinaryPath: "/usr/bin/grpcconnector", Hostname: "box"},
		Dir: hostagent.Dir{Root: t.TempDir()}, CA: []byte("the CA\n"),
	}
	return func() (enrollclient.Result, error) {
		return c.RequestEnrollment(t.Context(), r, func(p enrollclient.Pending) { shown <- p })
	}
}

func (w *world) onlyRequest(t *testing.T) enroll.Request {
	t.Helper()
	all := w.requests(t)
	require.Len(t, all, 1)
	return all[0]
}

func (w *world) requests(t *testing.T) []enroll.Request {
	t.Helper()
	p, err := w.enroll.RequestPage(t.Context(), enroll.RequestQuery{Sort: enroll.ByCreation, Limit: 100})
	require.NoError(t, err)
	return p.Items
}

func TestAHostAsksAndIsApproved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shown, done := make(chan enrollclient.Pending, 4), make(chan error, 1)
	var got enrollclient.Result
	enrolls := w.asks(t, w.enrollment.Addr().String(), shown)
	go func() {
		var err error
		got, err = enrolls()
		done <- err
	}()
	p := <-shown
	q := w.onlyRequest(t)
	require.Equal(t, p.Fingerprint, q.Fingerprint, "both screens show the same")
	require.Equal(t, p.Code, q.Code)
	require.WithinDuration(t, p.ExpiresAt, q.ExpiresAt, time.Millisecond)
	begin := time.Now()
	_, err := w.enroll.Approve(t.Context(), enroll.Verdict{ID: q.ID, Fingerprint: p.Fingerprint, Actor: "person:p1"})
	require.NoError(t, err)
	require.NoError(t, <-done)
	t.Logf("%s from approval to host files", time.Since(begin))
	require.Equal(t, "spiffe://mycorp.internal/connector/c-01", got.SPIFFEID)
	require.Equal(t, "enrolled", w.results.last())
}

func TestAHostIsToldHowItsRequestEnded(t *testing.T) {
	t.Parallel()
	t.Run("denied", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		shown, done := make(chan enrollclient.Pending, 4), make(chan error, 1)
		enrolls := w.asks(t, w.enrollment.Addr().String(), shown)
		go func() {
			_, err := enrolls()
			done <- err
		}()
		<-shown
		_, err := w.enroll.Deny(t.Context(), enroll.Verdict{ID: w.onlyRequest(t).ID, Actor: "person:p1"})
		require.NoError(t, err)
		require.ErrorIs(t, <-done, enrollclient.ErrDenied)
	})
	t.Run("the controller stops, and nothing hangs", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		key := enrolltest.NewKey(t)
		api := w.enrollmentClient(t, nil)
		q, err := api.RequestEnrollment(patient(t), w.askMessage(t, key, "c-01"))
		require.NoError(t, err)
		stream, challenge := await(t, api)
		reply(t, stream, key, q.GetRequestId(), challenge)
		w.shutDown()
		_, err = stream.Recv()
		require.Contains(t, []codes.Code{codes.Unavailable, codes.Canceled}, status.Code(err))
		for range 2 {
			require.NoError(t, <-w.stopped)
		}
	})
}

// askMessage is what an honest host sends to this controller.
func (w *world) askMessage(t *testing.T, key enrolltest.Key, id string) *zerotrustv1.RequestEnrollmentRequest {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(key.Private.Public())
	require.NoError(t, err)
	s := keys.Subject{TrustDomain: td.Name(), Workload: connector(id), Key: spki, Listener: w.listenerCertificate(t).Certificate[0]}
	proof, err := keys.Sign(key.Private, s.AskMessage())
	require.NoError(t, err)
	return &zerotrustv1.RequestEnrollmentRequest{
		Kind: zerotrustv1.WorkloadKind_WORKLOAD_KIND_CONNECTOR, Id: id, Csr: key.CSR, Proof: proof,
		Host: &zerotrustv1.HostFacts{BinaryPath: "/usr/bin/grpcconnector"},
	}
}

type awaitStream = zerotrustv1.EnrollmentService_AwaitEnrollmentClient

func await(t *testing.T, api zerotrustv1.EnrollmentServiceClient) (awaitStream, []byte) {
	t.Helper()
	stream, err := api.AwaitEnrollment(patient(t))
	require.NoError(t, err)
	first, err := stream.Recv()
	require.NoError(t, err)
	require.Len(t, first.GetChallenge(), keys.ChallengeSize)
	return stream, first.GetChallenge()
}

func exporterOf(t *testing.T, stream awaitStream) []byte {
	t.Helper()
	p, ok := tlsPeer(stream.Context())
	require.True(t, ok)
	value, err := p.State.ExportKeyingMaterial(keys.ExporterLabel, nil, keys.ExporterSize)
	require.NoError(t, err)
	return value
}

func reply(t *testing.T, stream awaitStream, key enrolltest.Key, id string, challenge []byte) []byte {
	t.Helper()
	signature, err := keys.Sign(key.Private, keys.AwaitMessage(id, challenge, exporterOf(t, stream)))
	require.NoError(t, err)
	require.NoError(t, stream.Send(&zerotrustv1.AwaitEnrollmentRequest{RequestId: id, Signature: signature}))
	return signature
}

func TestOnlyTheKeyOfTheRequestIsAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := enrolltest.NewKey(t)
	api := w.enrollmentClient(t, nil)
	q, err := api.RequestEnrollment(patient(t), w.askMessage(t, key, "c-01"))
	require.NoError(t, err)
	_, err = w.enroll.Approve(t.Context(), enroll.Verdict{ID: q.GetRequestId(), Fingerprint: w.onlyRequest(t).Fingerprint})
	require.NoError(t, err)

	// A signature that was made and not used up: its stream is cut before it is sent.
	seen, challenge := await(t, api)
	signature, err := keys.Sign(key.Private, keys.AwaitMessage(q.GetRequestId(), challenge, exporterOf(t, seen)))
	require.NoError(t, err)

	for name, c := range map[string]struct {
		api    zerotrustv1.EnrollmentServiceClient
		answer func(stream awaitStream, challenge []byte) *zerotrustv1.AwaitEnrollmentRequest
	}{
		"a replay on another stream": {api, func(awaitStream, []byte) *zerotrustv1.AwaitEnrollmentRequest {
			return &zerotrustv1.AwaitEnrollmentRequest{RequestId: q.GetRequestId(), Signature: signature}
		}},
		"a signature for another connection": {w.enrollmentClient(t, nil), func(_ awaitStream, challenge []byte) *zerotrustv1.AwaitEnrollmentRequest {
			s, err := keys.Sign(key.Private, keys.AwaitMessage(q.GetRequestId(), challenge, exporterOf(t, seen)))
			require.NoError(t, err)
			return &zerotrustv1.AwaitEnrollmentRequest{RequestId: q.GetRequestId(), Signature: s}
		}},
		"a foreign key": {api, func(stream awaitStream, challenge []byte) *zerotrustv1.AwaitEnrollmentRequest {
			s, err := keys.Sign(enrolltest.NewKey(t).Private, keys.AwaitMessage(q.GetRequestId(), challenge, exporterOf(t, stream)))
			require.NoError(t, err)
			return &zerotrustv1.AwaitEnrollmentRequest{RequestId: q.GetRequestId(), Signature: s}
		}},
		"an unknown request": {api, func(awaitStream, []byte) *zerotrustv1.AwaitEnrollmentRequest {
			return &zerotrustv1.AwaitEnrollmentRequest{RequestId: "req_1", Signature: signature}
		}},
		"nothing": {api, func(awaitStream, []byte) *zerotrustv1.AwaitEnrollmentRequest {
			return &zerotrustv1.AwaitEnrollmentRequest{}
		}},
	} {
		stream, challenge := await(t, c.api)
		require.NoError(t, stream.Send(c.answer(stream, challenge)))
		_, err := stream.Recv()
		require.Equal(t, codes.PermissionDenied, status.Code(err), name)
		require.Equal(t, "enrollment refused, request id #", requestID.ReplaceAllString(status.Convert(err).Message(), "#"), "all look alike: %s", name)
	}
	stream, challenge := await(t, api)
	reply(t, stream, key, q.GetRequestId(), challenge)
	got, err := stream.Recv()
	require.NoError(t, err)
	require.NotEmpty(t, got.GetEnrolled().GetHostCertificate())
}

func TestStreamsOfOneAddressAreCapped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 2 { // 8 streams a connection
		api := w.enrollmentClient(t, nil)
		for range 8 {
			await(t, api)
		}
	}
	stream, err := w.enrollmentClient(t, nil).AwaitEnrollment(patient(t))
	require.NoError(t, err)
	_, err = stream.Recv()
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
}

// middle is a man in the middle who has stolen the bootstrap CA's key: hosts trust
// his listener. It passes on what it gets, with its own key where swap says so.
type middle struct {
	zerotrustv1.UnimplementedEnrollmentServiceServer

	t     *testing.T
	w     *world
	to    zerotrustv1.EnrollmentServiceClient
	thief *enrolltest.Key

	mu  sync.Mutex
	err error
}

func (m *middle) RequestEnrollment(ctx context.Context, r *zerotrustv1.RequestEnrollmentRequest) (*zerotrustv1.RequestEnrollmentResponse, error) {
	if m.thief != nil {
		r = m.w.askMessage(m.t, *m.thief, r.GetId())
	}
	out, err := m.to.RequestEnrollment(ctx, r)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = errors.Join(m.err, err)
	return out, err
}

func startMiddle(t *testing.T, w *world, thief *enrolltest.Key) (*middle, string) {
	t.Helper()
	stolen, err := bootstrapca.Open(w.caDir, td, time.Now) // the same key, another listener certificate
	require.NoError(t, err)
	m := &middle{t: t, w: w, to: w.enrollmentClient(t, nil), thief: thief}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(stolen.ServerConfig())))
	zerotrustv1.RegisterEnrollmentServiceServer(server, m)
	lis := listen(t)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(lis) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return m, lis.Addr().String()
}

func TestAManInTheMiddleWithTheCAsKeyIsSeen(t *testing.T) {
	t.Parallel()
	t.Run("when he passes the request on", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		_, address := startMiddle(t, w, nil)
		_, err := w.asks(t, address, make(chan enrollclient.Pending, 4))()
		require.ErrorContains(t, err, "somebody may be between host and controller")
		require.Empty(t, w.requests(t))
	})
	t.Run("when he asks with his own key", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		thief := enrolltest.NewKey(t)
		_, address := startMiddle(t, w, &thief)
		shown := make(chan enrollclient.Pending, 4)
		_, err := w.asks(t, address, shown)()
		require.Error(t, err) // he serves no AwaitEnrollment
		q := w.onlyRequest(t)
		onTheHost := (<-shown).Fingerprint
		require.NotEqual(t, onTheHost, q.Fingerprint)
		_, err = w.enroll.Approve(t.Context(), enroll.Verdict{ID: q.ID, Fingerprint: onTheHost})
		require.ErrorIs(t, err, enroll.ErrFingerprint)
	})
}

func tlsPeer(ctx context.Context) (credentials.TLSInfo, bool) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return credentials.TLSInfo{}, false
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	return info, ok
}
