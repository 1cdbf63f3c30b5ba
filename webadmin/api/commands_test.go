package api_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient/admincmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// cliResult is what one run of the command line did.
type cliResult struct {
	code        int
	out, errOut string
}

func runCLI(args ...string) cliResult {
	root := &cobra.Command{Use: "grpccontroller"}
	root.AddCommand(admincmd.Commands()...)
	var out, errOut bytes.Buffer
	code := cli.Execute(root, cli.Process{Args: args, Stdin: strings.NewReader("yes\n"), Stdout: &out, Stderr: &errOut})
	return cliResult{code, out.String(), errOut.String()}
}

// startForCLI runs an API and returns its data directory.
func startForCLI(t *testing.T) (*apitest.Env, string) {
	t.Helper()
	local, socket := apitest.Socket(t)
	e := apitest.Start(t, local)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "key"), e.Key+"\n")
	writeFile(t, filepath.Join(dir, "run.json"), `{"admin":"`+e.Server.Addr().String()+`","admin_socket":"`+socket+`","enrollment":"127.0.0.1:1"}`)
	return e, dir
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

func TestCLITokenCreate(t *testing.T) {
	t.Parallel()
	_, dir := startForCLI(t)
	t.Run("prints the token, its expiry and the install command", func(t *testing.T) {
		r := runCLI("token", "create", "--data-dir", dir, "--kind", "connector", "--id", "a")
		require.Equal(t, 0, r.code, r.errOut)
		require.Contains(t, r.out, "Token     ztc_secret1\n")
		require.Contains(t, r.out, "install a ztc_secret1")
		require.Contains(t, r.out, "2030-01-02T03:14:05Z")
		require.Contains(t, r.out, "Run this on the new host:\n")
		require.NotContains(t, r.out, "\x1b")
	})
	t.Run("says that a command without the token asks for it", func(t *testing.T) {
		_, dir := startForCLI(t)
		r := runCLI("token", "create", "--data-dir", dir, "--kind", "tunneler", "--id", "a")
		require.Equal(t, 0, r.code, r.errOut)
		require.Contains(t, r.out, "Token     zt")
		require.Contains(t, r.out, "Run this on the new host, it asks for the token:\n\ninstall a\n")
	})
	t.Run("prints the token alone with --quiet", func(t *testing.T) {
		require.Equal(t, cliResult{out: "ztc_secret2\n"}, runCLI("token", "create", "--data-dir", dir, "--kind", "connector", "--id", "b", "--quiet"))
	})
	t.Run("prints the reply of the API as JSON", func(t *testing.T) {
		r := runCLI("token", "create", "--data-dir", dir, "--kind", "tunneler", "--id", "c", "--ttl", "1h", "--source-cidr", "10.0.0.0/8", "-o", "json")
		var got adminapi.CreatedToken
		require.NoError(t, json.Unmarshal([]byte(r.out), &got))
		require.Equal(t, "ztc_secret3", got.Token)
	})
}

func TestCLITokenCreateRefusals(t *testing.T) {
	t.Parallel()
	e, dir := startForCLI(t)
	e.Fleet.AddConnector("live", nil)
	for name, tc := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no id":            {[]string{"--kind", "connector"}, 2, "--id is missing"},
		"a bad id":         {[]string{"--kind", "connector", "--id", "A"}, 2, "--id: "},
		"a bad ttl":        {[]string{"--kind", "connector", "--id", "a", "--ttl", "25h"}, 2, "--ttl: "},
		"a bad source":     {[]string{"--kind", "connector", "--id", "a", "--source-cidr", "10.0.0.1/8"}, 2, "--source-cidr: has bits"},
		"a live id":        {[]string{"--kind", "connector", "--id", "live"}, 1, "add --replace"},
		"quiet and json":   {[]string{"--kind", "connector", "--id", "a", "-q", "-o", "json"}, 2, "none of the others"},
		"a positional one": {[]string{"--kind", "connector", "a"}, 2, "takes no argument"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runCLI(append([]string{"token", "create", "--data-dir", dir}, tc.args...)...)
			require.Equal(t, tc.code, r.code, r.errOut)
			require.Contains(t, r.errOut, tc.want)
			said, usage, _ := strings.Cut(r.errOut, "\n")
			require.Contains(t, said, tc.want)
			require.Regexp(t, `^(Usage: .*\nExample: .*\n)?$`, usage)
			require.Empty(t, r.out)
			require.Equal(t, tc.code == 1, strings.Contains(said, "(request "), "of wrong usage the log has nothing: %s", said)
		})
	}
}

