package settings_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
)

type mode string

type central struct {
	TrustDomain string `conf:"trust_domain" usage:"SPIFFE trust domain"`
	Spire       struct {
		Mode          mode          `conf:"mode"`
		ServerAddress string        `conf:"server_address"`
		TTL           time.Duration `conf:"x509_ttl"`
	} `conf:"spire"`
	Workers int      `conf:"workers"`
	Debug   bool     `conf:"debug"`
	CIDRs   []string `conf:"admin.cidrs"`
	Ignored func()
}

func (c central) Validate() error {
	var f settings.Faults
	f.Require(c.Spire.Mode == "embedded" || c.Spire.Mode == "external",
		"spire.mode", `must be "embedded" or "external", is %q`, c.Spire.Mode)
	return f.Err()
}

func centralDefaults() central {
	c := central{TrustDomain: "mycorp.internal", Workers: 4, CIDRs: []string{"127.0.0.0/8"}}
	c.Spire.Mode, c.Spire.TTL = "embedded", 5*time.Minute
	return c
}

type host struct {
	ControllerAddr string        `conf:"controller_addr"`
	ConnectorID    string        `conf:"connector_id"`
	Names          []string      `conf:"names"`
	Heartbeat      time.Duration `conf:"heartbeat"`
}

func (h *host) Validate() error {
	var f settings.Faults
	f.Require(h.ControllerAddr != "", "controller_addr", "is missing")
	return f.Err()
}

func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func loadCentral(t testing.TB, text string, environ, args []string) (central, error) {
	t.Helper()
	spec := settings.Spec{
		File: write(t, "controller.yaml", text), FileEnv: "GRPCCONTROLLER_CONFIG",
		EnvPrefix: "GRPCCONTROLLER_", Environ: append([]string{"HOME=/root"}, environ...),
	}
	l := settings.New(spec, centralDefaults())
	fs := pflag.NewFlagSet("grpccontroller", pflag.ContinueOnError)
	l.Flags(fs)
	require.NoError(t, fs.Parse(args))
	return l.Load(fs)
}

func loadHost(t testing.TB, text string, environ ...string) (host, error) {
	t.Helper()
	spec := settings.Spec{Format: settings.EnvFile, File: write(t, "connector.conf", text), Environ: append(environ, "HOME=/root")}
	return settings.New(spec, host{Heartbeat: 10 * time.Second}).Load(nil)
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	const yaml = "spire: {server_address: file, mode: external}\nworkers: 8\n"
	environ := []string{"GRPCCONTROLLER_SPIRE_SERVER_ADDRESS=env", "GRPCCONTROLLER_WORKERS="}
	for name, tc := range map[string]struct {
		yaml          string
		environ, args []string
		want          string
	}{
		"the default stands alone":           {want: ""},
		"the file wins over the default":     {yaml: yaml, want: "file"},
		"the environment wins over the file": {yaml: yaml, environ: environ, want: "env"},
		"a flag wins over the environment": {
			yaml: yaml, environ: environ, args: []string{"--spire-server-address=flag"}, want: "flag",
		},
		"a flag may set the empty string": {yaml: yaml, environ: environ, args: []string{"--spire-server-address="}, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := loadCentral(t, tc.yaml, tc.environ, tc.args)
			require.NoError(t, err)
			require.Equal(t, tc.want, c.Spire.ServerAddress)
			require.Equal(t, "mycorp.internal", c.TrustDomain)
			if tc.yaml != "" {
				require.Equal(t, 8, c.Workers, "an empty variable counts as unset")
			}
		})
	}
}

func TestTypes(t *testing.T) {
	t.Parallel()
	want := centralDefaults()
	want.Spire.TTL, want.Workers, want.Debug, want.CIDRs = 90*time.Second, 2, true, []string{"10.0.0.0/8", "::1/128"}
	for name, tc := range map[string]struct {
		yaml          string
		environ, args []string
	}{
		"of YAML": {yaml: "spire: {x509_ttl: 1m30s}\nworkers: 2\ndebug: true\nadmin: {cidrs: [10.0.0.0/8, '::1/128']}\n"},
		"of the environment": {environ: []string{
			"GRPCCONTROLLER_SPIRE_X509_TTL=90s", "GRPCCONTROLLER_WORKERS=2", "GRPCCONTROLLER_DEBUG=true",
			"GRPCCONTROLLER_ADMIN_CIDRS=10.0.0.0/8, ::1/128,",
		}},
		"of flags": {args: []string{"--spire-x509-ttl=90s", "--workers=2", "--debug", "--admin-cidrs=10.0.0.0/8,::1/128"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := loadCentral(t, tc.yaml, tc.environ, tc.args)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(want, got))
		})
	}
}

