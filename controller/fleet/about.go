package fleet

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/visible"
)

// Limits of what operators say of a member, a host or a network.
const (
	MaxName  = 100  // characters
	MaxNotes = 2000 // characters
)

// About is what operators say of a member or host. Nothing that a host says of itself
// gets there. The labels of a tunneler decide what grants of those labels allow it.
type About struct {
	Name   string
	Labels access.Labels // nil if there are none
	Notes  string
	// Revision grows with each change of it, so that of two who edit the same thing at
	// once the second one gets ErrStale.
	Revision int64
}

// short bounds what an error repeats of a request.
func short(s string) string {
	const most = 70
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// FieldError says which field of a change is wrong. It is one type in the whole domain.
type FieldError = access.FieldError

func wrong(field, format string, args ...any) error {
	return &FieldError{Field: field, Err: fmt.Errorf(format, args...)}
}

// Errors of changes.
var (
	// ErrStale is returned if somebody else changed the thing since it was read.
	ErrStale = errors.New("somebody else has changed this meanwhile: read it again, then repeat the change with its new revision")
	// ErrGone is returned for what was revoked.
	ErrGone = errors.New("this was revoked, and what was revoked does not change any more")
)

// Edit says what becomes of About; nil leaves it as it is.
type Edit struct {
	Name, Notes *string
	// Labels are set or, where the value is nil, taken away; all others stay.
	Labels map[string]*string
	// NoLabels takes all away, before Labels are set.
	NoLabels bool
	// NetworkID moves a connector; nobody else is in a network.
	NetworkID *string
	// Revision must be the present one; 0 takes any.
	Revision int64
}

// Validate says what is wrong with a change by itself. Errors: a *FieldError for each
// field that is at fault, joined.
func (e Edit) Validate() error {
	var faults []error
	if e.Name != nil {
		faults = append(faults, checkName(*e.Name))
	}
	if e.Notes != nil {
		faults = append(faults, checkNotes(*e.Notes))
	}
	for _, key := range slices.Sorted(maps.Keys(e.Labels)) {
		if value := e.Labels[key]; value != nil {
			if err := (access.Label{Key: key, Value: *value}).Check(); err != nil {
				faults = append(faults, &FieldError{Field: "labels", Err: err})
			}
		}
	}
	return errors.Join(faults...)
}

// Apply returns what becomes of a: itself, with its revision, if nothing of it is another
// and no connector moves. Errors: *FieldError, ErrStale.
func (e Edit) Apply(a About) (About, error) {
	if err := e.current(a); err != nil {
		return a, err
	}
	if err := e.Validate(); err != nil {
		return a, err
	}
	after := a
	if e.Name != nil {
		after.Name = *e.Name
	}
	if e.Notes != nil {
		after.Notes = *e.Notes
	}
	var err error
	if after.Labels, err = e.labels(a.Labels); err != nil {
		return a, err
	}
	if e.NetworkID != nil || after.Name != a.Name || after.Notes != a.Notes || !maps.Equal(after.Labels, a.Labels) {
		after.Revision++
	}
	return after, nil
}

// current says whether the change is of the present revision.
func (e Edit) current(a About) error {
	if e.Revision != 0 && e.Revision != a.Revision {
		return ErrStale
	}
	return nil
}

func (e Edit) labels(before access.Labels) (access.Labels, error) {
	out := access.Labels{}
	if !e.NoLabels {
		maps.Copy(out, before)
	}
	for key, value := range e.Labels {
		if value == nil {
			delete(out, key)
			continue
		}
		out[key] = *value
	}
	if len(out) > access.MaxLabels {
		return nil, wrong("labels", "there would be %d labels, and at most %d are possible", len(out), access.MaxLabels)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// checkName takes an empty name, which is none.
func checkName(s string) error { return checked("name", visible.Line(s, MaxName)) }

func checkNotes(s string) error { return checked("notes", visible.Lines(s, MaxNotes)) }

func checked(field string, err error) error {
	if err != nil {
		return &FieldError{Field: field, Err: err}
	}
	return nil
}

// auditState is what operators say of a thing in the audit log, as JSON; network is that
// of a connector.
func (a About) auditState(network string) string {
	return audit.State(struct {
		Name     string        `json:"name,omitempty"`
		Labels   access.Labels `json:"labels,omitempty"`
		Notes    string        `json:"notes,omitempty"`
		Network  string        `json:"network_id,omitempty"`
		Revision int64         `json:"revision"`
	}{a.Name, a.Labels, a.Notes, network, a.Revision})
}
