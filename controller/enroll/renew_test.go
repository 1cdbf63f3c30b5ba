package enroll_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

var exporter = bytes.Repeat([]byte{7}, keys.ExporterSize)

func renewal(t *testing.T, host identity.HostID, key *ecdsa.PrivateKey) enroll.Renewal {
	t.Helper()
	signature, err := keys.Sign(key, keys.RenewMessage(host, exporter))
	require.NoError(t, err)
	return enroll.Renewal{HostID: host, Exporter: exporter, Signature: signature, Source: here, RequestID: "r1"}
}

func (w *world) enrolledHost(t *testing.T, who identity.Workload) (enroll.Enrollment, enrolltest.Key) {
	t.Helper()
	_, secret := w.token(t, enroll.TokenRequest{Workload: who})
	key := enrolltest.NewKey(t)
	got, err := w.Redeem(t.Context(), redemption(secret, who, key))
	require.NoError(t, err)
	return got, key
}

func TestRenew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got, key := w.enrolledHost(t, connector)
	same, err := w.Renew(t.Context(), renewal(t, got.HostID, key.Private))
	require.NoError(t, err)
	require.Equal(t, got.HostCertificate, same, "not due: nothing is signed")
	for _, after := range []time.Duration{250 * 24 * time.Hour, 800 * 24 * time.Hour} { // in time, and long past its end
		w.clock.Advance(after)
		der, err := w.Renew(t.Context(), renewal(t, got.HostID, key.Private))
		require.NoError(t, err)
		cert, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		require.True(t, key.Private.PublicKey.Equal(cert.PublicKey))
		require.Equal(t, w.clock.Now().Add(365*24*time.Hour).UTC().Truncate(time.Second), cert.NotAfter)
		id, err := identity.HostFromCertificate(cert, td)
		require.NoError(t, err)
		require.Equal(t, got.HostID, id)
		outcome, reason := w.lastReason(t)
		require.Equal(t, "success", string(outcome))
		require.Contains(t, reason, "valid until")
		again, err := w.Renew(t.Context(), renewal(t, got.HostID, key.Private))
		require.NoError(t, err)
		require.Equal(t, der, again, "a lost reply costs nothing")
	}
}

func TestRenewRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got, key := w.enrolledHost(t, connector)
	other, otherKey := w.enrolledHost(t, tunneler)
	w.clock.Advance(300 * 24 * time.Hour)
	good := func() enroll.Renewal { return renewal(t, got.HostID, key.Private) }
	for name, c := range map[string]func() enroll.Renewal{
		"a host that is not known":          func() enroll.Renewal { return renewal(t, identity.NewHostID(), key.Private) },
		"another host's id":                 func() enroll.Renewal { r := good(); r.HostID = other.HostID; return r },
		"another host with its own key":     func() enroll.Renewal { return renewal(t, got.HostID, otherKey.Private) },
		"a signature of another connection": func() enroll.Renewal { r := good(); r.Exporter = bytes.Repeat([]byte{8}, 32); return r },
		"no signature":                      func() enroll.Renewal { r := good(); r.Signature = nil; return r },
		"a signature that is none":          func() enroll.Renewal { r := good(); r.Signature = []byte("x"); return r },
		"no id":                             func() enroll.Renewal { r := good(); r.HostID = ""; return r },
		"a signature made to await a decision": func() enroll.Renewal {
			r := good()
			var err error
			r.Signature, err = keys.Sign(key.Private, keys.AwaitMessage(string(got.HostID), nil, exporter))
			require.NoError(t, err)
			return r
		},
	} {
		_, err := w.Renew(t.Context(), c())
		require.ErrorIs(t, err, enroll.ErrRenewalRefused, name)
	}
	require.NoError(t, w.fleet.Revoke(t.Context(), fleet.Revocation{Workload: connector, Actor: "key:test"}))
	_, err := w.Renew(t.Context(), good())
	require.ErrorIs(t, err, enroll.ErrRenewalRefused, "a revoked host")
	h, err := w.store.HostByID(t.Context(), got.HostID)
	require.NoError(t, err)
	require.Equal(t, got.HostCertificate, h.Certificate, "nothing was signed for any of them")
}
