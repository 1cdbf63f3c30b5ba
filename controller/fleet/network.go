package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// DefaultNetwork is where every connector is until it is put elsewhere. It stays.
const DefaultNetwork = "default"

// MaxNetworks bounds what all tunnelers have to choose from: each keeps sessions with
// two connectors of each network.
const MaxNetworks = 500

// Network groups connectors that lead to the same private network.
type Network struct {
	ID        string
	Name      string
	CreatedAt time.Time // zero for DefaultNetwork, which was always there
	// Revision grows with each change.
	Revision int64
}

// Errors of networks.
var (
	ErrNetworkExists  = errors.New("there is a network with this id already")
	ErrDefaultNetwork = errors.New("the default network cannot be deleted: connectors are there until they are moved")
	ErrTooMany        = fmt.Errorf("there are %d networks, and no more are possible", MaxNetworks)
)

// InUseError refuses to delete a network with connectors.
type InUseError struct {
	// Connectors are the first of them, Total counts all.
	Connectors []string
	Total      int
}

// shownInUse is how many connectors an InUseError names.
const shownInUse = 20

// Error implements error.
func (e *InUseError) Error() string {
	text := fmt.Sprintf("%d connectors are in the network (%s", e.Total, strings.Join(e.Connectors, ", "))
	if e.Total == 1 {
		text = "a connector is in the network (" + e.Connectors[0]
	}
	if e.Total > len(e.Connectors) {
		text += ", …"
	}
	return text + "): move or revoke them first"
}

// NetworksTx keeps networks.
type NetworksTx interface {
	// Network returns ErrNotFound.
	Network(ctx context.Context, id string) (Network, error)
	CountNetworks(ctx context.Context) (int, error)
	InsertNetwork(ctx context.Context, n Network) error
	// UpdateNetwork writes the name and the revision.
	UpdateNetwork(ctx context.Context, n Network) error
	// DeleteNetwork leaves connectors that were revoked in DefaultNetwork.
	DeleteNetwork(ctx context.Context, id string) error
	// ConnectorsIn lists the first connectors of a network that are not revoked, by id, and
	// counts all of them.
	ConnectorsIn(ctx context.Context, id string, limit int) (first []string, total int, err error)
}

// Network returns one network. Errors: ErrNotFound.
func (f *Fleet) Network(ctx context.Context, id string) (Network, error) {
	return f.cfg.Store.NetworkByID(ctx, id)
}

// CheckNetwork says what is wrong with a network that is to be made. Errors: a *FieldError
// for each field that is at fault, joined.
func CheckNetwork(id, name string) error {
	var wrongID error
	if err := identity.ValidateID(id); err != nil {
		wrongID = &FieldError{"id", err}
	}
	return errors.Join(wrongID, checkName(name))
}

// CreateNetwork makes a network without connectors. A name that is empty is the id.
// Errors: *FieldError, ErrNetworkExists, ErrTooMany.
func (f *Fleet) CreateNetwork(ctx context.Context, id, name string, by By) (Network, error) {
	n := Network{ID: id, Name: cmp.Or(name, id), CreatedAt: f.cfg.Now().UTC(), Revision: 1}
	if err := CheckNetwork(id, name); err != nil {
		return n, err
	}
	err := f.cfg.Store.FleetTx(ctx, func(tx Tx) error {
		if _, err := tx.Network(ctx, id); !errors.Is(err, ErrNotFound) {
			if err == nil {
				err = ErrNetworkExists
			}
			return err
		}
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
		ev := by.event(audit.NetworkCreate, "network/"+id)
		ev.After = n.auditState()
		return f.cfg.Audit.Record(ctx, tx, ev)
	})
	if err != nil {
		return n, fmt.Errorf("create network %s: %w", id, err)
	}
	return n, nil
}

// NetworkEdit says what becomes of a network; nil leaves it as it is.
type NetworkEdit struct {
	Name *string
	// Revision must be the present one; 0 takes any.
	Revision int64
}

// EditNetwork gives a network another name; its id stays. Errors: *FieldError,
// ErrNotFound, ErrStale.
func (f *Fleet) EditNetwork(ctx context.Context, id string, e NetworkEdit, by By) (n Network, err error) {
	if e.Name != nil {
		if *e.Name == "" {
			return n, wrong("name", "is empty")
		}
		if err := checkName(*e.Name); err != nil {
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
		if e.Name == nil || *e.Name == n.Name {
			return nil
		}
		before := n
		n.Name, n.Revision = *e.Name, n.Revision+1
		if err := tx.UpdateNetwork(ctx, n); err != nil {
			return err
		}
		ev := by.event(audit.NetworkUpdate, "network/"+id)
		ev.Before, ev.After = before.auditState(), n.auditState()
		return f.cfg.Audit.Record(ctx, tx, ev)
	})
	if err != nil {
		return n, fmt.Errorf("change network %s: %w", short(id), err)
	}
	return n, nil
}

// DeleteNetwork deletes a network in which no connector is that is not revoked. Errors:
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
		if err := tx.DeleteNetwork(ctx, id); err != nil {
			return err
		}
		ev := by.event(audit.NetworkDelete, "network/"+id)
		ev.Before = n.auditState()
		return f.cfg.Audit.Record(ctx, tx, ev)
	})
	if err != nil {
		return fmt.Errorf("delete network %s: %w", short(id), err)
	}
	return nil
}

func (n Network) auditState() string {
	return audit.State(struct {
		Name     string `json:"name"`
		Revision int64  `json:"revision"`
	}{n.Name, n.Revision})
}
