package access

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/visible"
)

// Limits of one resource. Together they keep one change of it under 4 KiB on its way to a
// connector.
const (
	MaxResourceName   = 100  // characters
	MaxHosts          = 32   // patterns
	MaxHostsText      = 1024 // bytes of all patterns together
	MaxPorts          = 32   // ranges
	MaxResourceLabels = 16
	// MaxPrefixes is how many prefixes a network may declare.
	MaxPrefixes = 64
)

// Resource is what is protected: TCP ports of hosts in a network.
type Resource struct {
	ID        string
	NetworkID string
	Name      string // for people
	// Hosts and Ports are sorted, and none is there twice.
	Hosts []Pattern
	Ports []PortRange
	// Alias is another name by which tunnelers offer it; empty for none. A resource with one
	// has one host, which the alias stands for.
	Alias string
	// ProxyProtocol is with what its connections begin.
	ProxyProtocol ProxyProtocol
	Labels        Labels // nil if there are none
}

// ProxyProtocol is the header with which a connector begins each connection to a target, so
// that the target learns whose it is; empty for none.
type ProxyProtocol string

// ProxyV2 is version 2 of HAProxy's PROXY protocol, with the SPIFFE ID of the tunneler.
const ProxyV2 ProxyProtocol = "v2"

// parseProxyProtocol refuses what is not known here: a connection without the header would be
// believed to be somebody else's.
func parseProxyProtocol(text string) (ProxyProtocol, error) {
	if p := ProxyProtocol(text); p == "" || p == ProxyV2 {
		return p, nil
	}
	return "", fmt.Errorf("%q is no version of the PROXY protocol that connectors speak: v2, or none", short(text))
}

// ResourceText is a Resource as people write it.
type ResourceText struct {
	ID, NetworkID, Name string
	Hosts, Ports        []string
	Alias               string
	ProxyProtocol       string // v2, or empty
	Labels              Labels
}

// Text is the resource in its only spelling.
func (r Resource) Text() ResourceText {
	t := ResourceText{ID: r.ID, NetworkID: r.NetworkID, Name: r.Name, Alias: r.Alias, ProxyProtocol: string(r.ProxyProtocol), Labels: r.Labels}
	for _, p := range r.Hosts {
		t.Hosts = append(t.Hosts, p.String())
	}
	for _, p := range r.Ports {
		t.Ports = append(t.Ports, p.String())
	}
	return t
}

// Parse checks a resource and writes it in its only spelling. Errors: a *FieldError for
// each field that is at fault, joined.
func (t ResourceText) Parse() (Resource, error) {
	r := Resource{ID: t.ID, NetworkID: t.NetworkID, Name: t.Name, Labels: maps.Clone(t.Labels)}
	if len(r.Labels) == 0 {
		r.Labels = nil
	}
	var faults []error
	note := func(field string, err error) {
		if err != nil {
			faults = append(faults, &FieldError{Field: field, Err: err})
		}
	}
	note("id", identity.ValidateID(t.ID))
	note("network_id", identity.ValidateID(t.NetworkID))
	note("name", visible.Line(t.Name, MaxResourceName))
	var err error
	r.Hosts, err = parseHosts(t.Hosts)
	faults = append(faults, err)
	r.Ports, err = parsePorts(t.Ports)
	faults = append(faults, err)
	if t.Alias != "" {
		r.Alias, err = parseAlias(t.Alias, r.Hosts)
		note("alias", err)
	}
	r.ProxyProtocol, err = parseProxyProtocol(t.ProxyProtocol)
	note("proxy_protocol", err)
	note("labels", checkLabels(t.Labels, MaxResourceLabels))
	return r, errors.Join(faults...)
}

func parseHosts(texts []string) (hosts []Pattern, err error) {
	if err := checkCount("hosts", len(texts), MaxHosts, "name, *.NAME, address or prefix"); err != nil {
		return nil, err
	}
	var faults []error
	size := 0
	for i, text := range texts {
		p, err := ParsePattern(text)
		if err != nil {
			faults = append(faults, &FieldError{Field: fmt.Sprintf("hosts[%d]", i), Err: err})
			continue
		}
		size += len(p.String())
		hosts = append(hosts, p)
	}
	if size > MaxHostsText {
		faults = append(faults, wrong("hosts", "are %d bytes together, and at most %d are possible: make two resources", size, MaxHostsText))
	}
	slices.SortFunc(hosts, func(a, b Pattern) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(hosts), errors.Join(faults...)
}

func parsePorts(texts []string) (ports []PortRange, err error) {
	if err := checkCount("ports", len(texts), MaxPorts, "port or range of ports"); err != nil {
		return nil, err
	}
	var faults []error
	for i, text := range texts {
		r, err := ParsePortRange(text)
		if err != nil {
			faults = append(faults, &FieldError{Field: fmt.Sprintf("ports[%d]", i), Err: err})
			continue
		}
		ports = append(ports, r)
	}
	return merged(ports), errors.Join(faults...)
}

func checkCount(field string, n, most int, what string) error {
	switch {
	case n == 0:
		return wrong(field, "at least one %s is needed", what)
	case n > most:
		return wrong(field, "has %d entries, and at most %d are possible", n, most)
	}
	return nil
}

// parseAlias takes a name that stands for the only host of a resource.
func parseAlias(text string, hosts []Pattern) (string, error) {
	name, err := parseName(text, text)
	if err != nil {
		return "", err
	}
	if len(hosts) != 1 || !hosts[0].single() {
		return "", errors.New("only a resource with exactly one host, which is a name or an address, can have an alias")
	}
	return name, nil
}

func checkLabels(labels Labels, most int) error {
	if len(labels) > most {
		return fmt.Errorf("there are %d labels, and at most %d are possible", len(labels), most)
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if err := (Label{key, labels[key]}).Check(); err != nil {
			return err
		}
	}
	return nil
}

// Equal says whether two resources are the same in all fields.
func (r Resource) Equal(o Resource) bool {
	return r.ID == o.ID && r.NetworkID == o.NetworkID && r.Name == o.Name && r.Alias == o.Alias && r.ProxyProtocol == o.ProxyProtocol &&
		slices.Equal(r.Hosts, o.Hosts) && slices.Equal(r.Ports, o.Ports) && maps.Equal(r.Labels, o.Labels)
}
