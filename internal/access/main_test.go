package access_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

var (
	td  = spiffeid.RequireTrustDomainFromString("mycorp.internal")
	now = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC) // a Wednesday
)

// caller is a tunneler with labels, such as env=dev.
func caller(id string, labels ...string) access.Caller {
	c := access.Caller{ID: spiffeid.RequireFromString("spiffe://mycorp.internal/tunneler/" + id), Labels: access.Labels{}}
	for _, text := range labels {
		l, err := access.ParseLabel(text)
		if err != nil {
			panic(err)
		}
		c.Labels[l.Key] = l.Value
	}
	return c
}

// resource has hosts and the ports 22 and 8000-8100.
func resource(t testing.TB, id string, hosts ...string) access.Resource {
	t.Helper()
	r, err := access.ResourceText{ID: id, NetworkID: "default", Hosts: hosts, Ports: []string{"22", "8000-8100"}}.Parse()
	require.NoError(t, err)
	return r
}

func labeled(r access.Resource, key, value string) access.Resource {
	r.Labels = access.Labels{key: value}
	return r
}

func grant(t testing.TB, id, subject, object string) access.Grant {
	t.Helper()
	return parsed(t, access.GrantText{ID: id, Subject: subject, Object: object})
}

func parsed(t testing.TB, text access.GrantText) access.Grant {
	t.Helper()
	g, err := text.Parse(new(access.Zones))
	require.NoError(t, err)
	return g
}

func set(entries ...any) *access.Set {
	s := access.NewSet(td)
	for _, e := range entries {
		switch e := e.(type) {
		case access.Resource:
			s.PutResource(e)
		case access.Grant:
			s.PutGrant(e)
		case netip.Prefix:
			s.Declare([]netip.Prefix{e})
		}
	}
	return s
}

func target(host string) access.Target { return access.Target{Host: host, Port: 22} }