func TestCLIListsAreAlignedAndCannotRewriteTheScreen(t *testing.T) {
	t.Parallel()
	e, dir := startForCLI(t)
	e.Fleet.AddConnector("a-long-connector-name", func(m *fleet.Connector) {
		m.Version = "\x1b[2Jv1\nfake ONLINE"
		m.Presence = presence.State{Status: presence.Online, LastSeen: time.Now().Add(-3 * time.Second)}
	})
	e.Fleet.AddConnector("b", func(m *fleet.Connector) { m.Contested = true })
	for id, addresses := range map[string][]string{"twin": {"192.0.2.1:1", "192.0.2.9:2"}, "robbed": {"192.0.2.1:1"}} {
		e.Fleet.AddTunneler(id, func(m *fleet.Tunneler) {
			m.Clone = &fleet.Clone{}
			for _, a := range addresses {
				m.Clone.Sightings = append(m.Clone.Sightings, fleet.Sighting{Address: a})
			}
		})
	}
	e.Fleet.AddTunneler("t", func(m *fleet.Tunneler) { m.ConnectorID = "b"; m.RevokedAt = time.Now().Add(-49 * time.Hour) })
	r := runCLI("connectors", "list", "--data-dir", dir)
	require.Equal(t, 0, r.code, r.errOut)
	lines := strings.Split(strings.TrimSuffix(r.out, "\n"), "\n")
	require.Len(t, lines, 3)
	at := strings.Index(lines[0], "STATUS")
	require.Equal(t, "ONLINE", lines[1][at:at+6])
	require.Equal(t, "OFFLINE", lines[2][at:at+7])
	require.Contains(t, lines[1], "s ago")
	require.Contains(t, lines[2], "contested")
	require.NotContains(t, r.out, "\x1b")

	out := runCLI("tunnelers", "list", "--data-dir", dir).out
	require.NotContains(t, out, "revoked")
	require.Contains(t, out, "cloned: its host key is also used elsewhere, seen from 192.0.2.1:1 and 192.0.2.9:2")
	require.Contains(t, out, "cloned: its host key is also used by a SPIRE agent elsewhere")
	require.Contains(t, runCLI("tunnelers", "list", "--data-dir", dir, "--status", "revoked").out, "revoked 2 d ago")
	require.Equal(t, "[]\n", runCLI("tunnelers", "list", "--data-dir", dir, "--status", "online", "-o", "json").out)
	require.Contains(t, runCLI("tunnelers", "list", "--data-dir", dir, "--status", "up").errOut, "--status must be one of ONLINE, OFFLINE, REVOKED")

	require.Equal(t, 0, runCLI("token", "create", "--data-dir", dir, "--kind", "connector", "--id", "c").code)
	require.Contains(t, runCLI("token", "list", "--data-dir", dir).out, "pending")
	require.NotContains(t, runCLI("token", "list", "--data-dir", dir, "-o", "json").out, "secret")
}

func TestCLIRevokes(t *testing.T) {
	t.Parallel()
	e, dir := startForCLI(t)
	e.Fleet.AddConnector("a", nil)
	e.Fleet.AddTunneler("a", nil)
	require.Equal(t, 0, runCLI("token", "create", "--data-dir", dir, "--kind", "connector", "--id", "c").code)
	for name, args := range map[string][]string{
		"connector": {"connectors", "revoke", "a"}, "tunneler": {"tunnelers", "revoke", "a"}, "token": {"token", "revoke", "tok_0000000000000001"},
	} {
		t.Run("not a "+name+" without --yes where nobody can be asked", func(t *testing.T) {
			r := runCLI(append(args, "--data-dir", dir)...)
			require.Equal(t, 2, r.code)
			require.Contains(t, r.errOut, "add --yes")
		})
	}
	require.Empty(t, e.Fleet.Revocations())
	require.Equal(t, cliResult{errOut: "connector \"a\" revoked\n"}, runCLI("connectors", "revoke", "a", "--yes", "--data-dir", dir))
	require.Equal(t, cliResult{errOut: "tunneler \"a\" revoked\n"}, runCLI("tunnelers", "revoke", "a", "-y", "--data-dir", dir))
	require.Len(t, e.Fleet.Revocations(), 2)

	for _, id := range []string{"b", "..", "../tunnelers/a", "a\x1b[2J\r\n"} {
		r := runCLI("connectors", "revoke", "--yes", "--data-dir", dir, "--", id)
		require.NotZero(t, r.code, id)
		require.Equal(t, 1, strings.Count(r.errOut, "\n"), r.errOut)
		require.NotContains(t, r.errOut, "\x1b")
	}
	require.Len(t, e.Fleet.Revocations(), 2)
}

// TestCLIRevokesTwice: what was revoked already is no failure, and is not told as if it
// had been live until now.
func TestCLIRevokesTwice(t *testing.T) {
	t.Parallel()
	e, dir := startForCLI(t)
	e.Fleet.AddConnector("a", func(m *fleet.Connector) { m.RevokedAt = time.Now().Add(-49 * time.Hour) })
	e.Fleet.AddTunneler("a", func(m *fleet.Tunneler) { m.RevokedAt = time.Now().Add(-49 * time.Hour) })
	at := time.Now().Add(-49 * time.Hour).UTC().Format("2006-01-02T15")
	for _, kind := range []string{"connector", "tunneler"} {
		r := runCLI(kind+"s", "revoke", "a", "--data-dir", dir) // nobody is asked
		require.Equal(t, 0, r.code, r.errOut)
		require.Regexp(t, `^`+kind+` "a" was revoked already, 2 d ago \(`+at+`.*Z\); nothing was changed\n$`, r.errOut)
		r = runCLI(kind+"s", "revoke", "gone", "--yes", "--data-dir", dir)
		require.Equal(t, cliResult{3, "", "grpccontroller: no " + kind + ` has the id "gone": ` + "`grpccontroller " + kind + "s list` lists them\n"}, r)
	}
	require.Empty(t, e.Fleet.Revocations())
	shown := runCLI("connectors", "show", "gone", "--data-dir", dir)
	require.Equal(t, 3, shown.code)
	require.Contains(t, shown.errOut, `no connector has the id "gone": `+"`grpccontroller connectors list` lists them")
	require.Equal(t, 0, runCLI("token", "create", "--data-dir", dir, "--kind", "connector", "--id", "c").code)
	require.Equal(t, 0, runCLI("token", "revoke", "tok_0000000000000001", "--yes", "--data-dir", dir).code)
	r := runCLI("token", "revoke", "tok_0000000000000001", "--data-dir", dir)
	require.Equal(t, 0, r.code, r.errOut)
	require.Contains(t, r.errOut, "was revoked already, ")
	r = runCLI("token", "revoke", "tok_00000000000000ff", "--data-dir", dir)
	require.Equal(t, cliResult{3, "", `grpccontroller: no enrollment token has the id "tok_00000000000000ff": ` + "`grpccontroller token list` lists them\n"}, r)
	r = runCLI("token", "revoke", "ztc_secret1", "--data-dir", dir)
	require.Equal(t, 3, r.code)
	require.Contains(t, r.errOut, "this is the secret and not the id")
	require.NotContains(t, r.errOut, "ztc_secret1")

	e.Tokens.Redeem("tok_0000000000000001", "c")
	r = runCLI("token", "revoke", "tok_0000000000000001", "--yes", "--data-dir", dir)
	require.Equal(t, 1, r.code, "a host has enrolled with it")
	require.Contains(t, r.errOut, "connector c has enrolled with it; `grpccontroller connectors revoke c` ends its access")
}

