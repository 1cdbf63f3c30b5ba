package control_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/rpcauth"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

func (w *world) anchors() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(w.ca.Certificate())
	return pool
}

// host is a host certificate with its key.
type host struct {
	id   identity.HostID
	key  enrolltest.Key
	cert []byte
}

func (h host) tls() *tls.Certificate {
	return &tls.Certificate{Certificate: [][]byte{h.cert}, PrivateKey: h.key.Private}
}

func (w *world) hostCertificate(t *testing.T) host {
	t.Helper()
	h := host{id: identity.NewHostID(), key: enrolltest.NewKey(t)}
	var err error
	h.cert, err = w.ca.SignHost(h.id, h.key.Private.Public())
	require.NoError(t, err)
	return h
}

func (w *world) listenerCertificate(t *testing.T) *tls.Certificate {
	t.Helper()
	cert, err := w.ca.ServerConfig().GetCertificate(nil)
	require.NoError(t, err)
	return cert
}

// enrollment is a client of the bootstrap listener; cert is shown whether or not
// the listener asked for its issuer.
func (w *world) enrollmentClient(t *testing.T, cert *tls.Certificate) zerotrustv1.EnrollmentServiceClient {
	t.Helper()
	c := bootstrap.ClientConfig(w.anchors(), td, nil)
	if cert != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	return zerotrustv1.NewEnrollmentServiceClient(dialTLS(t, w.enrollment.Addr(), c))
}

func (w *world) token(t *testing.T, who identity.Workload) (id, secret string) {
	t.Helper()
	tok, secret, err := w.enroll.Create(t.Context(), enroll.TokenRequest{Workload: who, Actor: "person:test"})
	require.NoError(t, err)
	return tok.ID, secret
}

func request(secret, id string, key enrolltest.Key) *zerotrustv1.EnrollRequest {
	return &zerotrustv1.EnrollRequest{
		Token: secret, Kind: zerotrustv1.WorkloadKind_WORKLOAD_KIND_CONNECTOR, Id: id, Csr: key.CSR,
		Host: &zerotrustv1.HostFacts{BinaryPath: "/usr/bin/grpcconnector", Uid: 1000, Hostname: "box", Version: "v1"},
	}
}

func TestEnroll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, connector("c-00"))
	_, secret := w.token(t, connector("c-01"))
	key := enrolltest.NewKey(t)
	got, err := w.enrollmentClient(t, nil).Enroll(patient(t), request(secret, "c-01", key))
	require.NoError(t, err)
	require.Equal(t, "enrolled", w.results.last())
	require.Equal(t, "mycorp.internal", got.GetTrustDomain())
	require.Equal(t, "spiffe://mycorp.internal/connector/c-01", got.GetSpiffeId())
	require.Empty(t, got.GetJoinToken())
	require.Equal(t, [][]byte{w.spireCA.Authority().Raw}, got.GetBundle().GetX509Authorities())
	require.Equal(t, "203.0.113.1:8081", got.GetBundle().GetSpireServerAddress())
	require.Equal(t, []string{"203.0.113.1:8444"}, got.GetControlPlaneAddresses())
	require.Len(t, got.GetDirectory().GetConnectors(), 2, "the first directory names what was enrolled a moment ago")

	t.Log("its host certificate is its credential for a second role")
	cert := &tls.Certificate{Certificate: [][]byte{got.GetHostCertificate()}, PrivateKey: key.Private}
	_, secret = w.token(t, tunneler("t-01"))
	second := request(secret, "t-01", key)
	second.Kind = zerotrustv1.WorkloadKind_WORKLOAD_KIND_TUNNELER
	role, err := w.enrollmentClient(t, cert).Enroll(patient(t), second)
	require.NoError(t, err)
	require.Equal(t, got.GetHostId(), role.GetHostId())
	require.Equal(t, got.GetHostCertificate(), role.GetHostCertificate())
}

var requestID = regexp.MustCompile(`[0-9a-f]{16}`)

