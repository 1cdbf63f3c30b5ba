package auth

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// Config configures New.
type Config struct {
	Store Store
	// Seal closes TOTP seeds, signing keys and device cookies.
	Seal  *keys.Box
	Audit *audit.Log
	Log   *zap.Logger
	Now   func() time.Time
	// Passwords says what a password hash costs; the zero value is the default.
	Passwords PasswordCost
	// Product is how an authenticator app names the account, such as "mycorp.internal".
	Product string
	// SigningKeyLife is how long one key signs access tokens; 0 is the default.
	SigningKeyLife time.Duration
	// OwnerSignedIn is called after an owner signed in, when the setup link is dead;
	// may be nil.
	OwnerSignedIn func()
}

// Auth is everything about who may call the admin API.
type Auth struct {
	Sessions *Sessions
	People   *People
	Account  *Account
	Keys     *Keys
	Devices  *Devices
}

// New returns an Auth; it makes what is missing only when it is asked for.
func New(c Config) (*Auth, error) {
	if c.SigningKeyLife == 0 {
		c.SigningKeyLife = defaultSigningKeyLife
	}
	hasher, err := newHasher(c.Passwords)
	if err != nil {
		return nil, err
	}
	k := &core{Config: c, hasher: hasher, sources: newSources(c.Now)}
	k.Log = c.Log.Named("auth")
	keys := &Keys{core: k}
	sessions := &Sessions{core: k}
	return &Auth{
		Sessions: sessions, People: &People{core: k, sessions: sessions}, Account: &Account{core: k, sessions: sessions}, Keys: keys,
		Devices: newDevices(k),
	}, nil
}

// core is what the parts of Auth share.
type core struct {
	Config
	hasher   *hasher
	sources  *sources
	declared declaring // set by Declare, before anything is served
}

func (k *core) now() time.Time { return k.Now().UTC() }

// By is who asks for a change, for the audit log.
type By struct {
	Actor     string
	RequestID string
	Source    string // address of the caller, without a port
	// Scope bounds what the caller may give to others: an access token may have less than
	// its key. Nil is all that the actor has.
	Scope []Permission
}

// record writes an event of this caller as part of tx.
func (k *core) record(ctx context.Context, tx audit.Store, by By, e audit.Event) error {
	if e.Actor == "" {
		e.Actor = by.Actor
	}
	if e.Outcome == "" {
		e.Outcome = audit.Success
	}
	e.RequestID, e.Source = by.RequestID, by.Source
	return k.Audit.Record(ctx, tx, e)
}
