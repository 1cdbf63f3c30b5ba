package policy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/strictyaml"
)

// Document is a policy as a file, in the words of the API. Each thing in it is whole: what
// it does not say is empty, and what is not in it stays as it is.
type Document struct {
	Networks  []DocumentNetwork  `yaml:"networks,omitempty"`
	Resources []DocumentResource `yaml:"resources,omitempty"`
	Grants    []DocumentGrant    `yaml:"grants,omitempty"`
	Tests     []DocumentTest     `yaml:"policy_tests,omitempty"`
}

// DocumentNetwork is a network in a Document.
type DocumentNetwork struct {
	ID       string   `yaml:"id"`
	Name     string   `yaml:"name,omitempty"`
	Prefixes []string `yaml:"prefixes,omitempty"`
}

// DocumentResource is a resource in a Document.
type DocumentResource struct {
	ID        string            `yaml:"id"`
	NetworkID string            `yaml:"network_id,omitempty"`
	Name      string            `yaml:"name,omitempty"`
	Hosts     []string          `yaml:"hosts,flow"`
	Ports     []string          `yaml:"ports,flow"`
	Alias     string            `yaml:"alias,omitempty"`
	Proxy     string            `yaml:"proxy_protocol,omitempty"`
	Labels    map[string]string `yaml:"labels,omitempty"`
}

// DocumentGrant is a grant in a Document.
type DocumentGrant struct {
	ID       string    `yaml:"id"`
	Subject  string    `yaml:"subject"`
	Object   string    `yaml:"object"`
	Until    time.Time `yaml:"until,omitempty"`
	TimeZone string    `yaml:"time_zone,omitempty"`
	Windows  []string  `yaml:"windows,omitempty"`
}

// DocumentTest is a policy test in a Document.
type DocumentTest struct {
	ID        string `yaml:"id"`
	Subject   string `yaml:"subject"`
	Expect    string `yaml:"expect"`
	Target    string `yaml:"target"`
	NetworkID string `yaml:"network_id,omitempty"`
	Note      string `yaml:"note,omitempty"`
}

// Empty is a document without an entry.
func (d Document) Empty() bool {
	return len(d.Networks)+len(d.Resources)+len(d.Grants)+len(d.Tests) == 0
}

// MaxDocument is how long a policy file may be, in bytes.
const MaxDocument = strictyaml.MaxSize

// ReadDocument reads a policy file. Errors: those of strictyaml.Read.
func ReadDocument(text string) (d Document, err error) {
	err = strictyaml.Read([]byte(text), &d)
	return d, err
}

// Text is the document as a file.
func (d Document) Text() (string, error) {
	raw, err := yaml.Marshal(d)
	return string(raw), err
}

// Check says what is wrong with a document by itself, whatever there is. Errors:
// *access.FieldError joined.
func (d Document) Check() error {
	_, err := d.parse(new(access.Zones))
	return err
}

// parsed is a Document that has been checked by itself.
type parsed struct {
	networks  []fleet.Network
	resources []access.Resource
	grants    []access.Grant
	tests     []Test
}

// parse checks each thing of a document. Errors: *access.FieldError joined, with fields such as
// resources[2].hosts[0].
func (d Document) parse(zones *access.Zones) (p parsed, err error) {
	var faults []error
	for i, n := range d.Networks {
		out, err := fleet.NetworkText{ID: n.ID, Name: n.Name, Prefixes: n.Prefixes}.Parse()
		faults = append(faults, within(fmt.Sprintf("networks[%d]", i), err))
		p.networks = append(p.networks, out)
	}
	for i, r := range d.Resources {
		out, err := access.ResourceText{
			ID: r.ID, NetworkID: cmp.Or(r.NetworkID, fleet.DefaultNetwork), Name: cmp.Or(r.Name, r.ID), Hosts: r.Hosts, Ports: r.Ports, Alias: r.Alias, ProxyProtocol: r.Proxy, Labels: r.Labels,
		}.Parse()
		faults = append(faults, within(fmt.Sprintf("resources[%d]", i), err))
		p.resources = append(p.resources, out)
	}
	for i, g := range d.Grants {
		out, err := access.GrantText{ID: g.ID, Subject: g.Subject, Object: g.Object, Until: g.Until, TimeZone: g.TimeZone, Windows: g.Windows}.Parse(zones)
		faults = append(faults, within(fmt.Sprintf("grants[%d]", i), err))
		p.grants = append(p.grants, out)
	}
	for i, t := range d.Tests {
		out, err := TestText{ID: t.ID, Subject: t.Subject, Target: t.Target, NetworkID: t.NetworkID, Expect: t.Expect, Note: t.Note}.Parse()
		faults = append(faults, within(fmt.Sprintf("policy_tests[%d]", i), err))
		p.tests = append(p.tests, out)
	}
	faults = append(
		faults, once("networks", d.Networks, func(n DocumentNetwork) string { return n.ID }), once("resources", d.Resources, func(r DocumentResource) string { return r.ID }),
		once("grants", d.Grants, func(g DocumentGrant) string { return g.ID }), once("policy_tests", d.Tests, func(t DocumentTest) string { return t.ID }),
	)
	return p, errors.Join(faults...)
}

