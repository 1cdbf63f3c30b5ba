package app

import (
	"context"
	"math"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/anchors"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
)

// alertSource is what only the database knows and an operator should be woken for.
type alertSource interface {
	MarkedHosts(ctx context.Context) (contested, cloned int, err error)
	AuditDisputed(ctx context.Context) (int, error)
	Rotation(ctx context.Context) (rotation.Rotation, error)
}

func exportAlerts(r *metrics.Registry, s alertSource) {
	r.Gauges(metrics.ByLabel{
		Name: "hosts_marked", Help: "Hosts that are not revoked and whose token or key was also used elsewhere.",
		Label: "mark", Values: []string{"contested", "cloned"},
	}, func(set func(mark string, n float64)) {
		ctx, cancel := context.WithTimeout(context.Background(), storeAnswers)
		defer cancel()
		contested, cloned, err := s.MarkedHosts(ctx)
		set("contested", known(contested, err))
		set("cloned", known(cloned, err))
	})
	r.Gauge("audit_disputed", "Connectors that refused the audit log in their last report.", nil, func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), storeAnswers)
		defer cancel()
		return known(s.AuditDisputed(ctx))
	})
	phases := make([]string, 0, len(rotation.Unfinished()))
	for _, p := range rotation.Unfinished() {
		phases = append(phases, string(p))
	}
	r.Gauges(metrics.ByLabel{
		Name: "ca_rotation_phase", Help: "1 for the phase of the unfinished CA rotation.", Label: "phase", Values: phases,
	}, func(set func(phase string, on float64)) {
		ctx, cancel := context.WithTimeout(context.Background(), storeAnswers)
		defer cancel()
		now, err := s.Rotation(ctx)
		if err == nil && !now.Finished() {
			set(string(now.Phase), 1)
		}
	})
}

// exportReplacement says how far a replacement of the bootstrap CA is.
func exportReplacement(r *metrics.Registry, unfinished func() (anchors.Phase, error)) {
	var phases []string
	for _, p := range anchors.Phases() {
		phases = append(phases, string(p))
	}
	r.Gauges(metrics.ByLabel{
		Name: "bootstrap_ca_replacement_phase", Help: "1 for the phase of the unfinished replacement of the bootstrap CA.", Label: "phase", Values: phases,
	}, func(set func(phase string, on float64)) {
		if now, err := unfinished(); err == nil && now != "" {
			set(string(now), 1)
		}
	})
}

// storeAnswers bounds what a scrape waits for the database.
const storeAnswers = time.Second

// known is NaN where there was no answer.
func known(n int, err error) float64 {
	if err != nil {
		return math.NaN()
	}
	return float64(n)
}
