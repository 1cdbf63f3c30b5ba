package hostcmd_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostcmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
)

const testUnit = "grpctunneler.service"

// managed is a host with systemd and the installed units, as far as enroll looks. Its
// tunneler answers once systemctl has restarted it, and is ready when that was long
// enough ago.
type managed struct {
	t     *testing.T
	dir   string
	sd    hostcmd.Systemd
	ready time.Duration // after the restart
	// lingers is how long after the restart the old program, which is ready, still answers.
	lingers  time.Duration
	answered atomic.Bool  // by the new one
	asked    atomic.Int64 // how often since then
	health   string
}

func newManaged(t *testing.T) *managed {
	t.Helper()
	m := &managed{t: t, dir: t.TempDir()}
	// A link, because a program that was just written cannot always be started.
	script, err := filepath.Abs("testdata/systemctl")
	require.NoError(t, err)
	m.sd = hostcmd.Systemd{Systemctl: filepath.Join(m.dir, "systemctl"), Root: true}
	require.NoError(t, os.Symlink(script, m.sd.Systemctl))
	require.NoError(t, os.Mkdir(filepath.Join(m.dir, "units"), 0o700))
	self, err := os.Executable()
	require.NoError(t, err)
	m.unit(testUnit, "LoadState=loaded", "ActiveState=inactive", "SubState=dead", "NRestarts=0", "ExecStart={ path="+self+" ; argv[]="+self+" run ; }")
	m.unit("spire-agent.service", "LoadState=loaded", "ActiveState=inactive")
	s := httptest.NewServer(m)
	t.Cleanup(s.Close)
	m.health = s.Listener.Addr().String()
	return m
}

func (m *managed) systemd() hostcmd.Systemd { return m.sd }

func (m *managed) unit(name string, lines ...string) {
	m.t.Helper()
	require.NoError(m.t, os.WriteFile(filepath.Join(m.dir, "units", name), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
}

// calls are what systemctl was told.
func (m *managed) calls() []string {
	m.t.Helper()
	raw, err := os.ReadFile(filepath.Join(m.dir, "calls"))
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(m.t, err)
	return strings.Split(strings.TrimSpace(string(raw)), "\n")
}

// restartedAt is zero before systemctl was told to restart the program.
func (m *managed) restartedAt() time.Time {
	raw, _ := os.ReadFile(filepath.Join(m.dir, "calls"))
	info, err := os.Stat(filepath.Join(m.dir, "calls"))
	if err != nil || !strings.HasSuffix(string(raw), "restart --no-block -- "+testUnit+"\n") {
		return time.Time{}
	}
	return info.ModTime()
}

// ServeHTTP is the tunneler's health listener.
func (m *managed) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	d := hostprogram.Document{Program: "grpctunneler", ID: "laptop", Ready: true}
	if at := m.restartedAt(); !at.IsZero() && time.Since(at) >= m.lingers {
		m.answered.Store(true)
		d.StartedAt = time.Now()
		// However late the questions come, some of them are answered before it is ready.
		d.Ready = time.Since(at) >= m.ready && (m.ready == 0 || m.asked.Add(1) > 4)
	} // else it is the one of before, and ready
	d.Checks = []health.Check{{Name: "control_stream", OK: true}, {Name: "identity", OK: d.Ready, Detail: "waiting for the first X509-SVID"}}
	_ = json.NewEncoder(w).Encode(d)
}

// enrollForUnit are arguments of an enrollment for the unit, with files of the test.
func (m *managed) enrollForUnit(c *controller, conf string) (args []string, dir string) {
	m.t.Helper()
	args, dir = enrollArgs(m.t, c)
	require.NoError(m.t, os.WriteFile(filepath.Join(dir, "tunneler.conf"), []byte("HEALTH_ADDR="+m.health+"\n"+conf), 0o600))
	return append(without(args, "--run-as"), "--systemd-unit", testUnit), dir
}

func TestEnrollStartsTheInstalledUnitAndWaitsUntilItIsOnline(t *testing.T) {
	t.Parallel()
	c, m := startController(t), newManaged(t)
	m.ready, m.lingers = 1500*time.Millisecond, 600*time.Millisecond
	args, dir := m.enrollForUnit(c, "")
	got := runOn(m.systemd, token+"\n", args...)
	require.Zero(t, got.code, got.stderr)
	require.Equal(t, testUnit, c.got.GetHost().GetSystemdUnit())
	self, err := os.Executable()
	require.NoError(t, err)
	require.Equal(t, self, c.got.GetHost().GetBinaryPath(), "the unit's program gets the identity, whichever program enrolls")
	require.Equal(t, []string{
		"enable --quiet -- spire-agent.service " + testUnit, "restart --no-block -- spire-agent.service", "restart --no-block -- " + testUnit,
	}, m.calls())
	require.Regexp(t, `waiting until grpctunneler is ready, \d+ s: identity: waiting for the first X509-SVID`, got.stderr)
	require.Contains(t, got.stdout, "tunneler/laptop is ONLINE")
	require.Contains(t, got.stdout, "grpctunneler doctor")
	require.Contains(t, got.stdout, "systemctl status "+testUnit)
	require.NotContains(t, got.stdout, "next:")
	text, err := os.ReadFile(filepath.Join(dir, "tunneler.conf"))
	require.NoError(t, err)
	require.Contains(t, string(text), "ENROLLED_AS=systemd:"+testUnit+"\n")

	require.True(t, m.answered.Load(), "the old program was believed")

	// The agent of an enrolled host keeps its identity, and is not restarted.
	require.NoError(t, os.Remove(filepath.Join(m.dir, "calls")))
	m.ready, m.lingers = 0, 0
	got = runOn(m.systemd, token+"\n", append(args, "-o", "json")...)
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, m.calls(), "start --no-block -- spire-agent.service")
	require.Regexp(t, `(?s)^\{"event":"enrolled",.*\n\{"event":"online","unit":"`+testUnit+`"\}\n$`, got.stdout)
	require.NotContains(t, got.stderr, "waiting until", "nobody wonders within a second")
}