// within says in which thing of a list the faults of fields are.
func within(name string, err error) error {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, one := range many.Unwrap() {
			out = append(out, within(name, one))
		}
		return errors.Join(out...)
	}
	if f, ok := errors.AsType[*access.FieldError](err); ok {
		return &access.FieldError{Field: name + "." + f.Field, Err: f.Err}
	}
	if f, ok := errors.AsType[*fleet.FieldError](err); ok {
		return &access.FieldError{Field: name + "." + f.Field, Err: f.Err}
	}
	return &access.FieldError{Field: name, Err: err}
}

// once refuses a list in which an id is there twice.
func once[T any](name string, list []T, id func(T) string) error {
	seen := map[string]int{}
	for i, it := range list {
		if first, twice := seen[id(it)]; twice {
			return wrong(fmt.Sprintf("%s[%d].id", name, i), "is that of %s[%d] too", name, first)
		}
		seen[id(it)] = i
	}
	return nil
}

// Export is everything that a policy file can say, by id. It is what was committed at almost
// the same time: a change meanwhile may be in it or not.
func (r *Rules) Export(ctx context.Context) (d Document, err error) {
	store := r.cfg.Store
	networks, err := store.Networks(ctx)
	if err != nil {
		return d, err
	}
	for _, n := range networks {
		d.Networks = append(d.Networks, DocumentNetwork{ID: n.ID, Name: unlessID(n.Name, n.ID), Prefixes: access.PrefixTexts(n.Prefixes)})
	}
	resources, err := store.Resources(ctx)
	if err != nil {
		return d, err
	}
	for _, one := range resources {
		t := one.Text()
		d.Resources = append(d.Resources, DocumentResource{
			ID: t.ID, NetworkID: t.NetworkID, Name: unlessID(t.Name, t.ID), Hosts: t.Hosts, Ports: t.Ports, Alias: t.Alias, Proxy: t.ProxyProtocol, Labels: t.Labels,
		})
	}
	grants, err := store.Grants(ctx)
	if err != nil {
		return d, err
	}
	for _, g := range grants {
		t := g.Text()
		d.Grants = append(d.Grants, DocumentGrant{ID: t.ID, Subject: t.Subject, Object: t.Object, Until: t.Until, TimeZone: t.TimeZone, Windows: t.Windows})
	}
	tests, err := store.PolicyTests(ctx)
	if err != nil {
		return d, err
	}
	for _, t := range tests {
		x := t.Text()
		d.Tests = append(d.Tests, DocumentTest{ID: x.ID, Subject: x.Subject, Expect: x.Expect, Target: x.Target, NetworkID: x.NetworkID, Note: x.Note})
	}
	slices.SortFunc(d.Networks, func(a, b DocumentNetwork) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(d.Resources, func(a, b DocumentResource) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(d.Grants, func(a, b DocumentGrant) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(d.Tests, func(a, b DocumentTest) int { return cmp.Compare(a.ID, b.ID) })
	return d, nil
}

// unlessID is the name of what has one of its own.
func unlessID(name, id string) string {
	if name == id {
		return ""
	}
	return name
}
