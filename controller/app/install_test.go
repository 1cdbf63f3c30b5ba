package app_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/app"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

const secret = "ztc_0123456789abcdefghijklmnopqrstuv"

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

// operator is about to install a host.
type operator struct {
	enrollAt string
	kind     identity.Kind
	id       string
	delivery enroll.Delivery
	handed   string
	scripts  bool
	ca       []byte
}

func newOperator(t *testing.T) operator {
	t.Helper()
	ca, err := bootstrapca.Open(t.TempDir(), td, time.Now)
	require.NoError(t, err)
	return operator{
		enrollAt: "10.0.0.1:8443", kind: identity.KindConnector, id: "gw", delivery: enroll.Plain, handed: secret, scripts: true,
		ca: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Certificate().Raw}),
	}
}

func (o operator) commands() []adminapi.InstallCommand {
	return app.InstallCommands(td, o.enrollAt, o.ca, o.scripts)(
		enroll.Token{Workload: identity.Workload{Kind: o.kind, ID: o.id}, Delivery: o.delivery}, o.handed)
}

func forms(all []adminapi.InstallCommand) []string {
	var out []string
	for _, c := range all {
		out = append(out, c.Form)
	}
	return out
}

func TestInstallCommandsBestFirst(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*operator)
		want   []string
	}{
		"with an install tree":          {func(*operator) {}, []string{"stdin", "environment", "program", "file"}},
		"for hosts that have a program": {func(o *operator) { o.scripts = false }, []string{"program", "file", "environment"}},
		"sealed":                        {func(o *operator) { o.delivery = enroll.Sealed }, []string{"sealed"}},
		"by a link":                     {func(o *operator) { o.delivery = enroll.ByClaim }, []string{"claim"}},
		"by a link, without a tree":     {func(o *operator) { o.delivery, o.scripts = enroll.ByClaim, false }, []string{"claim"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOperator(t)
			c.change(&o)
			got := o.commands()
			require.Equal(t, c.want, forms(got))
			for _, command := range got {
				require.NotContains(t, command.Command, "/path/to")
				require.NotContains(t, command.Command, "-k ")
				require.Contains(t, command.Command, string(o.ca))
				if strings.Contains(command.Command, "curl") {
					require.Empty(t, command.Requires)
				} else {
					require.Contains(t, command.Requires, "the packages grpc-spire-agent and grpcconnector")
					require.Equal(t, !o.scripts, strings.Contains(command.Requires, "no install tree"))
				}
			}
		})
	}
}

// TestInstallCommandAsAgreed: hosts, documents and tests elsewhere rely on this form.
func TestInstallCommandAsAgreed(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	want := `(as_root() { if [ "$(id -u)" = 0 ]; then env "$@"; else sudo "$@"; fi; }
d=$(mktemp -d) && trap 'rm -rf "$d"' EXIT HUP INT TERM && cat >"$d/ca.crt" <<'CA' &&
` + string(o.ca) + `CA
curl -fsSL --noproxy '*' --proto '=https' --cacert "$d/ca.crt" --capath "$d" --connect-to "enroll.mycorp.internal:8443:10.0.0.1:8443" -o "$d/setup.sh" "https://enroll.mycorp.internal:8443/install/setup.sh" &&
as_root CONTROLLER_ADDR="10.0.0.1:8443" CONNECTOR_ID="gw" TRUST_DOMAIN="mycorp.internal" CONTROLLER_CA_PATH="$d/ca.crt" bash "$d/setup.sh"
)`
	require.Empty(t, cmp.Diff(want, o.commands()[0].Command))
	o.kind, o.id = identity.KindTunneler, "laptop-7"
	tunneler := o.commands()[0].Command
	require.Contains(t, tunneler, `/install/tunneler-setup.sh" &&`)
	require.Contains(t, tunneler, `TUNNELER_ID="laptop-7"`)
}

