package apitest

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/anchors"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/attention"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/authtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/events"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation/rotationtest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
)

// Env is a running admin API.
type Env struct {
	URL    string
	Key    string // a valid API key, of Actor
	Tokens *Tokens
	// Requests are hosts that ask, and claim links.
	Requests *Requests
	Fleet    *Fleet
	Rules    *policy.Rules
	Keys     *authtest.KeyStore
	Auth     *Auth
	Trail    *Trail
	Flows    *Flows
	Clock    *hosttest.Clock
	Events   *events.Hub
	Series   *fleet.Series
	// Replays keeps what Idempotency-Keys stand for.
	Replays *Replays
	Server  *api.Server
	Logs    *observer.ObservedLogs
	// Identity is real sign-in on a database of its own; nobody is in it.
	Identity *authtest.Env
	// SPIRE and Rotations are a CA without members; Run of the latter drives it.
	SPIRE     *rotationtest.SPIRE
	Rotations *rotation.Manager
	// Bootstrap replaces a bootstrap CA without hosts; Step of it drives it.
	Bootstrap *anchors.Manager

	mu      sync.Mutex
	refused []audit.Event
}

func bootstrap(t testing.TB, now func() time.Time) *anchors.Manager {
	t.Helper()
	dir := t.TempDir()
	ca, err := bootstrapca.Open(dir, spiffeid.RequireTrustDomainFromString("mycorp.internal"), now)
	require.NoError(t, err)
	return anchors.New(anchors.Config{
		CA: ca, File: filepath.Join(dir, "replacement.json"), Own: func() string { return "" }, Log: zap.NewNop(), Now: now,
		Hosts:  func(context.Context) ([]anchors.Host, error) { return nil, nil },
		Reload: func(context.Context) error { return nil }, Audit: func(context.Context, audit.Event) error { return nil },
	})
}

// Actor is who Env.Key belongs to.
const Actor = "key:all"

// CA is what the API says that the bootstrap CA is.
const CA = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

// Start runs an admin API on a free port until the test ends.
func Start(t testing.TB, options ...func(*api.Config)) *Env {
	t.Helper()
	e := New(t, options...)
	e.Run(t)
	return e
}

// Run serves until the test ends, or the returned function is called.
func (e *Env) Run(t testing.TB) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Server.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(stop)
	return stop
}

