package hosts_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const manual = "/usr/share/man/man8/"

// TestThePackagesHaveAManualForEveryCommand asks the packaged programs which
// commands they have, by what a shell asks them to complete.
func TestThePackagesHaveAManualForEveryCommand(t *testing.T) {
	t.Parallel()
	for name, program := range map[string]string{
		"grpccontroller": "usr/bin/grpccontroller", "grpcconnector": "usr/bin/grpcconnector", "grpctunneler": "usr/bin/grpctunneler",
		"grpc-spire-agent": "usr/lib/grpc-spire-agent/host-agent",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := unpack(t, name)
			all := commands(t, filepath.Join(root, program))
			require.NotEmpty(t, all)
			var pages []string
			for _, command := range append(all, nil) {
				page := strings.Join(append([]string{filepath.Base(program)}, command...), "-") + ".8.gz"
				require.FileExists(t, root+manual+page)
				pages = append(pages, page)
			}
			found, err := os.ReadDir(root + manual)
			require.NoError(t, err)
			require.Len(t, found, len(pages), "a page of no command")
			for _, page := range pages {
				require.Empty(t, rendered(t, root+manual+page), page)
			}
		})
	}
}

// commands are all of a program, each as its words.
func commands(t *testing.T, program string, above ...string) (out [][]string) {
	t.Helper()
	args := append(append([]string{"__complete"}, above...), "")
	text, err := exec.CommandContext(t.Context(), program, args...).Output()
	require.NoError(t, err, "%v", args)
	for line := range strings.Lines(string(text)) {
		name, about, described := strings.Cut(strings.TrimSpace(line), "\t")
		// Without a description it is a value, and help has no page of its own.
		if !described || about == "" || name == "help" || strings.HasPrefix(name, "-") {
			continue
		}
		command := append(append([]string(nil), above...), name)
		out = append(append(out, command), commands(t, program, command...)...)
	}
	return out
}

// rendered is what man complains about. Words that are wider than a justified line
// are nobody's fault.
func rendered(t *testing.T, page string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "man", "--warnings", "--no-justification", "--no-hyphenation", "-E", "UTF-8", "-l", page)
	cmd.Env = append(os.Environ(), "MANWIDTH=80", "LC_ALL=C.UTF-8")
	var complaints strings.Builder
	cmd.Stderr = &complaints
	require.NoError(t, cmd.Run(), complaints.String())
	return complaints.String()
}

func TestEveryShellLoadsTheCompletions(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"grpccontroller", "grpcconnector", "grpctunneler"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := unpack(t, name)
			bash := root + "/usr/share/bash-completion/completions/" + name
			out := shell(t, root, "bash", "-c", `source "$0" && complete -p "$1"`, bash, name)
			require.Contains(t, out, "__start_"+name)
			// zsh loads it by name from a directory of functions.
			out = shell(t, root, "zsh", "-fc", `fpath=($0 $fpath); autoload -Uz compinit && compinit -u -D && print -r -- $_comps[$1] && autoload -Uz +X _$1 && print loaded`,
				root+"/usr/share/zsh/vendor-completions", name)
			require.Equal(t, "_"+name+"\nloaded\n", out)
			out = shell(t, root, "fish", "--no-config", "-c", `source $argv[1]; complete -C "$argv[2] ver"`,
				root+"/usr/share/fish/vendor_completions.d/"+name+".fish", name)
			require.Contains(t, out, "version\t")
		})
	}
}

// TestTheProgramsForARM64Run on a machine that is none, by emulation.
func TestTheProgramsForARM64Run(t *testing.T) {
	t.Parallel()
	bin, prefix := "../../../bin/arm64", []string{"qemu-aarch64-static"}
	if runtime.GOARCH == "arm64" {
		bin, prefix = "../../../bin", nil
	}
	for _, program := range []string{"grpcconnector", "grpctunneler", "host-agent"} {
		command := append(append([]string(nil), prefix...), filepath.Join(bin, program), "version")
		out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
		require.NoError(t, err, "%s: run make tree-programs", out)
		require.Contains(t, string(out), " linux/arm64")
	}
}

// shell runs a shell that finds the packaged programs first.
func shell(t *testing.T, root string, command ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = []string{"PATH=" + root + "/usr/bin:" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LC_ALL=C.UTF-8", "TERM=dumb"}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// unpack is a package without its scripts.
func unpack(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	must(t, "dpkg-deb", "-x", packageFile(t, name, "deb"), dir)
	return dir
}
