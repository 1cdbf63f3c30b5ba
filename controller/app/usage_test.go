package app_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/app"
)

// argument is one in a command's Use, before the flags that it may name there.
var argument = regexp.MustCompile(`^[a-z-]+ ([A-Z_]+)( |$)`)

// TestACommandWithoutItsArgumentShowsTheWay: what is missing, the usage line, an example.
func TestACommandWithoutItsArgumentShowsTheWay(t *testing.T) {
	t.Parallel()
	tried := 0
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
		found := argument.FindStringSubmatch(cmd.Use)
		if found == nil {
			return
		}
		tried++
		path := strings.Fields(cmd.CommandPath())[1:]
		for what, args := range map[string][]string{"missing": path, "empty": append(path[:len(path):len(path)], "")} {
			code, _, errOut := command(args...)
			require.Equal(t, 2, code, path)
			require.Contains(t, errOut, "the argument "+found[1]+" is "+what)
			require.Regexp(t, `\nUsage:   grpccontroller `+strings.Join(path, " ")+` `+found[1]+`.*\nExample: grpccontroller .+\n$`, errOut)
		}
	}
	walk(app.Root())
	require.GreaterOrEqual(t, tried, 6, "connectors, tunnelers, token, requests (2), login")
}

// TestValuesOfFlagsAreCompleted: where there are only a few.
func TestValuesOfFlagsAreCompleted(t *testing.T) {
	t.Parallel()
	for flag, want := range map[string]string{
		"serve --spire-mode": "embedded\nexternal\n", "serve --clones": "alert\nquarantine\n", "serve --log-level": "debug\ninfo\nwarn\nerror\n",
		"check-config --log-format": "json\nconsole\nauto\n", "key list --output": "table\nwide\nname\njson\nyaml\n",
	} {
		code, stdout, stderr := command(append(append([]string{"__complete"}, strings.Fields(flag)...), "")...)
		require.Zero(t, code, stderr)
		require.Equal(t, want+":4\n", stdout, flag)
	}
}
