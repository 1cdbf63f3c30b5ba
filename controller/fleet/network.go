package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// DefaultNetwork is where every connector is until it is put elsewhere. It stays.
const DefaultNetwork = "default"

// MaxNetworks bounds what all tunnelers have to choose from: each keeps sessions with
// two connectors of each network.
const MaxNetworks = 500

// Network groups connectors that lead to the same private network.
type Network struct {
	ID   string
	Name string
	// Prefixes are where names of resources may lead to; none stands for the private
	// addresses. See access.Set.DecideAddress.
	Prefixes  []netip.Prefix
	CreatedAt time.Time // zero for DefaultNetwork, which was always there
	// Revision grows with each change.
	Revision int64
}

// Errors of networks.
var (
	ErrDefaultNetwork = errors.New("the default network cannot be deleted: connectors are there until they are moved")
	ErrTooMany        = fmt.Errorf("there are %d networks, and no more are possible", MaxNetworks)
)

// ExistsError refuses an id that something of the same kind has.
type ExistsError struct{ Kind, ID string }

// Error implements error.
func (e ExistsError) Error() string {
	return fmt.Sprintf("there is a %s with the id %q already: choose another id, or change that one", e.Kind, e.ID)
}

// InUseError refuses to delete a network with connectors or resources.
type InUseError struct {
	// Connectors are the first of them or, without connectors, Resources; Total counts all.
	Connectors, Resources []string
	Total                 int
}

// shownInUse is how many connectors or resources an InUseError names.
const shownInUse = 20

// Error implements error.
func (e *InUseError) Error() string {
	what, first, then := "connector", e.Connectors, "move or revoke"
	if len(first) == 0 {
		what, first, then = "resource", e.Resources, "delete"
	}
	text := fmt.Sprintf("%d %ss are in the network (%s", e.Total, what, strings.Join(first, ", "))
	if e.Total == 1 {
		text = "a " + what + " is in the network (" + first[0]
	}
	if e.Total > len(first) {
		text += ", …"
	}
	return text + "): " + then + " them first"
}

// NetworksTx keeps networks.
type NetworksTx interface {
	// Network returns ErrNotFound.
	Network(ctx context.Context, id string) (Network, error)
	CountNetworks(ctx context.Context) (int, error)
	InsertNetwork(ctx context.Context, n Network) error
	// UpdateNetwork writes the name, the prefixes and the revision.
	UpdateNetwork(ctx context.Context, n Network) error
	// DeleteNetwork leaves connectors that were revoked in DefaultNetwork.
	DeleteNetwork(ctx context.Context, id string) error
	// ConnectorsIn lists the first connectors of a network that are not revoked, by id, and
	// counts all of them.
	ConnectorsIn(ctx context.Context, id string, limit int) (first []string, total int, err error)
	// ResourcesIn lists the first resources of a network, by id, and counts all of them.
	ResourcesIn(ctx context.Context, id string, limit int) (first []string, total int, err error)
}

// Network returns one network. Errors: ErrNotFound.
func (f *Fleet) Network(ctx context.Context, id string) (Network, error) {
	return f.cfg.Store.NetworkByID(ctx, id)
}

// NetworkText is a network that is to be made, as people write it. A name that is empty
// is the id.
type NetworkText struct {
	ID, Name string
	Prefixes []string
}

// Parse checks it. Errors: a *FieldError or *access.FieldError for each field that is at
// fault, joined.
func (t NetworkText) Parse() (Network, error) {
	var wrongID error
	if err := identity.ValidateID(t.ID); err != nil {
		wrongID = &FieldError{Field: "id", Err: err}
	}
	prefixes, err := access.ParsePrefixes(t.Prefixes)
	return Network{ID: t.ID, Name: cmp.Or(t.Name, t.ID), Prefixes: prefixes, Revision: 1}, errors.Join(wrongID, checkName(t.Name), err)
}

// CreateNetwork makes a network without connectors. Errors: those of NetworkText.Parse,
// ExistsError, ErrTooMany.
func (f *Fleet) CreateNetwork(ctx context.Context, text NetworkText, by By) (Network, error) {
	n, err := text.Parse()
	if err != nil {
		return n, err
	}
	id := n.ID
	n.CreatedAt = f.cfg.Now().UTC()
	err = f.cfg.Store.FleetTx(ctx, func(tx Tx) error {
		if _, err := tx.Network(ctx, id); !errors.Is(err, ErrNotFound) {
			if err == nil {
				err = ExistsError{Kind: "network", ID: id}
			}
			return err
		}
		return InsertNetwork(ctx, tx, f.cfg.Audit, n, by)
	})
	if err != nil {
		return n, fmt.Errorf("create network %s: %w", id, err)
	}
	return n, nil
}

