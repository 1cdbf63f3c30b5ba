package api

import (
	"net/netip"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// An address may fail failureBurst times, then once per failureEvery.
const (
	failureBurst = 10
	failureEvery = 6 * time.Second
)

// failures counts failed authentications by address.
type failures struct{ byAddr *sourcelimit.Limiter }

func newFailures(now func() time.Time) *failures {
	return &failures{sourcelimit.New(failureEvery, failureBurst, now)}
}

// allow counts a failure and says whether it is within the limit. What is no
// address counts as one.
func (f *failures) allow(ip string) bool {
	addr, _ := netip.ParseAddr(ip)
	return f.byAddr.Allow(addr)
}
