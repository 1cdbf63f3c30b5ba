package access_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

// fields lists which fields an error names.
func fields(err error) (out []string) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			out = append(out, fields(one)...)
		}
		return out
	}
	if f, ok := errors.AsType[*access.FieldError](err); ok {
		out = append(out, f.Field)
	}
	return out
}

func good() access.ResourceText {
	return access.ResourceText{
		ID: "db", NetworkID: "default", Name: "The database", Hosts: []string{"db.corp"}, Ports: []string{"5432"}, Alias: "postgres", ProxyProtocol: "v2",
		Labels: access.Labels{"env": "prod"},
	}
}

func many(n int, format string) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf(format, i+1))
	}
	return out
}

func TestAResourceSaysEachFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	r, err := good().Parse()
	require.NoError(t, err)
	require.Equal(t, good(), r.Text())
	for field, change := range map[string]func(*access.ResourceText){
		"id":          func(r *access.ResourceText) { r.ID = "Db" },
		"network_id":  func(r *access.ResourceText) { r.NetworkID = "" },
		"name":        func(r *access.ResourceText) { r.Name = "a\u200b" },
		"hosts":       func(r *access.ResourceText) { r.Hosts, r.Alias = nil, "" },
		"hosts[1]":    func(r *access.ResourceText) { r.Hosts, r.Alias = []string{"a", "a b", "c"}, "" },
		"hosts ":      func(r *access.ResourceText) { r.Hosts, r.Alias = many(access.MaxHosts+1, "a%d"), "" },
		"hosts  ":     func(r *access.ResourceText) { r.Hosts, r.Alias = many(20, "a%d."+strings.Repeat("a", 60)), "" },
		"ports":       func(r *access.ResourceText) { r.Ports = []string{} },
		"ports[0]":    func(r *access.ResourceText) { r.Ports = []string{"ssh", "22"} },
		"ports ":      func(r *access.ResourceText) { r.Ports = many(access.MaxPorts+1, "%d") },
		"alias":       func(r *access.ResourceText) { r.Alias = "a b" },
		"alias ":      func(r *access.ResourceText) { r.Hosts = []string{"*.corp"} },
		"alias  ":     func(r *access.ResourceText) { r.Hosts = []string{"10.0.0.0/8"} },
		"alias   ":    func(r *access.ResourceText) { r.Hosts = []string{"a", "b"} },
		"alias an IP": func(r *access.ResourceText) { r.Alias = "10.0.0.1" },
		"labels":      func(r *access.ResourceText) { r.Labels = access.Labels{"Env": "prod"} },

		"proxy_protocol":               func(r *access.ResourceText) { r.ProxyProtocol = "v1" },
		"proxy_protocol of later":      func(r *access.ResourceText) { r.ProxyProtocol = "v3" },
		"proxy_protocol in upper case": func(r *access.ResourceText) { r.ProxyProtocol = "V2" },
		"proxy_protocol none":          func(r *access.ResourceText) { r.ProxyProtocol = "none" },

		"labels value":  func(r *access.ResourceText) { r.Labels = access.Labels{"env": ""} },
		"labels number": func(r *access.ResourceText) { r.Labels = manyLabels(access.MaxResourceLabels + 1) },
	} {
		text := good()
		change(&text)
		_, err := text.Parse()
		name, _, _ := strings.Cut(field, " ")
		require.Equal(t, []string{name}, fields(err), field)
	}
	_, err = access.ResourceText{}.Parse()
	require.Equal(t, []string{"id", "network_id", "hosts", "ports"}, fields(err), "all at once")
}

// TestWhatIsWrittenAroundAHostIsSaid: and not that it is no prefix.
func TestWhatIsWrittenAroundAHostIsSaid(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"http://db.corp":        `"http://db.corp" has a scheme: a host is a name or an address, such as db.corp, without http://`,
		"https://db.corp:443/x": "without https://",
		"db.corp:5432":          `"db.corp:5432" has a port`,
		"10.0.0.1:22":           `"10.0.0.1:22" has a port`,
		"db.corp/x":             `"db.corp/x" has a path`,
		"10.0.0.0/33":           "is no prefix",
		"10.0.0.1/8":            "is an address within 10.0.0.0/8",
		"fd00::1/8":             "is an address within fd00::/8",
		"a b":                   "a name has parts",
	} {
		_, err := access.ParsePattern(text)
		require.ErrorContains(t, err, want, text)
	}
	_, err := access.ParseTarget("https://db.corp:443")
	require.ErrorContains(t, err, "has a scheme")
	for _, good := range []string{"fd00::1", "::ffff:10.0.0.1", "fd00::/8", "10.0.0.0/8", "*.corp"} {
		_, err := access.ParsePattern(good)
		require.NoError(t, err, good)
	}
}

