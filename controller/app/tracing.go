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
func (c *controller) openTracing(ctx context.Context) (err error) {
	c.tracing, err = otlp.Open(ctx, c.cfg.Tracing, otlp.Resource{
		Service: "grpccontroller", Instance: c.cfg.ControllerID, Version: cli.Version().Version,
	}, c.log.Named("tracing"))
	if err == nil && c.tracing.On() {
		c.log.Info("tracing requests", zap.String("endpoint", c.cfg.Tracing.Endpoint), zap.Float64("sample_ratio", c.cfg.Tracing.SampleRatio))
	}
	return err
}

func exportTraces(r *metrics.Registry, counts func() otlp.Counts) {
	r.Counter("spans_exported_total", "Spans that the collector accepted.", nil, func() uint64 { return counts().Exported })
	r.Counter("spans_dropped_total", "Spans that were dropped, by reason.", metrics.Labels{"reason": "overflow"},
		func() uint64 { return counts().Overflow })
	r.Counter("spans_dropped_total", "Spans that were dropped, by reason.", metrics.Labels{"reason": "failed"},
		func() uint64 { return counts().Failed })
}
