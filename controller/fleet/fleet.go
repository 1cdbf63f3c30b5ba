package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Store is where the fleet is kept.
type Store interface {
	changelog.Log
	FleetTx(ctx context.Context, fn func(Tx) error) error
	// Connectors and Tunnelers list all members, revoked ones too, by id.
	Connectors(ctx context.Context) ([]Connector, error)
	Tunnelers(ctx context.Context) ([]Tunneler, error)
	// ConnectorsByID and TunnelersByID list those of them that there are, by id.
	ConnectorsByID(ctx context.Context, ids []string) ([]Connector, error)
	TunnelersByID(ctx context.Context, ids []string) ([]Tunneler, error)
	// Hosts lists all hosts, revoked ones too.
	Hosts(ctx context.Context) ([]Host, error)
	// HostByID returns ErrNotFound for a host that is not there, HostsByID leaves it out.
	HostByID(ctx context.Context, id identity.HostID) (Host, error)
	HostsByID(ctx context.Context, ids []string) ([]Host, error)
	// MembersOn lists all members on a host.
	MembersOn(ctx context.Context, id identity.HostID) ([]Connector, []Tunneler, error)
	Networks(ctx context.Context) ([]Network, error)
	// NetworkByID returns ErrNotFound.
	NetworkByID(ctx context.Context, id string) (Network, error)
}

// Tx is the part of a store transaction that the fleet needs.
type Tx interface {
	audit.Store
	// Member and Host return ErrNotFound.
	Member(ctx context.Context, w identity.Workload) (Member, error)
	Host(ctx context.Context, id identity.HostID) (Host, error)
	// LiveMembersOf lists the members on a host that are not revoked.
	LiveMembersOf(ctx context.Context, id identity.HostID) ([]Member, error)
	RevokeMember(ctx context.Context, w identity.Workload, at time.Time) error
	RevokeHost(ctx context.Context, id identity.HostID, at time.Time) error
	// Bury keeps a tombstone until it is over; the first one of a host stays.
	Bury(ctx context.Context, s Tombstone, now time.Time) error
	// Deny keeps a denial until it is over; of two for one workload the later time.
	Deny(ctx context.Context, d Denial, now time.Time) error
	// ContestHost keeps the first time.
	ContestHost(ctx context.Context, id identity.HostID, at time.Time) error
	// MarkCloned keeps the first finding and reports whether this is it.
	MarkCloned(ctx context.Context, id identity.HostID, at time.Time, c Clone) (first bool, err error)
	// SaveHello writes what a connector says of itself and reports whether its
	// addresses changed.
	SaveHello(ctx context.Context, h Hello) (changed bool, err error)
	// FirstSeen notes the first use of an id, and keeps the time of an earlier one.
	FirstSeen(ctx context.Context, w identity.Workload, at time.Time) error
	// SetAbout and SetHostAbout write what operators say.
	SetAbout(ctx context.Context, w identity.Workload, a About) error
	SetHostAbout(ctx context.Context, id identity.HostID, a About) error
	// BumpPolicy makes the next snapshot newer than all before.
	BumpPolicy(ctx context.Context) error
	NetworksTx
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
	// NetworkOf is the network of a connector. Errors: ErrNotFound.
	NetworkOf(ctx context.Context, connector string) (string, error)
	MoveConnector(ctx context.Context, connector, network string) error
}

// Roster says who is here; presence.Roster is it.
type Roster interface {
	Present
	// Turns is how the lists follow who comes and goes.
	Turns() *presence.Turns
	Activity() presence.Activity
}

// Changed is told after a commit that members came, went or moved.
type Changed interface {
	MembersChanged(revoked []Member)
}

// Hello is what a member says of itself when its stream opens. Addresses and
// PrivateIP are a connector's.
type Hello struct {
	ID         string
	Version    string
	PrivateIP  string
	Addresses  []string
	InstanceID string
	BootID     string
	// AgentStart names the process of the host's SPIRE agent; empty when the program
	// cannot tell.
	AgentStart string
	// From and Began are what the controller itself saw of the connection: its other
	// end, and when its handshake began.
	From      string
	Began     time.Time
	Witnessed int64 // size of the audit log that it witnessed last
}

// Config configures New.
type Config struct {
	Store   Store
	Roster  Roster
	Changed Changed
	Audit   *audit.Log
	Now     func() time.Time
	// Clones is what happens to a cloned host; empty means CloneAlert.
	Clones ClonePolicy
	Log    *zap.Logger // nothing is logged when nil
}

// Fleet lists, admits and revokes members.
type Fleet struct {
	cfg    Config
	clones *clones
	index  *index
}

// New returns a Fleet.
func New(cfg Config) *Fleet {
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	return &Fleet{cfg: cfg, clones: newClones(cfg.Now), index: newIndex(cfg.Store, cfg.Roster, cfg.Now, cfg.Log)}
}

// ErrRevoked refuses a member that is not, or no longer, enrolled.
var ErrRevoked = errors.New("not enrolled or revoked")

// svidBackdate is how far before its issue SPIRE sets an SVID's notBefore.
const svidBackdate = 10 * time.Second

// SVIDNotBefore is the earliest notBefore an SVID of this member can have; an
// earlier one was issued to a former holder of the id.
func (m Member) SVIDNotBefore() time.Time { return m.EnrolledAt.Add(-svidBackdate) }

