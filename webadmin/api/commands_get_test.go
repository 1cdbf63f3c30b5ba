package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/events"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient/admincmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// labelled has members of several kinds and states.
func labelled(t *testing.T) (*apitest.Env, string) {
	t.Helper()
	e, dir := startForCLI(t)
	e.Fleet.AddHost(identity.HostID(strings.Repeat("ab", 16)), nil)
	e.Fleet.AddConnector("a", func(m *fleet.Connector) {
		m.About = fleet.About{Name: "Berlin office", Labels: access.Labels{"env": "prod", "tier": "web"}, Revision: 3}
		online(&m.Presence, e)
	})
	e.Fleet.AddConnector("b", func(m *fleet.Connector) { m.About.Labels = access.Labels{"env": "prod"} })
	e.Fleet.AddConnector("gone", func(m *fleet.Connector) {
		m.RevokedAt = time.Now().Add(-time.Hour)
		online(&m.Presence, e)
	})
	e.Fleet.AddTunneler("a", func(m *fleet.Tunneler) { m.About.Labels = access.Labels{"env": "test"} })
	return e, dir
}

func TestCLIGetSelectsAndPrints(t *testing.T) {
	t.Parallel()
	_, dir := labelled(t)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"all of a kind":               {[]string{"connectors"}, "connector/a\nconnector/b\n"},
		"the kind in singular":        {[]string{"connector"}, "connector/a\nconnector/b\n"},
		"one by its id":               {[]string{"connector", "b"}, "connector/b\n"},
		"several by their ids":        {[]string{"connectors", "b", "a"}, "connector/b\nconnector/a\n"},
		"a revoked one by its id":     {[]string{"connectors", "gone"}, "connector/gone\n"},
		"by a label":                  {[]string{"connectors", "-l", "env=prod"}, "connector/a\nconnector/b\n"},
		"by two labels":               {[]string{"connectors", "--label", "env=prod,tier=web"}, "connector/a\n"},
		"by a label that nothing has": {[]string{"connectors", "--label", "env=none"}, ""},
		"by status":                   {[]string{"connectors", "--status", "OFFLINE"}, "connector/b\n"},
		"by status, typed lazily":     {[]string{"connectors", "--status", "revoked"}, "connector/gone\n"},
		"another kind":                {[]string{"tunnelers"}, "tunneler/a\n"},
		"hosts":                       {[]string{"hosts"}, "host/" + strings.Repeat("ab", 16) + "\n"},
		"networks":                    {[]string{"networks"}, "network/default\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runCLI(append([]string{"get", "--data-dir", dir, "-o", "name"}, c.args...)...)
			require.Equal(t, cliResult{out: c.want}, r)
		})
	}
}

func TestCLIGetRefusals(t *testing.T) {
	t.Parallel()
	_, dir := labelled(t)
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no kind":                   {nil, 2, "the argument KIND is missing"},
		"a kind there is none of":   {[]string{"gateways"}, 2, `there is no kind "gateways": choose from connectors, tunnelers`},
		"an id that nothing has":    {[]string{"connectors", "a", "zz"}, 3, "no connector has the id \"zz\": `grpccontroller get connectors` lists them"},
		"an id that is none":        {[]string{"connectors", "../x"}, 3, `no connector has the id "../x"`},
		"a status of another kind":  {[]string{"connectors", "--status", "pending"}, 2, "--status of connectors must be ONLINE or OFFLINE or REVOKED"},
		"a status of no kind":       {[]string{"networks", "--status", "ONLINE"}, 2, "--status is not for networks"},
		"a label of no kind":        {[]string{"tokens", "-l", "a=b"}, 2, "--label is not for tokens"},
		"a label that is none":      {[]string{"connectors", "-l", "prod"}, 2, "--label: "},
		"ids and a filter":          {[]string{"connectors", "a", "--status", "ONLINE"}, 2, "give ids, or these"},
		"a format there is none of": {[]string{"connectors", "-o", "xml"}, 2, "must be one of table, wide, name, json, yaml"},
		"a secret in place of an id": {
			[]string{"tokens", "ztc_00000000000000000000000000000000"},
			3,
			"this is the secret and not the id of a token",
		},
		"to watch what tells nothing": {[]string{"sessions", "--watch"}, 2, "--watch is not for sessions: run the command again"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runCLI(append([]string{"get", "--data-dir", dir}, c.args...)...)
			require.Equal(t, c.code, r.code, r.errOut)
			require.Contains(t, r.errOut, c.want)
			require.NotContains(t, r.errOut, "ztc_")
			require.Empty(t, r.out)
		})
	}
}

