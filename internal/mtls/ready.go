package mtls

import (
	"context"
	"fmt"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

// Ready is the readiness check of an identity: it fails when the SVID is of no use
// now, and is degraded while one that is good is not renewed.
func (s *Source) Ready(context.Context) error { return s.Status().Usable(time.Now(), s.Fault()) }

// Usable says why this SVID cannot be used now, or, degraded, that it is not renewed
// because of fault, which is nil while the Workload API answers.
func (st SVIDStatus) Usable(now time.Time, fault error) error {
	var because string
	if fault != nil {
		because = " (the Workload API fails: " + fault.Error() + ")"
	}
	switch at := now.UTC().Format(time.RFC3339); {
	case now.Before(st.NotBefore):
		return fmt.Errorf("the X509-SVID is valid from %s on, and by the clock of this host it is %s%s: %s",
			st.NotBefore.UTC().Format(time.RFC3339), at, because, health.ClockAdvice)
	case !now.Before(st.NotAfter):
		return fmt.Errorf("the X509-SVID expired at %s, and by the clock of this host it is %s%s: if the clock is right, the SPIRE agent has not renewed it",
			st.NotAfter.UTC().Format(time.RFC3339), at, because)
	case fault != nil:
		return health.Degraded(fmt.Errorf("X509-SVID valid until %s but the Workload API fails: %w", st.NotAfter.Format(time.RFC3339), fault))
	}
	return nil
}
