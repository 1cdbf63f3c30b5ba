package hostcmd

import (
	"strings"
	"testing"

	"github.com/knadh/koanf/parsers/dotenv"
	"github.com/stretchr/testify/require"
)

// White-box: mergeConf has no way in from outside but through a whole enrollment.
func TestMergeConf(t *testing.T) {
	t.Parallel()
	t.Run("keeps the operator's lines and replaces ours in place", func(t *testing.T) {
		t.Parallel()
		const before = "# mine\nLOG_LEVEL=debug\nexport CONNECTOR_ID=old # kept?\n\nCONNECTOR_ID=twice\nLISTEN_ADDR=:9443"
		got, err := mergeConf(before, []entry{{"CONNECTOR_ID", "gw"}, {"STATE_DIR", ""}, {"TRUST_DOMAIN", "mycorp.internal"}})
		require.NoError(t, err)
		require.Equal(t, "# mine\nLOG_LEVEL=debug\nCONNECTOR_ID=gw\n\nLISTEN_ADDR=:9443\nTRUST_DOMAIN=mycorp.internal\n", got)
		again, err := mergeConf(got, []entry{{"CONNECTOR_ID", "gw"}, {"TRUST_DOMAIN", "mycorp.internal"}})
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
	for name, value := range map[string]string{
		"a second line": "a:1\nLISTEN_ADDR=0.0.0.0:1", "a carriage return": "a\rb", "a quotation mark": `a"b`, "an expansion": "$HOME",
		"a comment": "a #b", "a space": "a b", "a backslash": `a\b`, "not ASCII": "ä",
	} {
		t.Run("refuses a value with "+name, func(t *testing.T) {
			t.Parallel()
			_, err := mergeConf("", []entry{{"CONTROL_PLANE_ADDRS", value}})
			require.Error(t, err)
		})
	}
}

func FuzzMergeConf(f *testing.F) {
	f.Add("A=1\n# c\n", "127.0.0.1:8444,[::1]:8444")
	f.Add("CONTROL_PLANE_ADDRS=x\nexport CONTROL_PLANE_ADDRS=y", "a\nB=c")
	f.Add("", "$A")
	f.Fuzz(func(t *testing.T, before, value string) {
		// What a peer sent must read back as itself, and add no other key.
		got, err := mergeConf("", []entry{{"CONTROL_PLANE_ADDRS", value}})
		if err != nil || value == "" {
			return
		}
		parsed, err := dotenv.Parser().Unmarshal([]byte(got))
		require.NoError(t, err)
		require.Equal(t, map[string]any{"CONTROL_PLANE_ADDRS": value}, parsed)

		merged, err := mergeConf(before, []entry{{"CONTROL_PLANE_ADDRS", value}})
		require.NoError(t, err)
		n := 0
		for line := range strings.Lines(merged) {
			if keyOf(line) == "CONTROL_PLANE_ADDRS" {
				n++
			}
		}
		require.Equal(t, 1, n)
	})
}
