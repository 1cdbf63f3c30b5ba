package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
)

// newRoot is a program with one command of each shape.
func newRoot(run func(cmd *cobra.Command, args []string) error) *cobra.Command {
	root := &cobra.Command{Use: "grpcconnector", Short: "A program"}
	enroll := &cobra.Command{Use: "enroll", Short: "Enroll", RunE: run}
	enroll.Flags().String("token", "", "enrollment token")
	strict := &cobra.Command{Use: "strict", RunE: run}
	strict.Flags().Int("n", 0, "number")
	strict.Flags().String("kind", "", "kind")
	_ = strict.MarkFlagRequired("n")
	_ = strict.MarkFlagRequired("kind")
	revoke := &cobra.Command{
		Use: "revoke ID [REASON]", Args: cli.Arguments("ID", "[REASON]"), RunE: run,
		Example: "  # a connector\n  grpcconnector revoke connector-local-01\n  grpcconnector revoke b lost",
	}
	agent := &cobra.Command{Use: "agent", Short: "Agent commands"}
	agent.AddCommand(&cobra.Command{Use: "run", RunE: run})
	root.AddCommand(enroll, strict, agent, revoke)
	return root
}

const usageOfRevoke = "Usage:   grpcconnector revoke ID [REASON] [flags]\nExample: grpcconnector revoke connector-local-01\n"

func fails(err error) func(*cobra.Command, []string) error {
	return func(*cobra.Command, []string) error { return err }
}

func execute(root *cobra.Command, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = cli.Execute(root, cli.Process{Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs})
	return code, out.String(), errs.String()
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	faults := settings.Faults{{Path: "trust_domain", Message: "is missing"}}
	for name, tc := range map[string]struct {
		args   []string
		err    error
		code   int
		stderr string
	}{
		"success":         {args: []string{"enroll"}, code: 0},
		"runtime failure": {args: []string{"enroll"}, err: errors.New("dial: refused"), code: 1, stderr: "grpcconnector: dial: refused\n"},
		"wrong usage found while running": {
			args: []string{"enroll"}, err: fmt.Errorf("enroll: %w", cli.UsageError(errors.New("needs a token"))),
			code: 2, stderr: "grpcconnector: enroll: needs a token (see grpcconnector enroll --help)\n",
		},
		"wrong configuration": {
			args: []string{"enroll"}, err: fmt.Errorf("start: %w", faults), code: 2,
			stderr: "grpcconnector: start: config: trust_domain: is missing\n",
		},
		"an unknown flag": {
			args: []string{"enroll", "--tokn=x"}, code: 2,
			stderr: "grpcconnector: unknown flag: --tokn (see grpcconnector enroll --help)\n",
		},
		"missing flags": {
			args: []string{"strict"}, code: 2,
			stderr: "grpcconnector: --kind and --n are missing (see grpcconnector strict --help)\nUsage:   grpcconnector strict [flags]\n",
		},
		"a missing flag": {
			args: []string{"strict", "--kind=x"}, code: 2,
			stderr: "grpcconnector: --n is missing (see grpcconnector strict --help)\nUsage:   grpcconnector strict [flags]\n",
		},
		"an argument too many": {
			args: []string{"enroll", "x"}, code: 2,
			stderr: "grpcconnector: the command takes no argument, but was given 1 (see grpcconnector enroll --help)\nUsage:   grpcconnector enroll [flags]\n",
		},
		"an argument too many for a command that takes some": {
			args: []string{"revoke", "a", "b", "c"}, code: 2,
			stderr: "grpcconnector: the command takes only ID [REASON], but was given 3 (see grpcconnector revoke --help)\n" + usageOfRevoke,
		},
		"a missing argument": {
			args: []string{"revoke"}, code: 2,
			stderr: "grpcconnector: the argument ID is missing (see grpcconnector revoke --help)\n" + usageOfRevoke,
		},
		"an argument of a variable that is not set": {
			args: []string{"revoke", ""}, code: 2,
			stderr: "grpcconnector: the argument ID is empty (see grpcconnector revoke --help)\n" + usageOfRevoke,
		},
		"a blank argument that may be left out": {
			args: []string{"revoke", "a", " "}, code: 2,
			stderr: "grpcconnector: the argument REASON is empty (see grpcconnector revoke --help)\n" + usageOfRevoke,
		},
		"without the argument that may be left out": {args: []string{"revoke", "a"}, code: 0},
		"with all arguments":                        {args: []string{"revoke", "a", "b"}, code: 0},
		"an unknown command": {
			args: []string{"frobnicate"}, code: 2,
			stderr: "grpcconnector: unknown command \"frobnicate\" for \"grpcconnector\" (see grpcconnector --help)\n",
		},
		"a misspelt command": {
			args: []string{"agnet"}, code: 2,
			stderr: "grpcconnector: unknown command \"agnet\" for \"grpcconnector\" (see grpcconnector --help)\nDid you mean this?\n\tagent\n",
		},
		"an unknown command of a group": {
			args: []string{"agent", "rum"}, code: 2,
			stderr: "grpcconnector: unknown command \"rum\" for \"grpcconnector agent\", which has run; did you mean run? (see grpcconnector agent --help)\n",
		},
		"a command of a group": {args: []string{"agent", "run"}, code: 0},
		"a canceled context without a signal": {
			args: []string{"enroll"}, err: context.Canceled, code: 1, stderr: "grpcconnector: context canceled\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := execute(newRoot(fails(tc.err)), tc.args...)
			require.Equal(t, tc.code, code)
			require.Equal(t, tc.stderr, stderr)
			require.Empty(t, stdout, "no usage dump")
		})
	}
	require.NoError(t, cli.UsageError(nil))
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"--help"}, {"agent"}, {"help", "enroll"}} {
		code, stdout, stderr := execute(newRoot(fails(nil)), args...)
		require.Zero(t, code, "%v: %s", args, stderr)
		require.Contains(t, stdout, "Usage:")
		require.NotContains(t, stdout, "manual pages", "man is for packagers")
		require.Empty(t, stderr)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	code, stdout, _ := execute(newRoot(fails(nil)), "version")
	require.Zero(t, code)
	require.Regexp(t, `^grpcconnector devel.* go1\.\d+.* linux/\w+\n$`, stdout)

	_, stdout, _ = execute(newRoot(fails(nil)), "version", "-o", "json")
	var info cli.Info
	require.NoError(t, json.Unmarshal([]byte(stdout), &info))
	require.Equal(t, cli.Version(), info)

	code, _, stderr := execute(newRoot(fails(nil)), "version", "-o", "xml")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "must be one of table, json, yaml")
}