func TestYAMLFaults(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		yaml    string
		environ []string
		want    string
	}{
		"an unknown key":                {yaml: "spire: {sever_address: a}", want: "spire.sever_address: unknown key in "},
		"an unknown section":            {yaml: "spier: {mode: external}", want: "spier.mode: unknown key in "},
		"a value where a section goes":  {yaml: "spire: on", want: "spire: must be a section in "},
		"a section where a value goes":  {yaml: "workers: {a: 1}", want: "workers.a: unknown key in "},
		"an empty section for a value":  {yaml: "workers: {}", want: "workers: must be a whole number, is a section in "},
		"a number for a string":         {yaml: "trust_domain: 007", want: "trust_domain: must be a string (quote it), is 7 in "},
		"a string for a number":         {yaml: "workers: many", want: "workers: must be a whole number, is many in "},
		"a string for a bool":           {yaml: "debug: 'yes'", want: "debug: must be true or false, is yes in "},
		"a duration without a unit":     {yaml: "spire: {x509_ttl: 30}", want: "spire.x509_ttl: must be a duration such as 30s or 1h30m, is 30 in "},
		"a number in a list of strings": {yaml: "admin: {cidrs: [a, 1]}", want: "admin.cidrs: must be a list of strings, is a list with 1 in "},
		"a dotted key":                  {yaml: "spire.mode: external", want: `key "spire.mode": write sections nested, not with a dot`},
		"the same key twice":            {yaml: "debug: true\ndebug: false", want: "already defined"},
		"broken YAML":                   {yaml: "a: [", want: "yaml: line 1"},
		"a list at the top":             {yaml: "- a", want: "cannot unmarshal"},
		"an unknown variable": {
			environ: []string{"GRPCCONTROLLER_SPIRE_MOD=external"}, want: "GRPCCONTROLLER_SPIRE_MOD: unknown environment variable",
		},
		"a bad variable": {
			environ: []string{"GRPCCONTROLLER_WORKERS=x"},
			want:    `workers: must be a whole number, is "x" in environment variable GRPCCONTROLLER_WORKERS`,
		},
		"a rule of the struct": {yaml: "spire: {mode: x}", want: `spire.mode: must be "embedded" or "external", is "x"`},
		"a file that is missing although it was named": {
			environ: []string{"GRPCCONTROLLER_CONFIG=/nonexistent.yaml"}, want: "/nonexistent.yaml: no such file or directory",
		},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			_, err := loadCentral(t, tc.yaml, tc.environ, nil)
			var faults settings.Faults
			require.ErrorAs(t, err, &faults)
			require.Len(t, faults, 1)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	t.Run("may be missing at its default path", func(t *testing.T) {
		t.Parallel()
		c, err := settings.New(settings.Spec{File: "/nonexistent.yaml", Environ: []string{}}, centralDefaults()).Load(nil)
		require.NoError(t, err)
		require.Equal(t, centralDefaults().CIDRs, c.CIDRs)
	})
	t.Run("may not be missing when a flag names it", func(t *testing.T) {
		t.Parallel()
		_, err := loadCentral(t, "", nil, []string{"--config=/nonexistent.yaml"})
		require.EqualError(t, err, "config: /nonexistent.yaml: no such file or directory")
	})
	t.Run("is refused when it cannot be read", func(t *testing.T) {
		t.Parallel()
		_, err := loadCentral(t, "", nil, []string{"--config=" + t.TempDir()})
		require.ErrorContains(t, err, "is a directory")
	})
	t.Run("may be empty, or hold only comments and empty sections", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{"", "# nothing\n", "spire:\n", "spire: {}\nworkers:\n"} {
			c, err := loadCentral(t, text, nil, nil)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(centralDefaults(), c))
		}
	})
}

