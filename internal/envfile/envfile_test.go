package envfile_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/envfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

func values(settings []envfile.Setting) map[string]string {
	out := map[string]string{}
	for _, s := range settings {
		out[s.Key] = s.Value
	}
	return out
}

func TestParseReadsWhatSystemdReadsOrRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range hosttest.EnvFiles() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			got, faults := envfile.Parse(c.Text)
			if c.Fault != "" {
				require.NotEmpty(t, faults)
				require.Contains(t, faults[0].String(), c.Fault)
				require.ErrorContains(t, envfile.Check(c.Text), c.Fault)
				return
			}
			require.Empty(t, faults)
			require.NoError(t, envfile.Check(c.Text))
			require.Equal(t, c.Systemd, values(got))
		})
	}
}

func TestParseFindsEveryFault(t *testing.T) {
	t.Parallel()
	_, faults := envfile.Parse("export A=1\n\nB=2 # ztc_x\nnothing\nA=\xff\nC=\"")
	require.Equal(t, []int{1, 3, 4, 5, 6}, []int{faults[0].Line, faults[1].Line, faults[2].Line, faults[3].Line, faults[4].Line})
	for _, f := range faults {
		require.NotContains(t, f.String(), "ztc_", "a file may hold a token")
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"127.0.0.1:8444,[::1]:8444": "127.0.0.1:8444,[::1]:8444", "/var/lib/x": "/var/lib/x",
		"a b": `"a b"`, `a"b`: `"a\"b"`, "$HOME": `"\$HOME"`, "a #b": `"a #b"`, `a\b`: `"a\\b"`, "ä": `"ä"`, "'": `"'"`, "": `""`,
	} {
		got, err := envfile.Quote(value)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for name, value := range map[string]string{
		"a second line": "a\nB=1", "a carriage return": "a\rb", "a tab": "a\tb", "a control character": "a\x1bb", "what is no text": "\xff", "a NUL": "a\x00",
	} {
		_, err := envfile.Quote(value)
		require.Error(t, err, name)
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	const before = "# mine\nLOG_LEVEL=debug\nID=old \\\n  older\n\n  ID=twice\nLISTEN_ADDR=:9443"
	entries := []envfile.Entry{{Key: "ID", Value: "gw"}, {Key: "STATE_DIR", Value: ""}, {Key: "HOST_DIR", Value: "/srv/my host"}}
	got, err := envfile.Merge(before, entries)
	require.NoError(t, err)
	require.Equal(t, "# mine\nLOG_LEVEL=debug\nID=gw\n\nLISTEN_ADDR=:9443\nHOST_DIR=\"/srv/my host\"\n", got)
	again, err := envfile.Merge(got, entries)
	require.NoError(t, err)
	require.Equal(t, got, again)
	require.Equal(t, "/srv/my host", envfile.Value(got, "HOST_DIR"))

	_, err = envfile.Merge("", []envfile.Entry{{Key: "ID", Value: "a\nB=1"}})
	require.ErrorContains(t, err, "ID: ")
	for name, text := range map[string]string{"an open quote": "A=\"x\n", "a backslash at the end": "A=x\\", "a comment behind a value": "A=x # y\n"} {
		_, err := envfile.Merge(text, entries)
		require.ErrorContains(t, err, "line 1 ", name)
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range hosttest.EnvFiles() {
		f.Add(c.Text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		settings, faults := envfile.Parse(text)
		require.Equal(t, len(faults) == 0, envfile.Check(text) == nil)
		for _, f := range faults {
			require.Positive(t, f.Line)
			require.LessOrEqual(t, f.Line, 1+strings.Count(text, "\n"))
		}
		for _, s := range settings {
			require.True(t, utf8.ValidString(s.Value))
			require.NotContains(t, s.Key, " ")
		}
	})
}

// FuzzMerge: what a peer sent must read back as itself, add no other key and change no
// other value.
func FuzzMerge(f *testing.F) {
	f.Add("A=1\n# c\n", "127.0.0.1:8444,[::1]:8444")
	f.Add("ID=x \\\nB=2\nID='\n'", "a\nB=c")
	f.Add("A=\"\n\"\n B=2", "$A \" \\")
	for _, c := range hosttest.EnvFiles() {
		f.Add(c.Text, c.Text)
	}
	f.Fuzz(func(t *testing.T, before, value string) {
		merged, err := envfile.Merge(before, []envfile.Entry{{Key: "ID", Value: value}})
		if err != nil {
			return
		}
		was, _ := envfile.Parse(before)
		is, faults := envfile.Parse(merged)
		require.Empty(t, faults)
		want := values(was)
		if value != "" {
			want["ID"] = value
		}
		require.Equal(t, want, values(is))
	})
}
