package enroll_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store/storetest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

var (
	td        = spiffeid.RequireTrustDomainFromString("mycorp.internal")
	connector = identity.Workload{Kind: identity.KindConnector, ID: "connector-local-01"}
	tunneler  = identity.Workload{Kind: identity.KindTunneler, ID: "tunneler-local-01"}
	here      = netip.MustParseAddrPort("192.0.2.7:4711")
	facts     = enroll.Facts{BinaryPath: "/usr/bin/grpcconnector", UID: 1000, Hostname: "box", Version: "v1"}
)

// world is a Service on the real store, with SPIRE in memory.
type world struct {
	*enroll.Service
	store   *store.Store
	spire   *enrolltest.SPIRE
	changes *enrolltest.Changes
	clock   *hosttest.Clock
	fleet   *fleet.Fleet
	ca      *bootstrapca.CA
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		spire: enrolltest.NewSPIRE(td), changes: &enrolltest.Changes{},
		clock: hosttest.NewClock(time.Now().Truncate(time.Microsecond)),
	}
	var err error
	w.store, err = store.Open(t.Context(), storetest.File(t, filepath.Join(t.TempDir(), "controller.db")))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.store.Close()) })
	w.ca, err = bootstrapca.Open(t.TempDir(), td, w.clock.Now)
	require.NoError(t, err)
	log := audit.New(zap.NewNop(), w.clock.Now)
	w.Service = enroll.New(enroll.Config{
		TrustDomain: td, Store: w.store, Changes: w.store, Signer: w.ca, SPIRE: w.spire, Changed: w.changes, Audit: log, Log: zap.NewNop(), Now: w.clock.Now,
		SVIDTTL: map[identity.Kind]time.Duration{identity.KindConnector: 5 * time.Minute, identity.KindTunneler: 30 * time.Minute},
	})
	ctx, cancel := context.WithCancel(t.Context())
	following := make(chan error, 1)
	go func() { following <- w.FollowRequests(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-following)
	})
	w.fleet = fleet.New(fleet.Config{Store: w.store, Roster: presence.NewRoster(w.clock.Now), Changed: w.changes, Audit: log, Now: w.clock.Now})
	return w
}

func (w *world) token(t *testing.T, r enroll.TokenRequest) (enroll.Token, string) {
	t.Helper()
	tok, secret, err := w.Create(t.Context(), r)
	require.NoError(t, err)
	return tok, secret
}

func redemption(secret string, who identity.Workload, key enrolltest.Key) enroll.Redemption {
	return enroll.Redemption{Secret: secret, Workload: who, CSR: key.CSR, Facts: facts, Source: here, RequestID: "r1"}
}

// lastReason is the newest audit record's outcome and reason.
func (w *world) lastReason(t *testing.T) (audit.Outcome, string) {
	t.Helper()
	events, err := w.store.AuditSince(t.Context(), time.Time{})
	require.NoError(t, err)
	require.NotEmpty(t, events)
	last := events[len(events)-1]
	return last.Outcome, last.Reason
}

func TestRedeem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, secret := w.token(t, enroll.TokenRequest{Workload: connector})
	key := enrolltest.NewKey(t)

	got, err := w.Redeem(t.Context(), redemption(secret, connector, key))
	require.NoError(t, err)
	require.Equal(t, "/connector/connector-local-01", got.SPIFFEID.Path())

	cert, err := x509.ParseCertificate(got.HostCertificate)
	require.NoError(t, err)
	host, err := identity.HostFromCertificate(cert, td)
	require.NoError(t, err)
	require.Equal(t, got.HostID, host)
	require.True(t, key.Private.PublicKey.Equal(cert.PublicKey))
	require.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, cert.ExtKeyUsage)

	entries := w.spire.Entries()
	require.Len(t, entries, 1)
	agent, err := host.AgentID(td)
	require.NoError(t, err)
	require.Equal(t, agent, entries[0].ParentID)
	require.Equal(t, got.SPIFFEID, entries[0].SPIFFEID)
	require.Equal(t, 5*time.Minute, entries[0].X509SVIDTTL)
	require.Equal(t, []fleet.Selector{{Type: "unix", Value: "uid:1000"}, {Type: "unix", Value: "path:/usr/bin/grpcconnector"}}, entries[0].Selectors)
}

