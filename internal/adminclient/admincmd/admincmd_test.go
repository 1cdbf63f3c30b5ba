package admincmd_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient/admincmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The commands against the API itself are in webadmin/api: internal knows no
// webadmin.

func run(args ...string) (code int, out, errOut string) {
	root := &cobra.Command{Use: "grpccontroller"}
	root.AddCommand(admincmd.Commands()...)
	var o, e bytes.Buffer
	code = cli.Execute(root, cli.Process{Args: args, Stdin: strings.NewReader(""), Stdout: &o, Stderr: &e})
	return code, o.String(), e.String()
}

func TestColouringWithoutATerminalChangesNoByte(t *testing.T) {
	t.Parallel()
	for name, row := range map[string][]string{
		"an id that reads like a status": {"online", "ONLINE", "ONLINE"},
		"an id that is not ASCII":        {"äöü", "ONLINE", "x"},
		"a status that is empty":         {"a", "", "x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := cli.Table{Header: []string{"ID", "STATUS", "NOTE"}, Rows: [][]string{row}}
			var plain bytes.Buffer
			require.NoError(t, table.Write(&plain))
			require.Equal(t, plain.String(), admincmd.ColourStatus(plain.String(), table, cli.Paint{}))
		})
	}
}

func TestRefusesAKeyFileThatIsNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"empty": "", "blank": "\n\n", "two lines": "zta_a\nzta_b", "binary": "\x00\x01", "huge": strings.Repeat("a", 65<<10),
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		code, out, errOut := run("token", "list", "--api-key-file", path)
		require.Equal(t, 1, code, name)
		require.Empty(t, out)
		require.Contains(t, errOut, path)
		require.NotContains(t, errOut, "zta_")
	}
}

// TestAHostCannotAddAColumn: what a host says of itself is one word of its row.
func TestAHostCannotAddAColumn(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const lie = "web ONLINE  3 s ago\u3000\u202e\u05d0"
	member := adminapi.Member{ID: "m", Status: adminapi.Offline, Version: lie, RemoteAddress: lie}
	for name, table := range map[string]cli.Table{
		"connectors": admincmd.ConnectorTable([]adminapi.Connector{{Member: member, PrivateIP: lie}}, now),
		"tunnelers":  admincmd.TunnelerTable([]adminapi.Tunneler{{Member: member, ConnectorID: lie}}, now),
		"hosts":      admincmd.HostTable([]adminapi.Host{{ID: "h", Status: adminapi.Offline, Hostname: lie}}, now),
		"requests":   admincmd.RequestTable([]adminapi.Request{{Code: "ABCD-EFGH", Status: "pending", Kind: "connector", ID: "c", Source: "192.0.2.7", Hostname: lie}}, now),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			require.NoError(t, table.Write(&out))
			row := strings.Split(out.String(), "\n")[1]
			require.Contains(t, row, "web·ONLINE··3·s·ago···")
			require.Len(t, regexp.MustCompile("  +").Split(strings.TrimRight(row, " "), -1), len(table.Header), row)
			require.NotContains(t, row, "ONLINE ", row)
		})
	}
}

func TestWhatACommandNeedsIsSaidBeforeIt(t *testing.T) {
	t.Parallel()
	created := adminapi.CreatedToken{
		ClaimURL: "http://127.0.0.1/claim#x", LinkWarning: "only here", InstallCommand: "paste me",
		InstallCommands: []adminapi.InstallCommand{{Command: "paste me", Requires: "the program must be there"}},
	}
	var out bytes.Buffer
	require.NoError(t, admincmd.WriteCreated(&out, created))
	require.Regexp(t, `(?s)Warning   only here\n.*First: the program must be there\.\n.*paste me`, out.String())

	created.LinkWarning, created.InstallCommands[0].Requires = "", ""
	out.Reset()
	require.NoError(t, admincmd.WriteCreated(&out, created))
	require.NotRegexp(t, `First:|Warning`, out.String())
}