// TestCLIRevokesWithAKeyThatCannotRead: least privilege is no obstacle.
func TestCLIRevokesWithAKeyThatCannotRead(t *testing.T) {
	t.Parallel()
	e, dir := startForCLI(t)
	e.Fleet.AddConnector("a", nil)
	writeFile(t, filepath.Join(dir, "revoker"), e.AddKey(t, auth.Key{ID: "key_r", Permissions: []auth.Permission{auth.MembersRevoke}}))
	with := []string{"--yes", "--data-dir", dir, "--api-key-file", filepath.Join(dir, "revoker")}
	require.Equal(t, cliResult{errOut: "connector \"a\" revoked\n"}, runCLI(append([]string{"connectors", "revoke", "a"}, with...)...))
	r := runCLI(append([]string{"connectors", "revoke", "gone"}, with...)...)
	require.Equal(t, 3, r.code)
	require.Contains(t, r.errOut, `no connector has the id "gone"`)
}

// TestCLIRevokesNobodyByALabelThatNobodyHas: an empty table would say nothing.
func TestCLIRevokesNobodyByALabelThatNobodyHas(t *testing.T) {
	t.Parallel()
	_, dir := startForCLI(t)
	r := runCLI("revoke", "--label", "env=none", "--yes", "--data-dir", dir)
	require.Equal(t, 0, r.code, r.errOut)
	require.Equal(t, "no connector or tunneler has the label \"env=none\"; nothing was changed\n", r.errOut)
}

func TestCLIKeys(t *testing.T) {
	t.Parallel()
	e, dir := startForCLI(t)
	made, _, err := e.Identity.Keys.Create(t.Context(), auth.NewAPIKey{Name: "ci", Permissions: []auth.Permission{auth.FleetRead, auth.TokensWrite}}, auth.By{Actor: auth.LocalActor})
	require.NoError(t, err)
	r := runCLI("key", "list", "--data-dir", dir)
	require.Equal(t, 0, r.code, r.errOut)
	require.Regexp(t, made.ID+` +active +ci +fleet:read,tokens:write +in \d+ d +- `, r.out)
	var all []adminapi.Key
	require.NoError(t, json.Unmarshal([]byte(runCLI("key", "list", "-o", "json", "--data-dir", dir).out), &all))
	require.Equal(t, made.ID, all[0].ID)

	r = runCLI("key", "revoke", made.ID, "--data-dir", dir)
	require.Equal(t, 2, r.code)
	require.Contains(t, r.errOut, "add --yes")
	require.Equal(t, cliResult{errOut: "API key \"" + made.ID + "\" revoked\n"}, runCLI("key", "revoke", made.ID, "--yes", "--data-dir", dir))
	require.Contains(t, runCLI("key", "list", "--data-dir", dir).out, "revoked")
	r = runCLI("key", "revoke", made.ID, "--data-dir", dir)
	require.Equal(t, 0, r.code, r.errOut)
	require.Contains(t, r.errOut, "was revoked already")
	r = runCLI("key", "revoke", "key_none", "--yes", "--data-dir", dir)
	require.Equal(t, 3, r.code)
	require.Contains(t, r.errOut, "`grpccontroller key list` lists them")
	r = runCLI("key", "revoke", e.Key, "--data-dir", dir)
	require.Equal(t, 3, r.code)
	require.NotContains(t, r.errOut, e.Key)
}

