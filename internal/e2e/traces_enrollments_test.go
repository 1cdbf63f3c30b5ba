package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/telemetrytest"
)

// TestAnEnrollmentIsOneTraceFromTheCallToSPIREAndTheStore follows a host that
// enrolls, on real SPIRE, at a real collector.
func TestAnEnrollmentIsOneTraceFromTheCallToSPIREAndTheStore(t *testing.T) {
	t.Parallel()
	const (
		enroll = "zerotrust.v1.EnrollmentService/Enroll"
		entry  = "spire.api.server.entry.v1.Entry/BatchCreateEntry"
	)
	collector := telemetrytest.StartCollector(t)
	s := newWorld(t, "--tracing-endpoint", collector.Addr, "--tracing-insecure")
	s.join("host", "connector", "connector-traced")

	var trace []telemetrytest.Span
	s.eventually(soon, "the trace is complete", func(context.Context) error {
		root, ok := telemetrytest.FindSpan(collector.Spans(), enroll)
		if !ok {
			return errors.New("no span of the call")
		}
		trace = telemetrytest.OfTrace(collector.Spans(), root.Trace)
		for _, name := range []string{entry, "store.commit", "enroll.settle"} {
			if _, ok := telemetrytest.FindSpan(trace, name); !ok {
				return fmt.Errorf("no span of %s", name)
			}
		}
		return nil
	})
	root, _ := telemetrytest.FindSpan(trace, enroll)
	require.Empty(t, root.Parent)
	require.Equal(t, "spiffe://mycorp.internal/connector/connector-traced", root.Attributes["zerotrust.spiffe_id"])
	require.Equal(t, []string{entry, "enroll.provision", enroll}, telemetrytest.SpanChain(trace, entry))
	claimed := []string{"store.commit", "store.transaction", "enroll.claim", enroll}
	committed := false
	for _, span := range trace {
		if span.Name == "store.commit" {
			committed = committed || chainIs(trace, span, claimed)
		}
	}
	require.True(t, committed, "the commit of the claim")
	token, ok := telemetrytest.FindSpan(collector.Spans(), "POST /api/admin/tokens")
	require.True(t, ok, "the token was made by the admin API, which is traced too")
	require.NotEqual(t, root.Trace, token.Trace)

	log, err := os.ReadFile(s.Log)
	require.NoError(t, err)
	require.Contains(t, string(log), `"trace_id":"`+root.Trace+`"`)
	require.Contains(t, string(log), `"request_id":"`+root.Attributes["zerotrust.request_id"]+`"`)
	for _, secret := range s.secrets {
		require.NotContains(t, string(collector.Raw()), secret)
	}
	for _, span := range collector.Spans() {
		asked := strings.HasPrefix(span.Name, "zerotrust.v1.EnrollmentService/") || strings.Contains(span.Name, " /api/admin/")
		require.True(t, span.Parent != "" || asked, "%s: the work of the reconciler and of streams is no trace", span.Name)
	}
}

// chainIs says whether these are the names from a span up to the root.
func chainIs(trace []telemetrytest.Span, from telemetrytest.Span, names []string) bool {
	rest := []telemetrytest.Span{from}
	for _, s := range trace {
		if s.ID != from.ID {
			rest = append(rest, s)
		}
	}
	got := telemetrytest.SpanChain(rest, from.Name)
	return strings.Join(got, " ") == strings.Join(names, " ")
}
