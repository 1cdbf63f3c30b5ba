package identity_test

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func TestAnSVIDBelongsToTheHostThatItNames(t *testing.T) {
	t.Parallel()
	host, other := identity.NewHostID(), identity.NewHostID()
	since := time.Date(2026, 11, 29, 10, 0, 0, 900e6, time.UTC)
	whole := since.Truncate(time.Second)
	for name, c := range map[string]struct {
		names     []string
		notBefore time.Time
		host      identity.HostID
		want      bool
	}{
		"of the present holder":             {[]string{host.SVIDName()}, whole, host, true},
		"of its next SVID":                  {[]string{host.SVIDName()}, whole.Add(time.Hour), host, true},
		"without a host, as expected":       {nil, whole, "", true},
		"of a former enrollment":            {[]string{host.SVIDName()}, whole.Add(-time.Second), host, false},
		"of a former holder":                {[]string{other.SVIDName()}, whole, host, false},
		"of a former holder, issued later":  {[]string{other.SVIDName()}, whole.Add(time.Hour), host, false},
		"without a host":                    {nil, whole, host, false},
		"of a host where none is expected":  {[]string{host.SVIDName()}, whole, "", false},
		"of two hosts":                      {[]string{host.SVIDName(), other.SVIDName()}, whole, host, false},
		"of one host twice":                 {[]string{host.SVIDName(), host.SVIDName()}, whole, host, false},
		"with the id alone":                 {[]string{string(host)}, whole, host, false},
		"with another name before it":       {[]string{"a." + host.SVIDName()}, whole, host, false},
		"with another name behind it":       {[]string{host.SVIDName() + ".example.com"}, whole, host, false},
		"in upper case":                     {[]string{strings.ToUpper(host.SVIDName())}, whole, host, false},
		"with a wildcard":                   {[]string{"*.host.invalid"}, whole, host, false},
		"with a name of ours that is empty": {[]string{".host.invalid"}, whole, "", false},
		"with a foreign name":               {[]string{"db.example.com"}, whole, "", false},
		"with a foreign name and no id":     {[]string{"db.example.com"}, whole, host, false},
		"with an empty name":                {[]string{""}, whole, "", false},
		"with what stands for no host":      {[]string{"-.host.invalid"}, whole, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := identity.IssueOf(&x509.Certificate{DNSNames: c.names, NotBefore: c.notBefore})
			require.Equal(t, c.want, got.To(c.host, since))
		})
	}
}

func FuzzIssueOf(f *testing.F) {
	for _, name := range []string{"", "a.example", identity.NewHostID().SVIDName(), "*.host.invalid", "\x00.host.invalid"} {
		f.Add(name, "")
		f.Add(name, name)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		names := []string{a}
		if b != "" {
			names = append(names, b)
		}
		got := identity.IssueOf(&x509.Certificate{DNSNames: names})
		if id, err := identity.ParseHostID(string(got.Host)); err == nil {
			require.Equal(t, []string{id.SVIDName()}, names, "a host is read only from exactly what we write")
		} else {
			require.False(t, got.To("", time.Time{}), "a strange name is no absent one")
		}
	})
}
