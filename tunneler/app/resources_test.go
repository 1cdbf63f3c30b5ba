package app_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/app"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/listen"
)

// hello is a flow that says where it leads.
type hello struct{ to flow.Target }

func (h hello) Splice(local net.Conn) (up, down int64, err error) {
	n, err := io.WriteString(local, h.to.String())
	return 0, int64(n), joined(err, local.Close())
}

func (hello) Abort() {}

func joined(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// Open implements listen.Opener.
func (hello) Open(_ context.Context, to flow.Target, _ []byte) (listen.Flow, error) {
	return hello{to}, nil
}

// running is the socket of a tunneler with this list, which serves these users.
func running(t *testing.T, list string, users ...uint32) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "res") //nolint:usetesting // the path of a socket is short
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	path := filepath.Join(dir, "t.sock")
	s, err := listen.New(listen.Config{
		Faces: []listen.Face{{Protocol: listen.Connect, Network: "unix", Address: path, Mode: 0o600}}, Users: users,
		Opener: hello{}, Resources: func() ([]byte, error) { return []byte(list), nil }, Log: zap.NewNop(),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() { cancel(); s.Drain(time.Second); require.NoError(t, <-done) })
	return path
}

func self() uint32 { return uint32(os.Geteuid()) }

// output runs a command.
func output(t *testing.T, cmd *cobra.Command, args ...string) (out, notes string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.SetArgs(args)
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	cmd.SetIn(strings.NewReader(""))
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err = cmd.ExecuteContext(t.Context())
	return stdout.String(), stderr.String(), err
}

const twoResources = `{"known":true,"more":3,"resources":[
 {"id":"db","name":"Orders","alias":"pg","hosts":["db.corp"],"ports":["5432"],"network_id":"berlin","until":"2100-01-01T00:00:00Z"},
 {"id":"dev","name":"dev","hosts":["*.dev.corp"],"ports":["22"],"network_id":"paris"}]}`

func TestResourcesAreListedAsOthersAre(t *testing.T) {
	t.Parallel()
	socket := running(t, twoResources, self())
	out, notes, err := output(t, app.ResourcesCommand(), "--socket", socket)
	require.NoError(t, err)
	require.Equal(t, "3 more are granted that are not listed\n", notes)
	for _, word := range []string{"ID", "ALIAS", "HOSTS", "db", "pg", "db.corp", "5432", "berlin", "UNTIL", "*.dev.corp", "paris"} {
		require.Contains(t, out, word)
	}
	require.NotContains(t, out, "Orders")
	out, _, err = output(t, app.ResourcesCommand(), "--socket", socket, "-o", "wide")
	require.NoError(t, err)
	require.Contains(t, out, "Orders")
	out, _, err = output(t, app.ResourcesCommand(), "--socket", socket, "-o", "name")
	require.NoError(t, err)
	require.Equal(t, "resource/db\nresource/dev\n", out)
	out, _, err = output(t, app.ResourcesCommand(), "--socket", socket, "-o", "json")
	require.NoError(t, err)
	require.Contains(t, out, `"until": "2100-01-01T00:00:00Z"`)
	out, _, err = output(t, app.ResourcesCommand(), "--socket", socket, "-o", "yaml")
	require.NoError(t, err)
	require.Contains(t, out, "alias: pg")

	for list, note := range map[string]string{
		`{"known":false,"resources":[]}`: "the controller has not sent yet",
		`{"known":true,"resources":[]}`:  "nothing is granted to this tunneler",
	} {
		_, notes, err := output(t, app.ResourcesCommand(), "--socket", running(t, list, self()))
		require.NoError(t, err)
		require.Contains(t, notes, note)
	}
}

