package identity

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// Kind says which program a workload is.
type Kind string

// The kinds of workload. Each is also the first path segment of its SPIFFE ID.
const (
	KindController Kind = "controller"
	KindConnector  Kind = "connector"
	KindTunneler   Kind = "tunneler"
)

// ErrInvalidID is returned for an id outside the allowed alphabet or length.
var ErrInvalidID = errors.New("must be 1 to 63 characters of a-z, 0-9 and '-', starting with a letter or digit")

// IDPattern is the regular expression of the id of a workload.
const IDPattern = `^[a-z0-9][a-z0-9-]{0,62}$`

// isID says whether IDPattern matches, without the cost: each flow asks.
func isID(id string) bool {
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && (c != '-' || i == 0) {
			return false
		}
	}
	return len(id) >= 1 && len(id) <= 63
}

// ValidateID checks the id of a workload. The error names no field; the caller
// knows which one it was.
func ValidateID(id string) error {
	if !isID(id) {
		return fmt.Errorf("%q %w", clip(id), ErrInvalidID)
	}
	return nil
}

// ParseKind reads a kind that can be enrolled: connector or tunneler.
func ParseKind(s string) (Kind, error) {
	switch k := Kind(s); k {
	case KindConnector, KindTunneler:
		return k, nil
	default:
		return "", fmt.Errorf("%q must be %q or %q", clip(s), KindConnector, KindTunneler)
	}
}

// TokenPrefix begins the enrollment tokens for this kind, so that people and
// secret scanners recognize one.
func (k Kind) TokenPrefix() string {
	if k == KindConnector {
		return "ztc_"
	}
	return "ztt_"
}

// Workload is the kind and id that a workload's SPIFFE ID carries.
type Workload struct {
	Kind Kind
	ID   string
}

// String returns "kind/id", the path of the SPIFFE ID without its first slash.
func (w Workload) String() string { return string(w.Kind) + "/" + w.ID }

// SPIFFEID returns spiffe://<trust domain>/<kind>/<id>.
func (w Workload) SPIFFEID(td spiffeid.TrustDomain) (spiffeid.ID, error) {
	if err := ValidateID(w.ID); err != nil {
		return spiffeid.ID{}, err
	}
	return spiffeid.FromSegments(td, string(w.Kind), w.ID)
}

// ParseWorkload reads the workload from a SPIFFE ID. It fails for SPIRE agents
// and for every path that SPIFFEID would not have built.
func ParseWorkload(id spiffeid.ID) (Workload, error) {
	kind, name, _ := strings.Cut(strings.TrimPrefix(id.Path(), "/"), "/")
	w := Workload{Kind: Kind(kind), ID: name}
	switch w.Kind {
	case KindController, KindConnector, KindTunneler:
		if isID(name) {
			return w, nil
		}
	}
	return Workload{}, fmt.Errorf("SPIFFE ID %q names no workload of this system", id)
}

// clip bounds what a peer's input may add to a log line or an error.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
