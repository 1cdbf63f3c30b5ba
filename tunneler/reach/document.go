package reach

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
)

// Document is what programs of this host get.
type Document struct {
	// Known says that a controller has sent a list since the start.
	Known     bool     `json:"known"`
	Resources []Listed `json:"resources"`
	// More is how many others are granted that the controller did not list.
	More int `json:"more,omitempty"`
}

// Listed is a resource as it is shown.
type Listed struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Alias     string    `json:"alias,omitempty"`
	Hosts     []string  `json:"hosts"`
	Ports     []string  `json:"ports"`
	NetworkID string    `json:"network_id"`
	Until     time.Time `json:"until,omitzero"`
}

// Document is the newest list.
func (k *Keeper) Document() ([]byte, error) {
	d := Document{Resources: []Listed{}}
	if l := k.List(); l != nil {
		d.Known = true
		all, more := l.Resources(time.Now())
		d.More = more
		for _, r := range all {
			t := r.Text()
			d.Resources = append(d.Resources, Listed{t.ID, t.Name, t.Alias, t.Hosts, t.Ports, t.NetworkID, r.Until})
		}
	}
	return json.Marshal(d)
}

// ParseDocument reads what Document wrote.
func ParseDocument(raw []byte) (d Document, err error) {
	if err := json.Unmarshal(raw, &d); err != nil {
		return d, fmt.Errorf("the tunneler's list of resources: %w", err)
	}
	return d, nil
}

// Find is the resource that a person names: by its id, its alias, or a name that only one has.
func (d Document) Find(word string) (Listed, error) {
	for _, is := range []func(Listed) bool{
		func(r Listed) bool { return r.ID == word },
		func(r Listed) bool { return r.Alias == word },
		func(r Listed) bool { return r.Name == word },
	} {
		at := slices.IndexFunc(d.Resources, is)
		if at < 0 {
			continue
		}
		if slices.ContainsFunc(d.Resources[at+1:], is) {
			return Listed{}, fmt.Errorf("several resources are called %q: use the id of one (grpctunneler resources)", word)
		}
		return d.Resources[at], nil
	}
	if !d.Known {
		return Listed{}, fmt.Errorf("the controller has not sent yet what this tunneler may reach: write HOST:PORT instead of %q", word)
	}
	return Listed{}, fmt.Errorf("no resource that this tunneler may reach is called %q: see grpctunneler resources, or write HOST:PORT", word)
}

// Target is where a resource leads to, if it is one host and one port.
func (r Listed) Target() (flow.Target, error) {
	if len(r.Hosts) == 1 && len(r.Ports) == 1 {
		host, err := access.ParseHost(r.Hosts[0])
		port, notOne := strconv.ParseUint(r.Ports[0], 10, 16)
		if err == nil && notOne == nil {
			return flow.NewTarget(host.String(), uint16(port))
		}
	}
	host, port := "HOST", "PORT"
	if len(r.Hosts) > 0 {
		host = r.Hosts[0]
	}
	if len(r.Ports) > 0 {
		port = r.Ports[0]
	}
	return flow.Target{}, fmt.Errorf("the resource %q has more than one host or port: write HOST:PORT, such as %s", r.ID, net.JoinHostPort(host, port))
}