func TestManAndCompletion(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "man")
	code, _, stderr := execute(newRoot(fails(nil)), "man", "--dir", dir)
	require.Zero(t, code, stderr)
	page, err := os.ReadFile(filepath.Join(dir, "grpcconnector-agent-run.8"))
	require.NoError(t, err)
	require.Contains(t, string(page), "GRPCCONNECTOR-AGENT-RUN")

	code, stdout, _ := execute(newRoot(fails(nil)), "completion", "bash")
	require.Zero(t, code)
	require.Contains(t, stdout, "bash completion")
}

func TestOutput(t *testing.T) {
	t.Parallel()
	table := cli.Table{
		Header: []string{"ID", "STATUS"},
		Rows:   [][]string{{"connector-local-01", "ONLINE"}, {"evil\x1b[2J\tname", "OFFLINE\n"}},
	}
	var out bytes.Buffer
	var o cli.Output
	require.NoError(t, o.Write(&out, nil, table.Write))
	require.Equal(t, "ID                  STATUS\nconnector-local-01  ONLINE\nevil·[2J·name       OFFLINE·\n", out.String())

	out.Reset()
	require.NoError(t, o.Set(cli.OutputJSON))
	require.NoError(t, o.Write(&out, map[string]string{"id": "<a>"}, table.Write))
	require.JSONEq(t, `{"id": "<a>"}`, out.String())
	require.Contains(t, out.String(), "<a>", "readable, not escaped for HTML")
	require.Error(t, o.Set("xml"))
	require.Error(t, o.Set("wide"), "only of things with an id")

	out.Reset()
	require.NoError(t, o.Set(cli.OutputYAML))
	require.NoError(t, o.Write(&out, []struct {
		ID     string            `json:"id"`
		Labels map[string]string `json:"labels"`
		N      int               `json:"n"`
		Note   string            `json:"note,omitempty"`
	}{{"a", map[string]string{}, 1, ""}, {"true", map[string]string{"env": "prod", "n": "12"}, 2, "x: y\n- z"}}, table.Write))
	require.Equal(t, "- id: a\n  labels: {}\n  n: 1\n- id: \"true\"\n  labels:\n    env: prod\n    n: \"12\"\n  n: 2\n  note: |-\n    x: y\n    - z\n", out.String())
}

// TestNoTextDrawsOnTheScreen: JSON and YAML on a terminal show what a host or browser calls
// itself, and read as exactly that.
func TestNoTextDrawsOnTheScreen(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"\x1b[2Ja\u009b0m", "a\u202eb\u2066c", "a\u2028b\u0085c\u00a0d", "a\x7f\ufeff\ufffe", "\U000E0041", "\tx", "line\nbreak", "Jürgen 漢 🙂",
	} {
		for format, read := range map[string]func([]byte, any) error{cli.OutputJSON: json.Unmarshal, cli.OutputYAML: yaml.Unmarshal} {
			var o cli.Output
			require.NoError(t, o.Set(format))
			var out bytes.Buffer
			require.NoError(t, o.Write(&out, map[string]string{"agent": text, text: "x"}, nil), "%s %q", format, text)
			require.False(t, strings.ContainsFunc(out.String(), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }), "%s %q: %q", format, text, out.String())
			var got map[string]string
			require.NoError(t, read(out.Bytes(), &got), out.String())
			require.Equal(t, map[string]string{"agent": text, text: "x"}, got, format)
		}
	}
}

