package config

import (
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/flows"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
)

// Flows is about the records of flows.
type Flows struct {
	Retention FlowRetention `conf:"retention"`
}

// FlowRetention says how long they stay.
type FlowRetention struct {
	Age   time.Duration `conf:"age" usage:"remove records of flows that ended longer ago (0 keeps them for ever)"`
	MaxMB int           `conf:"max_mb" usage:"remove records of flows when all take more than this many MB, of the connector and the tunneler that have most (0 is no limit)"`
}

func defaultFlows() Flows { return Flows{Retention: FlowRetention{Age: 30 * day, MaxMB: 2048}} }

// Of is the retention as the records take it.
func (r FlowRetention) Of() flows.Retention {
	return flows.Retention{Age: r.Age, Bytes: int64(r.MaxMB) << 20}
}

func (c Flows) validate() error {
	var f settings.Faults
	r := c.Retention
	// The sums that people see are of a day.
	f.Require(r.Age == 0 || r.Age >= day, "retention.age", "must be at least %s, or 0 to keep records for ever, is %s", day, r.Age)
	f.Require(r.MaxMB == 0 || r.MaxMB >= minMaxMB && r.MaxMB <= 1<<30, "retention.max_mb", "must be at least %d, or 0 for no limit, is %d", minMaxMB, r.MaxMB)
	return f.Err()
}
