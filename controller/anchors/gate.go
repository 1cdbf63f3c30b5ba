package anchors

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// hereFor is how long a host counts as here that asked for its bundle: it asks every
// ten seconds.
const hereFor = 30 * time.Second

// returnLimit is how long after a start hosts are waited for that have not asked yet: an
// empty list would open every gate.
const returnLimit = time.Minute

// Host is an enrolled host that has a certificate and is not revoked.
type Host struct {
	ID identity.HostID
	// Name is for people: the members on it.
	Name string
	// Online says that a member on it is ONLINE.
	Online bool
}

// Holdout holds a gate up.
type Holdout struct {
	Name string
	Why  string
}

// Gate is a wait: through of total hosts are ready.
type Gate struct {
	Total, Through int
	// Offline hosts are not waited for.
	Offline  int
	Holdouts []Holdout
}

// said is what a host showed and said last.
type said struct {
	shows  *x509.Certificate
	trusts [][]byte
	at     time.Time
}

// Note keeps what an enrolled host shows, and the SHA-256 of each CA that it trusts.
func (m *Manager) Note(host identity.HostID, shows *x509.Certificate, trusts [][]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.said[host] = said{shows, trusts, m.cfg.Now()}
}

// gate looks at all hosts. Only a phase that waits has one.
func (m *Manager) gate(ctx context.Context, r Record) (Gate, error) {
	wants := m.wants(r)
	if wants == nil {
		return Gate{}, nil
	}
	g, err := m.count(ctx, r.Skipped, wants)
	if err != nil {
		return g, err
	}
	if r.Phase == Activated {
		if why := m.cfg.Own(); why != "" {
			g.Total++
			g.Holdouts = append(g.Holdouts, Holdout{"controller", why})
		}
	}
	return g, nil
}

// count asks of each host that is here what wants says that it lacks.
func (m *Manager) count(ctx context.Context, skipped []string, wants func(said) (why string)) (g Gate, err error) {
	hosts, err := m.cfg.Hosts(ctx)
	if err != nil {
		return g, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.cfg.Now()
	for _, h := range hosts {
		last, known := m.said[h.ID]
		silent := !known || now.Sub(last.at) > hereFor
		switch {
		case slices.Contains(skipped, string(h.ID)):
		case silent && !h.Online && (known || now.Sub(m.born) > returnLimit):
			g.Offline++
		case silent:
			g.hold(h, "its agent has not asked for its bundle for 30 s: is `agent run` running there?")
		default:
			if why := wants(last); why != "" {
				g.hold(h, why)
				continue
			}
			g.Total, g.Through = g.Total+1, g.Through+1
		}
	}
	return g, nil
}

func (g *Gate) hold(h Host, why string) {
	g.Total++
	g.Holdouts = append(g.Holdouts, Holdout{string(h.ID) + " (" + h.Name + ")", why})
}

// wants says what is missing of a host in this phase, nil where nothing is waited for.
func (m *Manager) wants(r Record) func(said) (why string) {
	switch r.Phase {
	case Prepared:
		return func(s said) string {
			if trusts(s, r.New) {
				return ""
			}
			return "it does not trust the new CA yet"
		}
	case Activated:
		signer := m.cfg.CA.Anchors()[0]
		return func(s said) string {
			switch {
			case s.shows.CheckSignatureFrom(signer) != nil:
				return "it has not renewed its certificate yet"
			case !trusts(s, r.New):
				return "it does not trust the new CA yet"
			default:
				return ""
			}
		}
	case Retired:
		return func(s said) string {
			if trusts(s, r.Old) {
				return "it still trusts the old CA"
			}
			return ""
		}
	case Preparing, Activating, Retiring:
	}
	return nil
}

func trusts(s said, fingerprint string) bool {
	want, err := hex.DecodeString(fingerprint)
	return err == nil && slices.ContainsFunc(s.trusts, func(h []byte) bool { return bytes.Equal(h, want) })
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}
