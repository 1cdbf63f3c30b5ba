package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/denial"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// DenialLife is how long members keep a denial after its time.
const DenialLife = denial.Life

// Denial is a revocation as members keep it: X509-SVIDs of this workload whose
// notBefore is earlier are worthless, whoever is the controller. An id that was
// enrolled anew has SVIDs of later.
type Denial struct {
	Seq           uint64 // of the store; a later denial has a greater one
	Workload      identity.Workload
	SVIDNotBefore time.Time
}

// Ends says whether a member that is live here is the one that was revoked. Of a denial
// that this database does not know, a member of the same second is no successor: it was
// enrolled before, and the database is of the time between.
func (d Denial) Ends(m Member) bool {
	return m.Live() && !m.SVIDNotBefore().Truncate(time.Second).After(d.SVIDNotBefore)
}

// Entry is the denial as members keep it.
func (d Denial) Entry(td spiffeid.TrustDomain) (denial.Entry, error) {
	id, err := d.Workload.SPIFFEID(td)
	return denial.Entry{ID: id, SVIDNotBefore: d.SVIDNotBefore}, err
}

// denialOf is that of a member that was revoked at a time. Whoever is enrolled after
// that, in the same second too, gets an SVID that it does not deny.
func denialOf(m Member, at time.Time) Denial {
	return Denial{Workload: m.Workload, SVIDNotBefore: at.Add(-svidBackdate).Truncate(time.Second)}
}

// Return is what a connector kept of this controller's denials and gave back. Their
// signatures have been verified: the connector's word is not needed.
type Return struct {
	By      identity.Workload
	From    string // address of the connector
	Denials []Denial
}

// TakeBack applies denials that this database does not know. Whoever is live and was
// revoked is revoked, as by an operator, and the audit log says whence.
func (f *Fleet) TakeBack(ctx context.Context, r Return) (revoked []Member, err error) {
	err = f.cfg.Store.FleetTx(ctx, func(tx Tx) error {
		revoked = nil
		for _, d := range r.Denials {
			if err := tx.Deny(ctx, d, f.cfg.Now().UTC()); err != nil {
				return err
			}
			m, err := tx.Member(ctx, d.Workload)
			if errors.Is(err, ErrNotFound) || err == nil && !d.Ends(m) {
				continue
			}
			if err == nil {
				revoked = append(revoked, m)
				err = f.retire(ctx, tx, m, audit.Event{Actor: r.By.String(), Reason: "revoked before; the denial that this controller signed was kept by " + r.By.String(), Source: r.From})
			}
			if err != nil {
				return err
			}
		}
		return f.noteReturn(ctx, tx, r, len(revoked))
	})
	if err != nil {
		return nil, fmt.Errorf("take denials back: %w", err)
	}
	for _, m := range revoked {
		f.clones.forget(m)
	}
	f.cfg.Changed.MembersChanged(revoked)
	return revoked, nil
}

func (f *Fleet) noteReturn(ctx context.Context, tx Tx, r Return, revoked int) error {
	after, err := json.Marshal(map[string]int{"denials": len(r.Denials), "revoked": revoked})
	if err != nil {
		return err
	}
	if err := f.cfg.Audit.Record(ctx, tx, audit.Event{
		Actor: r.By.String(), Action: audit.DenialsReturn, Target: r.By.String(), Outcome: audit.Success, Source: r.From, After: string(after),
	}); err != nil {
		return err
	}
	return tx.BumpPolicy(ctx)
}