func TestEnvFile(t *testing.T) {
	t.Parallel()
	t.Run("reads a file that systemd reads too", func(t *testing.T) {
		t.Parallel()
		h, err := loadHost(t, "# comment\nCONTROLLER_ADDR=\"file:8443\"\nCONNECTOR_ID=\nNAMES=a, \\\n b\nHEARTBEAT=5s\n; NAMES=c\n")
		require.NoError(t, err)
		require.Equal(t, host{ControllerAddr: "file:8443", Names: []string{"a", "b"}, Heartbeat: 5 * time.Second}, h)
	})
	t.Run("the environment uses the same names and wins", func(t *testing.T) {
		t.Parallel()
		h, err := loadHost(t, "CONTROLLER_ADDR=file:8443\n", "CONTROLLER_ADDR=env:8443", "UNRELATED=1")
		require.NoError(t, err)
		require.Equal(t, "env:8443", h.ControllerAddr)
	})
	for name, tc := range map[string]struct{ text, want string }{
		"an unknown key":           {"CONTROLLER_ADDR=a\nCONECTOR_ID=b", "CONECTOR_ID: unknown key in "},
		"a lower case key":         {"CONTROLLER_ADDR=a\nconnector_id=b", "connector_id: unknown key in "},
		"a bad duration":           {"CONTROLLER_ADDR=a\nHEARTBEAT=5", `HEARTBEAT: must be a duration such as 30s or 1h30m, is "5" in `},
		"a missing required key":   {"", "CONTROLLER_ADDR: is missing"},
		"a line without a value":   {"CONTROLLER_ADDR=a\nztc_secret\nNAMES=x", "line 2 is not KEY=VALUE"},
		"a quotation without end":  {"CONTROLLER_ADDR=\"ztc_secret", "line 1 begins a quoted value that has no end"},
		"a comment behind a value": {"CONTROLLER_ADDR=a\nNAMES=b # ztc_secret", "line 2 has a comment behind the value"},
		"an export":                {"export CONTROLLER_ADDR=ztc_secret", "line 1 begins with `export`"},
		"a key that is not a name": {"CONTROLLER_ADDR=a\nztc_secret-KEY=1", "line 2 is not KEY=VALUE"},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			_, err := loadHost(t, tc.text)
			var faults settings.Faults
			require.ErrorAs(t, err, &faults)
			require.Len(t, faults, 1)
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "ztc_secret", "a file may hold an enrollment token")
		})
	}
}

// TestAProgramThatNeedsItsFileSaysSo: what follows from a file that is not there is no
// riddle.
func TestAProgramThatNeedsItsFileSaysSo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	load := func(absent string, args ...string) error {
		l := settings.New(settings.Spec{Format: settings.EnvFile, File: filepath.Join(dir, "none.conf"), Absent: absent, Environ: []string{}}, host{})
		fs := pflag.NewFlagSet("program", pflag.ContinueOnError)
		l.Flags(fs)
		require.NoError(t, fs.Parse(args))
		_, err := l.Load(fs)
		return err
	}
	require.ErrorContains(t, load("name it with --config"), dir+"/none.conf: does not exist: name it with --config\n  CONTROLLER_ADDR: is missing")
	require.NoError(t, load("name it with --config", "--controller-addr", "a:1"), "without a fault nothing is missed")
	require.NotContains(t, load("").Error(), "none.conf", "a file that nobody needs")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "other.conf"), nil, 0o600))
	require.NotContains(t, load("name it with --config", "--config", filepath.Join(dir, "other.conf")).Error(), "does not exist")
}