// TestCLICompletes: the shell knows what can follow.
func TestCLICompletes(t *testing.T) {
	t.Parallel()
	e, dir := startForCLI(t)
	e.Fleet.AddConnector("gw-1", nil)
	e.Fleet.AddConnector("gw-0", func(m *fleet.Connector) { m.RevokedAt = time.Now() })
	e.Fleet.AddTunneler("laptop-7", nil)
	made, _, err := e.Identity.Keys.Create(t.Context(), auth.NewAPIKey{Name: "ci", Permissions: []auth.Permission{auth.FleetRead}}, auth.By{Actor: auth.LocalActor})
	require.NoError(t, err)
	e.Requests.Put(pendingRequest(e, "req_b"))
	require.Equal(t, 0, runCLI("token", "create", "--data-dir", dir, "--kind", "connector", "--id", "c").code)
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"connectors", "revoke"}, []string{"gw-1"}},
		{[]string{"connectors", "show"}, []string{"gw-1"}},
		{[]string{"tunnelers", "revoke"}, []string{"laptop-7"}},
		{[]string{"token", "revoke"}, []string{"tok_0000000000000001"}},
		{[]string{"key", "revoke"}, []string{made.ID}},
		{[]string{"requests", "approve"}, []string{"BCDF-GHJB"}},
		{[]string{"requests", "deny"}, []string{"BCDF-GHJB"}},
		{[]string{"connectors", "revoke", "gw-1"}, nil},
		{[]string{"connectors", "list"}, nil},
		{[]string{"connectors", "list", "--status"}, []string{"ONLINE", "OFFLINE", "REVOKED"}},
		{[]string{"token", "create", "--kind"}, []string{"connector", "tunneler"}},
		{[]string{"requests", "command", "--kind"}, []string{"connector", "tunneler"}},
		{[]string{"hosts", "list", "-o"}, []string{"table", "wide", "name", "json", "yaml"}},
	} {
		args := slices.Concat([]string{"__complete"}, c.args[:2], []string{"--data-dir", dir}, c.args[2:], []string{""})
		r := runCLI(args...)
		require.Equal(t, 0, r.code, r.errOut)
		var got []string
		for line := range strings.Lines(r.out) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			if !strings.HasPrefix(word, ":") { // the directive
				got = append(got, word)
			}
		}
		require.Equal(t, c.want, got, c.args)
		require.Contains(t, r.out, ":4\n", "no files: %v", c.args)
	}
	r := runCLI("__complete", "connectors", "revoke", "--data-dir", t.TempDir(), "")
	require.Equal(t, ":4\n", r.out, "without a controller")
}

func TestCLIErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	e, dir := startForCLI(t)
	closed := "http://" + hosttest.Address(t)

	key := filepath.Join(dir, "key")
	empty, wrong, badRun, stale := filepath.Join(dir, "empty"), filepath.Join(dir, "wrong"), t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(stale, "run.json"), `{"admin":"127.0.0.1:1","admin_socket":"`+stale+`/admin.sock"}`)
	writeFile(t, empty, "\n")
	writeFile(t, wrong, "zta_wrong")
	writeFile(t, filepath.Join(badRun, "run.json"), "{}")
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"nothing listens":       {[]string{"--api-url", closed, "--api-key-file", key}, "is `grpccontroller serve` running?"},
		"https without TLS":     {[]string{"--api-url", strings.Replace(e.URL, "http:", "https:", 1), "--api-key-file", key}, "answers without TLS"},
		"no key file":           {[]string{"--api-url", e.URL, "--api-key-file", dir + "/none"}, "no API key file at " + dir + "/none"},
		"a directory as key":    {[]string{"--api-url", e.URL, "--api-key-file", dir}, "is a directory"},
		"an empty key file":     {[]string{"--api-url", e.URL, "--api-key-file", empty}, "holds no API key"},
		"a wrong key":           {[]string{"--api-url", e.URL, "--api-key-file", wrong}, "--api-key-file"},
		"no run.json":           {[]string{"--data-dir", t.TempDir()}, "start it with `grpccontroller serve`"},
		"a run.json of others":  {[]string{"--data-dir", badRun}, "--api-url"},
		"a dead controller":     {[]string{"--data-dir", stale}, "no controller listens at " + stale + "/admin.sock"},
		"no key for an address": {[]string{"--api-url", e.URL}, "name the file of an API key with --api-key-file"},
		"a CA that is none":     {[]string{"--api-url", e.URL, "--api-key-file", key, "--api-ca", key}, "holds no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runCLI(append([]string{"connectors", "list"}, tc.args...)...)
			require.Equal(t, 1, r.code)
			require.Contains(t, r.errOut, tc.want)
			require.Equal(t, 1, strings.Count(r.errOut, "\n"), r.errOut)
			require.NotContains(t, r.errOut, "zta_")
		})
	}
}

