package app

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

// The names of the readiness checks, with those of the audit log. What each means is
// in docs/health.md.
const (
	checkStore    = "store"
	checkServer   = "spire_server"
	checkAgent    = "spire_agent"
	checkIdentity = "identity"
	checkEntries  = "spire_entries"
	checkAddress  = "public_address"
	checkRefused  = "connectors"
	checkRecall   = "revocations"
	checkRecovery = "recovery_key"

	checkAdminCertificate = "admin_certificate"
)

// failing is the gRPC health of a listener that needs these checks. The others are
// not among them: an audit log that was tampered with must not keep a host from its
// bundle.
func (f *foundation) failing(names ...string) func(context.Context) error {
	return func(ctx context.Context) error { return f.health.Checks().Failing(ctx, names...) }
}

// explain says how things are while they are fine.
func (c *core) explain(checks *health.Checks) {
	checks.Explain(checkStore, func() string {
		// What was written last is in the write-ahead log, of a new database nearly all.
		var size int64
		for _, suffix := range []string{"", "-wal"} {
			if info, err := os.Stat(c.paths.database() + suffix); err == nil {
				size += info.Size()
			}
		}
		return fmt.Sprintf("SQLite answers, %s has %d KiB", c.paths.database(), size>>10)
	})
	checks.Explain(checkServer, func() string {
		if c.cfg.SPIRE.Mode == config.External {
			return "answers at " + c.cfg.SPIRE.ServerSocket
		}
		return "runs in this controller, hosts reach it at " + c.reachedAt.endpoints().SPIREServer
	})
	checks.Explain(checkAgent, func() string { return "attested, and its Workload API answers" })
	checks.Explain(checkIdentity, c.source.Explain)
	checks.Explain(checkEntries, func() string {
		now := c.policy.Current()
		return fmt.Sprintf("entries and bans in SPIRE are those of revision %d: connectors: %d, tunnelers: %d", now.Revision, now.Connectors.Len(), now.Tunnelers.Len())
	})
	checks.Register(checkRecovery, func(context.Context) error { return nil }) // it is needed after a restore only
	checks.Explain(checkRecovery, c.explainRecovery)
	checks.Register(checkRefused, func(context.Context) error { return health.Degraded(refused(c.roster.Refusing())) })
	checks.Explain(checkRefused, func() string { return "no connector refuses what this controller sends" })
	checks.Register(checkRecall, func(context.Context) error { return health.Degraded(c.recall.Collecting()) })
	checks.Explain(checkRecall, func() string { return "not restored, or the connectors have given back what they hold" })
	checks.Explain(checkSequenced, func() string { return "new events are in the log" })
	checks.Explain(checkVerified, func() string { return "the log is what its checkpoints say" })
}

// explainRecovery says whether hosts could follow this controller after a restore.
func (c *core) explainRecovery() string {
	k := c.recovery.Key()
	if k.Public == "" {
		return "no recovery key was made: run `grpccontroller recovery init`, or root has to reset each host after a restore"
	}
	return fmt.Sprintf("made at %s; timeline %d", k.CreatedAt.UTC().Format(time.RFC3339), c.recovery.Number())
}