func TestKubernetesServiceLinks(t *testing.T) {
	t.Parallel()
	links := []string{
		"GRPCCONTROLLER_SERVICE_HOST=10.0.0.1", "GRPCCONTROLLER_SERVICE_PORT_ENROLL=8443", "GRPCCONTROLLER_PORT=tcp://10.0.0.1:8443",
		"GRPCCONTROLLER_PORT_8443_TCP_ADDR=10.0.0.1",
	}
	_, err := loadCentral(t, "", append([]string{"KUBERNETES_SERVICE_HOST=10.0.0.1"}, links...), nil)
	require.NoError(t, err)

	_, err = loadCentral(t, "", links, nil)
	var faults settings.Faults
	require.ErrorAs(t, err, &faults)
	require.Len(t, faults, len(links), "outside a pod they are mistakes")
}

// placed has a key of each role.
type placed struct {
	Dir    string `conf:"dir" usage:"directory" is:"path"`
	Listen string `conf:"listen" usage:"listener" is:"listener"`
}

func loadPlaced(t *testing.T, spec settings.Spec, args ...string) (placed, error) {
	t.Helper()
	l := settings.New(spec, placed{})
	fs := pflag.NewFlagSet("p", pflag.ContinueOnError)
	l.Flags(fs)
	require.NoError(t, fs.Parse(args))
	return l.Load(fs)
}

func TestOnlyAFlagMayNameAPathFromHere(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	require.NoError(t, err)
	spec := settings.Spec{Environ: []string{"DIR=./data"}}
	for args, want := range map[string]string{"--dir=./data": filepath.Join(here, "data"), "--dir=/data": "/data", "--dir=": "", "--listen=x": "./data"} {
		got, err := loadPlaced(t, spec, args)
		require.NoError(t, err)
		require.Equal(t, want, got.Dir, args)
	}
}

func TestAFileMayNotSayPort0(t *testing.T) {
	t.Parallel()
	unit := write(t, "unit.conf", "LISTEN=:0\n")
	for name, c := range map[string]struct {
		spec settings.Spec
		args []string
		bad  bool
	}{
		"a flag":                          {settings.Spec{Environ: []string{}}, []string{"--listen=:0"}, false},
		"a variable":                      {settings.Spec{Environ: []string{"LISTEN=:0"}}, nil, false},
		"a YAML file":                     {settings.Spec{Environ: []string{}, File: write(t, "c.yaml", "listen: 127.0.0.1:0\n")}, nil, true},
		"a conf file":                     {settings.Spec{Environ: []string{}, Format: settings.EnvFile, File: unit}, nil, true},
		"the file of the unit, in it":     {settings.Spec{Environ: []string{"LISTEN=:0", settings.EnvironmentFile + "=" + unit}}, nil, true},
		"the file of the unit, out of it": {settings.Spec{Environ: []string{}, UnitFile: unit}, nil, true},
		"another port":                    {settings.Spec{Environ: []string{}, File: write(t, "d.yaml", "listen: 127.0.0.1:8000\n")}, nil, false},
	} {
		_, err := loadPlaced(t, c.spec, c.args...)
		if c.bad {
			require.ErrorContains(t, err, "must have a port of 1 to 65535", name)
		} else {
			require.NoError(t, err, name)
		}
	}
}

// TestTheFileOfTheUnit: systemd passes over lines that it does not understand, and a
// person who asks `check-config` has not the unit's environment.
func TestTheFileOfTheUnit(t *testing.T) {
	t.Parallel()
	good, bad := write(t, "good.conf", "DIR=/unit\nLISTEN=:1\n"), write(t, "bad.conf", "DIR=/unit\nexport LISTEN=:1\n")
	in := func(file string, more ...string) settings.Spec {
		return settings.Spec{Environ: append([]string{settings.EnvironmentFile + "=" + file}, more...), UnitFile: "/nonexistent/elsewhere"}
	}
	got, err := loadPlaced(t, settings.Spec{Environ: []string{"LISTEN=:2"}, UnitFile: good})
	require.NoError(t, err)
	require.Equal(t, placed{Dir: "/unit", Listen: ":2"}, got, "own variables win over the file's")
	got, err = loadPlaced(t, settings.Spec{Environ: []string{}, UnitFile: good}, "--config="+write(t, "c.yaml", "dir: /mine\n"))
	require.NoError(t, err)
	require.Equal(t, placed{Dir: "/mine"}, got, "another program than the unit's")
	got, err = loadPlaced(t, in(good, "DIR=/systemd"))
	require.NoError(t, err)
	require.Equal(t, placed{Dir: "/systemd"}, got, "systemd has read it already")
	for name, spec := range map[string]settings.Spec{"in the unit": in(bad), "by hand": {Environ: []string{}, UnitFile: bad}} {
		_, err = loadPlaced(t, spec)
		require.ErrorContains(t, err, bad+": line 2 begins with `export`", name)
	}
	_, err = loadPlaced(t, in("/nonexistent/unit.conf"))
	require.NoError(t, err, "only root may read it, and systemd did")
}

