package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// Store is where the fleet is kept.
type Store interface {
	changelog.Log
	LabelsReader
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

// Tx is one transaction of the fleet. Each function asks for the parts of it that it uses;
// each part is declared beside its main user.
type Tx interface {
	audit.Store
	MembersTx
	LabelsReader
	HelloTx
	RetireTx
	CloneTx
	AboutTx
	PlaceTx
	NetworksTx
}

// MembersTx reads members and hosts, and bumps the policy that names them.
type MembersTx interface {
	// Member and Host return ErrNotFound.
	Member(ctx context.Context, w identity.Workload) (Member, error)
	Host(ctx context.Context, id identity.HostID) (Host, error)
	// LiveMembersOf lists the members on a host that are not revoked.
	LiveMembersOf(ctx context.Context, id identity.HostID) ([]Member, error)
	// BumpPolicy makes the next snapshot newer than all before.
	BumpPolicy(ctx context.Context) error
}

// HelloTx keeps what the controller learns when a member connects.
type HelloTx interface {
	// SaveHello writes what a connector says of itself and reports whether its
	// addresses changed.
	SaveHello(ctx context.Context, h Hello) (changed bool, err error)
	// FirstSeen notes the first use of an id, and keeps the time of an earlier one.
	FirstSeen(ctx context.Context, w identity.Workload, at time.Time) error
}

// Roster says who is here; presence.Roster is it.
type Roster interface {
	Present
	// Turns is how the lists follow who comes and goes.
	Turns() *presence.Turns
	Activity() presence.Activity
}

// Changed is notified after a commit that members came, went or moved.
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
	// does not know it.
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
	moves  *sourcelimit.Keyed[string] // of connectors, by id
}

// New returns a Fleet.
func New(cfg Config) *Fleet {
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	return &Fleet{cfg: cfg, clones: newClones(cfg.Now), index: newIndex(cfg.Store, cfg.Roster, cfg.Now, cfg.Log), moves: sourcelimit.NewIdentities(moveEvery, maxMoves, cfg.Now)}
}

// How often the addresses of one connector may change: some times at once, then one in
// so long. All connectors and tunnelers learn of each change, so one connector that says
// others in each hello would keep the controller busy with nothing else.
const moveEvery, maxMoves = 30 * time.Second, 10

// Why a member is not admitted.
var (
	// ErrRevoked refuses a member that is not, or no longer, enrolled.
	ErrRevoked = errors.New("not enrolled or revoked")
	// ErrMovesTooOften refuses a connector for a while; what it said is not kept.
	ErrMovesTooOften = errors.New("the listen addresses of this connector change too often, wait before the next change")
)

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
		if !f.moves.AllowKey(h.ID) {
			return ErrMovesTooOften
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