// TestTheConfFileThatIsTriedIsNobodyElses: an operator may have made theirs narrow, and
// it is tried in the temporary directory of all.
func TestTheConfFileThatIsTriedIsNobodyElses(t *testing.T) {
	t.Parallel()
	for name, conf := range map[string]string{"a good one": "", "one with a fault": "LOG_LEVEL=loud\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, m := startController(t), newManaged(t)
			args, dir := m.enrollForUnit(c, conf)
			tried := slices.DeleteFunc(runOn(m.systemd, token+"\n", args...).read, func(r confRead) bool { return filepath.Dir(r.path) == dir })
			require.Len(t, tried, 1)
			require.Equal(t, os.FileMode(0o600), tried[0].file)
			require.Equal(t, os.FileMode(0o700), tried[0].dir)
			require.NoDirExists(t, filepath.Dir(tried[0].path), "it was left")
		})
	}
}

func TestEnrollSaysBeforeItSendsAnythingThatItCannotStartTheUnit(t *testing.T) {
	t.Parallel()
	loaded := "LoadState=loaded"
	for name, tc := range map[string]struct {
		spoil func(*managed)
		conf  string
		want  string
	}{
		"when the unit is not installed": {
			func(m *managed) { require.NoError(t, os.Remove(filepath.Join(m.dir, "units", testUnit))) }, "",
			testUnit + " is not installed on this host: install the package grpctunneler",
		},
		"when the SPIRE agent is not installed": {
			func(m *managed) {
				require.NoError(t, os.Remove(filepath.Join(m.dir, "units", "spire-agent.service")))
			}, "",
			"spire-agent.service is not installed on this host: install the package grpc-spire-agent",
		},
		"when the unit is masked":      {func(m *managed) { m.unit(testUnit, "LoadState=masked") }, "", "systemctl unmask " + testUnit},
		"when the unit is broken":      {func(m *managed) { m.unit(testUnit, "LoadState=bad-setting") }, "", "systemctl status " + testUnit},
		"when it does not run as root": {func(m *managed) { m.sd.Root = false }, "", "run the same command as root"},
		"when systemd does not run":    {func(m *managed) { m.sd.Systemctl = "" }, "", "systemd does not run on this host: --no-start"},
		"when systemctl fails":         {func(m *managed) { m.sd.Systemctl = "/nonexistent" }, "", "systemctl show " + testUnit},
		"when the conf file would keep the program from starting": {
			func(m *managed) { m.unit(testUnit, loaded) }, "LOG_LEVEL=loud\n", "would keep " + testUnit + " from starting",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, m := startController(t), newManaged(t)
			tc.spoil(m)
			args, dir := m.enrollForUnit(c, tc.conf)
			got := runOn(m.systemd, token+"\n", args...)
			require.Equal(t, 2, got.code, got.stderr)
			require.Contains(t, got.stderr, tc.want)
			require.Contains(t, got.stderr, "nothing was sent and no token is spent")
			require.Nil(t, c.got, "the token was sent")
			require.NoDirExists(t, filepath.Join(dir, "host"))
			require.Empty(t, m.calls())
		})
	}
	t.Run("without being told which unit", func(t *testing.T) {
		t.Parallel()
		c, m := startController(t), newManaged(t)
		m.sd.Root = false
		args, _ := enrollArgs(t, c)
		for _, own := range []string{"--host-dir", "--conf", "--spiffe-endpoint-socket", "--run-as"} {
			args = without(args, own)
		}
		got := runOn(m.systemd, token+"\n", args...)
		require.Equal(t, 2, got.code, got.stderr)
		require.Contains(t, got.stderr, "only root can start "+testUnit)
		require.Nil(t, c.got)
	})
}

