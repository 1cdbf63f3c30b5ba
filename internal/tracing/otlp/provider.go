package otlp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/tracing"
)

// What the collector may take of us: memory, and time at the end.
const (
	maxWaiting   = 4096 // spans, of about 1 KiB each
	batchSize    = 512
	batchEvery   = 2 * time.Second
	callTimeout  = 5 * time.Second  // of one attempt
	retryFor     = 20 * time.Second // a batch, while the collector restarts
	closeTimeout = 3 * time.Second  // to send the last spans
)

// Resource is what the traces are of.
type Resource struct {
	Service, Instance, Version string
}

// Provider exports the traces of one program.
type Provider struct {
	sdk    *sdktrace.TracerProvider // nil: off
	export *export
}

// Open connects to nothing yet: the collector may come later, and go. Close it.
func Open(ctx context.Context, c Config, of Resource, log *zap.Logger) (*Provider, error) {
	if c.Endpoint == "" {
		return &Provider{}, nil
	}
	options := []otlptracegrpc.Option{
		otlptracegrpc.WithEndpoint(c.Endpoint), otlptracegrpc.WithTimeout(callTimeout),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{
			Enabled: true, InitialInterval: 500 * time.Millisecond, MaxInterval: 5 * time.Second, MaxElapsedTime: retryFor,
		}),
	}
	security, err := c.security()
	if err != nil {
		return nil, err
	}
	to, err := otlptracegrpc.New(ctx, append(options, security)...)
	if err != nil {
		return nil, fmt.Errorf("tracing.endpoint: %w", err)
	}
	x := newExport(to, log)
	batches := sdktrace.NewBatchSpanProcessor(x,
		sdktrace.WithMaxQueueSize(maxWaiting), sdktrace.WithMaxExportBatchSize(batchSize), sdktrace.WithBatchTimeout(batchEvery),
		sdktrace.WithExportTimeout(retryFor+callTimeout))
	return &Provider{export: x, sdk: sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(x.bound(batches)),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.SampleRatio))),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", of.Service), attribute.String("service.instance.id", of.Instance),
			attribute.String("service.version", of.Version))),
	)}, nil
}

// CheckFiles returns an error where a file that the configuration names is of no use.
func (c Config) CheckFiles() error {
	_, err := c.security()
	return err
}

func (c Config) security() (otlptracegrpc.Option, error) {
	if c.Insecure {
		return otlptracegrpc.WithInsecure(), nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12} // collectors are other people's
	if c.CAPath != "" {
		text, err := os.ReadFile(c.CAPath)
		if err != nil {
			return nil, fmt.Errorf("tracing.ca_path: %w", err)
		}
		if t.RootCAs = x509.NewCertPool(); !t.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("tracing.ca_path: %s has no certificate (PEM)", c.CAPath)
		}
	}
	return otlptracegrpc.WithTLSCredentials(newTLS(t)), nil
}

// Tracer begins traces; it is the zero one where tracing is off.
func (p *Provider) Tracer() tracing.Tracer {
	if p.sdk == nil {
		return tracing.Tracer{}
	}
	return tracing.NewTracer(p.sdk)
}

// On says whether anything is exported.
func (p *Provider) On() bool { return p.sdk != nil }

// Counts are spans since the start.
type Counts struct {
	Exported uint64
	// Dropped by us, because too many waited: Overflow; or because the collector did
	// not take them in time: Failed.
	Overflow, Failed uint64
}

// Counts says what became of the spans.
func (p *Provider) Counts() Counts {
	if p.export == nil {
		return Counts{}
	}
	return p.export.counts()
}

// Close sends what waits, for closeTimeout, and gives up the rest.
func (p *Provider) Close() error {
	if p.sdk == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := p.sdk.Shutdown(ctx)
	p.export.giveUp()
	<-p.export.closed
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // a collector that hangs is no failure of ours; export has said so
	}
	return err
}
