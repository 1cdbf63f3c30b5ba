package documents_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const top = "../../.."

// block is one fenced block of a document.
type block struct {
	name string // "docs/x.md: first line", by which the lists of this package know it
	lang string
	text string
}

// blocks returns all of README.md, CONTRIBUTING.md and docs.
func blocks(t *testing.T) (out []block) {
	t.Helper()
	files := []string{"README.md", "CONTRIBUTING.md"}
	require.NoError(t, filepath.WalkDir(filepath.Join(top, "docs"), func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			name, _ := filepath.Rel(top, path)
			files = append(files, name)
		}
		return err
	}))
	for _, file := range files {
		raw, err := os.ReadFile(filepath.Join(top, file))
		require.NoError(t, err)
		out = append(out, blocksIn(file, string(raw))...)
	}
	return out
}

func blocksIn(file, text string) (out []block) {
	var b *block
	for line := range strings.Lines(text) {
		lang, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && b == nil:
			b = &block{lang: lang}
		case fence:
			first, _, _ := strings.Cut(b.text, "\n")
			b.name = file + ": " + strings.TrimSpace(first)
			out, b = append(out, *b), nil
		case b != nil:
			b.text += line
		}
	}
	return out
}

// elsewhere are the blocks that do not run here, and why: by the beginning of the name.
var elsewhere = map[string]string{
	"README.md: make demo":                                   "the whole of make; .ci/newcomer runs both on a bare Debian",
	"README.md: make packages":                               "installs packages on a host with systemd; internal/e2e/hosts does, on booted ones",
	"docs/access.md: curl --proxy":                           "needs hosts with a database and an ssh server; TestCurlReachesWhatIsGrantedAndNothingElse of internal/e2e runs curl",
	"docs/alerts.md: cp deploy/prometheus":                   "needs an installed Prometheus; internal/e2e/observability runs these files in one",
	"docs/backup.md: systemctl stop":                         "needs installed units; TestAControllerIsRestoredByTheDocument of internal/e2e/hosts pastes it",
	"docs/backup.md: grpccontroller recovery":                "needs installed units; TestAControllerIsRestoredByTheDocument of internal/e2e/hosts pastes it",
	"docs/backup.md: grpcconnector witness":                  "needs an installed unit; TestAControllerIsRestoredByTheDocument of internal/e2e/hosts pastes it",
	"docs/enrollment.md: grpccontroller requests approve":    "asks a person for the fingerprint; TestAHostIsLetInByAnOperatorAndNoSecret of internal/e2e names it",
	"docs/enrollment.md: grpcconnector enroll --sealed":      "… stands for what is different on each host; TestASealedTokenAndAClaimLinkEnroll of internal/e2e opens a token",
	"docs/install.md: curl -fsSL":                            "installs on a host with systemd; internal/e2e/hosts runs the line that the controller prints",
	"docs/install.md: make packages":                         "installs packages on a host with systemd; internal/e2e/hosts does, on booted ones",
	"docs/install.md: sudo dpkg":                             "replaces an installation on a host with systemd; internal/e2e/hosts does, on booted ones",
	"docs/install.md: openssl dgst":                          "installs on a host with systemd; internal/e2e/hosts does the same with the tree of a controller",
	"docs/install.md: sudo grpcconnector set-controller":     "moves an installed host; TestAControllerThatMovedKeepsItsHosts of internal/e2e moves one",
	"docs/install.md: sudo grpcconnector install":            "removes an installation; internal/e2e/hosts does, on booted hosts",
	"docs/logs.md: sudo systemctl reload":                    "needs an installed unit; internal/e2e/hosts reloads all of them",
	"docs/packages.md: dpkg -i":                              "installs packages on a host with systemd; internal/e2e/hosts does, on booted ones",
	"docs/packages.md: cd deploy && mkdir -m 0700":           "needs a container engine; internal/e2e/containers does it with podman",
	"docs/packages.md: kubectl apply":                        "needs a cluster; internal/e2e/containers plays the manifests with podman",
	"docs/sign-in.md: sudo grpccontroller admin reset-owner": "asks a person at a terminal; controller/app does it with --yes",
}

func TestEveryBlockOfCommandsRunsOrHasAReason(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, b := range blocks(t) {
		require.NotEmpty(t, b.lang, "%s: say after the ``` what it is: sh for commands that can be pasted, else console or text", b.name)
		if b.lang != "sh" {
			continue
		}
		var lists []string
		for name := range elsewhere {
			if strings.HasPrefix(b.name, name) {
				lists = append(lists, name)
			}
		}
		for _, p := range pasted {
			if strings.HasPrefix(b.name, p.block) {
				lists = append(lists, p.block)
			}
		}
		require.Len(t, lists, 1, "%s: has to run (pasted), or to be in elsewhere with the reason why not", b.name)
		used[lists[0]] = true
	}
	require.Len(t, used, len(elsewhere)+len(pasted), "a list names a block that no document has")
}

func TestBlocksAreFound(t *testing.T) {
	t.Parallel()
	got := blocksIn("x.md", "a\n```sh\none\ntwo\n```\n\n* b\n  ```\n  three\n  ```\n")
	require.Equal(t, []block{{"x.md: one", "sh", "one\ntwo\n"}, {"x.md: three", "", "  three\n"}}, got)
}
