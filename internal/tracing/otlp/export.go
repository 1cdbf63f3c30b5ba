package otlp

import (
	"context"
	"sync"
	"sync/atomic"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/zap"
)

// export is the exporter, and what the SDK does not count: how many spans were
// dropped. It reports a collector that fails once, and that it works again.
type export struct {
	to  sdktrace.SpanExporter
	log *zap.Logger

	waiting, exported, overflow, failed atomic.Int64

	giving context.Context //nolint:containedctx // ends what is being sent, at Close
	giveUp context.CancelFunc
	closed chan struct{}
	once   sync.Once

	failing bool // of the goroutine that exports
}

func newExport(to sdktrace.SpanExporter, log *zap.Logger) *export {
	x := &export{to: to, log: log, closed: make(chan struct{})}
	x.giving, x.giveUp = context.WithCancel(context.Background())
	return x
}

func (x *export) counts() Counts {
	return Counts{Exported: uint64(x.exported.Load()), Overflow: uint64(x.overflow.Load()), Failed: uint64(x.failed.Load())} //nolint:gosec // counters
}

// ExportSpans implements sdktrace.SpanExporter. It returns no error, which the SDK
// would write to standard error past the log.
func (x *export) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(x.giving, cancel)() //nolint:contextcheck // it ends this one too
	err := x.to.ExportSpans(ctx, spans)
	n := int64(len(spans))
	x.waiting.Add(-n)
	if err != nil {
		x.failed.Add(n)
	} else {
		x.exported.Add(n)
	}
	switch {
	case err != nil && !x.failing:
		x.log.Warn("traces not exported, spans are dropped until the collector accepts them", zap.Error(err))
	case err == nil && x.failing:
		x.log.Info("traces exported again", zap.Int64("dropped", x.failed.Load()+x.overflow.Load()))
	}
	x.failing = err != nil
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (x *export) Shutdown(ctx context.Context) error {
	defer x.once.Do(func() { close(x.closed) })
	return x.to.Shutdown(ctx)
}

// bound keeps the queue of the processor from overflowing unseen: a span that would
// is dropped here, and counted.
func (x *export) bound(next sdktrace.SpanProcessor) sdktrace.SpanProcessor { return bounded{next, x} }

type bounded struct {
	sdktrace.SpanProcessor

	x *export
}

// OnEnd implements sdktrace.SpanProcessor.
func (b bounded) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if b.x.waiting.Add(1) > maxWaiting {
		b.x.waiting.Add(-1)
		b.x.overflow.Add(1)
		return
	}
	b.SpanProcessor.OnEnd(s)
}
