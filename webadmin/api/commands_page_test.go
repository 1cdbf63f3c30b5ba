package api_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient/admincmd"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// TestEachOperationHasACommandOrAReason: the table in docs/api.md names each operation
// once, and no command that there is none of.
func TestEachOperationHasACommandOrAReason(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/api.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(page), "<!-- commands of operations -->\n")
	require.True(t, ok)
	table, _, ok := strings.Cut(rest, "<!-- end of commands -->")
	require.True(t, ok)

	root := &cobra.Command{Use: "grpccontroller"}
	root.AddCommand(admincmd.Commands()...)
	quoted := regexp.MustCompile("`([^`]+)`")
	named := map[string]int{}
	for i, line := range strings.Split(strings.TrimSpace(table), "\n") {
		if i < 2 {
			continue // the header
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		require.Len(t, cells, 2, line)
		for _, m := range quoted.FindAllStringSubmatch(cells[0], -1) {
			named[m[1]]++
		}
		if strings.HasPrefix(cells[1], "none: ") {
			continue
		}
		commands := quoted.FindAllStringSubmatch(cells[1], -1)
		require.NotEmpty(t, commands, line)
		for _, m := range commands {
			if strings.HasPrefix(m[1], "--") || m[1] == "key create" { // that one is the program's own
				continue
			}
			cmd, left, err := root.Find(strings.Fields(m[1]))
			require.NoError(t, err, m[1])
			require.Empty(t, left, m[1])
			require.True(t, cmd.Runnable(), m[1])
		}
	}
	for _, op := range apitest.New(t).Server.Operations() {
		require.Equal(t, 1, named[op.ID], "docs/api.md names %s %d times", op.ID, named[op.ID])
		delete(named, op.ID)
	}
	require.Empty(t, named, "there are no such operations")
}
