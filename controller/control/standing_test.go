package control_test

import (
	"crypto/sha256"
	"crypto/tls"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// TestAHostIsToldHowItStands: about itself, by its certificate, and nobody about others.
func TestAHostIsToldHowItStands(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stands := func(cert *tls.Certificate) *zerotrustv1.HostStanding {
		got, err := w.enrollmentClient(t, cert).FetchBundle(patient(t), &zerotrustv1.FetchBundleRequest{})
		require.NoError(t, err)
		require.NotEmpty(t, got.GetBundle().GetX509Authorities(), "the bundle is for everybody")
		return got.GetHost()
	}
	key := enrolltest.NewKey(t)
	_, secret := w.token(t, connector("c-01"))
	got, err := w.enrollmentClient(t, nil).Enroll(patient(t), request(secret, "c-01", key))
	require.NoError(t, err)
	host := &tls.Certificate{Certificate: [][]byte{got.GetHostCertificate()}, PrivateKey: key.Private}
	_, secret = w.token(t, tunneler("t-01"))
	second := request(secret, "t-01", key)
	second.Kind = zerotrustv1.WorkloadKind_WORKLOAD_KIND_TUNNELER
	_, err = w.enrollmentClient(t, host).Enroll(patient(t), second)
	require.NoError(t, err)

	require.Nil(t, stands(nil), "a stranger is told about no host")
	require.True(t, stands(host).GetKnown())
	require.Equal(t, []string{"spiffe://mycorp.internal/connector/c-01", "spiffe://mycorp.internal/tunneler/t-01"}, stands(host).GetSpiffeIds())
	require.NoError(t, w.fleet.Revoke(t.Context(), fleet.Revocation{Workload: tunneler("t-01"), Actor: "key:test"}))
	require.Equal(t, []string{"spiffe://mycorp.internal/connector/c-01"}, stands(host).GetSpiffeIds())
	require.NoError(t, w.fleet.Revoke(t.Context(), fleet.Revocation{Workload: connector("c-01"), Actor: "key:test"}))
	require.True(t, stands(host).GetKnown())
	require.Empty(t, stands(host).GetSpiffeIds(), "revoked")

	other := w.hostCertificate(t).tls()
	require.NotNil(t, stands(other))
	require.False(t, stands(other).GetKnown(), "a good certificate of a host that this database does not have")
}

// TestAHostGetsItsBundleWhileTheDatabaseFails: without an answer it would take the
// controller for gone, and start its agent anew at the next one.
func TestAHostGetsItsBundleWhileTheDatabaseFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := enrolltest.NewKey(t)
	_, secret := w.token(t, connector("c-01"))
	enrolled, err := w.enrollmentClient(t, nil).Enroll(patient(t), request(secret, "c-01", key))
	require.NoError(t, err)
	host := &tls.Certificate{Certificate: [][]byte{enrolled.GetHostCertificate()}, PrivateKey: key.Private}
	api := w.enrollmentClient(t, host)

	w.hostsFail.Store(true)
	for range 2 {
		got, err := api.FetchBundle(patient(t), &zerotrustv1.FetchBundleRequest{})
		require.NoError(t, err)
		require.NotEmpty(t, got.GetBundle().GetX509Authorities())
		require.NotNil(t, got.GetControllerTime())
		require.Nil(t, got.GetHost(), "nothing is said, and surely not that it is unknown")
	}
	require.Equal(t, 1, w.logs.FilterMessageSnippet("cannot answer hosts whether they are enrolled").Len(), "it is said once")

	w.hostsFail.Store(false)
	got, err := api.FetchBundle(patient(t), &zerotrustv1.FetchBundleRequest{})
	require.NoError(t, err)
	require.True(t, got.GetHost().GetKnown())
	require.Equal(t, 1, w.logs.FilterMessageSnippet("the database answers again").Len())
}

// TestWhatAHostTrustsIsBounded: a host may say that it trusts a few anchors, by their
// hashes. All else is passed over, and the host gets its bundle.
func TestWhatAHostTrustsIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := enrolltest.NewKey(t)
	_, secret := w.token(t, connector("c-01"))
	enrolled, err := w.enrollmentClient(t, nil).Enroll(patient(t), request(secret, "c-01", key))
	require.NoError(t, err)
	host := &tls.Certificate{Certificate: [][]byte{enrolled.GetHostCertificate()}, PrivateKey: key.Private}
	hash := make([]byte, sha256.Size)
	say := func(cert *tls.Certificate, trusts ...[]byte) {
		got, err := w.enrollmentClient(t, cert).FetchBundle(patient(t), &zerotrustv1.FetchBundleRequest{TrustedAnchors: trusts})
		require.NoError(t, err)
		require.NotEmpty(t, got.GetBundle().GetX509Authorities())
	}
	say(host, slices.Repeat([][]byte{hash}, 9)...)
	say(host, hash[1:])
	say(host, hash, append(hash, 0))
	say(nil, hash)
	say(w.hostCertificate(t).tls(), hash) // of a host that this database does not have
	require.Empty(t, w.heard.all)
	say(host, slices.Repeat([][]byte{hash}, 8)...)
	require.Equal(t, []int{8}, w.heard.all)
}
