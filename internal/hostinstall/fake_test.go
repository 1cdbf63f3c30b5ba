package hostinstall_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostcmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostinstall"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// goodToken has the form of one; only a controller would know that it is not.
const goodToken = "ztc_u333byr3gwr5sxzhzvvj7x3a32z4jutpducrmja"

// fakeHost is a host in a directory, whose programs are functions and whose kernel
// says what a test wants.
type fakeHost struct {
	t           *testing.T
	root        string
	shop        *controltest.Shop
	addr, addr2 string // of the controller

	missing  map[string]bool // programs that it lacks
	packages map[string]bool // of dpkg
	active   map[string]bool // units
	enroll   func(args []string, token string) int
	move     func(addr string) int
	calls    []string
	// meanwhile is what somebody else does while a program runs, once it is done.
	meanwhile map[string]func()

	notRoot  bool
	space    uint64
	readOnly map[string]error // by directory
	taken    map[string]error // by address
	onReady  func() error

	changes, failAt int // the change that fails
	backwards       bool
}

func newFakeHost(t *testing.T) *fakeHost {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	h := &fakeHost{
		t: t, root: t.TempDir(), shop: controltest.NewShop(t, l, "exit 3"), missing: map[string]bool{}, packages: map[string]bool{}, active: map[string]bool{},
		space: 1 << 30, readOnly: map[string]error{}, taken: map[string]error{},
	}
	h.enroll = func([]string, string) int { return 3 }
	h.move = func(string) int { return 3 }
	for _, dir := range []string{"etc/systemd/system", "run/systemd/system", "usr/bin", "usr/lib/sysusers.d", "usr/lib/tmpfiles.d", "usr/share/man/man8", "var/lib", "root", "tmp"} {
		require.NoError(t, os.MkdirAll(filepath.Join(h.root, dir), 0o755))
	}
	h.write("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n")
	h.write("/etc/group", "root:x:0:\nnogroup:x:65534:\n")
	h.write("/etc/passwd-", "root:x:0:0:root:/root:/bin/bash\n")
	h.write("/etc/.pwd.lock", "")
	h.write("/root/ca.crt", string(h.shop.CA.PEM()))
	h.addr = l.Addr().String()
	return h
}

func (h *fakeHost) at(path string) string { return filepath.Join(h.root, path) }

func (h *fakeHost) exists(path string) bool {
	_, err := os.Lstat(h.at(path))
	return err == nil
}

func (h *fakeHost) write(path, text string) {
	h.t.Helper()
	require.NoError(h.t, os.MkdirAll(filepath.Dir(h.at(path)), 0o755))
	require.NoError(h.t, os.WriteFile(h.at(path), []byte(text), 0o644))
}

func (h *fakeHost) read(path string) string {
	info, err := os.Stat(h.at(path))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return ""
	}
	text, err := os.ReadFile(h.at(path))
	require.NoError(h.t, err)
	return string(text)
}

// run is one call of the command: its exit code and all it printed.
func (h *fakeHost) run(spoil ...func(*hostinstall.Config)) (string, int) {
	h.t.Helper()
	var out bytes.Buffer
	cfg := hostinstall.Config{
		Kind: identity.KindConnector, Token: goodToken, Stdin: strings.NewReader(""), Out: &out, Err: &out,
		Host: hostinstall.Host{Root: h.root, Commands: h, System: h, Before: h.before},
		Variables: hostinstall.Variables{
			ControllerAddr: h.addr, ControllerCAPath: h.at("/root/ca.crt"), ConnectorID: "gw", TrustDomain: "mycorp.internal", ReadyTimeout: "0",
		},
	}
	for _, s := range spoil {
		s(&cfg)
	}
	h.calls, h.backwards = nil, false
	cfg.Shield, cfg.BringOnline = func() { h.backwards = true }, h.bringOnline
	root := &cobra.Command{Use: "grpcconnector", RunE: func(cmd *cobra.Command, _ []string) error { return hostinstall.New(cfg).Run(cmd.Context()) }}
	code := cli.Execute(root, cli.Process{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out})
	require.NotContains(h.t, out.String(), goodToken, "the token is shown")
	for _, c := range h.calls {
		require.NotContains(h.t, c, goodToken, "the token is an argument")
	}
	return out.String(), code
}

// before makes the n-th change fail.
func (h *fakeHost) before(change string) error {
	if h.backwards {
		return nil
	}
	h.changes++
	if h.changes == h.failAt {
		return fmt.Errorf("%s: no space left on device", change)
	}
	return nil
}