// TestACellLooksLikeOneCell: cells come from other hosts, and columns are two spaces
// apart.
func TestACellLooksLikeOneCell(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ cell, want string }{
		"words":                        {"3 s ago", "3 s ago"},
		"a name of a person":           {"Jürgen Łukasz Ελένη Пётр", "Jürgen Łukasz Ελένη Пётр"},
		"another column":               {"db  ONLINE  now", "db ·ONLINE ·now"},
		"many spaces":                  {"db     x", "db ·" + " ·" + " x"},
		"spaces before":                {"  ONLINE", "· ONLINE"},
		"a space behind":               {"db ", "db·"},
		"only spaces":                  {"   ", "· ·"},
		"tabs and lines":               {"a\tb\nc\rd\ve", "a·b·c·d·e"},
		"an escape sequence":           {"\x1b[2Ja\u009b0m", "·[2Ja·0m"},
		"other spaces":                 {"a\u00a0b\u2003c\u3000d", "a·b·c·d"},
		"letters that are blank":       {"a\u3164b\u115fc\uffa0d\u2800e", "a·b·c·d·e"},
		"no width":                     {"a\u200bb\u2060c\ufeffd", "a·b·c·d"},
		"an override of the direction": {"a\u202eb\u2066c\u200fd", "a·b·c·d"},
		"letters from right to left":   {"a\u05d0b\u0627c\u07cad", "a·b·c·d"},
		"marks over the neighbours":    {"a\u0301\u0489b", "a··b"},
		"letters two columns wide":     {"a漢b\uff21c", "a·b·c"},
		"what is no text":              {"a\xff\xfeb", "a··b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			require.NoError(t, cli.Table{Header: []string{"A", "B"}, Rows: [][]string{{c.cell, "end"}}}.Write(&out))
			_, row, _ := strings.Cut(out.String(), "\n")
			require.Equal(t, c.want+"  end\n", row)
		})
	}
}

func TestPaintLeavesAFileAlone(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	for _, w := range []io.Writer{f, &bytes.Buffer{}} {
		p := cli.NewPaint(w)
		require.Equal(t, "abcde", p.Bold("a")+p.Dim("b")+p.Good("c")+p.Warn("d")+p.Bad("e"))
	}
}

// inChild makes this test binary run the program that TestSignals signals.
const inChild = "CLI_TEST_CHILD"

// TestSignals runs itself in a child process, because a signal reaches a whole
// process and the second one must kill it.
func TestSignals(t *testing.T) {
	if mode := os.Getenv(inChild); mode != "" {
		child(mode)
		return
	}
	t.Parallel()
	t.Run("the first ends the command's context", func(t *testing.T) {
		t.Parallel()
		c := startChild(t, "orderly")
		require.NoError(t, c.Process.Signal(syscall.SIGTERM))
		c.expect(t, "code 0")
		require.NoError(t, c.Wait())
	})
	t.Run("a command cut short says interrupted", func(t *testing.T) {
		t.Parallel()
		c := startChild(t, "canceled")
		require.NoError(t, c.Process.Signal(os.Interrupt))
		c.expect(t, "grpcconnector: interrupted")
		c.expect(t, "code 1")
		require.NoError(t, c.Wait())
	})
	t.Run("the second kills a program that hangs", func(t *testing.T) {
		t.Parallel()
		c := startChild(t, "hanging")
		require.NoError(t, c.Process.Signal(syscall.SIGTERM))
		c.expect(t, "stopping")
		// The default action is back a moment after the context ended.
		require.Eventually(t, func() bool {
			_ = c.Process.Signal(syscall.SIGTERM)
			return isGone(c.Process)
		}, testTimeout, testTick)
		var exit *exec.ExitError
		require.ErrorAs(t, c.Wait(), &exit)
		status, ok := exit.Sys().(syscall.WaitStatus)
		require.True(t, ok)
		require.Equal(t, syscall.SIGTERM, status.Signal())
	})
}

func child(mode string) {
	root := newRoot(func(cmd *cobra.Command, _ []string) error {
		fmt.Println("ready")
		<-cmd.Context().Done()
		switch mode {
		case "canceled":
			return fmt.Errorf("enroll: %w", cmd.Context().Err())
		case "hanging":
			fmt.Println("stopping")
			select {}
		}
		return nil
	})
	fmt.Println("code", cli.Execute(root, cli.Process{Args: []string{"enroll"}, Stdout: os.Stdout, Stderr: os.Stdout}))
}