const zoned = `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)`

func TestCLIGetFormats(t *testing.T) {
	t.Parallel()
	_, dir := labelled(t)
	get := func(args ...string) string {
		t.Helper()
		r := runCLI(append([]string{"get", "--data-dir", dir}, args...)...)
		require.Equal(t, 0, r.code, r.errOut)
		require.Empty(t, r.errOut)
		return r.out
	}
	var one adminapi.Connector
	require.NoError(t, json.Unmarshal([]byte(get("connector", "a", "-o", "json")), &one), "one id is one object")
	require.Equal(t, "Berlin office", one.Name)
	var some []adminapi.Connector
	require.NoError(t, json.Unmarshal([]byte(get("connector", "a", "b", "-o", "json")), &some))
	require.Len(t, some, 2)
	yaml := get("connector", "a", "-o", "yaml")
	require.Contains(t, yaml, "\nname: Berlin office\nlabels:\n  env: prod\n  tier: web\n")
	require.Regexp(t, `\nenrolled_at: "?2030-01-02T03:04:05Z"?\n`, yaml)
	require.NotContains(t, yaml, "{")

	table := strings.Split(get("connectors"), "\n")
	require.Regexp(t, `^ID +STATUS +LAST SEEN`, table[0])
	require.NotContains(t, table[0], "LABELS")
	wide := strings.Split(get("connectors", "-o", "wide"), "\n")
	require.True(t, strings.HasPrefix(wide[0], strings.TrimRight(table[0], " ")), "the columns of the table come first")
	require.Regexp(t, `NAME +NETWORK +LABELS +HOST +ENROLLED +SEEN`, wide[0])
	require.Regexp(t, `Berlin office +default +env=prod,tier=web +(ab){16} +`+zoned+` +`+zoned, wide[1])
	require.Regexp(t, ` - +default +env=prod `, wide[2])

	gone := get("connectors", "gone")
	require.Regexp(t, `gone +REVOKED .* revoked 60 min ago, still connected|gone +REVOKED .* revoked 1 h ago, still connected`, gone)
	require.NoError(t, json.Unmarshal([]byte(get("connectors", "gone", "-o", "json")), &one))
	require.Equal(t, adminapi.Online, one.Status, "what the API says")
	require.False(t, one.RevokedAt.IsZero())
}

// watching is a command that continues, in another goroutine.
type watching struct {
	t     *testing.T
	lines *bufio.Reader
	stop  func() error
}

func watch(t *testing.T, dir string, args ...string) *watching {
	t.Helper()
	return running(t, append([]string{"get", "--data-dir", dir, "--watch"}, args...)...)
}

func running(t *testing.T, args ...string) *watching {
	t.Helper()
	root := &cobra.Command{Use: "grpccontroller", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(admincmd.Commands()...)
	root.SetArgs(args)
	out, in := io.Pipe()
	root.SetOut(in)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		err := root.ExecuteContext(ctx)
		_ = in.CloseWithError(io.EOF)
		done <- err
	}()
	w := &watching{t: t, lines: bufio.NewReader(out)}
	w.stop = func() error {
		cancel()
		_ = out.Close()
		return <-done
	}
	t.Cleanup(cancel)
	return w
}