// tree is everything on the host: a line for each entry.
func (h *fakeHost) tree() []string {
	h.t.Helper()
	var out []string
	require.NoError(h.t, filepath.WalkDir(h.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		require.NoError(h.t, err)
		if path == h.at(lockFile) && info.Mode() == 0o600 && info.Size() == 0 {
			return nil // it stays until the host starts anew
		}
		line := strings.TrimPrefix(path, h.root) + " " + info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			text, err := os.ReadFile(path)
			require.NoError(h.t, err)
			line += fmt.Sprintf(" %x", sha256.Sum256(text))
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			require.NoError(h.t, err)
			line += " " + to
		}
		out = append(out, line)
		return nil
	}))
	for _, unit := range []string{"spire-agent.service", "grpcconnector.service"} {
		if h.active[unit] {
			out = append(out, unit+" is active")
		}
	}
	return out
}

// Find implements hostinstall.Commands.
func (h *fakeHost) Find(name string) bool {
	return !h.missing[name] && name != "rpm" && (name != "dpkg-query" || len(h.packages) > 0)
}

// changing are the calls that change something.
var changing = regexp.MustCompile(`^(systemctl (--quiet enable|--quiet disable|restart|daemon-reload)|systemd-sysusers|systemd-tmpfiles|/usr/bin/grpcconnector (enroll|set-controller))`)

// Run implements hostinstall.Commands.
func (h *fakeHost) Run(_ context.Context, c hostinstall.Call) (string, error) {
	h.calls = append(h.calls, c.String())
	if changing.MatchString(c.String()) {
		if err := h.before(c.String()); err != nil {
			return "", fmt.Errorf("%w: %w", hostinstall.ErrNotStarted, err)
		}
	}
	out, code := h.command(c)
	for _, name := range append([]string{c.Name}, c.Args...) {
		if f := h.meanwhile[name]; f != nil {
			f()
		}
	}
	if code != 0 {
		return out, &hostinstall.CommandError{Call: c, Code: code}
	}
	return out, nil
}

func (h *fakeHost) command(c hostinstall.Call) (string, int) {
	switch c.Name {
	case "systemctl":
		return h.systemctl(c.Args)
	case "getent":
		return h.getent(c.Args[0], c.Args[1])
	case "systemd-sysusers":
		h.write("/etc/passwd-", h.read("/etc/passwd"))
		h.write("/etc/group-", h.read("/etc/group"))
		h.write("/etc/passwd", h.read("/etc/passwd")+"spire-agent:x:997:997::/var/lib/spire-agent:/usr/sbin/nologin\n")
		h.write("/etc/group", h.read("/etc/group")+"spire-agent:x:997:\n")
	case "userdel":
		for _, file := range []string{"/etc/passwd", "/etc/group"} {
			h.write(file+"-", h.read(file))
			h.write(file, regexp.MustCompile(`(?m)^spire-agent:.*\n`).ReplaceAllString(h.read(file), ""))
		}
	case "systemd-tmpfiles":
		require.NoError(h.t, os.MkdirAll(h.at("/var/lib/spire-agent"), 0o700))
	case "dpkg-query":
		if h.packages[c.Args[len(c.Args)-1]] {
			return "installed", 0
		}
		return "", 1
	case "/usr/bin/grpcconnector", "/usr/lib/grpc-spire-agent/host-agent":
		return h.program(c)
	}
	return "", 0
}

var versionIn = regexp.MustCompile(`program (v[0-9.]+)`)

func (h *fakeHost) program(c hostinstall.Call) (string, int) {
	switch c.Args[0] {
	case "version":
		if m := versionIn.FindString(h.read(c.Name)); m != "" {
			return m + " (commit 0)\n", 0
		}
		return "", 1
	case "enroll":
		return "", h.enroll(c.Args, strings.TrimSpace(c.Stdin))
	case "set-controller":
		return "", h.move(c.Args[1])
	}
	return "", 2
}

func (h *fakeHost) getent(database, key string) (string, int) {
	for line := range strings.Lines(h.read("/etc/" + database)) {
		if f := strings.Split(line, ":"); f[0] == key || f[2] == key {
			return line, 0
		}
	}
	return "", 2
}

