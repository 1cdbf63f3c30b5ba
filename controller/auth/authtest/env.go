package authtest

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/attention"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store/storetest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// Password is one that the rules allow.
const Password = "correct horse battery"

// NewClock returns a clock at the time at which these tests begin.
func NewClock() *hosttest.Clock {
	return hosttest.NewClock(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))
}

// Store is a database that is opened when it is first used: most tests of the API
// do not.
type Store struct {
	open func() *store.Store
}

// AuthTx implements auth.Store.
func (s *Store) AuthTx(ctx context.Context, fn func(auth.Tx) error) error {
	return s.open().AuthTx(ctx, fn)
}

// AuthRows implements auth.Store.
func (s *Store) AuthRows() auth.Tx { return s.open().AuthRows() }

// Dismissals implements attention.Store.
func (s *Store) Dismissals(ctx context.Context) (map[string]bool, error) {
	return s.open().Dismissals(ctx)
}

// AttentionTx implements attention.Store.
func (s *Store) AttentionTx(ctx context.Context, fn func(attention.Tx) error) error {
	return s.open().AttentionTx(ctx, fn)
}

// AuditSince lists audit events.
func (s *Store) AuditSince(ctx context.Context, since time.Time) ([]audit.Event, error) {
	return s.open().AuditSince(ctx, since)
}

// Env is sign-in and what it stands on.
type Env struct {
	*auth.Auth
	Config auth.Config
	Store  *Store
	Clock  *hosttest.Clock
}

// New returns an Env with nobody in it. A Clock of nil starts one.
func New(t testing.TB, now func() time.Time) *Env {
	t.Helper()
	s := &Store{open: sync.OnceValue(func() *store.Store {
		s, err := store.Open(context.Background(), storetest.File(t, filepath.Join(t.TempDir(), "auth.db")))
		require.NoError(t, err)
		t.Cleanup(func() {
			events, err := s.AuditSince(context.Background(), time.Time{})
			require.NoError(t, err)
			require.Empty(t, SecretIn(events), "a secret in the audit log")
			_ = s.Close()
		})
		return s
	})}
	box, err := keys.NewBox(make([]byte, 32))
	require.NoError(t, err)
	e := &Env{Store: s, Clock: NewClock()}
	if now == nil {
		now = e.Clock.Now
	}
	e.Config = auth.Config{
		Store: s, Seal: box, Audit: audit.New(zap.NewNop(), now), Log: zap.NewNop(), Now: now, Product: "mycorp.internal",
		Passwords: auth.PasswordCost{MemoryKiB: 8, Iterations: 1, Lanes: 1, AtOnce: 4},
	}
	e.Again(t)
	return e
}

// Again starts sign-in anew on the same database, as a restart does, with what
// Config says now.
func (e *Env) Again(t testing.TB) {
	t.Helper()
	var err error
	e.Auth, err = auth.New(e.Config)
	require.NoError(t, err)
}

// Add makes somebody of this role with Password and returns the first session.
func (e *Env) Add(t testing.TB, email string, role auth.Role) auth.SignedIn {
	t.Helper()
	_, code, err := e.People.Create(context.Background(), auth.NewPerson{Email: email, Name: email, Role: role}, auth.By{Actor: "test"})
	require.NoError(t, err)
	in, err := e.People.Redeem(context.Background(), auth.Setup{Code: code, Password: Password}, auth.From{Source: "192.0.2.250"})
	require.NoError(t, err)
	return in
}

// Active is whose session this is.
func (e *Env) Active(t testing.TB, in auth.SignedIn) auth.Active {
	t.Helper()
	a, err := e.Sessions.Authenticate(context.Background(), in.Secret, false)
	require.NoError(t, err)
	return a
}

// EnableTOTP turns the second factor on; the code of Code(seed) is spent then.
func (e *Env) EnableTOTP(t testing.TB, in auth.SignedIn) (seed string, recovery []string) {
	t.Helper()
	a := e.Active(t, in)
	enrollment, err := e.Account.StartTOTP(context.Background(), a)
	require.NoError(t, err)
	uri, err := url.Parse(enrollment.URI)
	require.NoError(t, err)
	require.Equal(t, enrollment.Secret, uri.Query().Get("secret"))
	recovery, err = e.Account.ConfirmTOTP(context.Background(), a, e.Code(t, enrollment.Secret), auth.From{Source: "192.0.2.250"})
	require.NoError(t, err)
	return enrollment.Secret, recovery
}

// Code is what an authenticator app shows now.
func (e *Env) Code(t testing.TB, seed string) string {
	t.Helper()
	code, err := totp.GenerateCode(seed, e.Config.Now())
	require.NoError(t, err)
	return code
}

// WrongCode is one that an authenticator app shows neither now nor within five minutes of
// it. A code that a test makes up is the right one once in a million times.
func (e *Env) WrongCode(t testing.TB, seed string) string {
	t.Helper()
	shown := map[string]bool{}
	for step := -10; step <= 10; step++ {
		code, err := totp.GenerateCode(seed, e.Config.Now().Add(time.Duration(step)*30*time.Second))
		require.NoError(t, err)
		shown[code] = true
	}
	wrong := 0
	for shown[fmt.Sprintf("%06d", wrong)] {
		wrong++
	}
	return fmt.Sprintf("%06d", wrong)
}

// Events are the audit events of these actions.
func (e *Env) Events(t testing.TB, actions ...audit.Action) []audit.Event {
	t.Helper()
	all, err := e.Store.AuditSince(context.Background(), time.Time{})
	require.NoError(t, err)
	var out []audit.Event
	for _, ev := range all {
		for _, a := range actions {
			if ev.Action == a {
				out = append(out, ev)
			}
		}
	}
	return out
}
