package app

import (
	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// ExportAll exports what run does, of a connector to which nothing has happened.
func ExportAll(r *metrics.Registry) {
	countEvents(r)
	exportConnections(r, sourcelimit.NewListener(nil, sourcelimit.Caps{}), sourcelimit.NewListener(nil, sourcelimit.Caps{}))
	r.Identity(&mtls.Source{})
	exportRelay(r, func() relay.Status { return relay.Status{} })
	countFlows(r)
	exportFlows(r, func() flow.AcceptorStatus { return flow.AcceptorStatus{} })
	exportFlowRecords(r, func() relay.FlowRecordStatus { return relay.FlowRecordStatus{} })
}

// Forget is what enrolling does.
var Forget = forget