func (w *watching) next() string {
	w.t.Helper()
	line, err := w.lines.ReadString('\n')
	require.NoError(w.t, err)
	return strings.TrimSpace(line)
}

func TestCLIGetWatches(t *testing.T) {
	t.Parallel()
	e, dir := labelled(t)
	w := watch(t, dir, "connectors", "-l", "env=prod", "-o", "name")
	require.Equal(t, "connector/a", w.next())
	require.Equal(t, "connector/b", w.next())
	e.Fleet.AddConnector("c", nil)
	e.Events.Publish(events.Connector, "c", "created")
	e.Fleet.AddTunneler("x", func(m *fleet.Tunneler) { m.About.Labels = access.Labels{"env": "prod"} })
	e.Events.Publish(events.Tunneler, "x", "created")
	e.Fleet.AddConnector("d", func(m *fleet.Connector) { m.About.Labels = access.Labels{"env": "prod"} })
	e.Events.Publish(events.Connector, "d", "created")
	require.Equal(t, "connector/d", w.next(), "and nothing of another kind or label")
	e.Events.Publish(events.Connector, "a", "OFFLINE")
	require.Equal(t, "connector/a", w.next())
	require.NoError(t, e.Fleet.Revoke(t.Context(), fleet.Revocation{Workload: identity.Workload{Kind: identity.KindConnector, ID: "a"}}))
	e.Events.Publish(events.Connector, "a", "member.revoke")
	require.Equal(t, "connector/a", w.next(), "it leaves the list")
	e.Events.Publish(events.Connector, "a", "OFFLINE")
	e.Events.Publish(events.Connector, "never", "created")
	e.Events.Publish(events.Connector, "b", "OFFLINE")
	require.Equal(t, "connector/b", w.next(), "what has left is not heard of again, and what is gone is on standard error")
	require.NoError(t, w.stop(), "an interrupt is how it ends")
}

func TestCLIGetWatchesInEachFormat(t *testing.T) {
	t.Parallel()
	e, dir := labelled(t)
	table := watch(t, dir, "connector", "a")
	require.Regexp(t, `^ID +STATUS `, table.next())
	require.Regexp(t, `^a +ONLINE `, table.next())
	e.Events.Publish(events.Connector, "b", "ONLINE")
	e.Events.Publish(events.Connector, "a", "ONLINE")
	require.Regexp(t, `^a +ONLINE `, table.next(), "only the one that was named, without another header")
	require.NoError(t, table.stop())

	lines := watch(t, dir, "connectors", "-o", "json")
	var one adminapi.Connector
	require.NoError(t, json.Unmarshal([]byte(lines.next()), &one), "one object a line, as jq reads it")
	require.Equal(t, "a", one.ID)
	require.NoError(t, lines.stop())

	documents := watch(t, dir, "connectors", "a", "-o", "yaml")
	require.Equal(t, "---", documents.next())
	require.Equal(t, "id: a", documents.next())
	require.NoError(t, documents.stop())
}

func TestCLIGetWatchFailsAtOnceWhereNobodyAnswers(t *testing.T) {
	t.Parallel()
	_, dir := labelled(t)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"an unknown id":     {[]string{"get", "connectors", "zz", "--watch", "--data-dir", dir}, `no connector has the id "zz"`},
		"no controller":     {[]string{"get", "connectors", "--watch", "--api-url", "http://127.0.0.1:1", "--api-key-file", dir + "/key"}, "nothing listens at http://127.0.0.1:1"},
		"a list in a group": {[]string{"connectors", "list", "--watch", "--api-url", "http://127.0.0.1:1", "--api-key-file", dir + "/key"}, "nothing listens at http://127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runCLI(c.args...)
			require.NotZero(t, r.code)
			require.Contains(t, r.errOut, c.want)
		})
	}
}