// TestEnrollRefusalsLookAlike: a caller learns nothing about which tokens exist.
func TestEnrollRefusalsLookAlike(t *testing.T) {
	t.Parallel()
	const want = "enrollment refused, request id #"
	for name, c := range map[string]struct {
		reason string
		spoil  func(t *testing.T, w *world, token string, r *zerotrustv1.EnrollRequest) *tls.Certificate
	}{
		"an unknown token": {"unknown token", func(_ *testing.T, _ *world, _ string, r *zerotrustv1.EnrollRequest) *tls.Certificate {
			r.Token = "ztc_" + strings.Repeat("a", 39)
			return nil
		}},
		"no token": {"unknown token", func(_ *testing.T, _ *world, _ string, r *zerotrustv1.EnrollRequest) *tls.Certificate {
			r.Token = ""
			return nil
		}},
		"a token with a typing mistake": {"unknown token", func(_ *testing.T, _ *world, _ string, r *zerotrustv1.EnrollRequest) *tls.Certificate {
			r.Token = strings.ToUpper(r.GetToken())
			return nil
		}},
		"a token of another id": {"token is for another id", func(_ *testing.T, _ *world, _ string, r *zerotrustv1.EnrollRequest) *tls.Certificate {
			r.Id = "c-02"
			return nil
		}},
		"a token of another kind": {"token is for another kind", func(_ *testing.T, _ *world, _ string, r *zerotrustv1.EnrollRequest) *tls.Certificate {
			r.Kind = zerotrustv1.WorkloadKind_WORKLOAD_KIND_TUNNELER
			return nil
		}},
		"a revoked token": {"token is revoked", func(t *testing.T, w *world, token string, _ *zerotrustv1.EnrollRequest) *tls.Certificate {
			require.NoError(t, w.enroll.Revoke(t.Context(), token, "key:test", "r", ""))
			return nil
		}},
		"an expired token": {"token is expired", func(t *testing.T, w *world, _ string, r *zerotrustv1.EnrollRequest) *tls.Certificate {
			past := enroll.New(enroll.Config{
				Store: w.store, Changed: w, Now: func() time.Time { return time.Now().Add(-time.Hour) },
				Audit: audit.New(zap.NewNop(), time.Now),
			})
			_, secret, err := past.Create(t.Context(), enroll.TokenRequest{Workload: connector("c-01")})
			require.NoError(t, err)
			r.Token = secret
			return nil
		}},
		"a token for another address": {"token is not for this source address", func(t *testing.T, w *world, _ string, r *zerotrustv1.EnrollRequest) *tls.Certificate {
			_, secret, err := w.enroll.Create(t.Context(), enroll.TokenRequest{Workload: connector("c-01"), Source: netip.MustParsePrefix("198.51.100.0/24")})
			require.NoError(t, err)
			r.Token = secret
			return nil
		}},
		"a token that another key spent": {"host.contested", func(t *testing.T, w *world, _ string, r *zerotrustv1.EnrollRequest) *tls.Certificate {
			_, err := w.enrollmentClient(t, nil).Enroll(patient(t), r)
			require.NoError(t, err)
			r.Csr = enrolltest.NewKey(t).CSR
			return nil
		}},
		"a token replayed by its own host": {"token is spent and its host has attested", func(t *testing.T, w *world, _ string, r *zerotrustv1.EnrollRequest) *tls.Certificate {
			got, err := w.enrollmentClient(t, nil).Enroll(patient(t), r)
			require.NoError(t, err)
			agent, err := identity.HostID(got.GetHostId()).AgentID(td)
			require.NoError(t, err)
			w.spire.Attest(agent)
			return nil
		}},
		"a host certificate of no known host": {"host certificate is unknown, revoked or of another key", func(t *testing.T, w *world, _ string, r *zerotrustv1.EnrollRequest) *tls.Certificate {
			h := w.hostCertificate(t)
			r.Csr = h.key.CSR
			return h.tls()
		}},
		"a host certificate of another key": {"host certificate is unknown, revoked or of another key", func(t *testing.T, w *world, _ string, _ *zerotrustv1.EnrollRequest) *tls.Certificate {
			return w.hostCertificate(t).tls()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			token, secret := w.token(t, connector("c-01"))
			r := request(secret, "c-01", enrolltest.NewKey(t))
			cert := c.spoil(t, w, token, r)
			_, err := w.enrollmentClient(t, cert).Enroll(patient(t), r)
			require.Equal(t, codes.PermissionDenied, status.Code(err), err)
			require.Equal(t, want, requestID.ReplaceAllString(status.Convert(err).Message(), "#"))
			require.Len(t, status.Convert(err).Details(), 1, "the request id")
			require.Contains(t, status.Convert(err).Message(), rpcauth.RequestID(err))

			events, err := w.store.AuditSince(t.Context(), time.Time{})
			require.NoError(t, err)
			last := events[len(events)-1]
			require.Contains(t, []string{last.Reason, string(last.Action)}, c.reason)
			require.Contains(t, last.Source, "127.0.0.1:")
			require.Contains(t, enroll.Refusals(), w.results.last(), "counted by reason, which the caller is not told")
			require.NotEmpty(t, last.RequestID)
			for _, e := range events {
				require.NotContains(t, e.Actor+e.Target+e.Reason, "ztc_", "no event carries a token")
			}
		})
	}
}

