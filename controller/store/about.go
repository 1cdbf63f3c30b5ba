package store

import (
	"context"
	"encoding/json"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// noLabels is the column of what has no label, as most have not.
const noLabels = "{}"

// labelsText is the column labels: a JSON object.
func labelsText(l access.Labels) (string, error) {
	if len(l) == 0 {
		return noLabels, nil
	}
	b, err := json.Marshal(l)
	return string(b), err
}

// parseLabels reads the column labels; nil if there are none.
func parseLabels(text string) (l access.Labels, err error) {
	if text == noLabels {
		return nil, nil
	}
	err = json.Unmarshal([]byte(text), &l)
	return l, err
}

// SetAbout implements fleet.Tx.
func (t *Tx) SetAbout(ctx context.Context, w identity.Workload, a fleet.About) error {
	tab, err := table(w.Kind)
	if err != nil {
		return err
	}
	return t.setAbout(ctx, tab, w.ID, a, member(w, changelog.Changed))
}

// SetHostAbout implements fleet.Tx.
func (t *Tx) SetHostAbout(ctx context.Context, id identity.HostID, a fleet.About) error {
	return t.setAbout(ctx, "hosts", string(id), a, host(id, changelog.Changed))
}

func (t *Tx) setAbout(ctx context.Context, tab, id string, a fleet.About, c changelog.Change) error {
	labels, err := labelsText(a.Labels)
	if err != nil {
		return err
	}
	return t.write(ctx, c, `UPDATE `+tab+` SET name = ?, labels = ?, notes = ?, revision = ? WHERE id = ?`, a.Name, labels, a.Notes, a.Revision, id)
}