// TestCLIWrongUsageIsSaidBeforeAnythingIsAsked: with exit code 2, whether or not a controller
// answers.
func TestCLIWrongUsageIsSaidBeforeAnythingIsAsked(t *testing.T) {
	t.Parallel()
	_, dir := startForCLI(t)
	key := filepath.Join(dir, "key")
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"a bind address":         {[]string{"connectors", "list", "--api-url", "http://0.0.0.0:8080"}, "--api-url: http://0.0.0.0:8080 is an address to listen at"},
		"a bind address of v6":   {[]string{"connectors", "list", "--api-url", "https://[::]:8080"}, "use the name or address of the controller's host"},
		"clear text":             {[]string{"connectors", "list", "--api-url", "http://192.0.2.1:8080"}, "clear text"},
		"an address without //":  {[]string{"connectors", "list", "--api-url", "controller:8080"}, "--api-url: the admin API's address must be a URL"},
		"an address with a path": {[]string{"connectors", "list", "--api-url", "https://c.example.com/api"}, "--api-url"},
		"another scheme":         {[]string{"connectors", "list", "--api-url", "ftp://c.example.com"}, "must begin with http:// or https://"},
		"an address with a user": {[]string{"get", "hosts", "--api-url", "https://a:b@c.example.com"}, "--api-url"},
		"no event":               {[]string{"audit", "list", "--limit", "0"}, "--limit must be 1 or more"},
		"less than no renewal":   {[]string{"audit", "renewals", "--limit", "-1"}, "--limit must be 1 or more"},
		"an outcome":             {[]string{"audit", "list", "--outcome", "maybe"}, "--outcome must be one of success, denied"},
		"a level":                {[]string{"audit", "export", "--level", "loud"}, "--level must be one of info, notice, warning, alert"},
		"a time":                 {[]string{"audit", "list", "--since", "yesterday"}, "--since"},
		"too much of an export":  {[]string{"audit", "renewals", "--export", "--limit", "3"}, "leave out --limit"},
		"a status":               {[]string{"connectors", "list", "--status", "AWAY"}, "--status must be one of ONLINE, OFFLINE, REVOKED"},
		"a status of no kind":    {[]string{"get", "connectors", "--status", "AWAY"}, "--status of connectors must be"},
		"a kind of a token":      {[]string{"token", "create", "--kind", "host", "--id", "a"}, "--kind must be one of connector, tunneler"},
		"a kind of a command":    {[]string{"requests", "command", "--kind", "host"}, "--kind must be one of connector, tunneler"},
		"a kind to revoke":       {[]string{"revoke", "--label", "env=prod", "--kind", "host"}, "--kind must be one of connector, tunneler"},
		"a revision":             {[]string{"connectors", "set", "a", "--name", "x", "--revision", "0"}, "--revision must be"},
		"no change":              {[]string{"hosts", "set", "a"}, "nothing is to be changed"},
		"a label that is none":   {[]string{"tunnelers", "set", "a", "--label", "x"}, "write key=value"},
		"a role":                 {[]string{"people", "set", "per_x", "--role", "king"}, "--role must be one of auditor, operator, admin, owner"},
		"what to do at the end":  {[]string{"ca", "rotate", "--on-deadline", "wait", "--yes"}, "--on-deadline must be one of drop, abort"},
		"no label to revoke by":  {[]string{"revoke", "--label", "prod", "--yes"}, `--label: "prod" is no label: write key=value`},
		"a label without value":  {[]string{"connectors", "list", "-l", "a=b,env="}, `--label: "env=" is no label`},
		"a label of no form":     {[]string{"get", "hosts", "-l", "prod"}, "--label: "},
		"an unset label":         {[]string{"tunnelers", "list", "--label", ""}, `--label: "" is no label`},
		"a lifetime":             {[]string{"token", "create", "--kind", "connector", "--id", "a", "--ttl", "soon"}, `--ttl: "soon" is no duration`},
		"a network of a token":   {[]string{"token", "create", "--kind", "connector", "--id", "a", "--source-cidr", "office"}, "--source-cidr: "},
		"an id of a token":       {[]string{"token", "create", "--kind", "connector", "--id", "A B"}, "--id: "},
		"a wait":                 {[]string{"ca", "rotate", "--deadline", "10", "--yes"}, "--deadline: "},
		"a wait of the other CA": {[]string{"ca", "bootstrap", "rotate", "--deadline", "10", "--yes"}, "--deadline: "},
		"a network to move to":   {[]string{"connectors", "set", "a", "--network", "No Such"}, "--network: "},
		"no lifetime":            {[]string{"token", "create", "--kind", "connector", "--id", "a", "--ttl", ""}, "--ttl is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runCLI(append(tc.args, "--api-key-file", key, "--data-dir", t.TempDir())...) // where no controller runs
			require.Equal(t, 2, r.code, r.errOut)
			require.Contains(t, r.errOut, tc.want)
			require.Empty(t, r.out)
			require.NotContains(t, r.errOut, "zta_")
		})
	}
}

func TestCLIPrecedenceOfFlagDataDirAndEnvironment(t *testing.T) {
	_, dir := startForCLI(t)
	t.Setenv(admincmd.URLEnv, "http://127.0.0.1:1")
	t.Setenv(admincmd.KeyFileEnv, filepath.Join(dir, "none"))
	require.Contains(t, runCLI("token", "list").errOut, filepath.Join(dir, "none"), "the environment is used")
	require.Equal(t, 0, runCLI("token", "list", "--data-dir", dir).code, "--data-dir wins over the environment")
	require.Contains(t, runCLI("token", "list", "--data-dir", dir, "--api-url", "http://127.0.0.1:1", "--api-key-file", dir+"/key").errOut, "127.0.0.1:1", "--api-url wins over --data-dir")
	require.Contains(t, runCLI("token", "list", "--data-dir", dir, "--api-key-file", dir+"/none").errOut, dir+"/none", "whoever names a key means to use it")
	require.Equal(t, 0, runCLI("token", "list", "--data-dir", dir, "--api-key-file", dir+"/key").code)
	t.Setenv(admincmd.KeyFileEnv, "")
	require.Contains(t, runCLI("token", "list").errOut, "name the file of an API key with --api-key-file", "an address needs a key")
	t.Setenv(admincmd.URLEnv, "controller.example.com")
	bad := runCLI("token", "list")
	require.Equal(t, 2, bad.code, bad.errOut)
	require.Contains(t, bad.errOut, admincmd.URLEnv+": ")
	t.Setenv(admincmd.URLEnv, "")
	t.Setenv("GRPCCONTROLLER_DATA_DIR", dir)
	require.Equal(t, 0, runCLI("token", "list").code, "the controller's own variable, as in its container")
}

