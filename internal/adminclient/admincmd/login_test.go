package admincmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient/admincmd"
)

const loginToken = "ztp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// device answers what it is told to, in turn.
type device struct {
	begin   adminapi.DeviceAuthorization
	answers []error
	polls   int
}

func (d *device) BeginDevice(context.Context, string) (adminapi.DeviceAuthorization, error) {
	return d.begin, nil
}

func (d *device) DeviceToken(context.Context, string) (adminapi.AccessToken, error) {
	d.polls++
	if len(d.answers) == 0 {
		return adminapi.AccessToken{AccessToken: loginToken, ExpiresIn: 3600}, nil
	}
	err := d.answers[0]
	d.answers = d.answers[1:]
	return adminapi.AccessToken{}, err
}

func oauth(status int, code string) error {
	return &adminclient.Error{Problem: adminapi.Problem{Status: status, Error: code}}
}

func codes() adminapi.DeviceAuthorization {
	return adminapi.DeviceAuthorization{
		DeviceCode: "ztd_x", UserCode: "BCDF-GHJK", VerificationURI: "https://controller.example.com/device", ExpiresIn: 600, Interval: 5,
	}
}

func TestPollsAtTheIntervalAndSlowerWhenTold(t *testing.T) {
	t.Parallel()
	d := &device{begin: codes(), answers: []error{
		oauth(400, adminapi.ErrorPending), oauth(400, adminapi.ErrorSlowDown), oauth(400, adminapi.ErrorPending), oauth(429, ""), errors.New("connection reset"), oauth(503, ""),
	}}
	var out bytes.Buffer
	token, waited, err := admincmd.Flow(t.Context(), &out, d)
	require.NoError(t, err)
	require.Equal(t, loginToken, token.AccessToken)
	require.Equal(t, []time.Duration{5 * time.Second, 5 * time.Second, 10 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute}, waited)
	require.Contains(t, out.String(), "https://controller.example.com/device\n\n  BCDF-GHJK\n")
	require.NotContains(t, out.String(), d.begin.DeviceCode)
}

func TestALoginThatComesToNothingSaysWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer error
		want   string
	}{
		"denied":  {oauth(400, adminapi.ErrorDenied), "denied in the browser"},
		"expired": {oauth(400, adminapi.ErrorExpired), "the sign-in was not approved in time"},
		"refused": {oauth(400, "invalid_client"), ""},
	} {
		_, waited, err := admincmd.Flow(t.Context(), &bytes.Buffer{}, &device{begin: codes(), answers: []error{c.answer}})
		require.ErrorContains(t, err, c.want, name)
		require.Len(t, waited, 1, name)
	}
	never := make([]error, 1000)
	for i := range never {
		never[i] = oauth(400, adminapi.ErrorPending)
	}
	d := &device{begin: codes(), answers: never}
	_, _, err := admincmd.Flow(t.Context(), &bytes.Buffer{}, d)
	require.ErrorContains(t, err, "the sign-in was not approved in time")
	require.Equal(t, 120, d.polls, "ten minutes at five seconds, whatever the controller says")
	d = &device{begin: codes(), answers: never}
	d.begin.Interval, d.begin.ExpiresIn = -1, 1<<40
	_, waited, err := admincmd.Flow(t.Context(), &bytes.Buffer{}, d)
	require.ErrorContains(t, err, "the sign-in was not approved in time")
	require.Equal(t, time.Second, waited[0], "a controller makes no command line a flood")
}

func TestShowsNoAddressThatIsNone(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(d *adminapi.DeviceAuthorization){
		"a script":           func(d *adminapi.DeviceAuthorization) { d.VerificationURI = "javascript:alert(1)" },
		"a file":             func(d *adminapi.DeviceAuthorization) { d.VerificationURI = "file:///etc/passwd" },
		"an option":          func(d *adminapi.DeviceAuthorization) { d.VerificationURI = "--help" },
		"an escape sequence": func(d *adminapi.DeviceAuthorization) { d.VerificationURI += "\x1b[2J" },
		"two lines":          func(d *adminapi.DeviceAuthorization) { d.VerificationURI += "\nhttps://evil.example" },
		"another name before @": func(d *adminapi.DeviceAuthorization) {
			d.VerificationURI = "https://controller.example.com@evil.example/"
		},
		"other letters":           func(d *adminapi.DeviceAuthorization) { d.VerificationURI = "https://cоntroller.example.com/device" },
		"a code that is a line":   func(d *adminapi.DeviceAuthorization) { d.UserCode = "AB\nCD" },
		"a code that is too long": func(d *adminapi.DeviceAuthorization) { d.UserCode = strings.Repeat("A", 21) },
		"nothing":                 func(d *adminapi.DeviceAuthorization) { *d = adminapi.DeviceAuthorization{} },
	} {
		d := &device{begin: codes()}
		change(&d.begin)
		var out bytes.Buffer
		_, _, err := admincmd.Flow(t.Context(), &out, d)
		require.ErrorContains(t, err, "names no address and code", name)
		require.Empty(t, out.String(), name)
		require.Zero(t, d.polls, name)
	}
}