// TestRefusals: whatever is wrong with a token, the caller gets one answer and the
// audit log has the reason.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		request enroll.TokenRequest
		change  func(t *testing.T, w *world, tok enroll.Token, r *enroll.Redemption)
		reason  string
	}{
		"an unknown token": {
			change: func(_ *testing.T, _ *world, _ enroll.Token, r *enroll.Redemption) { r.Secret += "x" },
			reason: "unknown token",
		},
		"no token": {
			change: func(_ *testing.T, _ *world, _ enroll.Token, r *enroll.Redemption) { r.Secret = "" },
			reason: "unknown token",
		},
		"a token for another kind": {
			change: func(_ *testing.T, _ *world, _ enroll.Token, r *enroll.Redemption) {
				r.Workload.Kind = identity.KindTunneler
			},
			reason: "token is for another kind",
		},
		"a token for another id": {
			change: func(_ *testing.T, _ *world, _ enroll.Token, r *enroll.Redemption) { r.Workload.ID = "other" },
			reason: "token is for another id",
		},
		"a revoked token": {
			change: func(t *testing.T, w *world, tok enroll.Token, _ *enroll.Redemption) {
				require.NoError(t, w.Revoke(t.Context(), tok.ID, "key:a", "r", "1.2.3.4"))
			},
			reason: "token is revoked",
		},
		"an expired token": {
			change: func(_ *testing.T, w *world, _ enroll.Token, _ *enroll.Redemption) { w.clock.Advance(enroll.DefaultTTL) },
			reason: "token is expired",
		},
		"a token for another source address": {
			request: enroll.TokenRequest{Source: netip.MustParsePrefix("198.51.100.0/24")},
			change:  func(*testing.T, *world, enroll.Token, *enroll.Redemption) {},
			reason:  "token is not for this source address",
		},
		"a token replayed with another key": {
			change: func(t *testing.T, w *world, _ enroll.Token, r *enroll.Redemption) {
				_, err := w.Redeem(t.Context(), *r)
				require.NoError(t, err)
				r.CSR = enrolltest.NewKey(t).CSR
			},
			reason: "connector/connector-local-01", // the host.contested record follows the refusal
		},
		"a token replayed by its own host after it attested": {
			change: func(t *testing.T, w *world, _ enroll.Token, r *enroll.Redemption) {
				got, err := w.Redeem(t.Context(), *r)
				require.NoError(t, err)
				agent, err := got.HostID.AgentID(td)
				require.NoError(t, err)
				w.spire.Attest(agent)
			},
			reason: "token is spent and its host has attested",
		},
		"a token for an id that became live meanwhile": {
			change: func(t *testing.T, w *world, _ enroll.Token, _ *enroll.Redemption) {
				_, second := w.token(t, enroll.TokenRequest{Workload: connector})
				_, err := w.Redeem(t.Context(), redemption(second, connector, enrolltest.NewKey(t)))
				require.NoError(t, err)
			},
			reason: "id is live and the token is not one that replaces",
		},
		"a key that belongs to another host": {
			change: func(t *testing.T, w *world, _ enroll.Token, r *enroll.Redemption) {
				_, second := w.token(t, enroll.TokenRequest{Workload: tunneler})
				other := *r
				other.Secret, other.Workload = second, tunneler
				_, err := w.Redeem(t.Context(), other)
				require.NoError(t, err)
			},
			reason: "key belongs to a host that enrolled before",
		},
		"a token whose member was revoked": {
			change: func(t *testing.T, w *world, _ enroll.Token, r *enroll.Redemption) {
				_, err := w.Redeem(t.Context(), *r)
				require.NoError(t, err)
				require.NoError(t, w.fleet.Revoke(t.Context(), fleet.Revocation{Workload: connector}))
			},
			reason: "the member that the token enrolled is revoked",
		},
		"a host certificate of another key": {
			change: func(t *testing.T, w *world, _ enroll.Token, r *enroll.Redemption) {
				_, second := w.token(t, enroll.TokenRequest{Workload: tunneler})
				got, err := w.Redeem(t.Context(), redemption(second, tunneler, enrolltest.NewKey(t)))
				require.NoError(t, err)
				r.HostCertificate, err = x509.ParseCertificate(got.HostCertificate)
				require.NoError(t, err)
			},
			reason: "host certificate is unknown, revoked or of another key",
		},
		"the certificate of a revoked host": {
			change: func(t *testing.T, w *world, _ enroll.Token, r *enroll.Redemption) {
				_, second := w.token(t, enroll.TokenRequest{Workload: tunneler})
				key := enrolltest.NewKey(t)
				got, err := w.Redeem(t.Context(), redemption(second, tunneler, key))
				require.NoError(t, err)
				require.NoError(t, w.fleet.Revoke(t.Context(), fleet.Revocation{Workload: tunneler}))
				r.HostCertificate, err = x509.ParseCertificate(got.HostCertificate)
				require.NoError(t, err)
				r.CSR = key.CSR
			},
			reason: "host certificate is unknown, revoked or of another key",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c.request.Workload = connector
			tok, secret := w.token(t, c.request)
			r := redemption(secret, connector, enrolltest.NewKey(t))
			c.change(t, w, tok, &r)
			_, err := w.Redeem(t.Context(), r)
			require.ErrorIs(t, err, enroll.ErrRefused)
			require.EqualError(t, err, "redeem enrollment token: enrollment token refused")
			_, reason := w.lastReason(t)
			require.Equal(t, c.reason, reason)
			require.Contains(t, enroll.Refusals(), enroll.RefusalOf(err))
		})
	}
}

