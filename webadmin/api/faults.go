package api

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// maxFaults bounds the reply to a request that is full of faults.
const maxFaults = 50

// faults are what is wrong with the fields of one request. Its sender reads all of
// them at once. Of one field the first fault is kept.
type faults []adminapi.Fault

func (f *faults) add(in, name, detail string) {
	name = clip(name)
	if len(*f) == maxFaults || slices.ContainsFunc(*f, func(k adminapi.Fault) bool { return k.In == in && k.Name == name }) {
		return
	}
	fault := adminapi.Fault{In: in, Name: name, Detail: detail}
	if in == adminapi.InBody {
		fault.Pointer = pointer(name)
	}
	*f = append(*f, fault)
}

// pointer is the JSON Pointer to a field of the body, as a URI fragment (RFC 6901
// section 6).
func pointer(name string) string {
	name = strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	return (&url.URL{Fragment: "/" + name}).String()
}

// err is the problem of all faults, nil if there are none.
func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return f.problem()
}

func (f faults) problem() *problemError {
	p := problem(adminapi.TypeInvalidRequest, f[0].Detail)
	p.Field, p.Errors = f[0].Name, f
	return p
}

// inBody, inQuery, inPath and inHeader are the problem of one fault.
func inBody(name, detail string) *problemError   { return invalid(adminapi.InBody, name, detail) }
func inQuery(name, detail string) *problemError  { return invalid(adminapi.InQuery, name, detail) }
func inPath(name, detail string) *problemError   { return invalid(adminapi.InPath, name, detail) }
func inHeader(name, detail string) *problemError { return invalid(adminapi.InHeader, name, detail) }

func invalid(in, name, detail string) *problemError {
	var f faults
	f.add(in, name, detail)
	return f.problem()
}

// fieldFaults are the faults of the body that err joins. There are none if it is, or
// joins, an error that is about no field.
func fieldFaults(err error) (out faults) {
	for _, e := range leaves(err) {
		name, why := fieldOf(e)
		if why == nil {
			return nil
		}
		out.add(adminapi.InBody, name, why.Error())
	}
	return out
}

// leaves are the errors that err joins, or err itself.
func leaves(err error) []error {
	many, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err)
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range many.Unwrap() {
		out = append(out, leaves(e)...)
	}
	return out
}

// fieldOf is the field that an error of the domain is about, and what is wrong with it.
func fieldOf(err error) (name string, why error) {
	if f, ok := errors.AsType[*access.FieldError](err); ok {
		return f.Field, f.Err
	}
	if f, ok := errors.AsType[*rotation.OptionError](err); ok {
		return f.Field, f.Err
	}
	return "", nil
}

// body is a JSON body that was read, and what is wrong with its fields so far.
type body struct {
	given map[string]bool
	faults
	required []string
}

// wrong notes a fault of a field.
func (b *body) wrong(name, detail string) { b.add(adminapi.InBody, name, detail) }

// take notes the fault of a check that returned one.
func (b *body) take(name string, err error) {
	if err != nil {
		b.wrong(name, err.Error())
	}
}

// end is the problem of all faults, with those that the domain found and the fields that
// are missing. Whoever reads a body by readBody must end it before using a value.
func (b *body) end(domain error) error {
	if domain != nil {
		found := fieldFaults(domain)
		if len(found) == 0 {
			return domain
		}
		for _, f := range found {
			b.wrong(f.Name, f.Detail)
		}
	}
	for _, name := range b.required {
		if !b.given[name] {
			b.wrong(name, "is missing")
		}
	}
	return b.err()
}
