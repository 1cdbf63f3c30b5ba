package fleet

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// ClonePolicy says what happens to a cloned host.
type ClonePolicy string

// The policies. Alert marks the host and alerts the operator. Quarantine also
// revokes every member of the host, which bans its agent: neither machine has
// access any more, and the true one enrolls anew (with a new host key, so that the
// copies stay worthless).
const (
	CloneAlert      ClonePolicy = "alert"
	CloneQuarantine ClonePolicy = "quarantine"
)

// CloneSignal says what gave a clone away.
type CloneSignal string

// The signals; docs/adr/0008 says why they are conclusive.
const (
	// TwoPrograms: a program's instance was here again after another's.
	TwoPrograms CloneSignal = "instances"
	// TwoAgents: SPIRE agents other than the host's attest with its key.
	TwoAgents CloneSignal = "agent"
)

// Clone is what is known of a cloned host: the two that have its key.
type Clone struct {
	Signal CloneSignal `json:"signal"`
	Member string      `json:"member"` // whose stream showed it, "connector/<id>"
	// Sightings are both sides, the later one first. Of an agent that runs alone the
	// controller has no address: then there is only the true side.
	Sightings []Sighting `json:"sightings"`
}

// Sighting is one program as the controller saw it. The address is observed, the
// rest is what the program says of itself.
type Sighting struct {
	Address    string    `json:"address"`
	InstanceID string    `json:"instance_id,omitempty"`
	BootID     string    `json:"boot_id,omitempty"`
	At         time.Time `json:"at"`
}

// Addresses are those of both sides, the later one first.
func (c Clone) Addresses() []string {
	out := make([]string, 0, len(c.Sightings))
	for _, s := range c.Sightings {
		out = append(out, s.Address)
	}
	return out
}

func (c Clone) evidence() string {
	text := string(c.Signal) + " of " + c.Member
	for _, s := range c.Sightings {
		text += fmt.Sprintf(", %s (instance %q, boot %q)", s.Address, s.InstanceID, s.BootID)
	}
	if c.Signal == TwoAgents {
		text += ", and a second agent at an unknown address"
	}
	return text
}

// arrived looks at an admitted hello for signs of a clone. It returns ErrRevoked
// when the host went into quarantine for it.
func (f *Fleet) arrived(ctx context.Context, m Member, h Hello) error {
	c, cloned := f.clones.arrive(m, h)
	if !cloned {
		return nil
	}
	quarantined, err := f.cloned(ctx, m.HostID, c)
	if err != nil {
		return fmt.Errorf("record cloned host %s: %w", m.HostID, err)
	}
	f.clones.settle(m.HostID)
	if quarantined {
		return ErrRevoked
	}
	return nil
}

// CloneTx marks hosts whose key or token somebody else has too.
type CloneTx interface {
	// ContestHost keeps the first time.
	ContestHost(ctx context.Context, id identity.HostID, at time.Time) error
	// MarkCloned keeps the first finding and reports whether this is it.
	MarkCloned(ctx context.Context, id identity.HostID, at time.Time, c Clone) (first bool, err error)
}

// cloned stores a finding and, where that is the policy, revokes the members of
// the host. Only the first finding of a host is kept and reported.
func (f *Fleet) cloned(ctx context.Context, id identity.HostID, c Clone) (quarantined bool, err error) {
	now := f.cfg.Now().UTC()
	var first bool
	var gone []Member
	err = f.cfg.Store.FleetTx(ctx, func(tx Tx) error {
		h, err := tx.Host(ctx, id)
		if err != nil {
			return err
		}
		if first, err = tx.MarkCloned(ctx, id, now, c); err != nil {
			return err
		}
		if first {
			before := h.AuditState()
			h.ClonedAt, h.Clone = now, c
			err = f.cfg.Audit.Record(ctx, tx, audit.Event{
				Actor: "controller", Action: audit.HostCloned, Target: "host/" + string(id), Outcome: audit.Success,
				Reason: c.evidence(), Source: c.Sightings[0].Address, Before: before, After: h.AuditState(),
			})
		}
		if err != nil || f.cfg.Clones != CloneQuarantine {
			return err
		}
		gone, err = f.quarantine(ctx, tx, id)
		return err
	})
	if err != nil {
		return false, err
	}
	if first {
		f.cfg.Log.Error("host is cloned: two machines use its key; revoke its members and enroll the right machine again",
			zap.String("host_id", string(id)), zap.String("member", c.Member), zap.String("signal", string(c.Signal)),
			zap.Strings("addresses", c.Addresses()), zap.Bool("quarantined", len(gone) > 0))
	}
	if len(gone) > 0 {
		f.cfg.Changed.MembersChanged(gone)
	}
	return len(gone) > 0, nil
}

func (f *Fleet) quarantine(ctx context.Context, tx Tx, id identity.HostID) ([]Member, error) {
	live, err := tx.LiveMembersOf(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, m := range live {
		if err := f.retire(ctx, tx, m, audit.Event{Actor: "controller", Reason: "cloned host/" + string(id)}); err != nil {
			return nil, err
		}
	}
	return live, nil
}
