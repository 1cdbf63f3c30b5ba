package documents_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

// paste is a block that runs.
type paste struct {
	block string // the beginning of its name
	// with replaces the examples of a document by what there is: an id, an address.
	with map[string]string
	want string // a regular expression that the output has
}

// alone brings everything that it needs.
const alone = "README.md: export PATH="

// pasted are in the order in which they run: after the first, which runs alone, all in
// one shell beside a controller, as one person would paste them.
var pasted = []paste{
	{
		alone, nil,
		`(?s)connector-local-01 +ONLINE.*tunneler-local-01 +ONLINE.*faults: 0, warnings: 0.*faults: 0, warnings: 0.*yes +granted +default +health +g1.*grant "g1" deleted.*"tunneler-local-01" revoked.*enrolled spiffe://mycorp.internal/tunneler/tunneler-local-01`,
	},
	{"docs/install.md: grpccontroller token create", nil, `ztc_`},
	{"docs/access.md: grpccontroller resources create", nil, `granted`},
	{"docs/access.md: grpccontroller policy-tests create", nil, `(?s)laptop-db +tunneler/tunneler-laptop-01 +reach +db.corp:5432 +yes.*no-vault`},
	{"docs/access.md: grpccontroller export", nil, `(?s)nothing to do: [0-9]+ unchanged.*\+ resource/shop.*\+ grant/dev-shop.*\+ policy-test/dev-shop`},
	{"docs/access.md: grpccontroller flows list", nil, `(?i)open`},
	{"docs/install.md: curl -fsS --noproxy '*' --insecure -o ca.crt", map[string]string{"10.0.0.1": "127.0.0.1"}, `(?i)sha256 fingerprint=`},
	{
		"docs/enrollment.md: grpccontroller token create --kind connector --id gw-2 --seal-to",
		map[string]string{"$(ssh-keyscan -t ed25519 gw-2 | cut -d' ' -f2-)": hostKey},
		`BEGIN AGE ENCRYPTED FILE`,
	},
	{"docs/backup.md: grpccontroller backup", map[string]string{"/root/": "$HOME/"}, `sha256 +[0-9a-f]{64}`},
	{"docs/sign-in.md: sudo grpccontroller connectors list", nil, `STATUS`},
	{"docs/sign-in.md: grpccontroller connectors list --api-url", map[string]string{"https://controller.example.com": "http://127.0.0.1:8080"}, `STATUS`},
	{
		"docs/sign-in.md: sudo cat /root/api-key",
		map[string]string{"/root/": "$HOME/", "https://controller.example.com": "http://127.0.0.1:8080", "key_…": "$(cut -d' ' -f1 $HOME/created)"},
		`"access_token"`,
	},
}

// hostKey is the public key of nobody.
const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDpThUoNQe9O9Yd2XuzSQ7JxO8K9R1Fbxws6teGIvDgB"

// patience is for a machine with much else to do; the blocks take seconds.
const patience = 3 * time.Minute

// sudo runs a command as whoever calls it, who is root here.
const sudo = "#!/bin/sh\nexec env \"$@\"\n"

// controller is what the blocks have beside them that do not bring it: an installed
// controller, with its data where it is by default, and an API key.
const controller = `
export PATH="$PWD/bin:$PATH" GRPCCONTROLLER_DATA_DIR="$HOME/controller"
cd "$HOME"
grpccontroller serve --public-address 127.0.0.1 2>"$HOME/controller.log" &
until grpccontroller connectors list >/dev/null 2>&1; do kill -0 $! || { cat "$HOME/controller.log"; exit 1; }; sleep 0.2; done
grpccontroller key create --name operator --scope all --out ./api-key >created
`

func textOf(t *testing.T, p paste) string {
	t.Helper()
	all := blocks(t)
	i := slices.IndexFunc(all, func(b block) bool { return b.lang == "sh" && strings.HasPrefix(b.name, p.block) })
	require.GreaterOrEqual(t, i, 0, p.block)
	text := all[i].text
	for example, real := range p.with {
		require.Contains(t, text, example, p.block)
		text = strings.ReplaceAll(text, example, real)
	}
	return text
}

// shell runs a script that ends at the first command that fails, in a network and with
// processes of its own, which end with it.
func shell(t *testing.T, home, script string) string {
	t.Helper()
	tools := t.TempDir()
	hosttest.WriteProgram(t, filepath.Join(tools, "sudo"), sudo)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c",
		"set -eo pipefail\nip link set lo up\n"+script)
	cmd.Dir = top
	cmd.Env = append(os.Environ(), "HOME="+home, "PATH="+tools+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func TestREADMEByHandCanBePasted(t *testing.T) {
	t.Parallel()
	out := shell(t, t.TempDir(), textOf(t, pasted[0]))
	require.Regexp(t, pasted[0].want, out)
}

func TestTheCommandsOfTheDocumentsCanBePasted(t *testing.T) {
	t.Parallel()
	script, home := controller, t.TempDir()
	for i, p := range pasted[1:] {
		// In the same shell, so that what a block exports is there for the next one.
		script += fmt.Sprintf("{\necho '<<<%d'\n", i) + textOf(t, p) + "\necho '>>>'\n} >\"$HOME/last\"\ncat \"$HOME/last\"\n"
	}
	out := shell(t, home, script)
	for i, p := range pasted[1:] {
		_, part, found := strings.Cut(out, fmt.Sprintf("<<<%d\n", i))
		require.True(t, found, out)
		part, _, _ = strings.Cut(part, ">>>")
		require.Regexp(t, p.want, part, p.block)
	}
}

// ours finds a call of one of our programs, with its subcommands and the rest of the line.
var (
	ours  = regexp.MustCompile(`\b(grpccontroller|grpcconnector|grpctunneler)((?: [a-z][a-z-]*)+)([^|;&#\n]*)`)
	flags = regexp.MustCompile(`--[a-z][a-z-]+`)
)

// TestTheFlagsInTheDocumentsExist: also in the blocks that do not run here.
func TestTheFlagsInTheDocumentsExist(t *testing.T) {
	t.Parallel()
	help := map[string]string{}
	for _, b := range blocks(t) {
		if b.lang != "sh" && b.lang != "console" {
			continue
		}
		for _, call := range ours.FindAllStringSubmatch(strings.ReplaceAll(b.text, "\\\n", " "), -1) {
			command := call[1] + call[2]
			if help[command] == "" {
				words := append(strings.Fields(call[2]), "--help")
				out, err := exec.CommandContext(t.Context(), filepath.Join(top, "bin", call[1]), words...).CombinedOutput()
				require.NoError(t, err, "%s: %s: %s", b.name, command, out)
				help[command] = string(out)
			}
			for _, flag := range flags.FindAllString(call[3], -1) {
				require.Contains(t, help[command], flag, "%s: %s", b.name, command)
			}
		}
	}
	require.NotEmpty(t, help)
}