func TestCLISets(t *testing.T) {
	t.Parallel()
	e, dir := labelled(t)
	host := strings.Repeat("ab", 16)
	require.Equal(t, 0, runCLI("networks", "create", "berlin", "--name", "Berlin", "--data-dir", dir).code)
	for _, args := range [][]string{
		{"connectors", "set", "a", "--name", "New", "--label", "env=test,site=b", "--unlabel", "tier", "--notes", "rack 7", "--network", "berlin"},
		{"tunnelers", "set", "a", "-l", "env=test"},
		{"hosts", "set", host, "--notes", "under the desk"},
	} {
		r := runCLI(append(args, "--data-dir", dir)...)
		require.Equal(t, 0, r.code, r.errOut)
		require.Empty(t, r.out)
		require.Regexp(t, `^(connector|tunneler|host) ".*" changed\n$`, r.errOut)
	}
	one := decode[adminapi.Connector](t, get(t, e, "/api/admin/connectors/a"))
	require.Equal(t, adminapi.About{Name: "New", Labels: map[string]string{"env": "test", "site": "b"}, Notes: "rack 7", Revision: 4}, one.About)
	require.Equal(t, "berlin", one.NetworkID)
	require.Equal(t, "under the desk", decode[adminapi.Host](t, get(t, e, "/api/admin/hosts/"+host)).Notes)
	require.Equal(t, 0, runCLI("connectors", "set", "a", "--name", "", "--data-dir", dir).code, "empty takes it away")
	require.Empty(t, decode[adminapi.Connector](t, get(t, e, "/api/admin/connectors/a")).Name)

	edits := len(e.Fleet.Edits())
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"nothing":                  {[]string{"connectors", "set", "a"}, 2, "nothing is to be changed: give --name, --notes, --label or --unlabel"},
		"a label without a value":  {[]string{"connectors", "set", "a", "-l", "prod"}, 2, `--label "prod": write key=value`},
		"set and taken away":       {[]string{"connectors", "set", "a", "-l", "a=b", "--unlabel", "a"}, 2, `the label "a" is set and taken away at once`},
		"no network":               {[]string{"connectors", "set", "a", "--network", ""}, 2, "--network is empty"},
		"a network there is none":  {[]string{"connectors", "set", "a", "--network", "paris"}, 2, "there is no such network"},
		"a network of a tunneler":  {[]string{"tunnelers", "set", "a", "--network", "berlin"}, 2, "unknown flag: --network"},
		"an old revision":          {[]string{"connectors", "set", "a", "--name", "x", "--revision", "1"}, 1, "revision"},
		"somebody unknown":         {[]string{"connectors", "set", "zz", "--name", "x"}, 3, `no connector has the id "zz": ` + "`grpccontroller connectors list`"},
		"somebody who was revoked": {[]string{"connectors", "set", "gone", "--name", "x"}, 1, "revoked"},
		"a key in capitals":        {[]string{"connectors", "set", "a", "-l", "Env=x"}, 2, "label"},
	} {
		t.Run(name, func(t *testing.T) {
			r := runCLI(append(c.args, "--data-dir", dir)...)
			require.Equal(t, c.code, r.code, r.errOut)
			require.Contains(t, r.errOut, c.want)
		})
	}
	require.Len(t, e.Fleet.Edits(), edits)
}

