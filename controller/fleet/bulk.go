package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// MaxBulk is how many members one BulkRevocation ends: it holds up other writers
// meanwhile.
const MaxBulk = 500

// BulkRevocation asks to end the access of all members that have each of these labels.
type BulkRevocation struct {
	Labels []access.Label // at least one
	Kind   identity.Kind  // empty for both
	// Selection is the Digest of the Selection that the caller has seen. If it is of
	// others by now, none is revoked.
	Selection string
	By        By
}

// Selection are the members that a BulkRevocation would end at one moment.
type Selection struct {
	Members []Member // connectors, then tunnelers, by id
}

// Digest stands for exactly these enrollments, as 64 hexadecimal digits: another member,
// one less, or another host with the same id gives another one. A member that was revoked
// and enrolled again on its host has a later time.
func (s Selection) Digest() string {
	lines := make([]string, 0, len(s.Members))
	for _, m := range s.Members {
		lines = append(lines, fmt.Sprintf("%s %s %d\n", m.Workload, m.HostID, micros(m.EnrolledAt)))
	}
	slices.Sort(lines)
	h := sha256.New()
	for _, line := range lines {
		_, _ = h.Write([]byte(line)) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Errors of bulk revocations.
var (
	ErrNoLabels = errors.New("name at least one label, such as env=prod: nobody means everybody by accident")
	ErrBulk     = fmt.Errorf("more than %d members have these labels: add a label, or revoke connectors and tunnelers apart", MaxBulk)
	// ErrSelection refuses a BulkRevocation of others than those that the caller has seen.
	ErrSelection = errors.New("others have these labels now than the dry run has shown: nobody was revoked; look at them again with dry_run")
)

// LabelsReader reads members by their labels.
type LabelsReader interface {
	// MembersLabelled lists the members that are not revoked and have each of these labels:
	// connectors, then tunnelers, by id; of each kind as many as most. kind is empty for both.
	MembersLabelled(ctx context.Context, labels []access.Label, kind identity.Kind, most int) ([]Member, error)
}

// Labelled is what a BulkRevocation would end. Errors: ErrNoLabels, ErrBulk.
func (f *Fleet) Labelled(ctx context.Context, labels []access.Label, kind identity.Kind) (Selection, error) {
	return selectLabelled(ctx, f.cfg.Store, labels, kind)
}

func selectLabelled(ctx context.Context, in LabelsReader, labels []access.Label, kind identity.Kind) (Selection, error) {
	if len(labels) == 0 {
		return Selection{}, ErrNoLabels
	}
	members, err := in.MembersLabelled(ctx, labels, kind, MaxBulk+1)
	if err == nil && len(members) > MaxBulk {
		err = ErrBulk
	}
	return Selection{Members: members}, err
}

// RevokeLabelled ends the access of all of them in one transaction, as Revoke does of
// one, and returns them: after an error nobody was revoked. The selection is made again in
// that transaction, so that whoever came, went or was replaced since the caller looked is
// noticed, and none comes or goes afterwards. Errors: ErrNoLabels, ErrBulk, ErrSelection.
func (f *Fleet) RevokeLabelled(ctx context.Context, b BulkRevocation) ([]Member, error) {
	var gone []Member
	err := f.cfg.Store.FleetTx(ctx, func(tx Tx) error {
		now, err := selectLabelled(ctx, tx, b.Labels, b.Kind)
		if err != nil {
			return err
		}
		if now.Digest() != b.Selection {
			return ErrSelection
		}
		gone = now.Members
		for _, m := range gone {
			ev := audit.Event{Actor: b.By.Actor, Reason: "host/" + string(m.HostID) + " " + labelsOf(b.Labels), RequestID: b.By.RequestID, Source: b.By.From}
			if err := f.retire(ctx, tx, m, ev); err != nil {
				return err
			}
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
	return gone, nil
}

func labelsOf(labels []access.Label) (text string) {
	for i, l := range labels {
		if i > 0 {
			text += ","
		}
		text += l.String()
	}
	return text
}
