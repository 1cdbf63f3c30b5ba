package app

import (
	"context"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/tracing/otlp"
)

// ExportAll exports what serve does, of a controller to which nothing has happened.
func ExportAll(r *metrics.Registry) {
	p := policy.NewPublisher(spiffeid.TrustDomain{}, nil, zap.NewNop(), time.Now)
	storeLatency(r)
	enrollResults(r)
	installResults(r)
	followPolicy(r, p)
	streamsOpened(r)
	exportConnections(r, map[string]*sourcelimit.Listener{"enrollment": sourcelimit.NewListener(nil, sourcelimit.Caps{})})
	r.Identity(&mtls.Source{})
	exportTraces(r, func() otlp.Counts { return otlp.Counts{} })
	exportDomain(r, domain{
		Policy: p, Roster: fleet.NewRoster(time.Now), Reproofs: func() reproof.Status { return reproof.Status{} }, Store: Untroubled{},
	})
}

// Untroubled is a store without hosts, witnesses and rotations.
type Untroubled struct{}

// MarkedHosts implements trouble.
func (Untroubled) MarkedHosts(context.Context) (contested, cloned int, err error) { return 0, 0, nil }

// AuditDisputed implements trouble.
func (Untroubled) AuditDisputed(context.Context) (int, error) { return 0, nil }

// Rotation implements trouble.
func (Untroubled) Rotation(context.Context) (rotation.Rotation, error) {
	return rotation.Rotation{}, rotation.ErrNone
}

// Trouble exports what a store says.
func Trouble(r *metrics.Registry, s trouble) { exportTrouble(r, s) }

// Lag is the policy lag between a snapshot and a headcount.
func Lag(s *policy.Snapshot, h fleet.Headcount) float64 { return lag(s, h) }

// InstallCommands are those of a controller with an install tree, or without.
func InstallCommands(td spiffeid.TrustDomain, enrollAt string, ca []byte, scripts bool) func(enroll.Token, string) []adminapi.InstallCommand {
	return installer{trustDomain: td, enrollAt: enrollAt, ca: ca, scripts: scripts}.commands
}