// TestCLIAsksBeforeARotation, at the local admin socket and with a key.
func TestCLIAsksBeforeARotation(t *testing.T) {
	t.Parallel()
	e, dir := startForCLI(t)
	for _, args := range [][]string{{"ca", "rotate"}, {"ca", "rotate", "--emergency"}, {"ca", "resume"}} {
		for _, as := range [][]string{{"--data-dir", dir}, {"--data-dir", dir, "--api-key-file", dir + "/key"}} {
			r := runCLI(append(append(slices.Clone(args), "--detach"), as...)...)
			require.Equal(t, 2, r.code, args)
			require.Contains(t, r.errOut, "add --yes")
		}
	}
	report, err := e.Rotations.Report(t.Context())
	require.NoError(t, err)
	require.Nil(t, report.Rotation)
	r := runCLI("ca", "rotate", "--detach", "--yes", "--data-dir", dir)
	require.Equal(t, 0, r.code, r.errOut)
	report, err = e.Rotations.Report(t.Context())
	require.NoError(t, err)
	require.Equal(t, auth.LocalActor, report.Rotation.Actor)
}

func TestCLIHostsList(t *testing.T) {
	t.Parallel()
	e, dir := startForCLI(t)
	e.Fleet.AddHost(identity.HostID(strings.Repeat("ab", 16)), func(h *fleet.Host) { h.Hostname = "böx\x1b[2J" })
	e.Fleet.AddHost(identity.HostID(strings.Repeat("cd", 16)), func(h *fleet.Host) { h.RevokedAt = e.Clock.Now() })
	e.Fleet.AddConnector("c1", func(c *fleet.Connector) { online(&c.Presence, e) })
	r := runCLI("hosts", "list", "--data-dir", dir)
	require.Equal(t, 0, r.code, r.errOut)
	require.Regexp(t, `(ab){16} +ONLINE .*böx.* connector/c1`, r.out)
	require.NotContains(t, r.out, "\x1b")
	require.NotContains(t, r.out, "cdcd")
	require.Contains(t, runCLI("hosts", "list", "--data-dir", dir, "--status", "REVOKED").out, "cdcd")
	var got []adminapi.Host
	require.NoError(t, json.Unmarshal([]byte(runCLI("hosts", "list", "--data-dir", dir, "--status", "online", "-o", "json").out), &got))
	require.Len(t, got, 1)
	require.NotEqual(t, 0, runCLI("hosts", "list", "--data-dir", dir, "--status", "asleep").code)
}

