package mtls

import "github.com/spiffe/go-spiffe/v2/bundle/x509bundle"

// SubscribeBundle is Subscribe for the bundle of our trust domain: a value after
// each change of the authorities in it.
func (s *Source) SubscribeBundle() (<-chan struct{}, func()) { return s.trusting.Subscribe() }

// swapBundles says whether the bundle of our trust domain is another one now. It
// needs s.mu.
func (s *Source) swapBundles(next *x509bundle.Set) (swapped bool) {
	before := s.bundles
	s.bundles = next
	td := s.id.TrustDomain()
	now, err := next.GetX509BundleForTrustDomain(td)
	if err != nil {
		return false
	}
	if before != nil {
		if b, err := before.GetX509BundleForTrustDomain(td); err == nil && b.Equal(now) {
			return false
		}
	}
	s.swaps.Bundle++
	s.trusting.Wake()
	return true
}
