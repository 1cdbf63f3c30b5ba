package app_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/app"
)

// TestNobodyElseReachesTheFaces: what is not on this host, or not what it says, is no
// configuration.
func TestNobodyElseReachesTheFaces(t *testing.T) {
	t.Parallel()
	good := func() app.Config {
		c := app.DefaultConfig()
		c.TunnelerID, c.ControllerAddr = "t-01", "controller.corp:8443"
		return c
	}
	for name, c := range map[string]struct {
		change func(*app.FacesConfig)
		want   string // empty is no fault
	}{
		"none of them": {func(*app.FacesConfig) {}, ""},
		"all of them": {func(c *app.FacesConfig) {
			c.SOCKSListen, c.HTTPListen, c.LocalSocket = "127.0.0.1:1080", "[::1]:3128", "/run/x/s.sock"
		}, ""},
		"a forward": {func(c *app.FacesConfig) {
			c.Forwards = []string{"127.0.0.2:15432=db.corp:5432", "/run/x/db.sock=db.corp:5432"}
		}, ""},
		"SOCKS5 for everybody":              {func(c *app.FacesConfig) { c.SOCKSListen = "0.0.0.0:1080" }, "socks_listen"},
		"SOCKS5 on a name":                  {func(c *app.FacesConfig) { c.SOCKSListen = "example.com:1080" }, "socks_listen"},
		"CONNECT on the network":            {func(c *app.FacesConfig) { c.HTTPListen = "10.0.0.7:3128" }, "http_listen"},
		"two at one address":                {func(c *app.FacesConfig) { c.SOCKSListen, c.HTTPListen = "127.0.0.1:1080", "127.0.0.1:1080" }, "http_listen"},
		"a socket without a directory":      {func(c *app.FacesConfig) { c.LocalSocket = "s.sock" }, "local_socket"},
		"a socket too long for the kernel":  {func(c *app.FacesConfig) { c.LocalSocket = "/" + strings.Repeat("x", 200) }, "local_socket"},
		"a port that there is not":          {func(c *app.FacesConfig) { c.HTTPListen = "127.0.0.1:99999" }, "http_listen"},
		"a forward from no port":            {func(c *app.FacesConfig) { c.Forwards = []string{"127.0.0.1:99999=db.corp:1"} }, "forwards"},
		"two forwards from one address":     {func(c *app.FacesConfig) { c.Forwards = []string{"127.0.0.1:7=a:1", "127.0.0.1:7=b:1"} }, "forwards"},
		"two forwards from one socket":      {func(c *app.FacesConfig) { c.Forwards = []string{"/run/x/a.sock=a:1", "/run/x/a.sock=b:1"} }, "forwards"},
		"a forward for everybody":           {func(c *app.FacesConfig) { c.Forwards = []string{"0.0.0.0:1=db.corp:5432"} }, "forwards"},
		"a forward to nowhere":              {func(c *app.FacesConfig) { c.Forwards = []string{"127.0.0.1:1=db.corp"} }, "forwards"},
		"a forward to port 0":               {func(c *app.FacesConfig) { c.Forwards = []string{"127.0.0.1:1=db.corp:0"} }, "forwards"},
		"a forward to no name":              {func(c *app.FacesConfig) { c.Forwards = []string{"127.0.0.1:1=db corp:1"} }, "forwards"},
		"a forward without a target":        {func(c *app.FacesConfig) { c.Forwards = []string{"127.0.0.1:1"} }, "forwards"},
		"a user that is not there":          {func(c *app.FacesConfig) { c.AllowUsers = []string{"nobody-of-this-name"} }, "allow_users"},
		"a uid that is none":                {func(c *app.FacesConfig) { c.AllowUsers = []string{"4294967296"} }, "allow_users"},
		"a user of a kernel without a name": {func(c *app.FacesConfig) { c.AllowUsers = []string{"4294967295"} }, "allow_users"},
	} {
		cfg := good()
		c.change(&cfg.FacesConfig)
		err := cfg.Validate()
		if c.want == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, c.want, name)
	}
}

// TestSSHConfigWritesOneBlock, whatever it is given: what it prints is appended to a file
// that commands come from.
func TestSSHConfigWritesOneBlock(t *testing.T) {
	t.Parallel()
	run := func(args ...string) (string, error) {
		var out strings.Builder
		cmd := app.SSHConfigCommand()
		cmd.SetOut(&out)
		cmd.SetErr(&strings.Builder{})
		cmd.SetArgs(args)
		cmd.SilenceUsage = true
		err := cmd.Execute()
		return out.String(), err
	}
	require.NotNil(t, app.SSHConfigCommand().Args, "a command that does not say what it takes, takes nothing")
	out, err := run("*.dev.corp", "build-01")
	require.NoError(t, err)
	require.Regexp(t, `^Host \*\.dev\.corp build-01\n    ProxyCommand '[^'\n]+' connect %h:%p\n$`, out)
	out, err = run("--socket", "/tmp/it's 100%/s.sock", "a")
	require.NoError(t, err)
	require.Contains(t, out, `--socket '/tmp/it'\''s 100%%/s.sock' %h:%p`)
	for _, pattern := range []string{"", "a b", "a\nProxyCommand evil", "a;b", "$(id)", "`id`", "a'b", "#", "a,b"} {
		out, err := run("--", pattern)
		require.Error(t, err, "%q", pattern)
		require.Empty(t, out)
	}
}