// TestCLIAccessSaysWhichFlagIsWrong: in the words of the command, and with the way out.
func TestCLIAccessSaysWhichFlagIsWrong(t *testing.T) {
	t.Parallel()
	e, dir := startForCLI(t)
	e.Fleet.AddTunneler("laptop-01", nil)
	run := func(code int, args ...string) cliResult {
		t.Helper()
		r := runCLI(append(args, "--data-dir", dir)...)
		require.Equal(t, code, r.code, "%v: %s", args, r.errOut)
		return r
	}
	run(0, "resources", "create", "db", "--host", "db.corp", "--port", "80")
	for _, c := range []struct {
		want string
		args []string
	}{
		{`--host: "http://db.corp" has a scheme: a host is a name or an address, such as db.corp, without http://`, []string{"resources", "create", "web", "--host", "http://db.corp", "--port", "80"}},
		{`--host: "db.corp:80" has a port`, []string{"resources", "create", "web", "--host", "db.corp:80", "--port", "80"}},
		{`--host: "db.corp/path" has a path`, []string{"resources", "create", "web", "--host", "db.corp/path", "--port", "80"}},
		{`--port: "0" is no port`, []string{"resources", "create", "web", "--host", "db.corp", "--port", "80,0"}},
		{`ID: `, []string{"resources", "create", "DB", "--host", "db.corp", "--port", "80"}},
		{`--alias: `, []string{"resources", "create", "web", "--host", "*.corp", "--port", "80", "--alias", "pg"}},
		{`--label: "prod" is no label`, []string{"resources", "create", "web", "--host", "db.corp", "--port", "80", "--label", "prod"}},
		{`--label: "Env": `, []string{"resources", "create", "web", "--host", "db.corp", "--port", "80", "--label", "Env=prod"}},
		{`--network: there is no network "none"`, []string{"resources", "create", "web", "--host", "db.corp", "--port", "80", "--network", "none"}},
		{`--host: "a b": `, []string{"resources", "set", "db", "--host", "a b"}},
		{"nothing is to be changed", []string{"resources", "set", "db"}},
		{`--from: "laptop-01" is neither tunneler/ID nor label/KEY=VALUE`, []string{"grants", "create", "--from", "laptop-01", "--to", "resource/db"}},
		{`--to: there is no resource "none"`, []string{"grants", "create", "--from", "tunneler/laptop-01", "--to", "resource/none"}},
		{`--until: "2020-01-01T00:00:00Z" has passed`, []string{"grants", "create", "--from", "tunneler/laptop-01", "--to", "resource/db", "--until", "2020-01-01T00:00:00Z"}},
		{`--window: `, []string{"grants", "create", "--from", "tunneler/laptop-01", "--to", "resource/db", "--time-zone", "UTC", "--window", "someday"}},
		{`--time-zone: `, []string{"grants", "create", "--from", "tunneler/laptop-01", "--to", "resource/db", "--time-zone", "Mars", "--window", "mon 08:00-09:00"}},
		{`--until: "2020-01-01" has passed`, []string{"grants", "create", "--from", "tunneler/laptop-01", "--to", "resource/db", "--until", "2020-01-01"}},
		{`--until: "-8h" has passed`, []string{"grants", "set", "g1", "--until", "-8h"}},
		{`--until: "2090-01-01" has no time of day: write a time with its zone, such as 2026-12-31T18:00:00Z`, []string{"grants", "set", "g1", "--until", "2090-01-01"}},
		{`--until: "30d" is no end: write a time with its zone`, []string{"grants", "set", "g1", "--until", "30d"}},
		{`--time-zone: is missing: a window needs the time zone of its hours, such as Europe/Berlin`, []string{"grants", "create", "--from", "tunneler/laptop-01", "--to", "resource/db", "--window", "mon 08:00-09:00"}},
		{`--host: "*.*.corp": a star is only possible as the first part of a name`, []string{"resources", "create", "deep", "--host", "*.*.corp", "--port", "22"}},
		{`--to: "*.dev.corp" is a pattern, and one host is needed`, []string{"policy-tests", "create", "--from", "label/a=b", "--expect", "refuse", "--to", "*.dev.corp:22"}},
		{"did you mean get?", []string{"grants", "show", "g1"}},
		{"did you mean set or show?", []string{"tunnelers", "get", "laptop-01"}},
		{"did you mean delete?", []string{"resources", "rm", "db"}},
		{"nothing is to be changed", []string{"grants", "set", "g1"}},
		{`--to: "db.corp" is no target`, []string{"policy-tests", "create", "--from", "label/a=b", "--expect", "refuse", "--to", "db.corp"}},
		{`--from: "x" is neither`, []string{"policy-tests", "create", "--from", "x", "--expect", "refuse", "--to", "db.corp:1"}},
		{`--prefix: "10.1.0.7/16" is an address within 10.1.0.0/16`, []string{"networks", "create", "lab", "--prefix", "10.1.0.7/16"}},
		{`PREFIX: "x" is no prefix`, []string{"networks", "declare", "default", "x"}},
		{`--prefix: "x" is no prefix`, []string{"networks", "set", "default", "--prefix", "x"}},
		{"nothing is to be changed", []string{"networks", "set", "default"}},
		{`--code: "refusd" is none of ok, refused, `, []string{"flows", "list", "--code", "refusd"}},
		{`--decision: "denied" is none of granted, `, []string{"flows", "export", "--decision", "denied"}},
		{`--from: there is no tunneler "latpop-01", and no grant names it: did you mean laptop-01?`, []string{"explain", "--from", "tunneler/latpop-01", "--to", "db.corp:80"}},
		{`--to: "https://db.corp:443" has a scheme`, []string{"explain", "--from", "laptop-01", "--to", "https://db.corp:443"}},
		{`--network: there is no network with this id`, []string{"explain", "--from", "laptop-01", "--to", "db.corp:443", "--network", "none"}},
	} {
		require.Contains(t, run(2, c.args...).errOut, c.want, c.args)
	}
}

// TestCLIExplainSaysWhatItMeans: the code as a sentence, and what keeps a flow from being carried.
func TestCLIExplainSaysWhatItMeans(t *testing.T) {
	t.Parallel()
	e, dir := startForCLI(t)
	e.Fleet.AddTunneler("laptop-01", nil)
	run := func(code int, args ...string) cliResult {
		t.Helper()
		r := runCLI(append(args, "--data-dir", dir)...)
		require.Equal(t, code, r.code, "%v: %s", args, r.errOut)
		return r
	}
	explain := []string{"explain", "--from", "laptop-01", "--to", "pg:5432"}
	require.Contains(t, run(1, explain...).out, "No resource covers this host and port, so nobody reaches it.\n")
	run(0, "resources", "create", "db", "--host", "db.corp", "--port", "5432", "--alias", "pg")
	r := run(1, explain...)
	require.Contains(t, r.out, "A resource covers it, and no grant of the most specific one is for this tunneler.\n")
	require.Contains(t, r.errOut, `"laptop-01" may not reach "pg:5432": not_granted`)
	require.NotContains(t, run(0, "grants", "create", "g1", "--from", "tunneler/laptop-01", "--to", "resource/db").errOut, "note:")
	r = run(0, explain...)
	require.Contains(t, r.out, "\"pg:5432\" is an alias: \"db.corp:5432\" was decided.\n")
	require.Contains(t, r.out, "No connector of the network \"default\" is ONLINE: nobody can carry a flow there now.\n")
	require.Contains(t, run(0, "explain", "--from", "tunneler/laptop-01", "--to", "pg:5432", "-o", "json").out, `"no_connector": true`)
	e.Fleet.AddConnector("gw", func(m *fleet.Connector) { online(&m.Presence, e) })
	require.NotContains(t, run(0, explain...).out, "nobody can carry")

	require.Contains(t, run(0, "grants", "create", "--from", "tunneler/laptop-1", "--to", "resource/db").errOut, `note: no tunneler "laptop-1" is enrolled yet: did you mean laptop-01?`)
	require.Contains(t, run(0, "explain", "--from", "laptop-1", "--to", "db.corp:5432").out, `The tunneler "laptop-1" is not enrolled, so nobody uses this now.`)
}