// TestEnrollmentHandshake: which certificates a host may show, and which listener
// it accepts.
func TestEnrollmentHandshake(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, err := bootstrapca.Open(t.TempDir(), td, time.Now)
	require.NoError(t, err)
	foreignKey := enrolltest.NewKey(t)
	foreign, err := other.SignHost(identity.NewHostID(), foreignKey.Private.Public())
	require.NoError(t, err)
	good := w.hostCertificate(t)
	svid := w.spireCA.SVID(t, "spiffe://mycorp.internal/connector/c-01")

	for name, cert := range map[string]*tls.Certificate{
		"nothing":              nil,
		"a host certificate":   good.tls(),
		"an empty certificate": {},
	} {
		t.Run("the bundle is for a client that shows "+name, func(t *testing.T) {
			t.Parallel()
			got, err := w.enrollmentClient(t, cert).FetchBundle(patient(t), &zerotrustv1.FetchBundleRequest{})
			require.NoError(t, err)
			require.WithinDuration(t, time.Now(), got.GetControllerTime().AsTime(), time.Minute)
			require.Equal(t, [][]byte{w.spireCA.Authority().Raw}, got.GetBundle().GetX509Authorities())
			require.Equal(t, "203.0.113.1:8081", got.GetBundle().GetSpireServerAddress())
			require.Equal(t, time.Second, got.GetBundle().GetAgentSyncInterval().AsDuration())
			require.Equal(t, []string{"203.0.113.1:8444"}, got.GetControlPlaneAddresses())
		})
	}
	for name, cert := range map[string]*tls.Certificate{
		"a host certificate of another CA":              {Certificate: [][]byte{foreign}, PrivateKey: foreignKey.Private},
		"a foreign host's with a good one beside it":    {Certificate: [][]byte{foreign, good.cert}, PrivateKey: foreignKey.Private},
		"a host certificate whose key it does not hold": {Certificate: [][]byte{good.cert}, PrivateKey: foreignKey.Private},
		"the listener's own certificate":                w.listenerCertificate(t),
		"an X509-SVID":                                  {Certificate: [][]byte{svid.Certificates[0].Raw}, PrivateKey: svid.PrivateKey},
	} {
		t.Run("a client is refused that shows "+name, func(t *testing.T) {
			t.Parallel()
			_, err := w.enrollmentClient(t, cert).FetchBundle(patient(t), &zerotrustv1.FetchBundleRequest{})
			require.Equal(t, codes.Unavailable, status.Code(err), err)
		})
	}
	anchorsOfOther := x509.NewCertPool()
	anchorsOfOther.AddCert(other.Certificate())
	old := bootstrap.ClientConfig(w.anchors(), td, nil)
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	byAddress := bootstrap.ClientConfig(w.anchors(), td, nil)
	byAddress.ServerName = "127.0.0.1"
	for name, c := range map[string]*tls.Config{
		"of a client that trusts another CA":    bootstrap.ClientConfig(anchorsOfOther, td, nil),
		"of a client that asks for its address": byAddress,
		"of a client that speaks TLS 1.2":       old,
		"with the runtime bundle as anchors":    bootstrap.ClientConfig(pool(w.spireCA), td, nil),
	} {
		t.Run("there is no connection "+name, func(t *testing.T) {
			t.Parallel()
			_, err := zerotrustv1.NewEnrollmentServiceClient(dialTLS(t, w.enrollment.Addr(), c)).FetchBundle(patient(t), &zerotrustv1.FetchBundleRequest{})
			require.Equal(t, codes.Unavailable, status.Code(err), err)
		})
	}
}

