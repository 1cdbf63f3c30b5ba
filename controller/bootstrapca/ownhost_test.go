package bootstrapca_test

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// signer counts what it signs and can fail.
type signer struct {
	*bootstrapca.CA
	calls int
	fail  error
}

func (s *signer) SignHost(id identity.HostID, pub any) ([]byte, error) {
	s.calls++
	if s.fail != nil {
		return nil, s.fail
	}
	return s.CA.SignHost(id, pub)
}

func newSigner(t *testing.T) *signer {
	t.Helper()
	ca, err := bootstrapca.Open(t.TempDir(), td, time.Now)
	require.NoError(t, err)
	return &signer{CA: ca}
}

func newDir(t *testing.T) hostagent.Dir {
	t.Helper()
	return hostagent.Dir{Root: filepath.Join(t.TempDir(), "host")}
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	ca, dir := newSigner(t), newDir(t)
	id, err := bootstrapca.PrepareOwnHost(dir, td, ca, "127.0.0.1:8081")
	require.NoError(t, err)
	pair, err := tls.LoadX509KeyPair(dir.Certificate(), dir.Key())
	require.NoError(t, err, "key and certificate belong together")
	host, err := identity.HostFromCertificate(pair.Leaf, td)
	require.NoError(t, err)
	require.Equal(t, id, host)
	require.NoError(t, pair.Leaf.CheckSignatureFrom(ca.Certificate()))
	require.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, pair.Leaf.ExtKeyUsage)
	for file, mode := range map[string]os.FileMode{dir.Key(): 0o600, dir.HostFile(): 0o600, dir.Root: 0o700 | os.ModeDir} {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode(), file)
	}

	t.Log("the next start keeps host and key, and follows the server's address")
	again, err := bootstrapca.PrepareOwnHost(dir, td, ca, "127.0.0.1:9999")
	require.NoError(t, err)
	require.Equal(t, id, again)
	require.Equal(t, 1, ca.calls)
	after, err := tls.LoadX509KeyPair(dir.Certificate(), dir.Key())
	require.NoError(t, err)
	require.True(t, pair.PrivateKey.(*ecdsa.PrivateKey).Equal(after.PrivateKey))
	known, err := dir.ReadHost()
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:9999", known.SPIREServerAddress)

	t.Log("killed before host.json was written, the next start begins anew")
	require.NoError(t, os.Remove(dir.HostFile()))
	fresh, err := bootstrapca.PrepareOwnHost(dir, td, ca, "127.0.0.1:8081")
	require.NoError(t, err)
	require.NotEqual(t, id, fresh, "a host id is never used for a second key")
	after, err = tls.LoadX509KeyPair(dir.Certificate(), dir.Key())
	require.NoError(t, err)
	host, err = identity.HostFromCertificate(after.Leaf, td)
	require.NoError(t, err)
	require.Equal(t, fresh, host)
}

func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir hostagent.Dir, ca *signer) (spiffeid.TrustDomain, string)
		want  string
	}{
		"the data directory of another trust domain": {func(t *testing.T, dir hostagent.Dir, ca *signer) (spiffeid.TrustDomain, string) {
			_, err := bootstrapca.PrepareOwnHost(dir, td, ca, "127.0.0.1:8081")
			require.NoError(t, err)
			return spiffeid.RequireTrustDomainFromString("other.internal"), "127.0.0.1:8081"
		}, "choose another data_dir or the old trust_domain"},
		"a host file that somebody changed": {func(t *testing.T, dir hostagent.Dir, _ *signer) (spiffeid.TrustDomain, string) {
			require.NoError(t, dir.Create())
			require.NoError(t, os.WriteFile(dir.HostFile(), []byte(`{"host_id":"../../x"}`), 0o600))
			return td, "127.0.0.1:8081"
		}, "is not a host id"},
		"a server address without a port": {func(*testing.T, hostagent.Dir, *signer) (spiffeid.TrustDomain, string) { return td, "127.0.0.1" }, "SPIRE server address"},
		"a CA that does not sign": {func(_ *testing.T, _ hostagent.Dir, ca *signer) (spiffeid.TrustDomain, string) {
			ca.fail = errors.New("no key")
			return td, "127.0.0.1:8081"
		}, "enroll own host: no key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, ca := newDir(t), newSigner(t)
			domain, address := c.spoil(t, dir, ca)
			_, err := bootstrapca.PrepareOwnHost(dir, domain, ca, address)
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := bootstrapca.PrepareOwnHost(hostagent.Dir{Root: "relative"}, td, newSigner(t), "127.0.0.1:8081")
	require.ErrorContains(t, err, "not absolute")
}

func TestEntry(t *testing.T) {
	t.Parallel()
	host := identity.NewHostID()
	id := spiffeid.RequireFromPath(td, "/controller/controller-01")
	e, err := bootstrapca.OwnEntry(id, "controller-01", host, time.Hour)
	require.NoError(t, err)
	program, err := os.Executable()
	require.NoError(t, err)
	require.Equal(t, fleet.Entry{
		ID: fleet.EntryIDPrefix + "controller.controller-01." + string(host), SPIFFEID: id,
		ParentID: spiffeid.RequireFromPath(td, "/spire/agent/x509pop/"+string(host)), X509SVIDTTL: time.Hour,
		Selectors: []fleet.Selector{{Type: "unix", Value: fmt.Sprintf("uid:%d", os.Getuid())}, {Type: "unix", Value: "path:" + program}},
	}, e, "always two selectors: another user's process at this path gets nothing")
}

// TestItsCertificateIsRenewed when another CA signs, with the same key, and only then.
func TestItsCertificateIsRenewed(t *testing.T) {
	t.Parallel()
	ca, dir := newSigner(t), newDir(t)
	_, err := bootstrapca.PrepareOwnHost(dir, td, ca, "127.0.0.1:8081")
	require.NoError(t, err)
	before, err := tls.LoadX509KeyPair(dir.Certificate(), dir.Key())
	require.NoError(t, err)
	renewed, err := bootstrapca.RenewOwnHost(dir, ca)
	require.NoError(t, err)
	require.False(t, renewed)
	require.NoError(t, ca.Prepare())
	require.NoError(t, ca.Activate())
	renewed, err = bootstrapca.RenewOwnHost(dir, ca)
	require.NoError(t, err)
	require.True(t, renewed)
	after, err := tls.LoadX509KeyPair(dir.Certificate(), dir.Key())
	require.NoError(t, err)
	require.NoError(t, after.Leaf.CheckSignatureFrom(ca.Certificate()))
	require.Equal(t, before.Leaf.URIs, after.Leaf.URIs)
	renewed, err = bootstrapca.RenewOwnHost(dir, ca)
	require.NoError(t, err)
	require.False(t, renewed)
}