func TestOnlyARefusalHasAReason(t *testing.T) {
	t.Parallel()
	require.Empty(t, enroll.RefusalOf(nil))
	require.Empty(t, enroll.RefusalOf(&enroll.FieldError{Field: "id", Err: errors.New("empty")}))
	require.Empty(t, enroll.RefusalOf(context.DeadlineExceeded))
}

func TestRedeemRejectsBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, secret := w.token(t, enroll.TokenRequest{Workload: connector})
	good := redemption(secret, connector, enrolltest.NewKey(t))
	for name, c := range map[string]struct {
		field  string
		change func(r *enroll.Redemption)
	}{
		"a controller's kind":   {"kind", func(r *enroll.Redemption) { r.Workload.Kind = identity.KindController }},
		"no kind":               {"kind", func(r *enroll.Redemption) { r.Workload.Kind = "" }},
		"an id in upper case":   {"id", func(r *enroll.Redemption) { r.Workload.ID = "Connector" }},
		"no CSR":                {"csr", func(r *enroll.Redemption) { r.CSR = nil }},
		"garbage as CSR":        {"csr", func(r *enroll.Redemption) { r.CSR = []byte("garbage") }},
		"a CSR someone changed": {"csr", func(r *enroll.Redemption) { r.CSR = flip(r.CSR) }},
		"an RSA key":            {"csr", func(r *enroll.Redemption) { r.CSR = csrOf(t, must(rsa.GenerateKey(rand.Reader, 2048))) }},
		"a P-384 key":           {"csr", func(r *enroll.Redemption) { r.CSR = csrOf(t, must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))) }},
		"a relative path":       {"host.binary_path", func(r *enroll.Redemption) { r.Facts.BinaryPath = "bin/x" }},
		"a path with dots":      {"host.binary_path", func(r *enroll.Redemption) { r.Facts.BinaryPath = "/usr/../bin/x" }},
		"a path with a newline": {"host.binary_path", func(r *enroll.Redemption) { r.Facts.BinaryPath = "/usr/\nx" }},
		"a unit of its choice":  {"host.systemd_unit", func(r *enroll.Redemption) { r.Facts.SystemdUnit = "sshd.service" }},
		"a long host name":      {"host.hostname", func(r *enroll.Redemption) { r.Facts.Hostname = strings.Repeat("a", 300) }},
		"an escape in version":  {"host.version", func(r *enroll.Redemption) { r.Facts.Version = "\x1b[2J" }},
	} {
		t.Run(name, func(t *testing.T) {
			r := good
			c.change(&r)
			_, err := w.Redeem(t.Context(), r)
			var field *enroll.FieldError
			require.ErrorAs(t, err, &field)
			require.Equal(t, c.field, field.Field)
		})
	}
	t.Run("and the token is still good after all of it", func(t *testing.T) {
		_, err := w.Redeem(t.Context(), good)
		require.NoError(t, err)
	})
}