// TestAnEmptyValueIsNotNoValue: "--seal-to $(ssh-keyscan …)" of a host that is off must
// not hand the token out in clear.
func TestAnEmptyValueIsNotNoValue(t *testing.T) {
	t.Parallel()
	key := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(key, []byte("zta_00000000000000000000000000000000\n"), 0o600))
	for _, flag := range []string{"--seal-to", "--source-cidr", "--ttl"} {
		for _, value := range []string{"", " \n"} {
			code, out, errOut := run("token", "create", "--kind", "connector", "--id", "gw-2", "--api-key-file", key, flag, value)
			require.Equal(t, 2, code, errOut)
			require.Empty(t, out)
			require.Contains(t, errOut, flag+" is empty")
		}
	}
}

func TestWithoutAnAddressNoCommandIsPrinted(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, admincmd.WriteCreated(&out, adminapi.CreatedToken{Token: "ztc_secret"}))
	require.Contains(t, out.String(), "Set public_address")
	require.NotContains(t, out.String(), "Run this")
}

func TestAsk(t *testing.T) {
	t.Parallel()
	require.NoError(t, admincmd.Ask(t.Context(), strings.NewReader("yes\n"), io.Discard, "?"))
	for _, no := range []string{"", "\n", "y\n", "YES\n", "no\n", "yes please\n"} {
		require.ErrorContains(t, admincmd.Ask(t.Context(), strings.NewReader(no), io.Discard, "?"), "nothing was changed", no)
	}
	t.Run("an interrupt is no yes", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		in, out := io.Pipe()
		defer func() { _ = out.Close() }() // ends the read
		require.ErrorIs(t, admincmd.Ask(ctx, in, io.Discard, "?"), context.Canceled)
	})
}

func TestRelativeTimes(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for want, d := range map[string]time.Duration{
		"0 s ago": 0, "3 s ago": -3 * time.Second, "in 45 s": 45 * time.Second, "in 10 min": 10*time.Minute - time.Millisecond,
		"59 min ago": -59*time.Minute - 59*time.Second, "in 47 h": 47 * time.Hour, "2 d ago": -50 * time.Hour,
	} {
		require.Equal(t, want, admincmd.Relative(now.Add(d), now))
	}
	require.Equal(t, "-", admincmd.Relative(time.Time{}, now))
}

func TestEveryCommandHasExamplesAndHelp(t *testing.T) {
	t.Parallel()
	for _, group := range admincmd.Commands() {
		switch group.Name() {
		case "resources", "grants", "networks", "policy-tests", "flows", "explain", "apply", "export":
			require.NotEmpty(t, group.Example, "who reaches what is done with several commands: %s", group.Name())
		}
		for _, cmd := range group.Commands() {
			require.NotEmpty(t, cmd.Example, cmd.CommandPath())
			require.NotEmpty(t, cmd.Short, cmd.CommandPath())
			code, out, _ := run(group.Name(), cmd.Name(), "--help")
			require.Equal(t, 0, code)
			require.Contains(t, out, "--data-dir")
		}
	}
}

func TestTheListSaysWhichConnectorRefusesTheController(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var out bytes.Buffer
	require.NoError(t, admincmd.ConnectorTable([]adminapi.Connector{
		{Member: adminapi.Member{ID: "a", Status: adminapi.Online}, Refusal: "older"},
		{Member: adminapi.Member{ID: "b", Status: adminapi.Online}},
		{Member: adminapi.Member{ID: "c", Status: adminapi.Online, RevokedAt: now}, Refusal: "older"},
	}, now).Write(&out))
	rows := strings.Split(out.String(), "\n")
	require.Contains(t, rows[1], `refuses the policy of this controller: "older"`)
	require.NotContains(t, rows[2], "refuses")
	require.NotContains(t, rows[3], "refuses", "it is revoked")
}