// controller is an admin API for the login commands.
type controller struct {
	*httptest.Server
	mu      sync.Mutex
	bearers []string // of /whoami
	revoked []string
}

func startController(t *testing.T) *controller {
	t.Helper()
	c := &controller{}
	mux := http.NewServeMux()
	reply := func(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }
	mux.HandleFunc("POST /api/admin/oauth/device_authorization", func(w http.ResponseWriter, _ *http.Request) {
		d := codes()
		d.VerificationURI, d.Interval = c.URL+"/device", 0
		reply(w, d)
	})
	mux.HandleFunc("POST /api/admin/oauth/token", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, adminapi.AccessToken{AccessToken: loginToken, TokenType: "Bearer", ExpiresIn: 28800})
	})
	mux.HandleFunc("POST /api/admin/oauth/revoke", func(_ http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.revoked = append(c.revoked, r.FormValue("token"))
	})
	mux.HandleFunc("GET /api/admin/whoami", func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.bearers = append(c.bearers, r.Header.Get("Authorization"))
		reply(w, adminapi.Caller{Actor: "person:p1", Kind: "person", Name: "Ada\x1b[2J", Role: "owner", Permissions: []string{"fleet:read"}})
	})
	c.Server = httptest.NewTLSServer(mux)
	t.Cleanup(c.Close)
	return c
}

// ca writes what signed the server's certificate.
func (c *controller) ca(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.crt")
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw}), 0o600))
	return path
}

// alone gives the commands a configuration directory of their own, and nothing else.
func alone(t *testing.T) (files string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	for _, name := range append(admincmd.Variables(), "GRPCCONTROLLER_DATA_DIR") {
		t.Setenv(name, "")
	}
	return filepath.Join(dir, "grpccontroller", "logins")
}

func TestALoginIsKeptForItsControllerAndUsedWithoutNamingIt(t *testing.T) {
	c, files := startController(t), alone(t)
	ca := c.ca(t)
	code, out, errOut := run("login", c.URL, "--ca", ca)
	require.Zero(t, code, errOut)
	require.Contains(t, out, "Signed in at "+c.URL+" as Ada·[2J (owner) until ")
	require.Contains(t, errOut, "BCDF-GHJK")
	require.NotContains(t, out+errOut, "ztp_")
	require.NoError(t, os.Remove(ca), "the CA is remembered whole")

	entries, err := os.ReadDir(files)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	dir, err := os.Stat(files)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), dir.Mode().Perm())

	for _, args := range [][]string{{"whoami"}, {"whoami", "--api-url", c.URL}, {"whoami", "--api-url", strings.ToUpper(c.URL[:5]) + c.URL[5:] + "/"}} {
		code, out, errOut = run(args...)
		require.Zero(t, code, errOut)
		require.Contains(t, out, "person:p1")
	}
	for _, b := range c.bearers {
		require.Equal(t, "Bearer "+loginToken, b)
	}
	other := startController(t)
	code, _, errOut = run("whoami", "--api-url", other.URL)
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "grpccontroller login URL")
	require.Empty(t, other.bearers, "one controller's token is not another's to see")

	code, out, errOut = run("logout")
	require.Zero(t, code, errOut)
	require.Contains(t, out, "Signed out at "+c.URL)
	require.Equal(t, []string{loginToken}, c.revoked)
	entries, err = os.ReadDir(files)
	require.NoError(t, err)
	require.Empty(t, entries)
	code, out, _ = run("logout", c.URL)
	require.Zero(t, code)
	require.Contains(t, out, "not signed in")
}