func TestLostReply(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, secret := w.token(t, enroll.TokenRequest{Workload: connector})
	r := redemption(secret, connector, enrolltest.NewKey(t))
	w.spire.Fail("PutEntry", errors.New("spire is restarting"))
	_, err := w.Redeem(t.Context(), r)
	require.ErrorContains(t, err, "spire is restarting")
	first, err := w.Redeem(t.Context(), r)
	require.NoError(t, err, "the same key may retry")
	w.clock.Advance(enroll.DefaultTTL)
	second, err := w.Redeem(t.Context(), r)
	require.NoError(t, err, "also after the token's expiry, for it was claimed in time")
	require.Equal(t, first, second)
}

// TestConcurrentRedemption: 64 hosts with 64 keys and one token.
func TestConcurrentRedemption(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, secret := w.token(t, enroll.TokenRequest{Workload: connector})
	const n = 64
	var keys [n]enrolltest.Key
	for i := range keys {
		keys[i] = enrolltest.NewKey(t)
	}
	errs := make(chan error, n)
	start := make(chan struct{})
	for _, key := range keys {
		go func() {
			<-start
			_, err := w.Redeem(context.WithoutCancel(t.Context()), redemption(secret, connector, key))
			errs <- err
		}()
	}
	close(start)
	won := 0
	for range n {
		if err := <-errs; err == nil {
			won++
		} else {
			require.ErrorIs(t, err, enroll.ErrRefused)
		}
	}
	require.Equal(t, 1, won)
	hosts, err := w.store.Hosts(t.Context())
	require.NoError(t, err)
	require.Len(t, hosts, 1)
	require.False(t, hosts[0].ContestedAt.IsZero(), "the host is contested")
	connectors, err := w.store.Connectors(t.Context())
	require.NoError(t, err)
	require.True(t, connectors[0].Contested)
}

func TestReplace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, secret := w.token(t, enroll.TokenRequest{Workload: connector})
	old, err := w.Redeem(t.Context(), redemption(secret, connector, enrolltest.NewKey(t)))
	require.NoError(t, err)

	_, _, err = w.Create(t.Context(), enroll.TokenRequest{Workload: connector})
	require.ErrorIs(t, err, enroll.ErrLiveMember)

	_, secret = w.token(t, enroll.TokenRequest{Workload: connector, Replace: true})
	fresh, err := w.Redeem(t.Context(), redemption(secret, connector, enrolltest.NewKey(t)))
	require.NoError(t, err)
	require.NotEqual(t, old.HostID, fresh.HostID)
	hosts, err := w.store.Hosts(t.Context())
	require.NoError(t, err)
	for _, h := range hosts {
		require.Equal(t, h.ID == old.HostID, !h.RevokedAt.IsZero(), "the old host is revoked, the new one is not")
	}
	require.Len(t, w.changes.Revoked(), 1)
	require.Equal(t, old.HostID, w.changes.Revoked()[0].HostID)
}

func TestSecondRoleOnOneHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := enrolltest.NewKey(t)
	_, secret := w.token(t, enroll.TokenRequest{Workload: connector})
	first, err := w.Redeem(t.Context(), redemption(secret, connector, key))
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(first.HostCertificate)
	require.NoError(t, err)

	_, secret = w.token(t, enroll.TokenRequest{Workload: tunneler})
	r := redemption(secret, tunneler, key)
	r.HostCertificate = cert
	second, err := w.Redeem(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, first.HostID, second.HostID)
	require.Equal(t, first.HostCertificate, second.HostCertificate)

	require.NoError(t, w.fleet.Revoke(t.Context(), fleet.Revocation{Workload: connector}))
	hosts, err := w.store.Hosts(t.Context())
	require.NoError(t, err)
	require.True(t, hosts[0].RevokedAt.IsZero(), "another role lives on the host")
	require.NoError(t, w.fleet.Revoke(t.Context(), fleet.Revocation{Workload: tunneler}))
	hosts, err = w.store.Hosts(t.Context())
	require.NoError(t, err)
	require.False(t, hosts[0].RevokedAt.IsZero(), "the last role has gone")
}

