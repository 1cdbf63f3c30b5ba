package app

import (
	"github.com/sathiyaseelank-dot/grpccontroller/controller/flows"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
)

func exportFlows(r *metrics.Registry, rec *flows.Recorder) {
	const name, help = "flow_records_total", "Flow records of connectors, by what became of them."
	for result, read := range map[string]func(flows.Counts) uint64{
		"recorded":   func(c flows.Counts) uint64 { return c.Recorded },
		"again":      func(c flows.Counts) uint64 { return c.Again },
		"unbelieved": func(c flows.Counts) uint64 { return c.Unbelieved },
		"lost":       func(c flows.Counts) uint64 { return c.Lost },
		"removed":    func(c flows.Counts) uint64 { return c.Removed },
	} {
		r.Counter(name, help, metrics.Labels{"result": result}, func() uint64 { return read(rec.Counts()) })
	}
	r.Gauge("flow_records_waiting", "Flow records that wait for the database.", nil, func() float64 { return float64(rec.Counts().Waiting) })
	r.Gauge("flows", "Flows that are open or being opened.", nil, func() float64 { return float64(rec.Totals().Open) })
}