func TestALoginThatIsNotRightIsNotSent(t *testing.T) {
	c, files := startController(t), alone(t)
	code, _, errOut := run("login", c.URL, "--ca", c.ca(t))
	require.Zero(t, code, errOut)
	entries, err := os.ReadDir(files)
	require.NoError(t, err)
	path := filepath.Join(files, entries[0].Name())
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	asked := len(c.bearers)
	var kept map[string]any
	require.NoError(t, json.Unmarshal(good, &kept))
	changed := func(key string, value any) []byte {
		other := map[string]any{}
		for k, v := range kept {
			other[k] = v
		}
		other[key] = value
		b, err := json.Marshal(other)
		require.NoError(t, err)
		return b
	}
	for name, it := range map[string]struct {
		content []byte
		mode    os.FileMode
		want    string
	}{
		"readable by others":            {good, 0o644, "other users may read or change the login"},
		"belongs to another controller": {changed("url", "https://evil.example"), 0o600, "holds no login at " + c.URL},
		"expired":                       {changed("expires_at", "2020-01-01T00:00:00Z"), 0o600, "has expired"},
		"without a token":               {changed("token", ""), 0o600, "holds no login"},
		"damaged":                       {good[:20], 0o600, "holds no login"},
		"with a CA that is none":        {changed("ca", "x"), 0o600, "holds no certificate"},
		"without its CA":                {changed("ca", ""), 0o600, "--api-ca"},
		"a token that is a header":      {changed("token", "a\r\nX: y"), 0o600, "API keys never have"},
	} {
		require.NoError(t, os.WriteFile(path, it.content, 0o600))
		require.NoError(t, os.Chmod(path, it.mode))
		code, _, errOut := run("whoami")
		require.Equal(t, 1, code, name)
		require.Contains(t, errOut, it.want, name)
		require.NotContains(t, errOut, "ztp_", name)
	}
	require.NoError(t, os.Remove(path))
	code, _, errOut = run("whoami")
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "is gone")
	require.Len(t, c.bearers, asked, "none of it reached the controller")
}

func TestLoginNeedsAnAddressThatCanBeCalled(t *testing.T) {
	files := alone(t)
	for _, address := range []string{
		"", "controller.example.com", "http://controller.example.com", "https://0.0.0.0:8080", "https://[::]:8080", "http://0.0.0.0:8080", "https://[::ffff:0.0.0.0]",
		"https://controller.example.com/api/admin", "https://ada:pw@controller.example.com", "ftp://controller.example.com",
	} {
		code, out, errOut := run("login", address)
		require.Equal(t, 2, code, "%s: %s", address, errOut)
		require.Empty(t, out)
		require.NotContains(t, errOut, "pw@")
	}
	c := startController(t)
	code, _, errOut := run("login", c.URL)
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "name it with --ca FILE")
	code, _, errOut = run("login", c.URL, "--ca", filepath.Join(files, "none"))
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "--ca")
	_, err := os.Stat(files)
	require.ErrorIs(t, err, os.ErrNotExist, "nothing was kept")
}

// TestALoginWhereNothingListensNamesNoFlagThatItLacks: login takes a URL alone.
func TestALoginWhereNothingListensNamesNoFlagThatItLacks(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	code, _, errOut := run("login", "http://127.0.0.1:1")
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "nothing listens at http://127.0.0.1:1: is this the URL of the dashboard, and does the controller run?")
	require.NotRegexp(t, "--api-url|--data-dir", errOut)
}

func TestALoginThatOthersCouldReadIsEndedToo(t *testing.T) {
	c, files := startController(t), alone(t)
	code, _, errOut := run("login", c.URL, "--ca", c.ca(t))
	require.Zero(t, code, errOut)
	entries, err := os.ReadDir(files)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(filepath.Join(files, entries[0].Name()), 0o644))
	code, out, errOut := run("logout")
	require.Zero(t, code, errOut)
	require.Contains(t, out, "Signed out at "+c.URL)
	require.Equal(t, []string{loginToken}, c.revoked, "it is the token that has to end first")
	entries, err = os.ReadDir(files)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestALogoutThatIsNotHeardSaysSo(t *testing.T) {
	c, files := startController(t), alone(t)
	code, _, errOut := run("login", c.URL, "--ca", c.ca(t))
	require.Zero(t, code, errOut)
	c.Close()
	code, _, errOut = run("logout")
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "end it in the dashboard")
	entries, err := os.ReadDir(files)
	require.NoError(t, err)
	require.Empty(t, entries, "and the token is gone from here")
}