func TestEphemeral(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, secret := w.token(t, enroll.TokenRequest{Workload: connector})
	r := redemption(secret, connector, enrolltest.NewKey(t))
	r.Ephemeral = true
	got, err := w.Redeem(t.Context(), r)
	require.NoError(t, err)
	require.Empty(t, got.HostCertificate)
	require.NotEmpty(t, got.JoinToken)
	entries := w.spire.Entries()
	require.Equal(t, "/spire/agent/join_token/"+got.JoinToken, entries[0].ParentID.Path())
}

func TestCreateRejectsBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, c := range map[string]struct {
		field string
		r     enroll.TokenRequest
	}{
		"a token for a controller":   {"kind", enroll.TokenRequest{Workload: identity.Workload{Kind: identity.KindController, ID: "a"}}},
		"an empty id":                {"id", enroll.TokenRequest{Workload: identity.Workload{Kind: identity.KindConnector}}},
		"a life under a minute":      {"ttl", enroll.TokenRequest{Workload: connector, TTL: 59 * time.Second}},
		"a life over a day":          {"ttl", enroll.TokenRequest{Workload: connector, TTL: 24*time.Hour + 1}},
		"a life that is negative":    {"ttl", enroll.TokenRequest{Workload: connector, TTL: -time.Hour}},
		"an id that is a spiffe URI": {"id", enroll.TokenRequest{Workload: identity.Workload{Kind: identity.KindConnector, ID: "spiffe://a/b"}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := w.Create(t.Context(), c.r)
			var field *enroll.FieldError
			require.ErrorAs(t, err, &field)
			require.Equal(t, c.field, field.Field)
		})
	}
}

func must[K any](k K, err error) K {
	if err != nil {
		panic(err)
	}
	return k
}

func csrOf(t *testing.T, key any) []byte {
	t.Helper()
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	require.NoError(t, err)
	return csr
}

// flip changes a bit of the signature.
func flip(b []byte) []byte {
	out := append([]byte(nil), b...)
	out[len(out)-1] ^= 1
	return out
}

// TestAReplacedMemberKeepsWhatOperatorsSaidOfIt: the new machine takes the place of the
// old one. Whoever gets the id of one that was revoked inherits nothing.
func TestAReplacedMemberKeepsWhatOperatorsSaidOfIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name, prod, berlin := "Gateway", "prod", "berlin"
	_, secret := w.token(t, enroll.TokenRequest{Workload: connector})
	_, err := w.Redeem(t.Context(), redemption(secret, connector, enrolltest.NewKey(t)))
	require.NoError(t, err)
	_, err = w.fleet.CreateNetwork(t.Context(), fleet.NetworkText{ID: berlin}, fleet.By{})
	require.NoError(t, err)
	edit := fleet.Edit{Name: &name, Labels: map[string]*string{"env": &prod}, NetworkID: &berlin}
	require.NoError(t, w.fleet.EditMember(t.Context(), connector, edit, fleet.By{}))
	is := func() fleet.Connector {
		c, err := w.fleet.Connector(t.Context(), connector.ID)
		require.NoError(t, err)
		return c
	}
	old := is()

	_, secret = w.token(t, enroll.TokenRequest{Workload: connector, Replace: true})
	_, err = w.Redeem(t.Context(), redemption(secret, connector, enrolltest.NewKey(t)))
	require.NoError(t, err)
	require.NotEqual(t, old.HostID, is().HostID)
	require.Equal(t, old.About, is().About)
	require.Equal(t, "berlin", is().NetworkID)

	require.NoError(t, w.fleet.Revoke(t.Context(), fleet.Revocation{Workload: connector}))
	_, secret = w.token(t, enroll.TokenRequest{Workload: connector})
	_, err = w.Redeem(t.Context(), redemption(secret, connector, enrolltest.NewKey(t)))
	require.NoError(t, err)
	require.Equal(t, fleet.About{Revision: 1}, is().About)
	require.Equal(t, fleet.DefaultNetwork, is().NetworkID)
}