// New returns an admin API that listens and does not serve; its Handler does.
// Options go over its configuration, and put real parts in the place of fakes. When the
// test ends, openapi.json must have every problem that the API answered with.
func New(t testing.TB, options ...func(*api.Config)) *Env {
	t.Helper()
	clock := authtest.NewClock()
	core, logs := observer.New(zapcore.DebugLevel)
	members := &Fleet{now: clock.Now}
	e := &Env{
		Fleet: members, Tokens: &Tokens{now: clock.Now, fleet: members}, Keys: authtest.NewKeyStore(), Clock: clock, Logs: logs, Trail: &Trail{}, Flows: &Flows{},
	}
	e.Rules = newRules(clock.Now, members)
	e.Requests = &Requests{now: clock.Now, links: map[string]enroll.Token{}}
	e.SPIRE = rotationtest.NewSPIRE(clock.Now, 24*time.Hour)
	world := rotationtest.NewWorld(clock.Now, e.SPIRE)
	e.Rotations = rotation.New(rotation.Config{
		SPIRE: e.SPIRE, Store: &rotationtest.Store{}, Members: world, Online: world, Agents: world, Self: world.Self,
		Audit: audit.New(zap.NewNop(), clock.Now), Log: zap.NewNop(), Now: clock.Now,
	})
	e.Bootstrap = bootstrap(t, clock.Now)
	e.Events, e.Replays = events.NewHub(clock.Now), &Replays{}
	e.Series = fleet.NewSeries(e.Fleet, zap.NewNop(), clock.Now)
	e.Auth = &Auth{keys: auth.NewKeys(e.Keys, clock.Now)}
	e.Key = e.AddKey(t, auth.Key{ID: "all", Permissions: Grantable()})
	e.Identity = authtest.New(t, clock.Now)
	c := api.Config{
		Listen: "127.0.0.1:0", Hosts: []string{"example.com"}, Identity: e.Identity.Auth, Tokens: e.Tokens, Requests: e.Requests, Claims: e.Requests, Fleet: e.Fleet, Rules: e.Rules, Rotations: e.Rotations, Bootstrap: e.Bootstrap, Auth: e.Auth, Trail: e.Trail, Flows: e.Flows,
		TrustDomain: spiffeid.RequireTrustDomainFromString("mycorp.internal"), Version: "v9.9.9",
		Install: func(tok enroll.Token, handed string) []adminapi.InstallCommand {
			if tok.Workload.Kind == identity.KindTunneler { // as a script that asks
				return []adminapi.InstallCommand{{Form: "stdin", Command: "install " + tok.Workload.ID}}
			}
			return []adminapi.InstallCommand{{Form: "stdin", Command: "install " + tok.Workload.ID + " " + handed}}
		},
		Enrollment: func() adminapi.Enrollment {
			return adminapi.Enrollment{
				Address: "10.0.0.1:8443", TrustDomain: "mycorp.internal", CA: CA, CAFingerprint: "AB:CD", FetchCommand: "curl ca.crt",
				RequestCommands: []adminapi.RequestCommand{{Kind: "connector", Command: "enroll --request", Requires: "the package"}},
			}
		},
		OutageBudget: adminapi.OutageBudget{
			PolicyAge: "24h", Identity: []adminapi.IdentityBudget{{Kind: "connector", Least: "3m", Most: "5m30s"}},
		},
		Events: e.Events, Series: e.Series, Replays: e.Replays,
		Settings: adminapi.Settings{
			TrustDomain: "mycorp.internal", ControllerID: "controller-1", Version: "v9.9.9", StartedAt: clock.Now(),
			OutageBudget: adminapi.OutageBudget{Identity: []adminapi.IdentityBudget{}},
			Groups:       []adminapi.SettingGroup{{Name: "svid_ttl", Settings: []adminapi.Setting{{Key: "connector", Value: "5m"}}}},
		},
		Audit: e.record, Log: zap.New(core), Now: clock.Now,
		Attention: attention.New(attention.Config{
			Fleet: e.Fleet, Requests: e.Requests, Rotations: e.Rotations, Bootstraps: e.Bootstrap, Store: e.Identity.Store,
			Audit: audit.New(zap.NewNop(), clock.Now), Now: clock.Now,
		}),
	}
	for _, o := range options {
		o(&c)
	}
	srv, err := api.New(c)
	require.NoError(t, err)
	t.Cleanup(func() { _ = srv.Close() }) // Run has closed it already
	t.Cleanup(func() { requireDeclared(t, srv.Handler(), logs) })
	e.Server, e.URL = srv, "http://"+srv.Addr().String()
	return e
}

// Socket is an option of New: the API also listens at a local admin socket, to which
// every user may connect. It returns its path.
func Socket(t testing.TB) (option func(*api.Config), path string) {
	t.Helper()
	l, path := controltest.ListenAdmin(t)
	return func(c *api.Config) { c.Local = l }, path
}

// Grantable are the permissions that a key can have.
func Grantable() []auth.Permission {
	return slices.DeleteFunc(auth.Permissions(), func(p auth.Permission) bool { return !p.Grantable() })
}

// AddKey stores k and returns its secret.
func (e *Env) AddKey(t testing.TB, k auth.Key) string {
	t.Helper()
	secret, hash := auth.NewKey()
	require.NoError(t, e.Keys.InsertKey(context.Background(), k, hash))
	return secret
}

func (e *Env) record(_ context.Context, ev audit.Event) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refused = append(e.refused, ev)
	return nil
}

// Refused are the audit events of refused callers.
func (e *Env) Refused() []audit.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]audit.Event(nil), e.refused...)
}
