package oidctest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Of the client that the provider knows.
const (
	ClientID     = "grpccontroller"
	ClientSecret = "the secret of a test client"
)

// Account is what the provider says of somebody.
type Account struct {
	Email  string   `json:"email"`
	Name   string   `json:"name"`
	Groups []string `json:"groups"`
}

// Options of Start.
type Options struct {
	Accounts     map[string]Account // by subject
	RedirectURIs []string
	// UserInfo keeps groups out of the ID token.
	UserInfo bool
	// Port is the port to listen on; 0 is any.
	Port string
}

// Provider is a running provider.
type Provider struct {
	Issuer string
	stop   func()
}

// Stop ends the provider before the test does.
func (p *Provider) Stop() { p.stop() }

const startTimeout = 60 * time.Second

// Start runs oidc-provider until the test ends. It fails, and does not skip,
// without node: what is not tested is not known to work.
func Start(t testing.TB, o Options) *Provider {
	t.Helper()
	dir := install(t)
	accounts, err := json.Marshal(o.Accounts)
	require.NoError(t, err)
	redirects, err := json.Marshal(o.RedirectURIs)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "node", "provider.mjs")
	cmd.Dir, cmd.Stderr = dir, io.Discard
	cmd.Env = append(os.Environ(), "OIDCTEST_ACCOUNTS="+string(accounts), "OIDCTEST_REDIRECT_URIS="+string(redirects),
		"OIDCTEST_SECRET="+ClientSecret, "NODE_ENV=test")
	if o.UserInfo {
		cmd.Env = append(cmd.Env, "OIDCTEST_USERINFO=1")
	}
	if o.Port != "" {
		cmd.Env = append(cmd.Env, "OIDCTEST_PORT="+o.Port)
	}
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		_ = stdin.Close()
		cancel()
		_ = cmd.Wait()
	}
	t.Cleanup(stop)
	late := time.AfterFunc(startTimeout, cancel)
	defer late.Stop()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err, "the provider did not start; run node provider.mjs in controller/auth/oidctest/provider to see why")
	return &Provider{Issuer: strings.TrimSpace(line), stop: stop}
}

// install fetches the packages of the lock file once a checkout. Test programs of
// several packages may come at the same time; a lock makes them wait for the first.
func install(t testing.TB) string {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		_, err := exec.LookPath(tool)
		require.NoError(t, err, "%s is missing: scripts/require.sh node npm", tool)
	}
	_, file, _, ok := runtime.Caller(0)
	require.True(t, ok)
	dir := filepath.Join(filepath.Dir(file), "provider")
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "oidctest.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	defer func() { _ = lock.Close() }()
	require.NoError(t, flock(lock))
	if _, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json")); err == nil {
		return dir
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "npm ci in %s: %s", dir, out)
	return dir
}

// Browser follows redirects like one, with cookies, and stops at the callback.
type Browser struct {
	client *http.Client
}

// NewBrowser returns a browser without cookies.
func NewBrowser(t testing.TB) *Browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &Browser{client: &http.Client{
		Jar: jar, Timeout: 30 * time.Second,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

var formAction = regexp.MustCompile(`action="([^"]+)"`)

// SignIn plays a person who signs in as subject and consents, and returns the URL
// of the callback that the provider sends the browser to.
func (b *Browser) SignIn(t testing.TB, authURL, callback, subject string) *url.URL {
	t.Helper()
	at, err := url.Parse(authURL)
	require.NoError(t, err)
	form := url.Values(nil)
	for range 20 {
		body, next := b.fetch(t, at, form)
		form = nil
		if next == nil { // a page of the provider: sign in, or consent
			action := formAction.FindStringSubmatch(body)
			require.NotNil(t, action, body)
			next, err = at.Parse(strings.ReplaceAll(action[1], "&amp;", "&"))
			require.NoError(t, err)
			form = url.Values{"prompt": {"consent"}}
			if strings.Contains(body, `name="login"`) {
				form = url.Values{"prompt": {"login"}, "login": {subject}, "password": {"any"}}
			}
		}
		if strings.HasPrefix(next.String(), callback) {
			return next
		}
		at = next
	}
	require.FailNow(t, "the provider goes round in circles")
	return nil
}

// fetch gets or posts and returns where the reply redirects to, or its body.
func (b *Browser) fetch(t testing.TB, at *url.URL, form url.Values) (string, *url.URL) {
	t.Helper()
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(context.Background(), method, at.String(), body)
	require.NoError(t, err)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := b.client.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	next, err := resp.Location()
	if errors.Is(err, http.ErrNoLocation) {
		return string(text), nil
	}
	require.NoError(t, err)
	return "", next
}
