package adversary_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient/admincmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// A host name with spaces, blank letters or letters from right to left must not look
// like the columns of another row: an operator would ban the wrong machine.
func TestAHostNameIsOneCellOfItsRow(t *testing.T) {
	t.Parallel()
	e := apitest.Start(t)
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(key, []byte(e.Key+"\n"), 0o600))
	names := []string{"db  3 d ago  connector/db-01", "db ONLINE", "db\u3164\u3164ONLINE", "\u202eENILNO", "\u05d0\u05d1 1 h", "db\tx\ny"}
	for i, name := range names {
		e.Fleet.AddHost(identity.HostID(strings.Repeat("a", 31)+string(rune('0'+i))), func(h *fleet.Host) { h.Hostname = name })
	}
	root := &cobra.Command{Use: "grpccontroller"}
	root.AddCommand(admincmd.Commands()...)
	var out, errOut bytes.Buffer
	code := cli.Execute(root, cli.Process{Args: []string{"hosts", "list", "--api-url", e.URL, "--api-key-file", key}, Stdout: &out, Stderr: &errOut})
	require.Zero(t, code, errOut.String())
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	require.Len(t, lines, 1+len(names))
	column := strings.Index(lines[0], "HOSTNAME")
	next := strings.Index(lines[0], "ENROLLED")
	for _, line := range lines[1:] {
		cells := []rune(line)
		cell := strings.TrimRight(string(cells[column:next]), " ")
		require.Regexp(t, `^[[:graph:]·]+$`, cell, "one word of plain characters, in its place: %s", line)
		require.Equal(t, "  ", string(cells[next-2:next]), "and nothing of it in the next column: %s", line)
	}
}