// TestTheSocketIsFoundByTheConfiguration that the tunneler runs with, by each command that asks it.
func TestTheSocketIsFoundByTheConfiguration(t *testing.T) {
	t.Parallel()
	socket := running(t, twoResources, self())
	conf := func(lines string) string {
		path := filepath.Join(t.TempDir(), "tunneler.conf")
		require.NoError(t, os.WriteFile(path, []byte(lines), 0o600))
		return path
	}
	state := filepath.Dir(socket)
	require.NoError(t, os.Symlink(socket, filepath.Join(state, "tunneler.sock")))
	for _, file := range []string{conf("TUNNELER_ID=t\nLOCAL_SOCKET=" + socket + "\n"), conf("STATE_DIR=" + state + "\nSOCKS_LISTEN=wrong\n")} {
		out, _, err := output(t, app.ResourcesCommand(), "--config", file, "-o", "name")
		require.NoError(t, err)
		require.Equal(t, "resource/db\nresource/dev\n", out)
		out, _, err = output(t, app.ConnectCommand(), "--config", file, "db")
		require.NoError(t, err)
		require.Equal(t, "db.corp:5432", out)
		out, _, err = output(t, app.SSHConfigCommand(), "--config", file, "*.corp")
		require.NoError(t, err)
		require.Contains(t, out, " connect --socket '"+state+"/t")
	}
	out, _, err := output(t, app.SSHConfigCommand(), "--config", conf("STATE_DIR="+app.StateDir+"\n"), "*.corp")
	require.NoError(t, err)
	require.NotContains(t, out, "--socket", "the unit's is where connect looks")
	out, _, err = output(t, app.SSHConfigCommand(), "--socket", "t.sock", "*.corp")
	require.NoError(t, err)
	require.Contains(t, out, "--socket '/", "ssh runs in another directory")

	_, _, err = output(t, app.ResourcesCommand(), "--config", filepath.Join(t.TempDir(), "none.conf"))
	require.ErrorContains(t, err, "none.conf: no such file")
	require.ErrorContains(t, err, "--socket names it")
	_, _, err = output(t, app.ConnectCommand(), "--config", conf("NO_KEY=1\n"), "db")
	require.ErrorContains(t, err, "NO_KEY: unknown key")
	_, _, err = output(t, app.ResourcesCommand(), "--config", "a", "--socket", "b")
	require.ErrorContains(t, err, "socket")
}

func TestResourcesSaysWhyItHasNone(t *testing.T) {
	t.Parallel()
	_, _, err := output(t, app.ResourcesCommand(), "--socket", filepath.Join(t.TempDir(), "none.sock"))
	require.ErrorContains(t, err, "is grpctunneler running here")
	_, _, err = output(t, app.ResourcesCommand(), "--socket", running(t, twoResources))
	require.ErrorContains(t, err, "add your user to ALLOW_USERS")
	_, _, err = output(t, app.ResourcesCommand(), "--socket", running(t, "<html>", self()))
	require.ErrorContains(t, err, "list of resources")
}

func TestConnectTakesTheNameOfAResource(t *testing.T) {
	t.Parallel()
	socket := running(t, twoResources, self())
	for word, want := range map[string]string{"db": "db.corp:5432", "pg": "db.corp:5432", "Orders": "db.corp:5432", "resource/db": "db.corp:5432", "a.dev.corp:22": "a.dev.corp:22"} {
		out, _, err := output(t, app.ConnectCommand(), "--socket", socket, word)
		require.NoError(t, err, word)
		require.Equal(t, want, out)
	}
	for word, fault := range map[string]string{"dev": "more than one host or port", "vault": "no resource that this tunneler may reach", "db:": "is no port", "db:http": "is no port"} {
		_, _, err := output(t, app.ConnectCommand(), "--socket", socket, word)
		require.ErrorContains(t, err, fault, word)
	}
	cmd := app.ConnectCommand()
	require.NoError(t, cmd.Flags().Set("socket", socket))
	cmd.SetContext(t.Context())
	got, _ := cmd.ValidArgsFunction(cmd, nil, "")
	require.Equal(t, []cobra.Completion{"db\tdb.corp:5432", "pg\tdb.corp:5432"}, got, "those that one word can lead to")
}