func TestCLIRevokesByLabel(t *testing.T) {
	t.Parallel()
	e, dir := labelled(t)
	look := runCLI("revoke", "--label", "env=prod", "--dry-run", "--data-dir", dir)
	require.Equal(t, 0, look.code, look.errOut)
	require.Regexp(t, `(?s)^KIND +ID +NAME +HOST +RESULT.*connector +a +Berlin office .*would be revoked.*connector +b `, look.out)
	selection := strings.TrimSpace(strings.TrimPrefix(look.errOut, "selection: "))
	require.Regexp(t, "^[0-9a-f]{64}$", selection)
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"nobody to ask":        {[]string{"--label", "env=prod"}, 2, "add --yes"},
		"no label":             {[]string{"--yes"}, 2, "--label is missing"},
		"an empty label":       {[]string{"--label", "", "--yes"}, 2, "--label"},
		"a label that is none": {[]string{"--label", "prod", "--yes"}, 2, "--label"},
		"a kind there is none": {[]string{"--label", "env=prod", "--kind", "host", "--yes"}, 2, "--kind"},
		"an argument":          {[]string{"env=prod", "--yes"}, 2, "takes no argument"},
	} {
		t.Run(name, func(t *testing.T) {
			r := runCLI(append([]string{"revoke", "--data-dir", dir}, c.args...)...)
			require.Equal(t, c.code, r.code, r.errOut)
			require.Contains(t, r.errOut, c.want)
			require.Empty(t, r.out)
		})
	}
	require.Empty(t, e.Fleet.Revocations())
	r := runCLI("revoke", "--label", "env=test", "--kind", "tunneler", "--yes", "--data-dir", dir, "-o", "json")
	require.Equal(t, 0, r.code, r.errOut)
	var done adminapi.BulkRevoked
	require.NoError(t, json.Unmarshal([]byte(r.out), &done))
	require.Equal(t, 1, done.Revoked)
	others := runCLI("revoke", "-l", "env=prod,tier=web", "--selection", selection, "-y", "--data-dir", dir)
	require.Equal(t, 1, others.code)
	require.Contains(t, others.errOut, "nobody was revoked")
	require.Len(t, e.Fleet.Revocations(), 1)
	web := runCLI("revoke", "-l", "env=prod,tier=web", "--dry-run", "-o", "json", "--data-dir", dir)
	var seen adminapi.BulkRevoked
	require.NoError(t, json.Unmarshal([]byte(web.out), &seen))
	require.Equal(t, 0, runCLI("revoke", "-l", "env=prod,tier=web", "--selection", seen.Selection, "-y", "--data-dir", dir).code)
	require.Len(t, e.Fleet.Revocations(), 2)
	require.Equal(t, cliResult{out: "connector/b\n"}, runCLI("get", "connectors", "-o", "name", "--data-dir", dir))
	none := runCLI("revoke", "--label", "env=none", "--yes", "--data-dir", dir)
	require.Equal(t, 0, none.code, none.errOut)
	require.Contains(t, none.errOut, "nothing was changed")
}