// TestCLIPolicyTests: what a change would break is named, and nothing is changed.
func TestCLIPolicyTests(t *testing.T) {
	t.Parallel()
	_, dir := startForCLI(t)
	run := func(code int, args ...string) cliResult {
		t.Helper()
		r := runCLI(append(args, "--data-dir", dir)...)
		require.Equal(t, code, r.code, r.errOut)
		return r
	}
	run(0, "resources", "create", "db", "--host", "db.corp", "--port", "5432")
	refused := run(1, "policy-tests", "create", "db", "--from", "tunneler/laptop", "--expect", "reach", "--to", "db.corp:5432")
	require.Contains(t, refused.errOut, "db: tunneler/laptop must reach db.corp:5432, and would be refused (not_granted, resource db)")
	run(0, "grants", "create", "g1", "--from", "tunneler/laptop", "--to", "resource/db")
	require.Contains(t, run(0, "policy-tests", "create", "db", "--from", "tunneler/laptop", "--expect", "reach", "--to", "db.corp:5432").errOut, `policy test "db" created`)
	require.Contains(t, run(1, "grants", "delete", "g1", "--yes").errOut, "a policy test would not hold: db: tunneler/laptop must reach db.corp:5432")
	require.Regexp(t, `db +tunneler/laptop +reach +db.corp:5432 +yes`, run(0, "policy-tests", "list").out)
	require.Contains(t, run(0, "get", "policy-test", "db", "-o", "json").out, `"holds": true`)
	require.Equal(t, "policy-test/db\n", run(0, "policy-tests", "list", "-o", "name").out)
	run(2, "policy-tests", "set", "db")
	run(2, "policy-tests", "create", "--from", "tunneler/laptop", "--expect", "perhaps", "--to", "db.corp:5432")
	run(0, "policy-tests", "set", "db", "--note", "orders", "--network", "default")
	require.Contains(t, run(0, "policy-tests", "get", "db", "-o", "yaml").out, "note: orders")
	run(3, "policy-tests", "get", "none")
	run(0, "policy-tests", "delete", "db", "--yes")
	run(0, "grants", "delete", "g1", "--yes")
}

// TestCLIApply: a plan, its application, and nothing to do the second time.
func TestCLIApply(t *testing.T) {
	t.Parallel()
	_, dir := startForCLI(t)
	file := filepath.Join(t.TempDir(), "policy.yaml")
	run := func(code int, args ...string) cliResult {
		t.Helper()
		r := runCLI(append(args, "--data-dir", dir)...)
		require.Equal(t, code, r.code, r.errOut)
		return r
	}
	writeFile(t, file, "resources:\n  - {id: db, hosts: [db.corp], ports: [5432], labels: {app: shop}}\ngrants:\n  - {id: dev, subject: label/team=dev, object: resource/db}\n")
	require.Contains(t, run(1, "apply", "-f", filepath.Join(dir, "none.yaml")).errOut, "none.yaml: no such file", "and not that there is no controller")
	r := run(4, "apply", "-f", file, "--plan")
	require.Contains(t, r.out, "+ resource/db\n")
	require.Contains(t, r.errOut, "2 to create, 0 to change, 0 to delete, 0 unchanged")
	require.Contains(t, run(2, "apply", "-f", file).errOut, "add --yes")
	require.Contains(t, run(4, "apply", "-f", file, "--plan", "-o", "json").out, `"action": "create"`)
	require.Contains(t, run(0, "apply", "-f", file, "--yes").errOut, "policy applied: 2 to create")
	for _, args := range [][]string{{"--plan"}, {"--yes"}, {}} {
		require.Contains(t, run(0, append([]string{"apply", "-f", file}, args...)...).out, "nothing to do: 2 unchanged")
	}
	exported := run(0, "export").out
	writeFile(t, file, exported)
	require.Contains(t, run(0, "apply", "-f", file, "--plan").out, "nothing to do", exported)

	writeFile(t, file, "resources: []\n")
	require.Contains(t, run(4, "apply", "-f", file, "--prune", "app=shop", "--plan").out, "- grant/dev")
	run(0, "policy-tests", "create", "t", "--from", "label/team=dev", "--expect", "reach", "--to", "db.corp:5432")
	require.Contains(t, run(1, "apply", "-f", file, "--prune", "app=shop", "--yes").errOut, "a policy test would not hold: t: ")
	run(0, "policy-tests", "delete", "t", "--yes")
	run(0, "apply", "-f", file, "--prune", "app=shop", "--yes")
	require.NotContains(t, run(0, "export").out, "db.corp")

	run(2, "apply", "-f", file, "--prune", "shop")
	run(2, "apply")
	run(1, "apply", "-f", file+".not-there")
	writeFile(t, file, "resources:\n  - {id: db, host: [db.corp]}\n")
	require.Contains(t, run(2, "apply", "-f", file, "--plan").errOut, "line 2: resources[0].host is not known")
	writeFile(t, file, "grants:\n  - {id: g, subject: a, object: label/a=b}\n")
	require.Contains(t, run(2, "apply", "-f", file, "--plan").errOut, "grants[0].subject")
}