// InsertingTx is what InsertNetwork needs of a transaction.
type InsertingTx interface {
	audit.Store
	CountNetworks(ctx context.Context) (int, error)
	InsertNetwork(ctx context.Context, n Network) error
}

// InsertNetwork makes a network that is not there. Errors: ErrTooMany.
func InsertNetwork(ctx context.Context, tx InsertingTx, trail *audit.Log, n Network, by By) error {
	total, err := tx.CountNetworks(ctx)
	if err != nil {
		return err
	}
	if total >= MaxNetworks {
		return ErrTooMany
	}
	if err := tx.InsertNetwork(ctx, n); err != nil {
		return err
	}
	ev := by.Event(audit.NetworkCreate, "network/"+n.ID)
	ev.After = n.AuditState()
	return trail.Record(ctx, tx, ev)
}

// NetworkEdit says what becomes of a network; nil leaves it as it is.
type NetworkEdit struct {
	Name *string
	// Prefixes replace those that it declares; an empty list declares none.
	Prefixes *[]string
	// Revision must be the present one; 0 takes any.
	Revision int64
}

// EditNetwork changes a network; its id stays. What is as it was before is not written.
// Errors: *FieldError, *access.FieldError, ErrNotFound, ErrStale.
func (f *Fleet) EditNetwork(ctx context.Context, id string, e NetworkEdit, by By) (n Network, err error) {
	if e.Name != nil {
		if *e.Name == "" {
			return n, wrong("name", "is empty")
		}
		if err := checkName(*e.Name); err != nil {
			return n, err
		}
	}
	var prefixes []netip.Prefix
	if e.Prefixes != nil {
		if prefixes, err = access.ParsePrefixes(*e.Prefixes); err != nil {
			return n, err
		}
	}
	err = f.cfg.Store.FleetTx(ctx, func(tx Tx) error {
		if n, err = tx.Network(ctx, id); err != nil {
			return err
		}
		if e.Revision != 0 && e.Revision != n.Revision {
			return ErrStale
		}
		before := n
		if e.Name != nil {
			n.Name = *e.Name
		}
		if e.Prefixes != nil {
			n.Prefixes = prefixes
		}
		declared := !slices.Equal(n.Prefixes, before.Prefixes)
		if n.Name == before.Name && !declared {
			return nil
		}
		if declared { // what connectors decide by
			if err := tx.BumpPolicy(ctx); err != nil {
				return err
			}
		}
		n.Revision++
		if err := tx.UpdateNetwork(ctx, n); err != nil {
			return err
		}
		ev := by.Event(audit.NetworkUpdate, "network/"+id)
		ev.Before, ev.After = before.AuditState(), n.AuditState()
		return f.cfg.Audit.Record(ctx, tx, ev)
	})
	if err != nil {
		return n, fmt.Errorf("change network %s: %w", short(id), err)
	}
	return n, nil
}

// DeleteNetwork deletes a network without resources, in which no connector is that is not
// revoked. Errors:
// ErrNotFound, ErrDefaultNetwork, *InUseError.
func (f *Fleet) DeleteNetwork(ctx context.Context, id string, by By) error {
	if id == DefaultNetwork {
		return ErrDefaultNetwork
	}
	err := f.cfg.Store.FleetTx(ctx, func(tx Tx) error {
		n, err := tx.Network(ctx, id)
		if err != nil {
			return err
		}
		first, total, err := tx.ConnectorsIn(ctx, id, shownInUse)
		if err != nil {
			return err
		}
		if total > 0 {
			return &InUseError{Connectors: first, Total: total}
		}
		if first, total, err = tx.ResourcesIn(ctx, id, shownInUse); err != nil {
			return err
		}
		if total > 0 {
			return &InUseError{Resources: first, Total: total}
		}
		if err := tx.DeleteNetwork(ctx, id); err != nil {
			return err
		}
		ev := by.Event(audit.NetworkDelete, "network/"+id)
		ev.Before = n.AuditState()
		return f.cfg.Audit.Record(ctx, tx, ev)
	})
	if err != nil {
		return fmt.Errorf("delete network %s: %w", short(id), err)
	}
	return nil
}

// AuditState is what the audit log says of it.
func (n Network) AuditState() string {
	return audit.State(struct {
		Name     string   `json:"name"`
		Prefixes []string `json:"prefixes,omitempty"`
		Revision int64    `json:"revision"`
	}{n.Name, access.PrefixTexts(n.Prefixes), n.Revision})
}
