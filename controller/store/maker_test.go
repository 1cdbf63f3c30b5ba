package store_test

import (
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store/storetest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

var (
	connector = identity.Workload{Kind: identity.KindConnector, ID: "gw"}
	here      = netip.MustParseAddrPort("192.0.2.7:4711")
	facts     = enroll.Facts{BinaryPath: "/usr/bin/grpcconnector", UID: 1000, Hostname: "box", Version: "v1"}
)

// makers are tokens, and the keys that make them, in one store.
type makers struct {
	*enroll.Service
	people *auth.Auth
	store  *store.Store
	now    time.Time
}

func newMakers(t *testing.T) *makers {
	t.Helper()
	w := &makers{now: time.Now().UTC().Truncate(time.Microsecond)}
	now := func() time.Time { return w.now }
	var err error
	w.store, err = store.Open(t.Context(), storetest.File(t, filepath.Join(t.TempDir(), "controller.db")))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.store.Close()) })
	td := spiffeid.RequireTrustDomainFromString("mycorp.internal")
	ca, err := bootstrapca.Open(t.TempDir(), td, now)
	require.NoError(t, err)
	w.Service = enroll.New(enroll.Config{
		TrustDomain: td, Store: w.store, Signer: ca, SPIRE: enrolltest.NewSPIRE(td), Changed: &enrolltest.Changes{},
		Audit: audit.New(zap.NewNop(), now), Log: zap.NewNop(), Now: now, SVIDTTL: map[identity.Kind]time.Duration{identity.KindConnector: time.Hour},
	})
	box, err := keys.NewBox(make([]byte, 32))
	require.NoError(t, err)
	w.people, err = auth.New(auth.Config{
		Store: w.store, Seal: box, Audit: audit.New(zap.NewNop(), now), Log: zap.NewNop(), Now: now, Product: "mycorp.internal",
		Passwords: auth.PasswordCost{MemoryKiB: 8, Iterations: 1, Lanes: 1, AtOnce: 4},
	})
	require.NoError(t, err)
	return w
}

func (w *makers) key(t *testing.T, id string, ends time.Time) string {
	t.Helper()
	_, hash := auth.NewKey()
	k := auth.Key{ID: id, Name: id, Permissions: []auth.Permission{auth.TokensWrite}, CreatedBy: "person:p", CreatedAt: w.now, ExpiresAt: ends}
	require.NoError(t, w.store.AuthRows().InsertKey(t.Context(), k, hash))
	return auth.KeyActor + id
}

// TestATokenEndsWithTheKeyThatMadeIt: a key of a minute, stolen, must not buy a day.
func TestATokenEndsWithTheKeyThatMadeIt(t *testing.T) {
	t.Parallel()
	w := newMakers(t)
	now := w.now
	short, long := w.key(t, "key_short", now.Add(2*time.Minute)), w.key(t, "key_long", now.Add(time.Hour))
	for name, tc := range map[string]struct {
		actor string
		want  time.Duration
	}{
		"a key that ends before":   {short, 2 * time.Minute},
		"a key that ends after":    {long, 30 * time.Minute},
		"a key that does not end":  {w.key(t, "key_declared", time.Time{}), 30 * time.Minute},
		"a person":                 {"person:p", 30 * time.Minute},
		"root at the local socket": {"local/root", 30 * time.Minute},
	} {
		tok, _, err := w.Create(t.Context(), enroll.TokenRequest{Workload: connector, TTL: 30 * time.Minute, Actor: tc.actor})
		require.NoError(t, err, name)
		require.Equal(t, now.Add(tc.want), tok.ExpiresAt, name)
	}
	_, text, err := w.Create(t.Context(), enroll.TokenRequest{Workload: connector, TTL: time.Hour, Actor: short})
	require.NoError(t, err)
	w.now = w.now.Add(2 * time.Minute)
	_, err = w.Redeem(t.Context(), enroll.Redemption{Secret: text, Workload: connector, CSR: enrolltest.NewKey(t).CSR, Source: here, Facts: facts})
	require.Error(t, err, "the key has ended")
}

// TestAKeyThatEndedMeanwhileMakesNoToken: it was good when the call came in.
func TestAKeyThatEndedMeanwhileMakesNoToken(t *testing.T) {
	t.Parallel()
	w := newMakers(t)
	revoked, expired := w.key(t, "key_revoked", time.Time{}), w.key(t, "key_expired", w.now)
	require.NoError(t, w.store.AuthRows().RevokeKey(t.Context(), "key_revoked", w.now))
	for _, actor := range []string{revoked, expired, auth.KeyActor + "key_none"} {
		_, text, err := w.Create(t.Context(), enroll.TokenRequest{Workload: connector, Actor: actor})
		var refused *auth.RefusedError
		require.ErrorAs(t, err, &refused, actor)
		require.Empty(t, text)
	}
	all, err := enrolltest.Tokens(t.Context(), w)
	require.NoError(t, err)
	require.Empty(t, all)
}

// TestARevokedKeysTokensOpenNothing: neither the token nor its link, while those of
// others live.
func TestARevokedKeysTokensOpenNothing(t *testing.T) {
	t.Parallel()
	w := newMakers(t)
	parent, other := w.key(t, "key_a", time.Time{}), w.key(t, "key_b", time.Time{})
	mine, text, err := w.Create(t.Context(), enroll.TokenRequest{Workload: connector, Actor: parent})
	require.NoError(t, err)
	link, _, err := w.Create(t.Context(), enroll.TokenRequest{Workload: connector, Actor: parent, Delivery: enroll.ByClaim})
	require.NoError(t, err)
	theirs, _, err := w.Create(t.Context(), enroll.TokenRequest{Workload: connector, Actor: other})
	require.NoError(t, err)
	require.NoError(t, w.people.Keys.Revoke(t.Context(), "key_a", auth.By{Actor: "person:p"}))
	events, err := w.store.AuditSince(t.Context(), time.Time{})
	require.NoError(t, err)
	revoked := 0
	for _, e := range events {
		if e.Action == audit.TokenRevoke {
			revoked++
			require.Equal(t, "made by "+parent, e.Reason)
		}
	}
	require.Equal(t, 2, revoked, "and each is in the audit log")
	all, err := enrolltest.Tokens(t.Context(), w)
	require.NoError(t, err)
	for _, tok := range all {
		want := enroll.Revoked
		if tok.ID == theirs.ID {
			want = enroll.Pending
		}
		require.Equal(t, want, tok.State(w.now), tok.ID)
	}
	require.NotEqual(t, mine.ID, link.ID)
	_, err = w.Redeem(t.Context(), enroll.Redemption{Secret: text, Workload: connector, CSR: enrolltest.NewKey(t).CSR, Source: here, Facts: facts})
	require.Error(t, err)
}
