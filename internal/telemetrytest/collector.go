package telemetrytest

import (
	"bytes"
	"context"
	"encoding/hex"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
)

// Collector takes traces.
type Collector struct {
	collectorv1.UnimplementedTraceServiceServer

	Addr string

	mu    sync.Mutex
	spans []Span
	raw   bytes.Buffer
}

// Span is one that arrived.
type Span struct {
	Name, Trace, ID, Parent string // ids in hex; a root has no parent
	Failed                  bool
	Attributes              map[string]string // those that are strings
}

// StartCollector listens on loopback until the end of the test.
func StartCollector(tb testing.TB) *Collector {
	tb.Helper()
	lis, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	c := &Collector{Addr: lis.Addr().String()}
	s := grpc.NewServer(grpc.Creds(insecure.NewCredentials()))
	collectorv1.RegisterTraceServiceServer(s, c)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(lis)
	}()
	tb.Cleanup(func() { s.Stop(); <-done })
	return c
}

// Export implements the collector's service.
func (c *Collector) Export(_ context.Context, r *collectorv1.ExportTraceServiceRequest) (*collectorv1.ExportTraceServiceResponse, error) {
	raw, err := proto.Marshal(r)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.Write(raw)
	for _, of := range r.GetResourceSpans() {
		for _, scope := range of.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans = append(c.spans, spanOf(s))
			}
		}
	}
	return &collectorv1.ExportTraceServiceResponse{}, nil
}

func spanOf(s *tracev1.Span) Span {
	out := Span{
		Name: s.GetName(), Trace: hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()),
		Parent: hex.EncodeToString(s.GetParentSpanId()), Failed: s.GetStatus().GetCode() == tracev1.Status_STATUS_CODE_ERROR,
		Attributes: map[string]string{},
	}
	for _, a := range s.GetAttributes() {
		out.Attributes[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return out
}

// Raw is all that arrived, as it was sent.
func (c *Collector) Raw() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.raw.Bytes())
}

// Spans are those so far.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span(nil), c.spans...)
}

// SpanChain is the names from the first span called name up to the root of its trace, or
// nil if there is none such. Two calls of one name in a trace are one chain.
func SpanChain(spans []Span, name string) (names []string) {
	byID := map[string]Span{}
	var at Span
	for _, s := range spans {
		byID[s.ID] = s
		if s.Name == name && at.ID == "" {
			at = s
		}
	}
	for at.ID != "" {
		names = append(names, at.Name)
		at = byID[at.Parent]
	}
	return names
}

// OfTrace keeps the spans of one trace.
func OfTrace(spans []Span, trace string) (out []Span) {
	for _, s := range spans {
		if s.Trace == trace {
			out = append(out, s)
		}
	}
	return out
}

// FindSpan is the first span called name.
func FindSpan(spans []Span, name string) (Span, bool) {
	for _, s := range spans {
		if s.Name == name {
			return s, true
		}
	}
	return Span{}, false
}