func pool(ca *mtlstest.CA) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(ca.Authority())
	return p
}

func TestEnrollRejectsBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, secret := w.token(t, connector("c-01"))
	key := enrolltest.NewKey(t)
	client := w.enrollmentClient(t, nil)
	for name, c := range map[string]struct {
		field string
		spoil func(r *zerotrustv1.EnrollRequest)
	}{
		"no kind":                       {"kind: ", func(r *zerotrustv1.EnrollRequest) { r.Kind = 0 }},
		"a kind from the future":        {"kind: ", func(r *zerotrustv1.EnrollRequest) { r.Kind = 99 }},
		"an id in upper case":           {"id: ", func(r *zerotrustv1.EnrollRequest) { r.Id = "C-01" }},
		"an id with a slash":            {"id: ", func(r *zerotrustv1.EnrollRequest) { r.Id = "c-01/../../controller/x" }},
		"an id that begins with -":      {"id: ", func(r *zerotrustv1.EnrollRequest) { r.Id = "-rf" }},
		"an id of 64 characters":        {"id: ", func(r *zerotrustv1.EnrollRequest) { r.Id = strings.Repeat("a", 64) }},
		"an id with a trailing newline": {"id: ", func(r *zerotrustv1.EnrollRequest) { r.Id = "c-01\n" }},
		"no CSR":                        {"csr: ", func(r *zerotrustv1.EnrollRequest) { r.Csr = nil }},
		"no host facts":                 {"host.binary_path: ", func(r *zerotrustv1.EnrollRequest) { r.Host = nil }},
		"a unit of its own choice":      {"host.systemd_unit: ", func(r *zerotrustv1.EnrollRequest) { r.Host.SystemdUnit = "sshd.service" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := request(secret, "c-01", key)
			c.spoil(r)
			_, err := client.Enroll(patient(t), r)
			require.Equal(t, codes.InvalidArgument, status.Code(err), err)
			require.Contains(t, status.Convert(err).Message(), c.field)
		})
	}
	t.Run("a message over 64 KiB", func(t *testing.T) {
		t.Parallel()
		r := request(secret, "c-01", key)
		r.Csr = make([]byte, 64<<10)
		_, err := client.Enroll(patient(t), r)
		require.Equal(t, codes.ResourceExhausted, status.Code(err), err)
	})
}

// TestEnrollHidesInternalErrors: a caller gets a fixed text and a request id.
func TestEnrollHidesInternalErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, secret := w.token(t, connector("c-01"))
	r := request(secret, "c-01", enrolltest.NewKey(t))
	w.spire.Fail("PutEntry", errors.New("dial unix /var/lib/grpccontroller/spire/api.sock: connection refused"))
	_, err := w.enrollmentClient(t, nil).Enroll(patient(t), r)
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Equal(t, "the controller cannot do this now, request id #", requestID.ReplaceAllString(status.Convert(err).Message(), "#"))
	_, err = w.enrollmentClient(t, nil).Enroll(patient(t), r)
	require.NoError(t, err, "and the same key may try again")
	hosts, err := w.store.Hosts(t.Context())
	require.NoError(t, err)
	require.Len(t, hosts, 1)
}

func TestOnlyAgentsOfASmallFleetAskOften(t *testing.T) {
	t.Parallel()
	for members, want := range map[int]time.Duration{
		0: time.Second, 200: time.Second, 300: 1500 * time.Millisecond, 400: 2 * time.Second, 50_000: 2 * time.Second,
	} {
		require.Equal(t, want, control.SyncInterval(members), members)
	}
}