func TestCLINetworksPeopleAndSessions(t *testing.T) {
	t.Parallel()
	e, dir := labelled(t)
	do := func(code int, args ...string) cliResult {
		t.Helper()
		r := runCLI(append(args, "--data-dir", dir)...)
		require.Equal(t, code, r.code, r.errOut)
		return r
	}
	require.Equal(t, "network \"berlin\" created\n", do(0, "networks", "create", "berlin", "--name", "Berlin").errOut)
	require.Contains(t, do(1, "networks", "create", "berlin").errOut, `there is a network with the id "berlin" already: choose another id, or change that one`)
	do(2, "networks", "create", "NO ID")
	require.Equal(t, "network \"berlin\" renamed\n", do(0, "networks", "rename", "berlin", "Berlin 2").errOut)
	require.Regexp(t, `berlin +Berlin 2 +0 +0 +private `, do(0, "networks", "list").out)
	require.Equal(t, "network \"berlin\" changed\n", do(0, "networks", "set", "berlin", "--prefix", "10.1.0.0/16,10.2.0.0/16").errOut)
	require.Regexp(t, `berlin +Berlin 2 +0 +0 +10.1.0.0/16,10.2.0.0/16 `, do(0, "networks", "get", "berlin").out)
	do(0, "networks", "set", "berlin", "--name", "Berlin 3")
	require.Regexp(t, `berlin +Berlin 3 +0 +0 +10.1.0.0/16,10.2.0.0/16 `, do(0, "networks", "get", "berlin").out)
	do(0, "networks", "set", "berlin", "--prefix", "")
	require.Regexp(t, `berlin +Berlin 3 +0 +0 +private `, do(0, "networks", "get", "berlin").out)
	require.Contains(t, do(1, "networks", "set", "berlin", "--name", "x", "--revision", "1").errOut, "meanwhile")
	do(3, "networks", "set", "paris", "--name", "x")
	do(3, "networks", "rename", "paris", "x")
	do(0, "connectors", "set", "a", "--network", "berlin")
	require.Contains(t, do(1, "networks", "delete", "berlin", "--yes").errOut, "move or revoke them first")
	require.Contains(t, do(1, "networks", "delete", "default", "--yes").errOut, "the default network cannot be deleted")
	do(0, "connectors", "set", "a", "--network", "default")
	require.Contains(t, do(2, "networks", "delete", "berlin").errOut, "add --yes")
	do(0, "networks", "delete", "berlin", "--yes")
	do(3, "networks", "delete", "berlin", "--yes")

	link := do(0, "people", "invite", "--email", "ada@example.com", "--name", "Ada Lovelace", "--role", "operator")
	require.Contains(t, link.out, "/setup#")
	var all []adminapi.Person
	require.NoError(t, json.Unmarshal([]byte(do(0, "people", "list", "-o", "json").out), &all))
	require.Regexp(t, all[0].ID+` +invited +ada@example.com +Ada Lovelace +operator +no +- `, do(0, "people", "list").out)
	require.Contains(t, do(2, "people", "invite", "--email", "x", "--name", "X", "--role", "king").errOut, "--role")
	require.Contains(t, do(2, "people", "invite", "--email", "x@example.com").errOut, "--name and --role are missing")

	in := e.Identity.Add(t, "grace@example.com", auth.Auditor)
	require.Regexp(t, in.Session.ID+` +setup +grace@example.com `, do(0, "sessions", "list").out)
	require.Contains(t, do(0, "get", "session", in.Session.ID, "-o", "yaml").out, "person_email: grace@example.com\n")
	require.NotContains(t, do(0, "sessions", "list", "--help").out, "--watch", "nothing tells of sessions")
	require.Contains(t, do(2, "sessions", "revoke", in.Session.ID).errOut, "add --yes")
	do(0, "sessions", "revoke", in.Session.ID, "--yes")
	do(3, "sessions", "revoke", in.Session.ID, "--yes")
	do(3, "people", "remove", "per_none", "--yes")
	do(0, "people", "remove", all[0].ID, "--yes")
	do(3, "get", "person", all[0].ID)
}

