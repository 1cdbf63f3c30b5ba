package app

import (
	"context"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/tracing/otlp"
)

// openTracing comes first and is closed last, so that what the others do at their
// end is traced too.
func openTracing(ctx context.Context, s site) (*otlp.Provider, error) {
	p, err := otlp.Open(ctx, s.cfg.Tracing, otlp.Resource{
		Service: "grpccontroller", Instance: s.cfg.ControllerID, Version: cli.Version().Version,
	}, s.log.Named("tracing"))
	if err == nil && p.On() {
		s.log.Info("tracing requests", zap.String("endpoint", s.cfg.Tracing.Endpoint), zap.Float64("sample_ratio", s.cfg.Tracing.SampleRatio))
	}
	return p, err
}

func exportTraces(r *metrics.Registry, counts func() otlp.Counts) {
	r.Counter("spans_exported_total", "Spans that the collector accepted.", nil, func() uint64 { return counts().Exported })
	r.Counter("spans_dropped_total", "Spans that were dropped, by reason.", metrics.Labels{"reason": "overflow"},
		func() uint64 { return counts().Overflow })
	r.Counter("spans_dropped_total", "Spans that were dropped, by reason.", metrics.Labels{"reason": "failed"},
		func() uint64 { return counts().Failed })
}
