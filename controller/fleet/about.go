package fleet

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/visible"
)

// Limits of what operators say of a member, a host or a network.
const (
	MaxName   = 100  // characters
	MaxNotes  = 2000 // characters
	MaxLabels = 32
)

// About is what operators say of a member or host. Nothing that a host says of itself
// gets there, and nothing of it decides about access.
type About struct {
	Name   string
	Labels Labels // nil if there are none
	Notes  string
	// Revision grows with each change of it, so that of two who edit the same thing at
	// once the second one gets ErrStale.
	Revision int64
}

// Labels are words of an operator's choice, by their key.
type Labels map[string]string

// Label is one of Labels: env=prod.
type Label struct{ Key, Value string }

// String is the label as operators write it.
func (l Label) String() string { return l.Key + "=" + l.Value }

// Texts are the labels as operators write them, by key.
func (l Labels) Texts() []string {
	out := make([]string, 0, len(l))
	for _, k := range slices.Sorted(maps.Keys(l)) {
		out = append(out, Label{k, l[k]}.String())
	}
	return out
}

// Has says whether each of these labels is there.
func (l Labels) Has(all []Label) bool {
	return !slices.ContainsFunc(all, func(one Label) bool {
		value, ok := l[one.Key]
		return !ok || value != one.Value
	})
}

// The patterns of keys and values of labels.
const (
	LabelKeyPattern   = `^[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?$`
	LabelValuePattern = `^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`
)

var (
	labelKey   = regexp.MustCompile(LabelKeyPattern)
	labelValue = regexp.MustCompile(LabelValuePattern)
)

// Errors of labels.
var (
	errLabelKey   = errors.New("a label's key has 1 to 63 of a-z, 0-9, '.', '_', '/' and '-', and begins and ends with a letter or digit")
	errLabelValue = errors.New("a label's value has 1 to 63 letters, digits, '.', '_' and '-', and begins and ends with a letter or digit")
)

// ParseLabel reads a label such as env=prod.
func ParseLabel(text string) (Label, error) {
	key, value, ok := strings.Cut(text, "=")
	if !ok {
		return Label{}, fmt.Errorf("%q is no label: write key=value, such as env=prod", short(text))
	}
	l := Label{key, value}
	return l, l.check()
}

// ParseLabels reads labels with commas between them, such as env=prod,tier=web.
func ParseLabels(text string) (out []Label, err error) {
	if n := strings.Count(text, ",") + 1; n > MaxLabels {
		return nil, fmt.Errorf("there are %d labels, and at most %d are possible", n, MaxLabels)
	}
	for one := range strings.SplitSeq(text, ",") {
		l, err := ParseLabel(one)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

func (l Label) check() error {
	switch {
	case !labelKey.MatchString(l.Key):
		return fmt.Errorf("%q: %w", short(l.Key), errLabelKey)
	case !labelValue.MatchString(l.Value):
		return fmt.Errorf("%q: %w", short(l.Value), errLabelValue)
	}
	return nil
}

// short bounds what an error repeats of a request.
func short(s string) string {
	const most = 70
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// FieldError says which field of a change is wrong.
type FieldError struct {
	Field string
	Err   error
}

// Error implements error.
func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *FieldError) Unwrap() error { return e.Err }

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
			if err := (Label{key, *value}).check(); err != nil {
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

func (e Edit) labels(before Labels) (Labels, error) {
	out := Labels{}
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
	if len(out) > MaxLabels {
		return nil, wrong("labels", "there would be %d labels, and at most %d are possible", len(out), MaxLabels)
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
		Name     string `json:"name,omitempty"`
		Labels   Labels `json:"labels,omitempty"`
		Notes    string `json:"notes,omitempty"`
		Network  string `json:"network_id,omitempty"`
		Revision int64  `json:"revision"`
	}{a.Name, a.Labels, a.Notes, network, a.Revision})
}