// TestInstallCommandsRun pastes every command into a shell, on a host where curl,
// sudo and the programs only write down what they get.
func TestInstallCommandsRun(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*operator){
		"connector":      func(*operator) {},
		"tunneler":       func(o *operator) { o.kind = identity.KindTunneler },
		"IPv6":           func(o *operator) { o.enrollAt = "[2001:db8::1]:8443" },
		"without a tree": func(o *operator) { o.scripts = false },
		"sealed": func(o *operator) {
			o.delivery, o.handed = enroll.Sealed, "-----BEGIN AGE\nabc+/=\n$(id)\n-----END AGE\n"
		},
		"by a link":                 func(o *operator) { o.delivery = enroll.ByClaim },
		"by a link, without a tree": func(o *operator) { o.delivery, o.scripts = enroll.ByClaim, false },
		// None of these passes the checks of configuration and API; the quoting does not
		// rest on them.
		"an address that is a command":    func(o *operator) { o.enrollAt = "$(touch $BOX/broken):8443" },
		"an address with a quote":         func(o *operator) { o.enrollAt = `a"; touch $BOX/broken; ":8443` },
		"an address with the other quote": func(o *operator) { o.enrollAt = "a'; touch $BOX/broken; ':8443" },
		"an id with a line":               func(o *operator) { o.id = "gw\ntouch $BOX/broken #" },
		"an id with backquotes":           func(o *operator) { o.id = "`touch $BOX/broken`" },
		"an id with history":              func(o *operator) { o.id = "!!" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOperator(t)
			change(&o)
			for _, c := range o.commands() {
				for _, as := range [][2]string{{"bash", "1000"}, {"bash", "0"}, {"sh", "1000"}} {
					t.Run(c.Form+" in "+as[0]+" as user "+as[1], func(t *testing.T) {
						t.Parallel()
						o.pastes(t, as[0], as[1], c)
					})
				}
			}
		})
	}
}

// box is a host with a PATH of programs that write down what they get.
const (
	fakeCurl = `#!/bin/bash
printf '%s\n' "$@" >"$BOX/curl.args"
out=/dev/stdout
while (($#)); do case $1 in --cacert) cp "$2" "$BOX/curl.ca" ;; -o) out=$2 ;; esac; shift; done
printf 'note script\n' >"$out"
`
	fakeSudo = `#!/bin/bash
printf '%s\n' "$@" >"$BOX/sudo.args"
exec env "$@"
`
	fakeID = `#!/bin/bash
cat "$BOX/uid"
`
	// note NAME ARGS... is every program that is run as root.
	fakeNote = `#!/bin/bash
printf '%s\n' "$@" >"$BOX/program.args"
printf '%s' "$CONTROLLER_ADDR" >"$BOX/env.addr"
printf '%s' "$CONNECTOR_ID$TUNNELER_ID" >"$BOX/env.id"
printf '%s' "$TRUST_DOMAIN" >"$BOX/env.td"
printf '%s' "$ENROLLMENT_TOKEN" >"$BOX/env.token"
cp "$CONTROLLER_CA_PATH" "$BOX/env.ca"
cat >"$BOX/stdin"
`
)

func (o operator) pastes(t *testing.T, shell, uid string, c adminapi.InstallCommand) {
	t.Helper()
	box := t.TempDir()
	bin, tmp := filepath.Join(box, "bin"), filepath.Join(box, "tmp")
	require.NoError(t, os.Mkdir(bin, 0o700))
	require.NoError(t, os.Mkdir(tmp, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(box, "uid"), []byte(uid+"\n"), 0o600))
	for name, text := range map[string]string{
		"curl": fakeCurl, "sudo": fakeSudo, "id": fakeID, "note": fakeNote, "grpcconnector": "#!/bin/bash\nexec note \"$@\"\n", "grpctunneler": "#!/bin/bash\nexec note \"$@\"\n",
	} {
		hosttest.WriteProgram(t, filepath.Join(bin, name), text)
	}
	const typed = "typed at the prompt\n"
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, args := range [][]string{{"-n", "-c", c.Command}, {"-c", c.Command}} {
		cmd := exec.CommandContext(ctx, shell, args...)
		cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "BOX=" + box, "TMPDIR=" + tmp}
		cmd.Stdin = strings.NewReader(typed)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		require.Empty(t, string(out))
	}
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	require.Empty(t, left, "something is left in the temporary directory")
	if uid == "0" {
		require.NoFileExists(t, filepath.Join(box, "sudo.args"), "root needs no sudo")
	}
	require.NoFileExists(t, filepath.Join(box, "broken"), "nothing breaks out of the quoting")
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(box, name))
		require.NoError(t, err)
		return string(text)
	}
	require.Equal(t, o.enrollAt, read("env.addr"))
	require.Equal(t, o.id, read("env.id"))
	require.Equal(t, td.Name(), read("env.td"))
	require.Equal(t, string(o.ca), read("env.ca"))

	script := strings.Contains(c.Command, "curl")
	if script {
		require.Equal(t, "script\n", read("program.args"), "what curl got was run as root")
		require.Equal(t, string(o.ca), read("curl.ca"))
		args := strings.Split(read("curl.args"), "\n")
		name := map[identity.Kind]string{identity.KindConnector: "setup.sh", identity.KindTunneler: "tunneler-setup.sh"}[o.kind]
		require.Contains(t, read("curl.args"), "--noproxy\n*\n")
		require.True(t, slices.Contains(args, "https://enroll.mycorp.internal:8443/install/"+name), args)
		require.Contains(t, read("curl.args"), "enroll.mycorp.internal:8443:"+o.enrollAt+"\n")
		require.NotContains(t, read("curl.args"), secret)
	} else {
		require.NoFileExists(t, filepath.Join(box, "curl.args"))
	}
	token, stdin := "", typed
	switch c.Form {
	case "environment":
		token = secret
	case "program", "sealed":
		stdin = strings.TrimSuffix(o.handed, "\n") + "\n"
	}
	require.Equal(t, token, read("env.token"))
	require.Equal(t, stdin, read("stdin"))
	if c.Form == "environment" {
		require.Contains(t, c.Warning, "sudo's log")
		require.Contains(t, c.Warning, "(ps)", "sudo keeps it among its arguments")
	} else if uid != "0" {
		require.NotContains(t, read("sudo.args"), secret, "a list of processes shows no token")
	}
	if c.Form == "stdin" || c.Form == "file" || c.Form == "claim" {
		require.NotContains(t, c.Command, secret)
	}
}