// TestCLIPeopleAreChangedAndReset: by id or by e-mail address.
func TestCLIPeopleAreChangedAndReset(t *testing.T) {
	t.Parallel()
	e, dir := labelled(t)
	do := func(code int, args ...string) cliResult {
		t.Helper()
		r := runCLI(append(args, "--data-dir", dir)...)
		require.Equal(t, code, r.code, "%v: %s", args, r.errOut)
		return r
	}
	e.Identity.Add(t, "owner@example.com", auth.Owner)
	in := e.Identity.Add(t, "ada@example.com", auth.Operator)
	id := in.Person.ID
	person := func() (p adminapi.Person) {
		require.NoError(t, json.Unmarshal([]byte(do(0, "get", "person", id, "-o", "json").out), &p))
		return p
	}
	for _, args := range [][]string{{}, {"--keep-keys"}, {"--disable", "--enable"}, {"--role", "king"}, {"--name", "\u3164"}, {"--name", ""}} {
		require.NotEmpty(t, do(2, append([]string{"people", "set", id, "--yes"}, args...)...).errOut, args)
	}
	require.Contains(t, do(2, "people", "set", id, "--role", "admin").errOut, "add --yes", "it ends sessions")
	require.Contains(t, do(2, "people", "set", id, "--disable").errOut, "add --yes")
	require.Equal(t, "operator", person().Role)
	e.Identity.Active(t, in)
	require.Equal(t, cliResult{errOut: "person \"" + id + "\" changed\n"}, do(0, "people", "set", "ADA@example.com", "--name", "Ada King"))
	e.Identity.Active(t, in)
	var changed adminapi.Person
	require.NoError(t, json.Unmarshal([]byte(do(0, "people", "set", id, "--role", "Admin", "--disable", "--keep-keys", "--yes", "-o", "json").out), &changed))
	require.Equal(t, []any{"Ada King", "admin", true}, []any{changed.Name, changed.Role, changed.Disabled})
	require.Equal(t, changed, person())
	do(0, "people", "set", "ada@example.com", "--enable")
	require.False(t, person().Disabled)
	require.Contains(t, do(1, "people", "set", "owner@example.com", "--role", "auditor", "--yes").errOut, "owner")

	require.Contains(t, do(2, "people", "reset", id).errOut, "add --yes")
	require.False(t, person().Invited)
	link := do(0, "people", "reset", "ada@example.com", "--yes")
	require.Regexp(t, `^http.*/setup#code=ztl_[a-z2-7]+\n$`, link.out)
	require.True(t, person().Invited)
	var again adminapi.InvitedPerson
	require.NoError(t, json.Unmarshal([]byte(do(0, "people", "reset", id, "-y", "-o", "json").out), &again))
	require.Equal(t, id, again.Person.ID)
	require.NotEqual(t, strings.TrimSpace(link.out), again.SetupURL)

	for _, args := range [][]string{{"set", "per_none", "--name", "x"}, {"set", "no@example.com", "--name", "x"}, {"reset", "per_none", "--yes"}, {"reset", "no@example.com", "--yes"}, {"remove", "no@example.com", "--yes"}} {
		require.Contains(t, do(3, append([]string{"people"}, args...)...).errOut, "people list", args)
	}
	require.Contains(t, do(2, "people", "reset").errOut, "ID|EMAIL is missing")
	do(0, "people", "remove", "ada@example.com", "--yes")
	do(3, "get", "person", id)
}

func TestCLIKeysAttentionAndTheStateOfTheAuditLog(t *testing.T) {
	t.Parallel()
	e, dir := labelled(t)
	do := func(code int, args ...string) cliResult {
		t.Helper()
		r := runCLI(append(args, "--data-dir", dir)...)
		require.Equal(t, code, r.code, "%v: %s", args, r.errOut)
		return r
	}
	e.Fleet.AddConnector("odd", func(m *fleet.Connector) {
		online(&m.Presence, e)
		m.Contested = true
	})
	k, _, err := e.Identity.Keys.Create(t.Context(), auth.NewAPIKey{Name: "ci", Permissions: []auth.Permission{auth.FleetRead}}, auth.By{Actor: auth.LocalActor})
	require.NoError(t, err)
	for _, args := range [][]string{{}, {"--name", ""}, {"--scope", ""}, {"--scope", "fleet:everything"}, {"--name", "a\u202eb"}} {
		do(2, append([]string{"key", "set", k.ID}, args...)...)
	}
	require.Equal(t, cliResult{errOut: "API key \"" + k.ID + "\" changed\n"}, do(0, "key", "set", k.ID, "--scope", "fleet:read,tokens:write", "--name", "CI"))
	var changed adminapi.Key
	require.NoError(t, json.Unmarshal([]byte(do(0, "key", "set", k.ID, "--name", "CI of the site", "-o", "json").out), &changed))
	require.Equal(t, []string{"fleet:read", "tokens:write"}, changed.Scopes)
	require.Equal(t, "CI of the site", changed.Name)
	do(3, "key", "set", "key_none", "--name", "x")

	list := do(0, "attention", "list")
	var items adminapi.AttentionList
	require.NoError(t, json.Unmarshal([]byte(do(0, "attention", "list", "-o", "json").out), &items))
	require.NotEmpty(t, items.Attention)
	first := items.Attention[0]
	require.Contains(t, list.out, first.ID)
	require.Contains(t, list.out, "\n  "+cli.Printable(first.Found)+"\n  "+cli.Printable(first.Do)+"\n")
	do(3, "attention", "dismiss", "none")
	require.Equal(t, "item \""+first.ID+"\" dismissed\n", do(0, "attention", "dismiss", first.ID).errOut)
	require.NotContains(t, do(0, "attention", "list").out, first.ID)

	state := do(0, "audit", "status")
	require.Regexp(t, `(?m)^records +0$`, state.out)
	var v adminapi.AuditVerification
	require.NoError(t, json.Unmarshal([]byte(do(0, "audit", "status", "-o", "json").out), &v))
	require.Empty(t, v.State, "nothing checks it here")
}

