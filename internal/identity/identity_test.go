package identity_test

import (
	"crypto/x509"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

func TestWorkloadID(t *testing.T) {
	t.Parallel()
	t.Run("round-trips through its SPIFFE ID", func(t *testing.T) {
		t.Parallel()
		for _, w := range []identity.Workload{
			{Kind: identity.KindConnector, ID: "connector-local-01"},
			{Kind: identity.KindTunneler, ID: "a"},
			{Kind: identity.KindController, ID: "0" + strings.Repeat("z", 62)},
		} {
			id, err := w.SPIFFEID(td)
			require.NoError(t, err)
			got, err := identity.ParseWorkload(id)
			require.NoError(t, err)
			require.Equal(t, w, got)
		}
	})
	for name, id := range map[string]string{
		"empty": "", "upper case": "Connector", "leading dash": "-a", "slash": "a/b", "dot": "a.b",
		"newline": "a\n", "64 characters": strings.Repeat("a", 64), "non-ASCII digit": "a٣", "path traversal": "..",
	} {
		t.Run("refuses an id that is/has "+name, func(t *testing.T) {
			t.Parallel()
			require.ErrorIs(t, identity.ValidateID(id), identity.ErrInvalidID)
			_, err := identity.Workload{Kind: identity.KindConnector, ID: id}.SPIFFEID(td)
			require.Error(t, err)
		})
	}
	for _, s := range []string{
		"spiffe://mycorp.internal/spire/agent/x509pop/abc", "spiffe://mycorp.internal/connector",
		"spiffe://mycorp.internal/connector/a/b", "spiffe://mycorp.internal/admin/a", "spiffe://mycorp.internal/connector/A",
		"spiffe://mycorp.internal",
	} {
		t.Run("reads no workload from "+s, func(t *testing.T) {
			t.Parallel()
			_, err := identity.ParseWorkload(spiffeid.RequireFromString(s))
			require.Error(t, err)
		})
	}
	t.Run("controllers cannot be enrolled", func(t *testing.T) {
		t.Parallel()
		_, err := identity.ParseKind("controller")
		require.Error(t, err)
	})
}

func TestHostFromCertificate(t *testing.T) {
	t.Parallel()
	h := identity.NewHostID()
	got, err := identity.HostFromCertificate(&x509.Certificate{URIs: []*url.URL{h.CertificateURI(td)}}, td)
	require.NoError(t, err)
	require.Equal(t, h, got)

	parse := func(s string) *url.URL {
		u, err := url.Parse(s)
		require.NoError(t, err)
		return u
	}
	good := h.CertificateURI(td)
	for name, cert := range map[string]*x509.Certificate{
		"no name":                  {},
		"two URI SANs":             {URIs: []*url.URL{good, good}},
		"a DNS SAN besides":        {URIs: []*url.URL{good}, DNSNames: []string{"enroll.mycorp.internal"}},
		"another trust domain":     {URIs: []*url.URL{parse("x509pop://other.internal/host/" + string(h))}},
		"a SPIFFE ID":              {URIs: []*url.URL{parse("spiffe://mycorp.internal/connector/a")}},
		"a query":                  {URIs: []*url.URL{parse(good.String() + "?a=b")}},
		"an id that is too short":  {URIs: []*url.URL{parse("x509pop://mycorp.internal/host/ab")}},
		"a longer path":            {URIs: []*url.URL{parse(good.String() + "/x")}},
		"user information besides": {URIs: []*url.URL{parse("x509pop://root@mycorp.internal/host/" + string(h))}},
	} {
		t.Run("refuses a certificate with "+name, func(t *testing.T) {
			t.Parallel()
			_, err := identity.HostFromCertificate(cert, td)
			require.ErrorIs(t, err, identity.ErrNotHostCertificate)
		})
	}
}

// FuzzValidateID holds the check to the pattern that documents say.
func FuzzValidateID(f *testing.F) {
	pattern := regexp.MustCompile(identity.IDPattern)
	for _, s := range []string{"a", "-", "a-", "0", "a\n", "ä", "A", "", strings.Repeat("a", 63), strings.Repeat("a", 64)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		require.Equal(t, pattern.MatchString(s), identity.ValidateID(s) == nil)
	})
}

func FuzzParseWorkload(f *testing.F) {
	f.Add("spiffe://mycorp.internal/connector/a")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := spiffeid.FromString(s)
		if err != nil {
			return
		}
		w, err := identity.ParseWorkload(id)
		if err != nil {
			return
		}
		again, err := w.SPIFFEID(id.TrustDomain())
		require.NoError(t, err)
		require.Equal(t, id, again)
	})
}