func manyLabels(n int) access.Labels {
	out := access.Labels{}
	for i := range n {
		out[fmt.Sprintf("k%d", i)] = "v"
	}
	return out
}

func TestAGrantSaysEachFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	good := func() access.GrantText {
		return access.GrantText{
			ID: "g1", Subject: "label/team=dev", Object: "resource/db", Until: now,
			TimeZone: "Europe/Berlin", Windows: []string{"mon-fri 08:00-18:00"},
		}
	}
	g, err := good().Parse(new(access.Zones))
	require.NoError(t, err)
	require.Equal(t, good(), g.Text())
	for field, change := range map[string]func(*access.GrantText){
		"id":                     func(g *access.GrantText) { g.ID = "" },
		"subject":                func(g *access.GrantText) { g.Subject = "" },
		"subject a name":         func(g *access.GrantText) { g.Subject = "dev-laptop" },
		"subject a resource":     func(g *access.GrantText) { g.Subject = "resource/db" },
		"subject a connector":    func(g *access.GrantText) { g.Subject = "connector/c1" },
		"subject a person":       func(g *access.GrantText) { g.Subject = "person/ann" },
		"subject no id":          func(g *access.GrantText) { g.Subject = "tunneler/" },
		"subject a path":         func(g *access.GrantText) { g.Subject = "tunneler/a/b" },
		"subject everybody":      func(g *access.GrantText) { g.Subject = "tunneler/*" },
		"subject upper case":     func(g *access.GrantText) { g.Subject = "Tunneler/a" },
		"subject a bad label":    func(g *access.GrantText) { g.Subject = "label/team" },
		"subject two labels":     func(g *access.GrantText) { g.Subject = "label/team=dev,env=prod" },
		"object":                 func(g *access.GrantText) { g.Object = "tunneler/db" },
		"object a network":       func(g *access.GrantText) { g.Object = "network/default" },
		"object nothing":         func(g *access.GrantText) { g.Object = "resource/" },
		"object a bad label":     func(g *access.GrantText) { g.Object = "label/=x" },
		"until":                  func(g *access.GrantText) { g.Until = time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC) },
		"until far away":         func(g *access.GrantText) { g.Until = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"time_zone":              func(g *access.GrantText) { g.TimeZone = "" },
		"time_zone local":        func(g *access.GrantText) { g.TimeZone = "Local" },
		"time_zone none":         func(g *access.GrantText) { g.TimeZone = "Europe/Atlantis" },
		"time_zone a path":       func(g *access.GrantText) { g.TimeZone = "../../etc/passwd" },
		"time_zone lower case":   func(g *access.GrantText) { g.TimeZone = "posixrules" },
		"windows":                func(g *access.GrantText) { g.Windows = nil },
		"windows many":           func(g *access.GrantText) { g.Windows = many(access.MaxWindows+1, "mon 00:00-00:%02d") },
		"windows[0]":             func(g *access.GrantText) { g.Windows = []string{"", "mon 08:00-09:00"} },
		"windows[1]":             func(g *access.GrantText) { g.Windows = []string{"mon 08:00-09:00", "monday 08:00-09:00"} },
		"windows[0] no hours":    func(g *access.GrantText) { g.Windows = []string{"mon-fri"} },
		"windows[0] one time":    func(g *access.GrantText) { g.Windows = []string{"mon 08:00"} },
		"windows[0] no days":     func(g *access.GrantText) { g.Windows = []string{"08:00-18:00"} },
		"windows[0] no length":   func(g *access.GrantText) { g.Windows = []string{"mon 08:00-08:00"} },
		"windows[0] after 24":    func(g *access.GrantText) { g.Windows = []string{"mon 08:00-24:01"} },
		"windows[0] from 24":     func(g *access.GrantText) { g.Windows = []string{"mon 24:00-08:00"} },
		"windows[0] minute 60":   func(g *access.GrantText) { g.Windows = []string{"mon 08:60-09:00"} },
		"windows[0] one digit":   func(g *access.GrantText) { g.Windows = []string{"mon 8:00-9:00"} },
		"windows[0] seconds":     func(g *access.GrantText) { g.Windows = []string{"mon 08:00:00-09:00"} },
		"windows[0] a sign":      func(g *access.GrantText) { g.Windows = []string{"mon +8:00-09:00"} },
		"windows[0] two spaces":  func(g *access.GrantText) { g.Windows = []string{"mon  08:00-09:00"} },
		"windows[0] an end more": func(g *access.GrantText) { g.Windows = []string{"mon 08:00-09:00-10:00"} },
		"windows[0] empty day":   func(g *access.GrantText) { g.Windows = []string{"mon, 08:00-09:00"} },
		"windows[0] open range":  func(g *access.GrantText) { g.Windows = []string{"mon- 08:00-09:00"} },
		"windows[0] upper case":  func(g *access.GrantText) { g.Windows = []string{"Mon 08:00-09:00"} },
	} {
		text := good()
		change(&text)
		_, err := text.Parse(new(access.Zones))
		name, _, _ := strings.Cut(field, " ")
		require.Equal(t, []string{name}, fields(err), field)
	}
	_, err = access.GrantText{Windows: []string{"x"}}.Parse(new(access.Zones))
	require.Equal(t, []string{"id", "subject", "object", "time_zone", "windows[0]"}, fields(err), "all at once")
}

