package bootstrap_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
)

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a := authority{key: key}
	a.cert = a.sign(t, name, key, nil)
	return a
}

// sign makes a CA certificate for a name and a key; edit spoils it.
func (a authority) sign(t testing.TB, name string, key *ecdsa.PrivateKey, edit func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	if edit != nil {
		edit(tmpl)
	}
	parent := a.cert
	if parent == nil {
		parent = tmpl
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), a.key)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}

func (a authority) vouches(t testing.TB, b authority, edit func(*x509.Certificate)) []byte {
	t.Helper()
	return a.sign(t, b.cert.Subject.CommonName, b.key, edit).Raw
}

func TestSuccessors(t *testing.T) {
	t.Parallel()
	a, b, c, stranger := newAuthority(t, "a"), newAuthority(t, "b"), newAuthority(t, "c"), newAuthority(t, "stranger")
	own := []*x509.Certificate{a.cert}
	many := make([][]byte, bootstrap.MaxAnchors+1)
	for i := range many {
		many[i] = a.cert.Raw
	}
	for name, tc := range map[string]struct {
		anchors, crosses [][]byte
		want             []*x509.Certificate
	}{
		"nothing offered keeps what is there":     {nil, nil, own},
		"the same again":                          {[][]byte{a.cert.Raw}, nil, own},
		"a successor that is vouched for":         {[][]byte{b.cert.Raw, a.cert.Raw}, [][]byte{a.vouches(t, b, nil)}, []*x509.Certificate{b.cert, a.cert}},
		"a successor alone":                       {[][]byte{b.cert.Raw}, [][]byte{a.vouches(t, b, nil)}, []*x509.Certificate{b.cert}},
		"the successor of a successor":            {[][]byte{c.cert.Raw}, [][]byte{b.vouches(t, c, nil), a.vouches(t, b, nil)}, []*x509.Certificate{c.cert}},
		"one that nobody vouches for":             {[][]byte{b.cert.Raw}, nil, nil},
		"one beside the present that nobody does": {[][]byte{a.cert.Raw, stranger.cert.Raw}, [][]byte{a.vouches(t, b, nil)}, nil},
		"one that vouches for itself":             {[][]byte{b.cert.Raw}, [][]byte{b.cert.Raw}, nil},
		"one that a stranger vouches for":         {[][]byte{b.cert.Raw}, [][]byte{stranger.vouches(t, b, nil)}, nil},
		"the key of another behind the name":      {[][]byte{b.cert.Raw}, [][]byte{a.sign(t, "b", stranger.key, nil).Raw}, nil},
		"another name behind the key":             {[][]byte{b.cert.Raw}, [][]byte{a.sign(t, "x", b.key, nil).Raw}, nil},
		"a cross certificate that has ended":      {[][]byte{b.cert.Raw}, [][]byte{a.vouches(t, b, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })}, nil},
		"a gap in the chain":                      {[][]byte{c.cert.Raw}, [][]byte{b.vouches(t, c, nil)}, nil},
		"an anchor that is a leaf":                {[][]byte{a.sign(t, "leaf", b.key, func(c *x509.Certificate) { c.IsCA = false }).Raw}, nil, nil},
		"a vouched one that does not sign itself": {[][]byte{stranger.sign(t, "b", b.key, nil).Raw}, [][]byte{a.vouches(t, b, nil)}, nil},
		"no certificate":                          {[][]byte{[]byte("x")}, nil, nil},
		"an empty one":                            {[][]byte{nil}, nil, nil},
		"too many anchors":                        {many, nil, nil},
		"too many cross certificates":             {[][]byte{a.cert.Raw}, many, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := bootstrap.Successors(own, tc.anchors, tc.crosses)
			if tc.want == nil {
				require.Error(t, err)
				require.Nil(t, got)
				return
			}
			require.NoError(t, err)
			require.Len(t, got, len(tc.want))
			for i := range got {
				require.True(t, got[i].Equal(tc.want[i]))
			}
			require.True(t, len(tc.anchors) == 0 || len(bootstrap.PEM(got)) > 0)
		})
	}
}

func FuzzSuccessors(f *testing.F) {
	a, b := newAuthority(f, "a"), newAuthority(f, "b")
	f.Add(a.cert.Raw, b.cert.Raw)
	f.Add(b.cert.Raw, a.vouches(f, b, nil))
	f.Add([]byte{}, []byte("x"))
	own := []*x509.Certificate{a.cert}
	f.Fuzz(func(t *testing.T, anchor, cross []byte) {
		got, err := bootstrap.Successors(own, [][]byte{anchor}, [][]byte{cross})
		if err == nil && !got[0].Equal(a.cert) {
			require.True(t, got[0].Equal(b.cert), "only one that was vouched for")
		}
	})
}
