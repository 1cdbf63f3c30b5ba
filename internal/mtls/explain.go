package mtls

import (
	"fmt"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

// Explain says what the identity is while it is ready, for /readyz.
func (s *Source) Explain() string {
	st := s.Status()
	return fmt.Sprintf("X509-SVID %s of %s valid until %s (%s left), authorities in the bundle: %d", st.Serial, s.id,
		st.NotAfter.UTC().Format(time.RFC3339), health.Span(time.Until(st.NotAfter).Round(time.Second)), len(s.AuthorityIDs()))
}