// TestACommandWhoseScriptDoesNotArriveFails: a shell that reads nothing from a pipe
// would end as if all were well.
func TestACommandWhoseScriptDoesNotArriveFails(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	scripts := 0
	for _, c := range o.commands() {
		if !strings.Contains(c.Command, "curl") {
			continue
		}
		scripts++
		for name, curl := range map[string]string{"without curl": "exit 127", "for a file that is not there": "exit 22", "cut off": "echo '{ note' ; exit 18"} {
			t.Run(c.Form+" "+name, func(t *testing.T) {
				t.Parallel()
				box := t.TempDir()
				for program, text := range map[string]string{"curl": "#!/bin/bash\n" + curl + "\n", "sudo": fakeSudo, "id": "#!/bin/bash\necho 1000\n", "note": fakeNote} {
					hosttest.WriteProgram(t, filepath.Join(box, program), text)
				}
				cmd := exec.CommandContext(t.Context(), "bash", "-c", c.Command)
				cmd.Env = []string{"PATH=" + box + ":" + os.Getenv("PATH"), "BOX=" + box}
				require.Error(t, cmd.Run())
				require.NoFileExists(t, filepath.Join(box, "sudo.args"))
			})
		}
	}
	require.Equal(t, 2, scripts)
}

func TestAHostThatAsksPastesOneCommand(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	require.Empty(t, app.Enrollment(td, "", o.ca, true).RequestCommands, "a command without an address could only be wrong")
	e := app.Enrollment(td, o.enrollAt, o.ca, true)
	require.Len(t, e.RequestCommands, 2)
	for _, r := range e.RequestCommands {
		require.Contains(t, r.Requires, "the packages grpc-spire-agent and grpc"+r.Kind)
		require.Contains(t, r.Command, `--request --id "$(hostname -s)"`)
		require.Contains(t, r.Command, string(o.ca))
	}
	openssl := exec.CommandContext(t.Context(), "openssl", "x509", "-noout", "-fingerprint", "-sha256")
	openssl.Stdin = bytes.NewReader(o.ca)
	out, err := openssl.Output()
	require.NoError(t, err)
	require.Equal(t, "sha256 Fingerprint="+e.CAFingerprint+"\n", string(out))
	require.Contains(t, e.FetchCommand, `--noproxy '*' --insecure -o ca.crt "https://10.0.0.1:8443/ca.crt"`)
}

func TestALinkLeadsToTheSameCommandAsAPlainToken(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	plain := o.commands()[0].Command
	o.delivery = enroll.ByClaim
	require.Equal(t, plain, o.commands()[0].Command)
}

func TestCheckConfigTellsOfTheTree(t *testing.T) {
	t.Parallel()
	broken := hosttest.InstallTree(t)
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(broken, "extra")))
	tree, none := hosttest.InstallTree(t), filepath.Join(t.TempDir(), "none")
	for dir, want := range map[string]string{
		tree:   "install tree    " + tree + ", version 1.2.3 for linux-amd64, linux-arm64\n",
		none:   "install tree    none at " + none + " (install_dir): hosts are installed by package\n",
		broken: "install tree    not served, install tree " + broken + ": extra is not a regular file\n",
	} {
		root := app.Root()
		var out strings.Builder
		root.SetOut(&out)
		root.SetArgs([]string{"check-config", "--install-dir", dir})
		require.NoError(t, root.ExecuteContext(t.Context()))
		require.Contains(t, out.String(), want)
	}
}
