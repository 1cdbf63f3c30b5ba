package otlp_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/telemetrytest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/tracing"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/tracing/otlp"
)

// TestMain has globals of OpenTelemetry that we must not use.
func TestMain(m *testing.M) {
	otel.SetTextMapPropagator(propagation.TraceContext{})
	goleak.VerifyTestMain(m)
}

const check = "grpc.health.v1.Health/Check"

func open(t *testing.T, endpoint string, ratio float64) (*otlp.Provider, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	p, err := otlp.Open(t.Context(), otlp.Config{Endpoint: endpoint, Insecure: true, SampleRatio: ratio}, otlp.Resource{Service: "test"}, zap.New(core))
	require.NoError(t, err)
	return p, logs
}

// handler is a server's only RPC.
type handler struct {
	*health.Server

	do func(ctx context.Context)
}

func (h handler) Check(ctx context.Context, _ *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	h.do(ctx)
	return &healthv1.HealthCheckResponse{}, nil
}

// serve runs do in each call of the client that it returns.
func serve(t *testing.T, server []grpc.ServerOption, client []grpc.DialOption, do func(context.Context)) healthv1.HealthClient {
	t.Helper()
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := grpc.NewServer(server...)
	healthv1.RegisterHealthServer(s, handler{health.NewServer(), do})
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(lis) }()
	conn, err := grpc.NewClient("passthrough:///"+lis.Addr().String(), append(client, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(); s.Stop(); <-done })
	return healthv1.NewHealthClient(conn)
}

func every(string) bool { return true }

func TestATraceHasItsStepsBelowTheCallAndTheCallsOfOthers(t *testing.T) {
	t.Parallel()
	c := telemetrytest.StartCollector(t)
	p, _ := open(t, c.Addr, 1)
	var inLog string
	inner := serve(t, nil, p.DialOptions(), func(context.Context) {})
	outer := serve(t, p.ServerOptions(every), nil, func(ctx context.Context) {
		inLog = logging.RequestOf(ctx).TraceID
		ctx, span := tracing.Start(ctx, "step", tracing.Kind("connector"))
		_, err := inner.Check(ctx, &healthv1.HealthCheckRequest{})
		_, failed := tracing.Start(ctx, "failed step")
		failed.End(errors.New("ztc_secret"))
		span.End(err)
	})
	// What a caller says of a trace is no reason to follow it.
	forged := "0af7651916cd43dd8448eb211c80319c"
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-"+forged+"-b7ad6b7169203331-01")
	_, err := outer.Check(ctx, &healthv1.HealthCheckRequest{})
	require.NoError(t, err)
	require.NoError(t, p.Close())

	spans := c.Spans()
	require.Len(t, spans, 4)
	for _, s := range spans {
		require.Equal(t, inLog, s.Trace)
		require.NotEqual(t, forged, s.Trace)
		if s.Name == "step" {
			require.Equal(t, "connector", s.Attributes["zerotrust.kind"])
			require.False(t, s.Failed)
		}
	}
	require.Equal(t, []string{"failed step", "step", check}, telemetrytest.SpanChain(spans, "failed step"))
	failed, _ := telemetrytest.FindSpan(spans, "failed step")
	require.True(t, failed.Failed)
	require.NotContains(t, string(c.Raw()), "ztc_secret", "the text of an error")
	require.Equal(t, otlp.Counts{Exported: 4}, p.Counts())
}

func TestWorkInTheBackgroundIsNoTrace(t *testing.T) {
	t.Parallel()
	c := telemetrytest.StartCollector(t)
	p, _ := open(t, c.Addr, 1)
	client := serve(t, p.ServerOptions(func(method string) bool { return method != "/"+check }), p.DialOptions(), func(ctx context.Context) {
		require.Empty(t, tracing.TraceID(ctx))
		_, span := tracing.Start(ctx, "step")
		span.End(nil)
	})
	_, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{})
	require.NoError(t, err)
	require.NoError(t, p.Close())
	require.Empty(t, c.Spans())
}

func TestTheSampleRatioDecidesAtTheRoot(t *testing.T) {
	t.Parallel()
	c := telemetrytest.StartCollector(t)
	p, _ := open(t, c.Addr, 0)
	ctx, span := p.Tracer().Begin(t.Context(), "request")
	require.Empty(t, tracing.TraceID(ctx), "a trace that nobody keeps is not named in the log")
	_, step := tracing.Start(ctx, "step")
	step.End(nil)
	span.End(nil)
	require.NoError(t, p.Close())
	require.Empty(t, c.Spans())
}

func TestWithoutAnEndpointThereIsNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	p, err := otlp.Open(t.Context(), otlp.DefaultConfig(), otlp.Resource{}, zap.NewNop())
	require.NoError(t, err)
	goleak.VerifyNone(t, before)
	require.False(t, p.On())
	require.Nil(t, p.ServerOptions(every))
	require.Nil(t, p.DialOptions())
	require.Zero(t, testing.AllocsPerRun(100, func() {
		ctx, span := p.Tracer().Begin(t.Context(), "request", tracing.Kind("connector"))
		ctx, step := tracing.Start(ctx, "step", tracing.ID("c-01"))
		tracing.Current(ctx).Set(tracing.Result("enrolled"))
		step.End(nil)
		span.End(nil)
	}))
	require.Zero(t, p.Counts())
	require.NoError(t, p.Close())
}

// hang accepts and never answers.
func hang(t *testing.T) string {
	t.Helper()
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			defer func() { _ = conn.Close() }() //nolint:gocritic // at the end of the test
		}
	}()
	t.Cleanup(func() { _ = lis.Close(); <-done })
	return lis.Addr().String()
}

func TestACollectorThatTakesNothingHoldsUpNothing(t *testing.T) {
	t.Parallel()
	for name, endpoint := range map[string]func(*testing.T) string{
		"it hangs":            hang,
		"nobody listens":      func(t *testing.T) string { return hosttest.Address(t) },
		"its name is unknown": func(*testing.T) string { return "collector.invalid:4317" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, logs := open(t, endpoint(t), 1)
			const spans = 20_000
			begin := time.Now()
			for range spans {
				_, span := p.Tracer().Begin(t.Context(), "request")
				span.End(nil)
			}
			require.Less(t, time.Since(begin), 15*time.Second, "20,000 spans take 50 ms, or ten minutes if each batch waits until it is given up")
			require.GreaterOrEqual(t, p.Counts().Overflow, uint64(spans-4096-512))

			begin = time.Now()
			require.NoError(t, p.Close())
			require.Less(t, time.Since(begin), 15*time.Second, "it gives up after 3 s, a batch after 20 s")
			n := p.Counts()
			require.Equal(t, uint64(spans), n.Failed+n.Overflow, "each is counted: %+v", n)
			require.Equal(t, 1, logs.FilterMessageSnippet("traces not exported").Len(), "said once, not for each batch")
		})
	}
}

func TestTheConnectionToTheCollectorIsTLSUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ca.crt")
	require.NoError(t, os.WriteFile(file, []byte("not a certificate"), 0o600))
	_, err := otlp.Open(t.Context(), otlp.Config{Endpoint: "127.0.0.1:1", CAPath: file, SampleRatio: 1}, otlp.Resource{}, zap.NewNop())
	require.ErrorContains(t, err, "tracing.ca_path")

	c := telemetrytest.StartCollector(t)
	p, err := otlp.Open(t.Context(), otlp.Config{Endpoint: c.Addr, SampleRatio: 1}, otlp.Resource{}, zap.NewNop())
	require.NoError(t, err)
	_, span := p.Tracer().Begin(t.Context(), "request")
	span.End(nil)
	require.NoError(t, p.Close())
	require.Empty(t, c.Spans(), "a collector without TLS gets nothing")
	require.Equal(t, otlp.Counts{Failed: 1}, p.Counts())
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config otlp.Config
		fault  string
	}{
		"off":                       {otlp.DefaultConfig(), ""},
		"on":                        {otlp.Config{Endpoint: "collector:4317", SampleRatio: 0.1}, ""},
		"a URL is no endpoint":      {otlp.Config{Endpoint: "http://collector:4317"}, "endpoint"},
		"nor a host without a port": {otlp.Config{Endpoint: "collector"}, "endpoint"},
		"nor port 0":                {otlp.Config{Endpoint: "collector:0"}, "endpoint"},
		"insecure needs one":        {otlp.Config{Insecure: true}, "endpoint"},
		"a CA needs TLS":            {otlp.Config{Endpoint: "collector:4317", Insecure: true, CAPath: "/ca"}, "ca_path"},
		"a CA has an absolute path": {otlp.Config{Endpoint: "collector:4317", CAPath: "ca"}, "ca_path"},
		"more than all":             {otlp.Config{SampleRatio: 1.1}, "sample_ratio"},
		"less than none":            {otlp.Config{SampleRatio: -1}, "sample_ratio"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.config.Validate()
			if c.fault == "" {
				require.NoError(t, err)
				require.Equal(t, c.config.Endpoint == "", strings.HasPrefix(c.config.Meaning(), "off"))
				return
			}
			require.ErrorContains(t, err, c.fault+": ")
		})
	}
}

// BenchmarkStep compares a step of a controller without tracing with the work alone.
func BenchmarkStep(b *testing.B) {
	sum := 0
	work := func() { sum++ }
	b.Run("without", func(b *testing.B) {
		for b.Loop() {
			work()
		}
	})
	b.Run("off", func(b *testing.B) {
		ctx := b.Context()
		b.ReportAllocs()
		for b.Loop() {
			_, span := tracing.Start(ctx, "step", tracing.Kind("connector"))
			work()
			span.End(nil)
		}
	})
}