func (h *fakeHost) systemctl(args []string) (string, int) {
	switch args[0] {
	case "show":
		return args[2] + "=" + h.property(args[3], args[2]) + "\n", 0
	case "--quiet":
		for _, unit := range args[2:] {
			if link := h.at("/etc/systemd/system/multi-user.target.wants/" + unit); args[1] == "is-enabled" && !h.exists(strings.TrimPrefix(link, h.root)) {
				return "", 1
			}
			h.enable(args[1], unit)
		}
	case "restart":
		h.active[args[1]] = true
	case "reset-failed":
		return "", 1
	}
	return "", 0
}

func (h *fakeHost) enable(verb, unit string) {
	link := h.at("/etc/systemd/system/multi-user.target.wants/" + unit)
	switch {
	case unit == "--now":
	case verb == "enable":
		require.NoError(h.t, os.MkdirAll(filepath.Dir(link), 0o755))
		if !h.exists(strings.TrimPrefix(link, h.root)) {
			require.NoError(h.t, os.Symlink("../"+unit, link))
		}
		h.active[unit] = true
	case verb == "disable":
		_ = os.Remove(link)
		_ = os.Remove(filepath.Dir(link))
		h.active[unit] = false
	}
}

func (h *fakeHost) property(unit, name string) string {
	file := "/etc/systemd/system/" + unit
	switch name {
	case "LoadState":
		if to, err := os.Readlink(h.at(file)); err == nil && to == "/dev/null" {
			return "masked"
		}
		if !h.exists(file) {
			return "not-found"
		}
		return "loaded"
	case "ActiveState":
		if h.active[unit] {
			return "active"
		}
		return "inactive"
	case "ExecStart":
		_, command, _ := strings.Cut(h.read(file), "ExecStart=")
		program, _, _ := strings.Cut(strings.TrimSpace(command), " ")
		return "{ path=" + program + " ; argv[]=" + program + " run ; }"
	case "FragmentPath":
		return file
	}
	return ""
}

// Root implements hostinstall.System.
func (h *fakeHost) Root() bool { return !h.notRoot }

// Space implements hostinstall.System.
func (h *fakeHost) Space(string) (free, device uint64, err error) { return h.space, 1, nil }

// Writable implements hostinstall.System.
func (h *fakeHost) Writable(dir string) error {
	for below, err := range h.readOnly {
		if strings.HasPrefix(dir+"/", h.at(below)+"/") {
			return err
		}
	}
	return nil
}

// Listen implements hostinstall.System.
func (h *fakeHost) Listen(_ context.Context, addr string) error { return h.taken[addr] }

// Ready implements hostinstall.System.
func (h *fakeHost) Ready(context.Context, string) error {
	if h.onReady != nil {
		return h.onReady()
	}
	return nil
}

// bringOnline plays hostcmd.BringOnline.
func (h *fakeHost) bringOnline(ctx context.Context, s hostcmd.Start) error {
	if _, err := h.Run(ctx, hostinstall.Call{Name: "systemctl", Args: []string{"--quiet", "enable", "spire-agent.service", "grpcconnector.service"}}); err != nil {
		return err
	}
	for unit, restart := range map[string]bool{"spire-agent.service": s.RestartAgent, "grpcconnector.service": s.RestartProgram} {
		if restart {
			if _, err := h.Run(ctx, hostinstall.Call{Name: "systemctl", Args: []string{"restart", unit}}); err != nil {
				return err
			}
		}
	}
	if err := h.Ready(ctx, ""); err != nil {
		return fmt.Errorf("%w after %s: %w", hostcmd.ErrNotOnline, s.Timeout, err)
	}
	return nil
}

// enrolls is an enrollment that the controller accepts.
func (h *fakeHost) enrolls(args []string, token string) int {
	require.Equal(h.t, goodToken, token)
	dir := "/var/lib/spire-agent/"
	if !h.exists(dir+"host.key") || strings.Contains(strings.Join(args, " "), "--new-host") {
		h.write(dir+"host.key", "a key "+strconv.Itoa(len(h.calls)))
	}
	h.write(dir+"host.json", `{"trust_domain": "mycorp.internal"}`)
	h.write(dir+"host.crt", "a certificate")
	conf := "/etc/grpcconnector/connector.conf"
	h.write(conf, h.read(conf)+"CONNECTOR_ID=gw\nCONTROLLER_ADDR="+h.addr+"\nTRUST_DOMAIN=mycorp.internal\nCONTROL_PLANE_ADDRS=x\n")
	return 0
}
