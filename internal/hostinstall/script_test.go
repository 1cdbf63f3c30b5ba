package hostinstall_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

// says is a program that is fetched: it notes with what it was started, and what of the
// token can be seen.
const says = `cd "$(dirname "$0")/.."
{ echo "args $*"; env; } >said
[[ " $* " != *' --enrollment-token-file /dev/fd/3 '* ]] || cat /dev/fd/3 >token
cat >stdin
rm -r grpc-setup.*
exit 7`

// scripted is a directory in which setup.sh runs on this machine, for a shop.
type scripted struct {
	dir  string
	shop *controltest.Shop
	vars []string
}

func newScripted(t *testing.T) *scripted {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("the script needs root") // what it does as somebody else is to say so
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &scripted{dir: filepath.Join(t.TempDir(), "a directory with spaces"), shop: controltest.NewShop(t, l, says)}
	for _, dir := range []string{"tmp", "bin"} {
		require.NoError(t, os.MkdirAll(filepath.Join(s.dir, dir), 0o755))
	}
	for _, tool := range []string{"systemctl", "systemd-sysusers", "systemd-tmpfiles", "userdel"} {
		hosttest.WriteProgram(t, filepath.Join(s.dir, "bin", tool), "#!/bin/sh\nexit 1\n")
	}
	ca := filepath.Join(s.dir, "ca.crt")
	require.NoError(t, os.WriteFile(ca, s.shop.CA.PEM(), 0o600))
	s.vars = []string{
		"PATH=" + filepath.Join(s.dir, "bin") + ":" + os.Getenv("PATH"), "TMPDIR=" + filepath.Join(s.dir, "tmp"),
		"CONTROLLER_ADDR=" + l.Addr().String(), "CONNECTOR_ID=gw", "CONTROLLER_CA_PATH=" + ca,
	}
	return s
}

// run feeds the script to a shell, as the command of the seed does, or starts it as a
// file that reads standard input.
func (s *scripted) run(t *testing.T, piped bool, stdin string, vars []string, options ...string) (string, int) {
	t.Helper()
	script, err := os.ReadFile("../../scripts/setup.sh")
	require.NoError(t, err)
	args := []string{filepath.Join(s.dir, "setup.sh")}
	require.NoError(t, os.WriteFile(args[0], script, 0o600))
	if piped {
		args, stdin = []string{"-s", "--"}, string(script)
	}
	cmd := exec.CommandContext(t.Context(), "bash", append(args, options...)...)
	cmd.Env, cmd.Stdin = append(append([]string{}, s.vars...), vars...), strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return string(out), exit.ExitCode()
	}
	require.NoError(t, err)
	return string(out), 0
}

func (s *scripted) said(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "tmp", file))
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	require.NoError(t, err)
	return string(text)
}

func (s *scripted) left(t *testing.T) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(s.dir, "tmp", "*"))
	require.NoError(t, err)
	return left
}

// TestTheScriptStartsTheProgramThatItFetched and ends with its exit code; the token is
// in no argument and no environment of it.
func TestTheScriptStartsTheProgramThatItFetched(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		piped       bool
		vars        []string
		stdin, want string // the token that reaches the program
	}{
		"as the seed's command does":     {true, []string{"ENROLLMENT_TOKEN=" + goodToken}, "", goodToken + "\n"},
		"from a pipe, without a token":   {true, nil, "", ""},
		"from a file, with the token":    {false, []string{"ENROLLMENT_TOKEN=" + goodToken}, "", goodToken + "\n"},
		"from a file, which reads stdin": {false, nil, "the token\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScripted(t)
			out, code := s.run(t, c.piped, c.stdin, c.vars, "-f", "--accept-release-key")
			require.Equal(t, 7, code, out)
			require.Contains(t, s.said(t, "said"), "args install --fetched "+filepath.Join(s.dir, "tmp", "grpc-setup."))
			require.Contains(t, s.said(t, "said"), " -f --accept-release-key\n")
			require.Contains(t, s.said(t, "said"), "CONNECTOR_ID=gw\n")
			require.NotContains(t, s.said(t, "said")+out, goodToken)
			require.Equal(t, len(c.vars) > 0, strings.Contains(out, "all users can see it among sudo's arguments (ps)"), out)
			require.Equal(t, c.want, s.said(t, "token"))
			require.Equal(t, c.stdin, s.said(t, "stdin"))
		})
	}
}

// TestTheScriptFailsAndLeavesNothing whatever is wrong with what it fetches: never exit
// code 0 when nothing happened.
func TestTheScriptFailsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, f := range controltest.Spoilt() {
		if f.Want == "the unexpected file" || strings.Contains(f.Want, controltest.AgentTar) || name == "an archive cut short" {
			continue // the program looks at that
		}
		t.Run("a controller with "+name, func(t *testing.T) {
			t.Parallel()
			s := newScripted(t)
			s.shop.T = t
			f.Spoil(s.shop)
			out, code := s.run(t, true, "", nil)
			require.Equal(t, 1, code, out)
			require.Contains(t, out, f.Want)
			require.Len(t, strings.Split(strings.TrimSpace(out), "\n"), 1, out)
			require.Empty(t, s.left(t))
		})
	}
	for name, c := range map[string]struct {
		vars    []string
		options []string
		want    string
		code    int
	}{
		"no variable at all":          {[]string{"CONTROLLER_ADDR=", "CONNECTOR_ID=", "CONTROLLER_CA_PATH="}, nil, "CONTROLLER_CA_PATH: is missing", 2},
		"an unknown option":           {nil, []string{"--force"}, `unknown option "--force"`, 2},
		"a port too high":             {[]string{"CONTROLLER_ADDR=ctl:65536"}, nil, "CONTROLLER_ADDR: must be host:port", 2},
		"no curl":                     {[]string{"PATH=/nonexistent"}, nil, "missing programs: curl", 2},
		"nobody at the address":       {[]string{"CONTROLLER_ADDR=127.0.0.1:1"}, nil, "no connection to 127.0.0.1:1", 1},
		"another trust domain":        {[]string{"TRUST_DOMAIN=other.internal"}, nil, "is not the one of", 1},
		"a directory for the CA":      {[]string{"CONTROLLER_CA_PATH=/"}, nil, "is not a file that can be read", 2},
		"the script's text as the CA": {[]string{"CONTROLLER_CA_PATH=/etc/passwd"}, nil, "holds no certificate in PEM", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScripted(t)
			out, code := s.run(t, true, "", c.vars, c.options...)
			require.Equal(t, c.code, code, out)
			require.Contains(t, out, c.want)
			require.Empty(t, s.left(t))
		})
	}
}

// TestTheScriptUninstallsByTheProgramThatIsThere and asks no controller for it.
func TestTheScriptUninstallsByTheProgramThatIsThere(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	for _, path := range []string{"/usr/bin/grpcconnector", "/etc/grpcconnector", "/var/lib/spire-agent"} {
		if _, err := os.Stat(path); err == nil {
			t.Skip("this machine has " + path)
		}
	}
	out, code := s.run(t, true, "", []string{"CONTROLLER_ADDR=", "CONTROLLER_CA_PATH="}, "--uninstall")
	require.Zero(t, code, out)
	require.Contains(t, out, "grpcconnector is not on this host. Done.")
	require.Zero(t, s.shop.Requests.Load())
}