// TestCLICompletesGet: kinds, then ids of the kind that are not typed yet; states of the
// kind; formats, networks, roles.
func TestCLICompletesGet(t *testing.T) {
	t.Parallel()
	_, dir := labelled(t)
	require.Zero(t, runCLI("resources", "create", "db", "--host", "db.corp", "--port", "5432", "--alias", "pg", "--data-dir", dir).code)
	require.Zero(t, runCLI("resources", "create", "dev", "--host", "*.dev.corp", "--port", "22", "--label", "app=shop", "--data-dir", dir).code)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"kinds":             {[]string{"get", ""}, "connectors tunnelers hosts networks resources grants policy-tests tokens requests keys people sessions"},
		"ids":               {[]string{"get", "connectors", ""}, "a b"},
		"ids in singular":   {[]string{"get", "connector", ""}, "a b"},
		"ids not typed yet": {[]string{"get", "connectors", "a", ""}, "b"},
		"ids of no kind":    {[]string{"get", "gateways", ""}, ""},
		"states":            {[]string{"get", "connectors", "--status", ""}, "ONLINE OFFLINE REVOKED"},
		"states of others":  {[]string{"get", "requests", "--status", ""}, "pending approved enrolled denied withdrawn expired"},
		"formats":           {[]string{"get", "connectors", "-o", ""}, "table wide name json yaml"},
		"networks":          {[]string{"connectors", "set", "a", "--network", ""}, "default"},
		"members to change": {[]string{"connectors", "set", ""}, "a b"},
		"kinds to revoke":   {[]string{"revoke", "--kind", ""}, "connector tunneler"},
		"roles":             {[]string{"people", "invite", "--role", ""}, "auditor operator admin owner"},
		"other roles":       {[]string{"people", "set", "per_x", "--role", ""}, "auditor operator admin owner"},
		"outcomes":          {[]string{"audit", "list", "--outcome", ""}, "success denied"},
		"networks to go":    {[]string{"networks", "delete", ""}, "default"},
		"whom to ask about": {[]string{"explain", "--from", ""}, "a"},
		"what to ask about": {[]string{"explain", "--from", "a", "--to", ""}, "db.corp:5432 pg:5432"},
		"where to ask":      {[]string{"explain", "--network", ""}, "default"},
		"whom to grant":     {[]string{"grants", "create", "--from", ""}, "tunneler/a label/env=test"},
		"what to grant":     {[]string{"grants", "create", "g1", "--to", ""}, "resource/db resource/dev label/app=shop"},
		"codes":             {[]string{"flows", "list", "--code", ""}, strings.Join(adminapi.FlowCodes(), " ")},
		"resources":         {[]string{"flows", "export", "--resource", ""}, "db dev"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runCLI(append([]string{"__complete", c.args[0], "--data-dir", dir}, c.args[1:]...)...)
			require.Equal(t, 0, r.code, r.errOut)
			var got []string
			for line := range strings.Lines(r.out) {
				if word, _, _ := strings.Cut(strings.TrimSpace(line), "\t"); !strings.HasPrefix(word, ":") {
					got = append(got, word)
				}
			}
			require.Equal(t, c.want, strings.Join(got, " "))
			require.Contains(t, r.out, ":4", "no file names")
		})
	}
}
