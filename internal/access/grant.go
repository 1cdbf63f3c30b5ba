package access

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Kinds of subjects and objects. People and groups will be subjects too.
const (
	kindTunneler = "tunneler"
	kindResource = "resource"
	kindLabel    = "label"
)

// Subject is who a grant is for: tunneler/ID, or label/KEY=VALUE for all tunnelers with
// that label.
type Subject struct{ kind, key, value string }

// Object is what a grant allows: resource/ID, or label/KEY=VALUE for all resources with
// that label.
type Object struct{ kind, key, value string }

// TunnelerSubject is one tunneler.
func TunnelerSubject(id string) Subject { return Subject{kind: kindTunneler, value: id} }

// LabelSubject is all tunnelers with a label.
func LabelSubject(l Label) Subject { return Subject{kindLabel, l.Key, l.Value} }

// ResourceObject is one resource.
func ResourceObject(id string) Object { return Object{kind: kindResource, value: id} }

// ParseSubject reads a Subject.
func ParseSubject(text string) (Subject, error) {
	kind, of, err := parseReference(text, kindTunneler)
	return Subject{kind, of.Key, of.Value}, err
}

// ParseObject reads an Object.
func ParseObject(text string) (Object, error) {
	kind, of, err := parseReference(text, kindResource)
	return Object{kind, of.Key, of.Value}, err
}

// parseReference reads label/KEY=VALUE, or KIND/ID, which is a value without a key.
func parseReference(text, kind string) (string, Label, error) {
	before, id, _ := strings.Cut(text, "/")
	of := Label{Value: id}
	var err error
	switch before {
	case kind:
		err = identity.ValidateID(id)
	case kindLabel:
		of, err = ParseLabel(id)
	default:
		err = fmt.Errorf("%q is neither %s/ID nor label/KEY=VALUE", short(text), kind)
	}
	if err != nil {
		return "", Label{}, err
	}
	return before, of, nil
}

func referenceText(kind, key, value string) string {
	if kind == kindLabel {
		value = Label{key, value}.String()
	}
	return kind + "/" + value
}

// String is the subject as people write it.
func (s Subject) String() string { return referenceText(s.kind, s.key, s.value) }

// Tunneler is the tunneler that the subject is; ok is false for a label.
func (s Subject) Tunneler() (id string, ok bool) { return s.value, s.kind == kindTunneler }

// Label is the label that the subject is; ok is false for a tunneler.
func (s Subject) Label() (l Label, ok bool) { return Label{s.key, s.value}, s.kind == kindLabel }

// Is says whether a tunneler with these labels is the subject.
func (s Subject) Is(tunneler string, labels Labels) bool {
	if id, ok := s.Tunneler(); ok {
		return id == tunneler
	}
	value, has := labels[s.key]
	return has && value == s.value
}

// String is the object as people write it.
func (o Object) String() string { return referenceText(o.kind, o.key, o.value) }

// Resource is the resource that the object is; ok is false for a label.
func (o Object) Resource() (id string, ok bool) { return o.value, o.kind == kindResource }

// Label is the label that the object is; ok is false for a resource.
func (o Object) Label() (l Label, ok bool) { return Label{o.key, o.value}, o.kind == kindLabel }

// Grant allows a subject to reach an object.
type Grant struct {
	ID      string
	Subject Subject
	Object  Object
	// Until is when it ends; zero for never. The grant does not hold at that instant.
	Until time.Time
	// Schedule says when it holds; the zero one always.
	Schedule Schedule
}

// GrantText is a Grant as people write it.
type GrantText struct {
	ID, Subject, Object string
	Until               time.Time
	// TimeZone and Windows are the Schedule: see ParseSchedule.
	TimeZone string
	Windows  []string
}

// Text is the grant in its only spelling.
func (g Grant) Text() GrantText {
	return GrantText{
		ID: g.ID, Subject: g.Subject.String(), Object: g.Object.String(), Until: g.Until,
		TimeZone: g.Schedule.TimeZone(), Windows: g.Schedule.Windows(),
	}
}

// latest bounds the end of a grant: what a database and JSON can hold.
var latest = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Parse checks a grant and writes it in its only spelling; times are cut to microseconds,
// as the database keeps them. Errors: a *FieldError for each field that is at fault, joined.
func (t GrantText) Parse(zones *Zones) (Grant, error) {
	g := Grant{ID: t.ID}
	var faults []error
	note := func(field string, err error) {
		if err != nil {
			faults = append(faults, &FieldError{Field: field, Err: err})
		}
	}
	note("id", identity.ValidateID(t.ID))
	var err error
	g.Subject, err = ParseSubject(t.Subject)
	note("subject", err)
	g.Object, err = ParseObject(t.Object)
	note("object", err)
	if !t.Until.IsZero() {
		g.Until = t.Until.UTC().Truncate(time.Microsecond)
		if g.Until.Before(time.Unix(1, 0)) || g.Until.After(latest) {
			note("until", errors.New("is not a time between the years 1970 and 9999"))
		}
	}
	g.Schedule, err = ParseSchedule(zones, t.TimeZone, t.Windows)
	faults = append(faults, err)
	return g, errors.Join(faults...)
}

// Equal says whether two grants are the same in all fields.
func (g Grant) Equal(o Grant) bool {
	return g.ID == o.ID && g.Subject == o.Subject && g.Object == o.Object && g.Until.Equal(o.Until) && g.Schedule.Equal(o.Schedule)
}

// Holds says whether the grant holds at an instant. It has to be asked again at until, if that
// is not zero. One that has ended does not hold again.
func (g Grant) Holds(now time.Time) (until time.Time, holds, ended bool) {
	if !g.Until.IsZero() && !now.Before(g.Until) {
		return time.Time{}, false, true
	}
	until, holds = g.Schedule.Holds(now)
	return earlier(g.Until, until), holds, false
}
