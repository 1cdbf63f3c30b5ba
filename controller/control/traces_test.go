package control_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/rpcauth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/telemetrytest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/tracing/otlp"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// traced has an enrollment listener that is traced, and logs. A span ends after the
// reply; end waits for the spans.
func (w *world) traced(t *testing.T, to *telemetrytest.Collector) (logs *observer.ObservedLogs, end func()) {
	t.Helper()
	p, err := otlp.Open(t.Context(), otlp.Config{Endpoint: to.Addr, Insecure: true, SampleRatio: 1}, otlp.Resource{}, zap.NewNop())
	require.NoError(t, err)
	core, logs := observer.New(zap.InfoLevel)
	log := zap.New(core)
	service := enroll.New(enroll.Config{
		TrustDomain: td, Store: w.store, Signer: w.ca, SPIRE: w.spire, Changed: w, Audit: audit.New(log, time.Now), Log: log, Now: time.Now,
	})
	w.enrollment = control.NewEnrollmentServer(listen(t), w.ca.ServerConfig(), &control.Enrollment{
		Endpoints:   somewhere,
		TrustDomain: td, Redeemer: service, Requests: service, Bundles: bundles{w.spireCA.Authority()}, Policy: w.policy, Log: log,
	}, log, p.ServerOptions(control.Traced)...)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- w.enrollment.Run(ctx) }()
	end = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, p.Close())
	})
	t.Cleanup(end)
	return logs, end
}

const enrollSpan = "zerotrust.v1.EnrollmentService/Enroll"

func TestAnEnrollmentIsOneTraceWithoutASecret(t *testing.T) {
	t.Parallel()
	w, collector := newWorld(t), telemetrytest.StartCollector(t)
	logs, end := w.traced(t, collector)
	tokenID, secret := w.token(t, connector("c-01"))
	r := request(secret, "c-01", enrolltest.NewKey(t))
	got, err := w.enrollmentClient(t, nil).Enroll(patient(t), r)
	require.NoError(t, err)
	end()

	spans := collector.Spans()
	root, ok := telemetrytest.FindSpan(spans, enrollSpan)
	require.True(t, ok)
	require.Empty(t, root.Parent)
	require.Len(t, telemetrytest.OfTrace(spans, root.Trace), len(spans), "one trace")
	for name, chain := range map[string][]string{
		"store.commit":     {"store.commit", "store.transaction", "enroll.claim", enrollSpan},
		"enroll.sign":      {"enroll.sign", "enroll.provision", enrollSpan},
		"enroll.settle":    {"enroll.settle", "enroll.provision", enrollSpan},
		"enroll.provision": {"enroll.provision", enrollSpan},
	} {
		require.Equal(t, chain, telemetrytest.SpanChain(spans, name))
	}
	for key, want := range map[string]string{
		"zerotrust.kind": "connector", "zerotrust.id": "c-01", "zerotrust.result": "enrolled",
		"zerotrust.spiffe_id": got.GetSpiffeId(), "zerotrust.host_id": got.GetHostId(),
	} {
		require.Equal(t, want, root.Attributes[key], key)
	}
	line := logs.FilterMessage("audit event").All()[0].ContextMap()
	require.Equal(t, root.Trace, line["trace_id"])
	require.Equal(t, root.Attributes["zerotrust.request_id"], line["request_id"])

	for what, bytes := range map[string][]byte{
		"the token": []byte(secret), "the CSR": r.GetCsr()[40:80], "the host certificate": got.GetHostCertificate()[40:80],
		"the bundle": got.GetBundle().GetX509Authorities()[0][40:80], "an argument of a query": []byte(tokenID), "a query": []byte("SELECT"),
	} {
		require.NotContains(t, string(collector.Raw()), string(bytes), what)
	}
}

func TestARefusedEnrollmentIsATraceThatSaysWhyAndNotOfWhat(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil  func(secret string, r *zerotrustv1.EnrollRequest)
		code   codes.Code
		result string
	}{
		"an unknown token":        {func(_ string, r *zerotrustv1.EnrollRequest) { r.Token = "ztc_" + r.GetToken()[5:] + "x" }, codes.PermissionDenied, "refused_unknown"},
		"another id":              {func(_ string, r *zerotrustv1.EnrollRequest) { r.Id = "c-02" }, codes.PermissionDenied, "refused_id"},
		"an id that is the token": {func(secret string, r *zerotrustv1.EnrollRequest) { r.Id = secret }, codes.InvalidArgument, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, collector := newWorld(t), telemetrytest.StartCollector(t)
			_, end := w.traced(t, collector)
			_, secret := w.token(t, connector("c-01"))
			r := request(secret, "c-01", enrolltest.NewKey(t))
			c.spoil(secret, r)
			_, err := w.enrollmentClient(t, nil).Enroll(patient(t), r)
			require.Equal(t, c.code, status.Code(err))
			end()

			root, ok := telemetrytest.FindSpan(collector.Spans(), enrollSpan)
			require.True(t, ok)
			require.Equal(t, c.result, root.Attributes["zerotrust.result"])
			if c.result != "" {
				require.Equal(t, rpcauth.RequestID(err), root.Attributes["zerotrust.request_id"])
			}
			require.NotContains(t, string(collector.Raw()), secret)
		})
	}
}

// TestOnlyEnrollmentIsTraced: not the streams of the control plane, which live for
// days, and not what asks for health.
func TestOnlyEnrollmentIsTraced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for service, of := range map[*control.Server]bool{w.enrollment: true, w.plane: false} {
		for name, info := range service.Services() {
			for _, m := range info.Methods {
				health := name == "grpc.health.v1.Health"
				require.Equal(t, of && !health, control.Traced("/"+name+"/"+m.Name), m.Name)
			}
		}
	}
}
