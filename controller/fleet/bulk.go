package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// MaxBulk is how many members one BulkRevocation ends: it holds up other writers
// meanwhile.
const MaxBulk = 500

// BulkRevocation asks to end the access of all members that have each of these labels.
type BulkRevocation struct {
	Labels []Label       // at least one
	Kind   identity.Kind // empty for both
	// Expect is how many the caller has seen, in Labelled. If there are more or less of
	// them by now, none is revoked.
	Expect int
	By     By
}

// Revoked is what became of one member.
type Revoked struct {
	Member Member
	// Kept says why its access did not end; empty if it did.
	Kept string
}

// Errors of bulk revocations.
var (
	ErrNoLabels = errors.New("name at least one label, such as env=prod: nobody means everybody by accident")
	ErrBulk     = fmt.Errorf("more than %d members have these labels: add a label, or revoke connectors and tunnelers apart", MaxBulk)
)

// CountError says that the labels are of another number of members than was expected.
type CountError struct{ Expected, Found int }

// Error implements error.
func (e *CountError) Error() string {
	return fmt.Sprintf("%d members have these labels now, and not %d: nothing was revoked; look at them again with dry_run", e.Found, e.Expected)
}

// Labelled lists the members that are not revoked and have each of these labels: what a
// BulkRevocation would end. Errors: ErrNoLabels, ErrBulk.
func (f *Fleet) Labelled(ctx context.Context, labels []Label, kind identity.Kind) ([]Member, error) {
	if len(labels) == 0 {
		return nil, ErrNoLabels
	}
	lists, err := f.Lists(ctx)
	if err != nil {
		return nil, err
	}
	var out []Member
	q := Query{Labels: labels, Limit: MaxBulk + 1}
	if kind != identity.KindTunneler {
		page, err := lists.Connectors(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, c := range page.Items {
			out = append(out, c.Member)
		}
	}
	if kind != identity.KindConnector {
		page, err := lists.Tunnelers(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, t := range page.Items {
			out = append(out, t.Member)
		}
	}
	if len(out) > MaxBulk {
		return nil, ErrBulk
	}
	return out, nil
}

// RevokeLabelled ends the access of all of them in one transaction, as Revoke does of
// one: after an error nobody was revoked. A member that has changed since it was looked
// at (another host has its id, or it lost the label) is kept. Errors: ErrNoLabels,
// ErrBulk, *CountError.
func (f *Fleet) RevokeLabelled(ctx context.Context, b BulkRevocation) ([]Revoked, error) {
	members, err := f.Labelled(ctx, b.Labels, b.Kind)
	if err != nil {
		return nil, err
	}
	if len(members) != b.Expect {
		return nil, &CountError{Expected: b.Expect, Found: len(members)}
	}
	var out []Revoked
	var gone []Member
	err = f.cfg.Store.FleetTx(ctx, func(tx Tx) error {
		out, gone = nil, nil
		for _, m := range members {
			now, err := tx.Member(ctx, m.Workload)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			if kept := whyKept(m, now, b.Labels); kept != "" {
				out = append(out, Revoked{m, kept})
				continue
			}
			ev := audit.Event{Actor: b.By.Actor, Reason: "host/" + string(m.HostID) + " " + labelsOf(b.Labels), RequestID: b.By.RequestID, Source: b.By.From}
			if err := f.retire(ctx, tx, now, ev); err != nil {
				return err
			}
			out, gone = append(out, Revoked{Member: now}), append(gone, now)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("revoke members by label: %w", err)
	}
	for _, m := range gone {
		f.clones.forget(m)
	}
	if len(gone) > 0 {
		f.cfg.Changed.MembersChanged(gone)
	}
	return out, nil
}

// whyKept is empty for a member that is still what the caller has seen. One that is not
// there is the zero Member.
func whyKept(seen, now Member, labels []Label) string {
	switch {
	case now.ID == "" || !now.Live():
		return "it was revoked meanwhile"
	case now.HostID != seen.HostID:
		return "another host has its id by now"
	case !now.About.Labels.Has(labels):
		return "it has lost the label"
	}
	return ""
}

func labelsOf(labels []Label) (text string) {
	for i, l := range labels {
		if i > 0 {
			text += ","
		}
		text += l.String()
	}
	return text
}