func TestAGrantIsCutToWhatTheDatabaseKeeps(t *testing.T) {
	t.Parallel()
	g := parsed(t, access.GrantText{ID: "g", Subject: "tunneler/a", Object: "resource/b", Until: time.Date(2026, 1, 2, 3, 4, 5, 6789, time.FixedZone("", 3600))})
	require.Equal(t, time.Date(2026, 1, 2, 2, 4, 5, 6000, time.UTC), g.Until)
}

func TestEqual(t *testing.T) {
	t.Parallel()
	r, err := good().Parse()
	require.NoError(t, err)
	for field, change := range map[string]func(*access.ResourceText){
		"id": func(r *access.ResourceText) { r.ID = "x" }, "network": func(r *access.ResourceText) { r.NetworkID = "x" }, "name": func(r *access.ResourceText) { r.Name = "x" },
		"hosts": func(r *access.ResourceText) { r.Hosts = []string{"x"} }, "ports": func(r *access.ResourceText) { r.Ports = []string{"1"} },
		"alias": func(r *access.ResourceText) { r.Alias = "" }, "labels": func(r *access.ResourceText) { r.Labels = nil },
		"proxy protocol": func(r *access.ResourceText) { r.ProxyProtocol = "" },
	} {
		text := good()
		change(&text)
		other, err := text.Parse()
		require.NoError(t, err)
		require.False(t, r.Equal(other), field)
		same, err := text.Parse()
		require.NoError(t, err)
		require.True(t, other.Equal(same))
	}
	whole := access.GrantText{ID: "g", Subject: "tunneler/a", Object: "resource/b", Until: now, TimeZone: "UTC", Windows: []string{"mon 08:00-09:00"}}
	for field, change := range map[string]func(*access.GrantText){
		"id": func(g *access.GrantText) { g.ID = "x" }, "subject": func(g *access.GrantText) { g.Subject = "label/a=b" }, "object": func(g *access.GrantText) { g.Object = "label/a=b" },
		"until": func(g *access.GrantText) { g.Until = time.Time{} }, "zone": func(g *access.GrantText) { g.TimeZone = "Etc/UTC" }, "windows": func(g *access.GrantText) { g.Windows = []string{"tue 08:00-09:00"} },
		"schedule": func(g *access.GrantText) { g.Windows, g.TimeZone = nil, "" },
	} {
		text := whole
		change(&text)
		require.False(t, parsed(t, whole).Equal(parsed(t, text)), field)
	}
	require.True(t, parsed(t, whole).Equal(parsed(t, whole)))
}