func TestEnrollForAProgramThatSomebodyStartsByHandStartsNothing(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		more      []string
		systemctl string
		want      string // on stderr
		unit      string
		next      string
	}{
		"because of --no-systemd":                         {[]string{"--no-systemd"}, "there", "", "", "grpctunneler run --config "},
		"because of a HOST_DIR of its own":                {nil, "there", "HOST_DIR is not the one of " + testUnit, "", "grpctunneler run --config "},
		"because of a HOST_DIR, and nothing is installed": {nil, "there", "", "", "grpctunneler run --config "},
		"because systemd does not run":                    {nil, "", "systemd does not run on this host", "", "grpctunneler run --config "},
		"because of --no-start":                           {[]string{"--no-start"}, "", "", testUnit, "systemctl enable --now spire-agent.service " + testUnit},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, m := startController(t), newManaged(t)
			if tc.systemctl == "" {
				m.sd.Systemctl = ""
			}
			if tc.want == "" {
				require.NoError(t, os.Remove(filepath.Join(m.dir, "units", testUnit)))
			}
			args, dir := enrollArgs(t, c)
			got := runOn(m.systemd, token+"\n", append(args, tc.more...)...)
			require.Zero(t, got.code, got.stderr)
			require.Contains(t, got.stderr, tc.want)
			require.Equal(t, tc.want != "", strings.Contains(got.stderr, "enrolling for user"), got.stderr)
			require.Equal(t, tc.unit, c.got.GetHost().GetSystemdUnit())
			require.Contains(t, got.stdout, tc.next)
			require.Empty(t, m.calls())

			// status and doctor find the host by the conf file alone.
			conf, err := os.ReadFile(filepath.Join(dir, "tunneler.conf"))
			require.NoError(t, err)
			require.Contains(t, string(conf), "\nHOST_DIR="+dir+"/host\n")
		})
	}
	for _, both := range [][]string{{"--no-systemd", "--no-start"}, {"--no-systemd", "--systemd-unit", testUnit}} {
		c := startController(t)
		args, _ := enrollArgs(t, c)
		require.Equal(t, 2, run(token, append(args, both...)...).code)
	}
}

func TestAUnitThatDoesNotBecomeOnlineKeepsTheEnrollment(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spoil   func(*managed)
		want    string
		started bool
	}{
		"in time": {func(m *managed) { m.ready = time.Hour }, "not ONLINE yet after 1s: identity: waiting for the first X509-SVID", true},
		"because it keeps exiting": {func(m *managed) {
			m.health = "127.0.0.1:1"
			m.unit(testUnit+".then", "LoadState=loaded", "ActiveState=activating", "SubState=auto-restart", "NRestarts=3")
		}, testUnit + " is activating (auto-restart), and keeps exiting", true},
		"because systemctl does not start it": {func(m *managed) {
			require.NoError(m.t, os.WriteFile(filepath.Join(m.dir, "refuses-restart"), nil, 0o600))
		}, "Failed to restart", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, m := startController(t), newManaged(t)
			tc.spoil(m)
			args, dir := m.enrollForUnit(c, "")
			got := runOn(m.systemd, token+"\n", append(args, "--online-timeout", "1s")...)
			require.Equal(t, 5, got.code, got.stderr)
			require.Contains(t, got.stderr, tc.want)
			require.Contains(t, got.stderr, "The token is spent, the host keeps its identity")
			require.Equal(t, tc.started, strings.Contains(got.stderr, testUnit+" keeps trying"), got.stderr)
			require.Equal(t, !tc.started, strings.Contains(got.stderr, "systemctl enable --now spire-agent.service "+testUnit), got.stderr)
			require.Contains(t, got.stderr, "grpctunneler doctor")
			require.Contains(t, got.stdout, "enrolled spiffe://")
			require.NotContains(t, got.stdout, "ONLINE")
			require.FileExists(t, filepath.Join(dir, "host", "host.crt"))
		})
	}
}
