package rotation

import (
	"context"
	"slices"
	"time"
)

// Authority is one X.509 authority of the trust domain.
type Authority struct {
	// ID is the subject key id, lower-case hexadecimal.
	ID        string
	ExpiresAt time.Time
	// Tainted authorities are still trusted, and agents replace what they signed.
	Tainted bool
}

// Authorities is what the SPIRE server says at one moment. An authority that it
// does not have is the zero value.
type Authorities struct {
	// Active signs, Prepared is trusted and will sign, Old has signed. SPIRE has
	// one place for the last two: to prepare forgets the old one, which then can
	// neither be tainted nor revoked and leaves the bundle when it expires.
	Active, Prepared, Old Authority
	// Bundle is what is trusted. Other servers' authorities are among them.
	Bundle []Authority
	// Upstream is the authority above Active; empty when SPIRE is its own root.
	Upstream string
}

// alive returns the authority as the bundle has it, unless it has expired: then
// nothing that it signed is accepted, and SPIRE takes it out by and by.
func (a Authorities) alive(id string, now time.Time) (Authority, bool) {
	i := a.index(id)
	if i < 0 || id == "" || !a.Bundle[i].ExpiresAt.After(now) {
		return Authority{}, false
	}
	return a.Bundle[i], true
}

// own lists the authorities of this server that are trusted.
func (a Authorities) own(now time.Time) []string {
	var out []string
	for _, it := range []Authority{a.Active, a.Prepared, a.Old} {
		if _, ok := a.alive(it.ID, now); ok {
			out = append(out, it.ID)
		}
	}
	return out
}

// withdrawn lists those that SPIRE has taken out of the bundle. One that has merely
// expired is not among them: SPIRE takes it out hours later, and nothing that it
// signed is accepted meanwhile.
func (a Authorities) withdrawn(ids []string) []string {
	var out []string
	for _, id := range ids {
		if a.index(id) < 0 {
			out = append(out, id)
		}
	}
	return out
}

func (a Authorities) index(id string) int {
	return slices.IndexFunc(a.Bundle, func(b Authority) bool { return b.ID == id })
}

// SPIRE is the part of SPIRE's LocalAuthority API that a rotation needs. The four
// calls that change something are not idempotent: what they did is read from
// Authorities and never concluded from their errors.
type SPIRE interface {
	Authorities(ctx context.Context) (Authorities, error)
	// Prepare makes an authority and adds it to the bundle.
	Prepare(ctx context.Context) error
	// Activate makes the prepared authority sign and the active one old.
	Activate(ctx context.Context, id string) error
	// Taint makes agents replace what the old authority signed.
	Taint(ctx context.Context, id string) error
	// Revoke takes the tainted old authority out of the bundle.
	Revoke(ctx context.Context, id string) error
}
