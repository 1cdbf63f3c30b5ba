package api_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/authtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/events"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation/rotationtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store/storetest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// realAPI is an admin API over the real domain and store; only SPIRE is in memory.
type realAPI struct {
	*apitest.Env
	store  *store.Store
	people *auth.Auth // not Identity, which is in memory
	roster *presence.Roster
	hosts  []identity.HostID
	asking []string // ids of requests
}

// newReal has as many connectors and tunnelers, each on a host with one of the
// other kind. dir is where the database is.
func newReal(t testing.TB, dir string, members int, options ...func(*api.Config)) *realAPI {
	t.Helper()
	clock := authtest.NewClock()
	now := clock.Now
	r := &realAPI{roster: presence.NewRoster(now)}
	var err error
	r.store, err = store.Open(t.Context(), storetest.File(t, filepath.Join(dir, "controller.db")))
	require.NoError(t, err)
	t.Cleanup(func() {
		events, err := r.store.AuditSince(context.Background(), time.Time{})
		require.NoError(t, err)
		require.Empty(t, authtest.SecretIn(events), "a secret in the audit log")
		require.NoError(t, r.store.Close())
	})
	td := spiffeid.RequireTrustDomainFromString("mycorp.internal")
	log := audit.New(zap.NewNop(), now)
	fl := fleet.New(fleet.Config{Store: r.store, Roster: r.roster, Changed: &enrolltest.Changes{}, Audit: log, Now: now})
	hub := events.NewHub(now)
	ca := rotationtest.NewSPIRE(now, 24*time.Hour)
	world := rotationtest.NewWorld(now, ca)
	r.enroll(t, clock.Now(), members)
	r.ask(t, clock.Now())
	box, err := keys.NewBox(make([]byte, 32))
	require.NoError(t, err)
	people, err := auth.New(auth.Config{
		Store: r.store, Seal: box, Audit: log, Log: zap.NewNop(), Now: now, Product: "mycorp.internal",
		Passwords: auth.PasswordCost{MemoryKiB: 8, Iterations: 1, Lanes: 1, AtOnce: 4},
	})
	require.NoError(t, err)
	r.Env = apitest.New(t, append(options, func(c *api.Config) {
		c.Now, c.Fleet, c.Events, c.Replays = now, fl, hub, r.store
		c.Identity, c.Auth, c.Series = people, people.Keys, fleet.NewSeries(fl, zap.NewNop(), now)
		enrollment := enroll.New(enroll.Config{
			TrustDomain: td, Store: r.store, Signer: noSigner{}, SPIRE: enrolltest.NewSPIRE(td), Changed: &enrolltest.Changes{},
			Audit: log, Log: zap.NewNop(), Now: now,
		})
		c.Tokens, c.Requests, c.Claims = enrollment, enrollment, enrollment
		c.Rotations = rotation.New(rotation.Config{
			SPIRE: ca, Store: r.store, Members: r.store, Online: r.roster, Agents: world, Self: world.Self, Audit: log, Log: zap.NewNop(), Now: now,
		})
	})...)
	secret, hash := auth.NewKey()
	require.NoError(t, r.store.AuthTx(t.Context(), func(tx auth.Tx) error {
		return tx.InsertKey(t.Context(), auth.Key{ID: "all", Permissions: apitest.Grantable(), CreatedAt: clock.Now(), ExpiresAt: clock.Now().Add(time.Hour)}, hash)
	}))
	r.Key, r.people = secret, people
	return r
}

// ask has hosts ask to be enrolled.
func (r *realAPI) ask(t testing.TB, at time.Time) {
	t.Helper()
	require.NoError(t, r.store.EnrollTx(t.Context(), func(tx enroll.Tx) (err error) {
		for i := range 3 {
			q := enroll.Request{
				ID: fmt.Sprintf("req_%032x", i), Code: fmt.Sprintf("BCDF-000%d", i), Workload: identity.Workload{Kind: identity.KindConnector, ID: fmt.Sprintf("c-%05d", i)},
				Fingerprint: "0123-4567-89AB-CDEF-GHJK-MNPQ", KeyHash: []byte{byte(i)}, Source: "192.0.2.7", Net: "192.0.2.7/32",
				CreatedAt: at, ExpiresAt: at.Add(time.Hour),
			}
			r.asking = append(r.asking, q.ID)
			err = errors.Join(err, tx.InsertRequest(t.Context(), q))
		}
		return err
	}))
}

// noSigner signs nothing: nobody enrolls in these tests.
type noSigner struct{}

// SignHost implements enroll.Signer.
func (noSigner) Due(*x509.Certificate) bool { return false }

func (noSigner) SignHost(identity.HostID, any) ([]byte, error) {
	return nil, errors.New("nobody enrolls here")
}

func (r *realAPI) enroll(t testing.TB, at time.Time, n int) {
	t.Helper()
	require.NoError(t, r.store.EnrollTx(t.Context(), func(tx enroll.Tx) error {
		for i := range n {
			h := fleet.Host{ID: identity.NewHostID(), Hostname: fmt.Sprintf("host-%05d", i), EnrolledAt: at}
			h.KeyHash = []byte(h.ID)
			r.hosts = append(r.hosts, h.ID)
			err := tx.PutHost(t.Context(), h)
			for _, who := range []identity.Workload{
				{Kind: identity.KindConnector, ID: fmt.Sprintf("c-%05d", i)}, {Kind: identity.KindTunneler, ID: fmt.Sprintf("t-%05d", i)},
			} {
				m := fleet.Member{
					Workload: who, HostID: h.ID, Version: fmt.Sprintf("v1.%d.0", i%12), EnrolledAt: at.Add(time.Duration(i) * time.Second),
					Selectors: []fleet.Selector{{Type: "unix", Value: "uid:1000"}, {Type: "unix", Value: "path:/usr/bin/grpcconnector"}},
				}
				err = errors.Join(err, tx.PutMember(t.Context(), m))
			}
			hello := fleet.Hello{ID: fmt.Sprintf("c-%05d", i), Version: "v1.2.3", PrivateIP: "10.0.0.1", Addresses: []string{"10.0.0.1:9443"}}
			_, helloErr := tx.SaveHello(t.Context(), hello)
			if err := errors.Join(err, helloErr); err != nil {
				return err
			}
			if i%10 != 0 {
				r.roster.ConnectorUp(presence.Arrival{ID: hello.ID, Version: hello.Version}, "192.0.2.1:1234", presence.SVID{Serial: "1", AuthorityID: "a", NotAfter: at.Add(time.Hour)})
			}
		}
		return nil
	}))
}
