package documents_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	connectorapp "github.com/sathiyaseelank-dot/grpccontroller/connector/app"
	controllerconfig "github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostcmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
	tunnelerapp "github.com/sathiyaseelank-dot/grpccontroller/tunneler/app"
)

var update = flag.Bool("update", false, "write the tables of docs/configuration.md")

// TestTheConfigurationPageHasEveryKey: its tables are those of the programs.
// "go test ./internal/e2e/documents -run ConfigurationPage -update" writes them.
func TestTheConfigurationPageHasEveryKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(top, "docs", "configuration.md")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	want := text
	for name, table := range map[string]string{
		"controller": keyTable(settings.New(controllerconfig.Spec(), controllerconfig.Default()).Keys(), true),
		"connector":  keyTable(connectorapp.Loader().Keys(), false),
		"tunneler":   keyTable(tunnelerapp.Loader().Keys(), false),
		"agent":      keyTable(hostcmd.AgentKeys(), false),
	} {
		begin, end := "<!-- keys: "+name+" -->\n", "<!-- end -->"
		before, rest, found := bytes.Cut(want, []byte(begin))
		require.True(t, found, name)
		_, after, found := bytes.Cut(rest, []byte(end))
		require.True(t, found, name)
		want = fmt.Appendf(nil, "%s%s%s%s%s", before, begin, table, end, after)
	}
	if *update {
		require.NoError(t, os.WriteFile(path, want, 0o644))
		return
	}
	require.Equal(t, string(want), string(text), "run the command in the comment of this test")
}

// keyTable has a row for each key. A key of an environment file is its variable too.
func keyTable(keys []settings.Key, sections bool) string {
	var b strings.Builder
	b.WriteString("| key | value | default | meaning |\n|---|---|---|---|\n")
	for _, k := range keys {
		def := "none"
		if k.Default != "" {
			def = "`" + k.Default + "`"
		}
		name := k.Name
		if !sections {
			name = k.Env
		}
		value := k.Type
		if len(k.Choices) > 0 {
			value = "`" + strings.Join(k.Choices, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, value, def, strings.ReplaceAll(k.Usage, "|", `\|`))
	}
	return b.String()
}
