package fleet

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

// Tombstone is what is never forgotten of a revoked host: its agent is banned wherever
// it is seen, until its host certificate has ended, with which alone it could attest
// again. It outlives all else that is known of the host, and a restore.
type Tombstone struct {
	HostID identity.HostID
	// AgentID is zero while an ephemeral host has none.
	AgentID spiffeid.ID
	// Until is zero where the end is not known: it has none then.
	Until time.Time
}

// tombstoneOf is that of a host that is revoked now. A host without a certificate is
// ephemeral, or its certificate is being signed at this moment.
func tombstoneOf(h Host) Tombstone {
	out := Tombstone{HostID: h.ID, AgentID: h.AgentID}
	if leaf, err := x509.ParseCertificate(h.Certificate); err == nil {
		out.Until = leaf.NotAfter
	}
	return out
}

// TombstoneStore lists tombstones; store.Store is it.
type TombstoneStore interface {
	// Tombstones lists those after a host id that have an agent and are not over, by
	// host id.
	Tombstones(ctx context.Context, after identity.HostID, limit int, now time.Time) ([]Tombstone, error)
}

const (
	// Each bansEvery the agents of the next bansAtOnce tombstones are looked up.
	bansEvery  = 10 * time.Second
	bansAtOnce = 50
	// stonesAtOnce are read from the database at once when all are looked at.
	stonesAtOnce = 1000
)

// BanWatchConfig configures NewBanWatch.
type BanWatchConfig struct {
	Store TombstoneStore
	SPIRE interface {
		Agent(ctx context.Context, id spiffeid.ID) (Agent, error)
		// EachAgents calls fn with the attested agents that are not banned, a page at a time.
		EachAgents(ctx context.Context, fn func(page []Agent) error) error
		BanAgent(ctx context.Context, id spiffeid.ID) error
	}
	Now func() time.Time
	Log *zap.Logger
}

// BanWatch bans the agents of tombstones wherever they are seen. The Reconciler bans
// those of hosts that were just revoked; this one finds those that came back: SPIRE's
// datastore was restored from before the ban, or somebody evicted the agent, which lets
// it attest again.
type BanWatch struct {
	cfg   BanWatchConfig
	after identity.HostID
}

// NewBanWatch returns a BanWatch.
func NewBanWatch(cfg BanWatchConfig) *BanWatch { return &BanWatch{cfg: cfg} }

// Run looks at all tombstones at its start, and at the next of them every 10 s, until
// ctx ends. It returns nil then.
func (w *BanWatch) Run(ctx context.Context) error {
	t := time.NewTicker(bansEvery)
	defer t.Stop()
	var failing logging.Condition
	for all := false; ; {
		look := w.Look
		if !all {
			look = w.LookAtAll
		}
		err := look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			failing.Fails(w.cfg.Log, zap.WarnLevel, "bans of revoked hosts not checked, retrying", err)
		default:
			failing.Over(w.cfg.Log, "bans of revoked hosts are checked again")
			all = true
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// LookAtAll looks at all tombstones and at all agents that SPIRE knows as not banned: a
// list of those costs SPIRE less than a question for each tombstone.
func (w *BanWatch) LookAtAll(ctx context.Context) error {
	buried := map[spiffeid.ID]Tombstone{}
	for after := identity.HostID(""); ; {
		page, err := w.cfg.Store.Tombstones(ctx, after, stonesAtOnce, w.cfg.Now())
		if err != nil {
			return err
		}
		for _, s := range page {
			buried[s.AgentID], after = s, s.HostID
		}
		if len(page) < stonesAtOnce {
			break
		}
	}
	if len(buried) == 0 {
		return nil
	}
	var faults []error
	err := w.cfg.SPIRE.EachAgents(ctx, func(page []Agent) error {
		for _, a := range page {
			if s, ok := buried[a.ID]; ok {
				faults = append(faults, w.ban(ctx, s))
			}
		}
		return nil
	})
	return errors.Join(append(faults, err)...)
}

// Look looks at the next tombstones.
func (w *BanWatch) Look(ctx context.Context) error {
	page, err := w.cfg.Store.Tombstones(ctx, w.after, bansAtOnce, w.cfg.Now())
	if err != nil {
		return err
	}
	var faults []error
	for _, s := range page {
		faults = append(faults, w.look(ctx, s))
	}
	if len(page) < bansAtOnce {
		w.after = ""
	} else {
		w.after = page[len(page)-1].HostID
	}
	return errors.Join(faults...)
}

// look bans the agent of a tombstone if SPIRE knows it as not banned.
func (w *BanWatch) look(ctx context.Context, s Tombstone) error {
	a, err := w.cfg.SPIRE.Agent(ctx, s.AgentID)
	switch {
	case errors.Is(err, ErrNotFound) || err == nil && a.Banned:
		return nil
	case err != nil:
		return fmt.Errorf("look up agent of revoked host %s: %w", s.HostID, err)
	}
	return w.ban(ctx, s)
}

func (w *BanWatch) ban(ctx context.Context, s Tombstone) error {
	err := w.cfg.SPIRE.BanAgent(ctx, s.AgentID)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ban agent of revoked host %s: %w", s.HostID, err)
	}
	w.cfg.Log.Warn("agent of a revoked host was here again and is banned", zap.String("host_id", string(s.HostID)), zap.Stringer("agent_id", s.AgentID))
	return nil
}