// AdmitConnector opens the door for a control stream: the caller must be live,
// and its SVID not that of a former holder of its id. It stores the hello.
func (f *Fleet) AdmitConnector(ctx context.Context, h Hello, svid identity.Issue) error {
	w := identity.Workload{Kind: identity.KindConnector, ID: h.ID}
	var m Member
	moved := false
	err := f.cfg.Store.FleetTx(ctx, func(tx Tx) error {
		var err error
		if m, err = f.admit(ctx, tx, w, svid); err != nil {
			return err
		}
		if moved, err = tx.SaveHello(ctx, h); err != nil || !moved {
			return err
		}
		return tx.BumpPolicy(ctx)
	})
	if err == nil {
		err = f.arrived(ctx, m, h)
	}
	if err != nil {
		return fmt.Errorf("admit %s: %w", w, err)
	}
	if moved {
		f.cfg.Changed.MembersChanged(nil)
	}
	return nil
}

// AdmitTunneler opens the door for a directory stream.
func (f *Fleet) AdmitTunneler(ctx context.Context, h Hello, svid identity.Issue) error {
	w := identity.Workload{Kind: identity.KindTunneler, ID: h.ID}
	var m Member
	err := f.cfg.Store.FleetTx(ctx, func(tx Tx) (err error) {
		m, err = f.admit(ctx, tx, w, svid)
		return err
	})
	if err == nil {
		err = f.arrived(ctx, m, h)
	}
	if err != nil {
		return fmt.Errorf("admit %s: %w", w, err)
	}
	return nil
}

// admit notes the first use of the id in the same transaction, whichever stream it
// is on: from here on the enrollment token of the id is spent for its own host too.
// A tunneler has a directory stream long before a connector reports a session of it,
// and may never have one.
func (f *Fleet) admit(ctx context.Context, tx Tx, w identity.Workload, svid identity.Issue) (Member, error) {
	m, err := tx.Member(ctx, w)
	if errors.Is(err, ErrNotFound) || err == nil && (!m.Live() || !svid.To(m.HostID, m.SVIDNotBefore())) {
		return m, ErrRevoked
	}
	if err != nil || !m.FirstSeenAt.IsZero() {
		return m, err
	}
	return m, tx.FirstSeen(ctx, w, f.cfg.Now().UTC())
}

// Revocation asks to end a member's access.
type Revocation struct {
	Workload  identity.Workload
	Actor     string
	RequestID string
	From      string // address of the caller
}

// Revoke ends the access of a member: from the commit on no stream or session of
// it is admitted, the open ones are cut by the next snapshot, and the reconciler
// deletes its entry and bans its agent when no other role lives on that host. The
// longest access that remains where none of this arrives is its SVID's lifetime.
// Revoking again changes nothing. Errors: ErrNotFound.
func (f *Fleet) Revoke(ctx context.Context, r Revocation) error {
	var gone []Member
	err := f.cfg.Store.FleetTx(ctx, func(tx Tx) error {
		m, err := tx.Member(ctx, r.Workload)
		if err != nil || !m.Live() {
			return err
		}
		gone = append(gone, m)
		return f.retire(ctx, tx, m, audit.Event{
			Actor: r.Actor, Reason: "host/" + string(m.HostID), RequestID: r.RequestID, Source: r.From,
		})
	})
	if err != nil {
		return fmt.Errorf("revoke %s: %w", r.Workload, err)
	}
	for _, m := range gone {
		f.clones.forget(m)
	}
	if len(gone) > 0 {
		f.cfg.Changed.MembersChanged(gone)
	}
	return nil
}

// retire is Retire with its audit event; by says who and why.
func (f *Fleet) retire(ctx context.Context, tx Tx, m Member, by audit.Event) error {
	at := f.cfg.Now().UTC()
	if err := Retire(ctx, tx, m, at); err != nil {
		return err
	}
	by.Action, by.Target, by.Outcome, by.Before = audit.MemberRevoke, m.String(), audit.Success, m.AuditState()
	m.RevokedAt = at
	by.After = m.AuditState()
	return f.cfg.Audit.Record(ctx, tx, by)
}

// Retire revokes a live member inside a transaction, and its host when no other
// member lives there.
func Retire(ctx context.Context, tx Tx, m Member, at time.Time) error {
	if err := tx.RevokeMember(ctx, m.Workload, at); err != nil {
		return err
	}
	if err := tx.Deny(ctx, denialOf(m, at), at); err != nil {
		return err
	}
	others, err := tx.LiveMembersOf(ctx, m.HostID)
	if err != nil {
		return err
	}
	if len(others) == 0 {
		if err := retireHost(ctx, tx, m.HostID, at); err != nil {
			return err
		}
	}
	return tx.BumpPolicy(ctx)
}

func retireHost(ctx context.Context, tx Tx, id identity.HostID, at time.Time) error {
	h, err := tx.Host(ctx, id)
	if err != nil {
		return err
	}
	if err := tx.Bury(ctx, tombstoneOf(h), at); err != nil {
		return err
	}
	return tx.RevokeHost(ctx, id, at)
}

// EntryFor is the registration entry that a live member on host should have.
func EntryFor(m Member, host Host, td spiffeid.TrustDomain, ttl map[identity.Kind]time.Duration) (Entry, error) {
	id, err := m.SPIFFEID(td)
	if err != nil {
		return Entry{}, err
	}
	return Entry{
		ID: m.EntryID(), SPIFFEID: id, ParentID: host.AgentID,
		Selectors: slices.Clone(m.Selectors), X509SVIDTTL: ttl[m.Kind], DNSName: m.HostID.SVIDName(),
	}, nil
}
