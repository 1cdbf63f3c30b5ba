package apitest

import (
	"context"
	"sync"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
)

// Auth takes API keys, until Be says who every caller is.
type Auth struct {
	keys *auth.Keys

	mu sync.Mutex
	be auth.Principal
}

// Be makes every caller p; the zero Principal ends that.
func (a *Auth) Be(p auth.Principal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.be = p
}

// Use takes the keys of these from now on.
func (a *Auth) Use(keys *auth.Keys) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = keys
}

// Authenticate implements api.Authenticator.
func (a *Auth) Authenticate(ctx context.Context, bearer string) (auth.Principal, error) {
	a.mu.Lock()
	be, keys := a.be, a.keys
	a.mu.Unlock()
	if be.Actor != "" {
		return be, nil
	}
	return keys.Authenticate(ctx, bearer)
}
