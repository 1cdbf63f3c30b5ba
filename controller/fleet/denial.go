package fleet

import (
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/denial"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// DenialLife is how long members keep a denial after its time.
const DenialLife = denial.Life

// Denial is a revocation as members keep it: X509-SVIDs of this workload whose
// notBefore is earlier are worthless, whoever is the controller. An id that was
// enrolled anew has SVIDs of later.
type Denial struct {
	Seq           uint64 // of the store; a later denial has a greater one
	Workload      identity.Workload
	SVIDNotBefore time.Time
}

// denialOf is that of a member that was revoked at a time. Whoever is enrolled after
// that, in the same second too, gets an SVID that it does not deny.
func denialOf(m Member, at time.Time) Denial {
	return Denial{Workload: m.Workload, SVIDNotBefore: at.Add(-svidBackdate).Truncate(time.Second)}
}