func TestVariablesOfOthersAreKnown(t *testing.T) {
	t.Parallel()
	spec := settings.Spec{EnvPrefix: "P_", Others: []string{"P_API_URL"}, Environ: []string{"P_API_URL=x"}}
	_, err := loadPlaced(t, spec)
	require.NoError(t, err)
	spec.Environ = append(spec.Environ, "P_API_URI=x")
	_, err = loadPlaced(t, spec)
	require.ErrorContains(t, err, "P_API_URI: unknown environment variable")
}

func TestFaults(t *testing.T) {
	t.Parallel()
	var none, inner, all settings.Faults
	require.NoError(t, none.Err())

	inner.Add("mode", "is %q", "x")
	inner.Add("", "needs a server")
	all.In("", nil)
	all.In("spire", inner.Err())
	all.In("store", errors.New("no such driver"))
	require.EqualError(t, all.Err(),
		"config: 3 faults:\n  spire.mode: is \"x\"\n  spire: needs a server\n  store: no such driver")
}

func TestKeysListsEveryName(t *testing.T) {
	t.Parallel()
	keys := settings.New(settings.Spec{EnvPrefix: "GRPCCONTROLLER_"}, centralDefaults()).Keys()
	require.Len(t, keys, 7)
	require.Equal(t, settings.Key{
		Name: "trust_domain", Env: "GRPCCONTROLLER_TRUST_DOMAIN", Flag: "--trust-domain", Type: "string",
		Default: "mycorp.internal", Usage: "SPIFFE trust domain",
	}, keys[0])
	require.Equal(t, "5m", keys[3].Default)
	require.Equal(t, "127.0.0.0/8", keys[6].Default)
}

func TestNewPanicsOnABrokenStruct(t *testing.T) {
	t.Parallel()
	require.Panics(t, func() { settings.New(settings.Spec{}, 1) }, "no struct")
	require.Panics(t, func() {
		settings.New(settings.Spec{}, struct {
			A string `conf:"a_b"`
			B string `conf:"a.b"`
		}{})
	}, "two keys with one flag")
	require.Panics(t, func() {
		settings.New(settings.Spec{}, struct {
			A string `conf:"config"`
		}{})
	}, "the file's own flag")
	require.Panics(t, func() {
		settings.New(settings.Spec{}, struct {
			A map[string]string `conf:"a"`
		}{})
	}, "a type that has no text form")
}

func TestLoadsDoNotShareState(t *testing.T) {
	t.Parallel()
	l := settings.New(settings.Spec{Environ: []string{}}, centralDefaults())
	first, err := l.Load(nil)
	require.NoError(t, err)
	first.CIDRs[0] = "changed"
	second, err := l.Load(nil)
	require.NoError(t, err)
	require.Equal(t, []string{"127.0.0.0/8"}, second.CIDRs)
}

func FuzzYAML(f *testing.F) {
	f.Add("spire: {mode: embedded}\nadmin: {cidrs: [a]}\n")
	f.Add("1: {2: 3}\n? [a]\n: b\n")
	f.Add("a: &x [*x]\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := loadCentral(t, text, nil, nil)
		requireFaults(t, err)
	})
}

func FuzzEnvFile(f *testing.F) {
	f.Add("CONTROLLER_ADDR=\"a\nb\" # c\nNAMES: x,$CONTROLLER_ADDR\n")
	f.Add("export export=1\n=\n\\\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := loadHost(t, text)
		requireFaults(t, err)
	})
}

// requireFaults checks that whatever was wrong came back as faults.
func requireFaults(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		var faults settings.Faults
		require.ErrorAs(t, err, &faults)
	}
}
