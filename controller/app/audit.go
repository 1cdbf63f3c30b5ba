package app

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit/export"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

// auditing is everything around the audit log.
type auditing struct {
	signer    *audit.Signer
	trail     *audit.Log
	collector *audit.Collector
	sequencer *audit.Sequencer
	witnesses *audit.Witnesses
	check     *audit.SelfCheck
	archive   audit.Archive
	keeper    *audit.Keeper
	export    *export.Exporter
	release   func() // gives SIGHUP back
}

// The names of the readiness checks. An exporter that is stuck only degrades: the
// events wait in the database, and a receiver that is down must not take us down.
const (
	checkSequenced = "audit_log"
	checkVerified  = "audit_verified"
	checkExport    = "audit_export"
)

func (i *identified) newAuditing(checks *health.Checks, now func() time.Time) (*auditing, error) {
	log := i.log.Named("auditlog") // "audit" is the events themselves
	signer, err := audit.OpenSigner(i.paths.audit(), audit.Origin(i.td.Name()))
	if err != nil {
		return nil, err
	}
	a := &auditing{signer: signer, trail: audit.New(i.log, now)}
	a.collector = audit.NewCollector(i.store, a.trail)
	a.sequencer = audit.NewSequencer(audit.SequencerConfig{
		Store: i.store, Holder: i.cfg.ControllerID, Signer: signer, Changes: i.store,
		Result: func(err error) { checks.Set(checkSequenced, err) }, Log: log, Now: now,
	})
	a.witnesses = audit.NewWitnesses(i.store, a.sequencer, a.trail)
	a.check = audit.NewSelfCheck(i.store, signer, log, now, func(err error) { checks.Set(checkVerified, err) })
	a.archive = audit.Archive{QueryStore: i.store, Sequencer: a.sequencer, SelfCheck: a.check}
	a.keeper = audit.NewKeeper(audit.KeeperConfig{
		Store: i.store, Sequencer: a.sequencer, Trail: a.trail, Retention: i.cfg.Audit.Retention.Of(), Log: log, Now: now,
	})
	sinks, release, err := newSinks(i.cfg.Audit.Export, now)
	if err != nil {
		return nil, err
	}
	a.release = release
	a.export = export.New(export.Config{Store: i.store, Head: a.sequencer, Sinks: sinks, Log: log, Now: now})
	if len(sinks) > 0 {
		checks.Register(checkExport, func(context.Context) error { return health.Degraded(a.export.Stuck()) })
		checks.Explain(checkExport, func() string {
			return "all events are delivered to: " + strings.Join(slices.Sorted(maps.Keys(sinks)), ", ")
		})
	}
	exportExports(i.metrics, a.export.States)
	exportKeeper(i.metrics, a.keeper.State)
	return a, nil
}

// runs lists what has to run.
func (a *auditing) runs() []func(context.Context) error {
	return []func(context.Context) error{
		a.collector.Run, a.sequencer.Run, a.check.Run, a.witnesses.Run, a.keeper.Run,
		func(ctx context.Context) error {
			defer a.release()
			return a.export.Run(ctx)
		},
	}
}

// The names of the sinks, which are those of their positions in the database.
const (
	sinkFile    = "file"
	sinkStdout  = "stdout"
	sinkSyslog  = "syslog"
	sinkWebhook = "webhook"
)

// newSinks makes the sinks of the configuration. Their names are those of their
// positions in the database: another target continues where the last one was.
func newSinks(cfg config.AuditExport, now func() time.Time) (sinks map[string]export.Sink, release func(), err error) {
	sinks, release = map[string]export.Sink{}, func() {}
	if cfg.Syslog != "" {
		if sinks[sinkSyslog], err = export.NewSyslog(cfg.Syslog); err != nil {
			return nil, nil, fmt.Errorf("audit.export.syslog: %w", err)
		}
	}
	if cfg.Webhook.URL != "" {
		secret, err := webhookSecret(cfg.Webhook.SecretPath)
		if err != nil {
			return nil, nil, fmt.Errorf("audit.export.webhook.secret_path: %w", err)
		}
		sinks[sinkWebhook] = export.NewWebhook(cfg.Webhook.URL, secret, nil, now)
	}
	if cfg.Stdout {
		sinks[sinkStdout] = export.NewOutput(os.Stdout)
	}
	if cfg.File != "" {
		hup := make(chan os.Signal, 1)
		signal.Notify(hup, syscall.SIGHUP)
		release = func() { signal.Stop(hup) }
		sinks[sinkFile] = export.NewFile(cfg.File, hup)
	}
	return sinks, release, nil
}
