package app_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/anchors"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/app"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/telemetrytest"
)

// alerting is a store with one contested host, two cloned ones, three connectors
// that dispute the audit log, and a rotation; or one that does not answer.
type alerting struct {
	rotation rotation.Rotation
	err      error
}

func (s alerting) MarkedHosts(context.Context) (contested, cloned int, err error) { return 1, 2, s.err }

func (s alerting) AuditDisputed(context.Context) (int, error) { return 3, s.err }

func (s alerting) Rotation(context.Context) (rotation.Rotation, error) { return s.rotation, s.err }

func TestAlertsOfTheStoreAreExported(t *testing.T) {
	t.Parallel()
	var unfinished, finished rotation.Rotation
	unfinished.Phase, finished.Phase = rotation.Tainted, rotation.Tainted
	finished.EndedAt = unfinished.EndedAt.AddDate(2000, 0, 0)
	value := func(s alerting, name string, l metrics.Labels) float64 {
		r := metrics.New("1")
		app.Alerts(r, s)
		got, ok := telemetrytest.GatherMetrics(t, r).Value(name, l)
		require.True(t, ok, "%s%v", name, l)
		return got
	}
	for name, tc := range map[string]struct {
		store  alerting
		metric string
		labels metrics.Labels
		want   float64
	}{
		"a contested host":              {alerting{}, "zerotrust_hosts_marked", metrics.Labels{"mark": "contested"}, 1},
		"cloned hosts":                  {alerting{}, "zerotrust_hosts_marked", metrics.Labels{"mark": "cloned"}, 2},
		"who disputes the audit log":    {alerting{}, "zerotrust_audit_disputed", nil, 3},
		"the phase of a rotation":       {alerting{rotation: unfinished}, "zerotrust_ca_rotation_phase", metrics.Labels{"phase": "tainted"}, 1},
		"and no other phase":            {alerting{rotation: unfinished}, "zerotrust_ca_rotation_phase", nil, 1},
		"nothing of a finished one":     {alerting{rotation: finished}, "zerotrust_ca_rotation_phase", nil, 0},
		"no phase where none was asked": {alerting{err: rotation.ErrNone}, "zerotrust_ca_rotation_phase", nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.InDelta(t, tc.want, value(tc.store, tc.metric, tc.labels), 0)
		})
	}
	silent := alerting{err: errors.New("disk I/O error")}
	require.True(t, math.IsNaN(value(silent, "zerotrust_hosts_marked", nil)), "0 would say that all is well")
	require.True(t, math.IsNaN(value(silent, "zerotrust_audit_disputed", nil)))
}

func TestTheReplacementOfTheBootstrapCAIsExported(t *testing.T) {
	t.Parallel()
	phases := func(now anchors.Phase, err error) float64 {
		r := metrics.New("1")
		app.Replacement(r, now, err)
		got, ok := telemetrytest.GatherMetrics(t, r).Value("zerotrust_bootstrap_ca_replacement_phase", nil)
		require.True(t, ok)
		return got
	}
	require.InDelta(t, 1, phases(anchors.Activated, nil), 0)
	require.Zero(t, phases("", nil))
	require.Zero(t, phases("", errors.New("no such file")))
}
