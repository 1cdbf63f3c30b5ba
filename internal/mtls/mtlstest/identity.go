package mtlstest

import (
	"context"
	"encoding/hex"
	"sync"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

// Identity stands in for mtls.Source: an SVID and a bundle that the test swaps.
// It implements mtls.Identity.
type Identity struct {
	mu      sync.Mutex
	svid    *x509svid.SVID
	bundles *x509bundle.Set

	watchers, trusting topic.Topic[struct{}]
}

// Identity shows svid and trusts this CA.
func (c *CA) Identity(svid *x509svid.SVID) *Identity {
	return &Identity{svid: svid, bundles: x509bundle.NewSet(c.Bundle())}
}

// Swap replaces the SVID as a rotation does.
func (i *Identity) Swap(svid *x509svid.SVID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.svid = svid
	i.watchers.Wake()
}

// Trust makes these the only bundles.
func (i *Identity) Trust(bundles ...*x509bundle.Bundle) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.bundles = x509bundle.NewSet(bundles...)
	i.trusting.Wake()
}

// GetX509SVID implements x509svid.Source.
func (i *Identity) GetX509SVID() (*x509svid.SVID, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.svid == nil {
		return nil, mtls.ErrNoSVID
	}
	return i.svid, nil
}

// GetX509BundleForTrustDomain implements x509bundle.Source.
func (i *Identity) GetX509BundleForTrustDomain(td spiffeid.TrustDomain) (*x509bundle.Bundle, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.bundles.GetX509BundleForTrustDomain(td)
}

// Subscribe does what mtls.Source.Subscribe does.
func (i *Identity) Subscribe() (<-chan struct{}, func()) { return i.watchers.Subscribe() }

// SubscribeBundle does what mtls.Source.SubscribeBundle does.
func (i *Identity) SubscribeBundle() (<-chan struct{}, func()) { return i.trusting.Subscribe() }

// Status does what mtls.Source.Status does.
func (i *Identity) Status() mtls.SVIDStatus {
	svid, err := i.GetX509SVID()
	if err != nil {
		return mtls.SVIDStatus{}
	}
	return mtls.Describe(svid.Certificates[0])
}

// AuthorityIDs does what mtls.Source.AuthorityIDs does.
func (i *Identity) AuthorityIDs() []string {
	svid, err := i.GetX509SVID()
	if err != nil {
		return nil
	}
	b, err := i.GetX509BundleForTrustDomain(svid.ID.TrustDomain())
	if err != nil {
		return nil
	}
	ids := make([]string, 0, 1)
	for _, a := range b.X509Authorities() {
		ids = append(ids, hex.EncodeToString(a.SubjectKeyId))
	}
	return ids
}

// Ready never fails; what fails in a test is the SVID itself.
func (i *Identity) Ready(context.Context) error { return nil }
