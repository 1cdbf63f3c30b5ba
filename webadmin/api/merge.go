package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// mergePatch is how a PATCH is written and read: a JSON merge patch (RFC 7396).
const mergePatch = "A JSON merge patch: a field that is absent stays as it is, and null takes its value away. " +
	"With `revision`, which every reply has, a change that somebody else made meanwhile is not overwritten: the reply is 409 then."

// nullable is a field that may be null.
type nullable interface{ wants() string }

// text is a text, or null for none.
type text struct{ value string }

func (*text) wants() string { return "a string or null" }

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(b []byte) error {
	t.value = ""
	if string(b) == "null" {
		return nil
	}
	return json.Unmarshal(b, &t.value)
}

// labels are those to set or, with null, to remove; null in the place of all of them
// removes all.
type labels struct {
	all   map[string]*string
	clear bool
}

func (*labels) wants() string {
	return `an object such as {"env": "prod", "old": null} in which no key is there twice, or null`
}

var errLabels = errors.New("not labels")

// UnmarshalJSON implements json.Unmarshaler. Of two equal keys encoding/json would take
// the last one (see readJSON).
func (l *labels) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		l.clear = true
		return nil
	}
	l.all = map[string]*string{}
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errLabels
	}
	for dec.More() {
		t, err := dec.Token()
		key, ok := t.(string)
		if _, twice := l.all[key]; err != nil || !ok || twice {
			return errLabels
		}
		var value *string
		if err := dec.Decode(&value); err != nil {
			return errLabels
		}
		l.all[key] = value
	}
	return nil
}

// readEdit reads the PATCH of a member or a host. network says that it may be moved.
func readEdit(c *gin.Context, network bool) (e fleet.Edit, err error) {
	var name, notes text
	var set labels
	var to string
	fields := map[string]any{"name": &name, "notes": &notes, "labels": &set, "revision": &e.Revision}
	if network {
		fields["network_id"] = &to
	}
	b := &body{given: map[string]bool{}}
	if err := readJSON(c.Request, fields, b); err != nil {
		return e, err
	}
	b.checkRevision(e.Revision)
	if b.given["name"] {
		e.Name = &name.value
	}
	if b.given["notes"] {
		e.Notes = &notes.value
	}
	if b.given["network_id"] {
		e.NetworkID = &to
	}
	e.Labels, e.NoLabels = set.all, set.clear
	if len(b.faults) > 0 {
		return e, b.end(nil)
	}
	return e, b.end(e.Validate())
}

// checkRevision refuses a 0 that is given: it would take any.
func (b *body) checkRevision(revision int64) {
	if b.given["revision"] && revision < 1 {
		b.wrong("revision", "must be the revision of the last reply, 1 or more")
	}
}

// editProblem translates the errors of changes of the fleet; nil for others.
func editProblem(err error) *problemError {
	if used, ok := errors.AsType[*fleet.InUseError](err); ok {
		p := problem(adminapi.TypeInUse, used.Error())
		p.InUseBy = append(slices.Clone(used.Connectors), used.Resources...)
		return p
	}
	if granted, ok := errors.AsType[*policy.GrantedError](err); ok {
		p := problem(adminapi.TypeInUse, granted.Error())
		p.InUseBy = granted.Grants
		return p
	}
	if p := brokenProblem(err); p != nil {
		return p
	}
	if taken, ok := errors.AsType[fleet.ExistsError](err); ok {
		return problem(adminapi.TypeExists, taken.Error())
	}
	for typ, known := range map[string]error{
		adminapi.TypeSelection: fleet.ErrSelection, adminapi.TypeStale: fleet.ErrStale, adminapi.TypeRevoked: fleet.ErrGone, adminapi.TypeInUse: fleet.ErrDefaultNetwork,
	} {
		if errors.Is(err, known) {
			return problem(typ, known.Error())
		}
	}
	for _, known := range []error{fleet.ErrTooMany, fleet.ErrBulk, policy.ErrTooManyResources, policy.ErrTooManyGrants, policy.ErrTooManyTests} {
		if errors.Is(err, known) {
			return problem(adminapi.TypeLimit, known.Error())
		}
	}
	return nil
}

// byOf is who calls, for the audit log of the fleet.
func byOf(c *gin.Context) fleet.By {
	who := callerOf(c)
	return fleet.By{Actor: who.Actor, RequestID: requestID(c), From: who.from}
}
