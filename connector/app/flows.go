package app

import (
	"net"
	"net/netip"
	"sync/atomic"

	"go.uber.org/zap"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	transport "github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// Tunnelers' connections get this percentage of the descriptors, those to targets the rest.
const tunnelersShare, targetsShare = 55, 35

// flowLimits are those of the flows, by what descriptors there are.
func flowLimits(descriptors int) transport.Limits {
	flows := max(1, min(descriptors*targetsShare/100, 8192))
	return transport.Limits{Flows: flows, FlowsOf: max(1, flows/2)}
}

// carrier connects flows to what this connector's network has.
func carrier(listener net.Listener, r *metrics.Registry, log *zap.Logger) func(relay.Reach, relay.RecordFlow) (relay.Carrier, error) {
	return func(reach relay.Reach, record relay.RecordFlow) (relay.Carrier, error) {
		count := countFlows(r)
		return flow.New(flow.Config{Decider: reach, Own: ownPorts(listener), Log: log, Ended: func(rec flow.Record) {
			count(rec)
			record(flowRecord(rec))
		}})
	}
}

// flowRecord is what the controller gets to know of a flow.
func flowRecord(r flow.Record) *zerotrustv1.FlowRecord {
	out := &zerotrustv1.FlowRecord{
		SpiffeId: r.Tunneler.String(), Host: r.Target.Host, Port: uint32(r.Target.Port),
		NetworkId: r.Resource.NetworkID, ResourceId: r.Decision.ResourceID, ResourceName: r.Resource.Name, GrantId: r.Decision.GrantID,
		Decision: string(r.Decision.Code), Code: uint32(transport.CodeOf(r.Reason)), Connected: r.Connected,
		OpenedAt: timestamppb.New(r.Opened),
		// By the clock that nobody sets: a flow does not end before it was opened.
		EndedAt: timestamppb.New(r.Opened.Add(r.Ended.Sub(r.Opened))),
		Up:      uint64(max(0, r.Up)), Down: uint64(max(0, r.Down)), Count: 1,
	}
	if r.Address.IsValid() {
		out.Address = r.Address.String()
	}
	return out
}

// ownPorts are those that this program listens on for others. Health is one for this host.
func ownPorts(listener net.Listener) []uint16 {
	if at, err := netip.ParseAddrPort(listener.Addr().String()); err == nil {
		return []uint16{at.Port()}
	}
	return nil
}

// How flows end, for flows_ended_total.
const (
	flowRefused = "refused" // it was not granted
	flowFailed  = "failed"  // granted, and not connected
	flowCarried = "carried" // both sides have ended it
	flowCut     = "cut"     // its session, its grant or this program ended
)

func flowResults() []string { return []string{flowRefused, flowFailed, flowCarried, flowCut} }

func flowResult(r flow.Record) string {
	switch {
	case !r.Decision.Allowed && !r.Connected:
		return flowRefused
	case !r.Connected:
		return flowFailed
	case r.Reason != nil:
		return flowCut
	}
	return flowCarried
}

// countFlows counts those that have ended.
func countFlows(r *metrics.Registry) func(flow.Record) {
	results := r.Events(metrics.ByLabel{
		Name: "flows_ended_total", Help: "Flows that tunnelers asked for and that have ended, by result.", Label: "result", Values: flowResults(),
	})
	var up, down atomic.Uint64
	r.Counter("flow_bytes_total", "Bytes that ended flows have carried.", metrics.Labels{"direction": "up"}, up.Load)
	r.Counter("flow_bytes_total", "Bytes that ended flows have carried.", metrics.Labels{"direction": "down"}, down.Load)
	return func(rec flow.Record) {
		results.Add(flowResult(rec))
		up.Add(uint64(max(0, rec.Up)))
		down.Add(uint64(max(0, rec.Down)))
	}
}

// exportFlows shows those that are open.
func exportFlows(r *metrics.Registry, status func() transport.AcceptorStatus) {
	r.Gauge("flows", "Flows that are open or being opened.", nil, func() float64 { return float64(status().Flows) })
	r.Gauge("flow_connections", "Connections of tunnelers that carry flows, or are ready to.", nil, func() float64 { return float64(status().Conns) })
	r.Counter("flow_opens_waited_total", "Opens that waited because their tunneler opens many.", nil, func() uint64 { return status().Waited })
}

// exportFlowRecords shows what the controller gets to know of them.
func exportFlowRecords(r *metrics.Registry, status func() relay.FlowRecordStatus) {
	const name, help = "flow_records_total", "Records of flows: those that the controller has, and flows that there was no room for."
	r.Counter(name, help, metrics.Labels{"result": "recorded"}, func() uint64 { return status().Recorded })
	r.Counter(name, help, metrics.Labels{"result": "lost"}, func() uint64 { return status().Lost })
	r.Gauge("flow_records_waiting", "Records of flows that wait for the controller.", nil, func() float64 { return float64(status().Waiting) })
}
