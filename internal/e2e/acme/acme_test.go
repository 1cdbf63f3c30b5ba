package acme_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world/worldtest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

const name = "controller.example.com"

// site is a controller whose dashboard is at name.
type site struct {
	*worldtest.World
	t     *testing.T
	ca    *ca
	admin string
}

// newSite starts the ACME server; Boot starts the controller.
func newSite(t *testing.T, life time.Duration, flags ...string) *site {
	t.Helper()
	port := hosttest.Port(t)
	admin := fmt.Sprintf("127.0.0.1:%d", port)
	w := worldtest.New(t, append([]string{
		"--listen-admin", admin, "--admin-acme-domains", name, "--admin-acme-email", "ops@example.com",
	}, flags...)...)
	s := &site{World: w, t: t, admin: admin, ca: startCA(t, w, port, life)}
	w.With("--admin-acme-directory-url", s.ca.directory(), "--admin-acme-ca-path", s.ca.CAPath)
	return s
}

// dial makes a handshake as a client that trusts Pebble's root alone.
func (s *site) dial(ctx context.Context, name string, protocols ...string) (tls.ConnectionState, error) {
	d := tls.Dialer{Config: &tls.Config{RootCAs: s.ca.root, ServerName: name, NextProtos: protocols, MinVersion: tls.VersionTLS12}}
	conn, err := d.DialContext(ctx, "tcp", s.admin)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer func() { _ = conn.Close() }()
	return conn.(*tls.Conn).ConnectionState(), nil
}

// serial is that of the certificate that a client sees, in hexadecimal.
func (s *site) serial() string {
	s.t.Helper()
	state, err := s.dial(s.t.Context(), name)
	require.NoError(s.t, err)
	return state.PeerCertificates[0].SerialNumber.Text(16)
}

// served waits until a client gets a certificate of Pebble, for a limited time.
func (s *site) served() {
	s.t.Helper()
	s.Eventually(soon, "a certificate is served", func(ctx context.Context) error {
		_, err := s.dial(ctx, name)
		return err
	})
}

// browser is a client that keeps its connection.
func (s *site) browser() *http.Client {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", s.admin)
		},
		TLSClientConfig: &tls.Config{RootCAs: s.ca.root, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
	}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: soon}
}

// get asks for the dashboard, and says whether that was on a connection of before.
func (s *site) get(b *http.Client) (reused bool) {
	s.t.Helper()
	ctx := httptrace.WithClientTrace(s.t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+name+"/api/admin/setup", nil)
	require.NoError(s.t, err)
	resp, err := b.Do(req)
	require.NoError(s.t, err)
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, resp.StatusCode)
	require.Equal(s.t, "HTTP/2.0", resp.Proto)
	return reused
}

// status is the page of `grpccontroller status`, and doctor that of `doctor`.
func (s *site) status() string { return s.page("status") }

func (s *site) doctor() string { return s.page("doctor") }

func (s *site) page(args ...string) string {
	s.t.Helper()
	r, err := s.CLI(s.t.Context(), args...)
	require.NoError(s.t, err)
	return r.Stdout
}

// attention is what the dashboard shows about its certificate: severity, text and advice.
func (s *site) attention() (text string) {
	s.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", s.Run.AdminSocket)
	}}}
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://localhost/api/admin/attention", nil)
	require.NoError(s.t, err)
	resp, err := client.Do(req)
	require.NoError(s.t, err)
	defer func() { _ = resp.Body.Close() }()
	var list struct {
		Attention []struct{ Kind, Severity, Found, Do string }
	}
	require.NoError(s.t, json.NewDecoder(resp.Body).Decode(&list))
	for _, it := range list.Attention {
		if it.Kind == "certificate" {
			text += it.Severity + ": " + it.Found + " " + it.Do + "\n"
		}
	}
	return text
}

// says waits until status, doctor and the dashboard say why there is no new certificate, and
// what to do; status also says what there is.
func (s *site) says(state string, texts ...string) {
	s.t.Helper()
	s.Eventually(soon, "status says "+strings.Join(texts, ", "), func(context.Context) error {
		page := s.status()
		for _, text := range append([]string{"WARNS admin_certificate  " + state}, texts...) {
			if !strings.Contains(page, text) {
				return fmt.Errorf("%q is not in\n%s", text, page)
			}
		}
		return nil
	})
	require.NoError(s.t, s.Ready(s.t.Context()), "hosts do not need this certificate")
	doctor, attention := s.doctor(), s.attention()
	for _, text := range texts {
		require.Contains(s.t, doctor, text)
		require.Contains(s.t, attention, text)
	}
}

// repaired says that all is well again.
func (s *site) repaired() {
	s.t.Helper()
	s.Eventually(soon, "status says ok", func(context.Context) error {
		if page := s.status(); !strings.Contains(page, "ok    admin_certificate  the certificate of "+name+" is valid until ") {
			return errors.New(page)
		}
		return nil
	})
	require.Empty(s.t, s.attention())
}

func (s *site) kept(file string) string {
	s.t.Helper()
	dirs, err := filepath.Glob(filepath.Join(s.Dir, "acme", "*"))
	require.NoError(s.t, err)
	require.Len(s.t, dirs, 1, "of one ACME server")
	info, err := os.Stat(filepath.Join(dirs[0], file))
	require.NoError(s.t, err)
	require.EqualValues(s.t, 0o600, info.Mode().Perm())
	text, err := os.ReadFile(filepath.Join(dirs[0], file))
	require.NoError(s.t, err)
	return string(text)
}

func TestTheDashboardGetsItsCertificateByACME(t *testing.T) {
	t.Parallel()
	s := newSite(t, 90*24*time.Hour)
	s.Boot()
	s.served()
	state, err := s.dial(t.Context(), name, "h2", "http/1.1")
	require.NoError(t, err)
	require.Equal(t, "h2", state.NegotiatedProtocol)
	leaf := state.PeerCertificates[0]
	require.Equal(t, []string{name}, leaf.DNSNames)
	require.WithinDuration(t, time.Now().Add(90*24*time.Hour), leaf.NotAfter, time.Hour)
	require.False(t, s.get(s.browser()))
	s.repaired()
	require.Contains(t, s.doctor(), "is valid until "+leaf.NotAfter.Format(time.DateOnly))
	require.Equal(t, 1, s.ca.front.orders())

	serial, account := s.serial(), s.kept("account.key")
	require.Contains(t, s.kept(name+".pem"), "BEGIN CERTIFICATE")
	_, err = s.Stop()
	require.NoError(t, err)
	requests := s.ca.front.count("")
	s.Boot()
	require.Equal(t, serial, s.serial(), "a restart uses what it has")
	require.Equal(t, requests, s.ca.front.count(""), "and asks nobody")
	require.Equal(t, account, s.kept("account.key"))

	s.ask(t)
	require.Equal(t, requests, s.ca.front.count(""), "no handshake makes an order")
	_, err = s.dial(t.Context(), name)
	require.NoError(t, err)
	// A kept certificate of no use: a new one, of the same account.
	_, err = s.Stop()
	require.NoError(t, err)
	dirs, err := filepath.Glob(filepath.Join(s.Dir, "acme", "*", name+".pem"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(dirs[0], []byte("spoiled"), 0o600))
	s.Boot()
	s.served()
	require.NotEqual(t, serial, s.serial())
	require.Equal(t, account, s.kept("account.key"))
	require.Equal(t, 2, s.ca.front.orders())
}

// ask makes handshakes for names that are not the dashboard's, thousands of them: each
// is refused, none makes an order, and the log does not grow with them.
func (s *site) ask(t *testing.T) {
	t.Helper()
	before, err := os.Stat(s.Log)
	require.NoError(t, err)
	for _, asked := range []string{"evil.example", "x." + name, "example.com", ""} {
		for _, protocols := range [][]string{nil, {"acme-tls/1"}, {"acme-tls/1", "h2"}} {
			_, err := s.dialAny(t.Context(), asked, protocols...)
			require.ErrorContains(t, err, "remote error: tls: ", "%q %q", asked, protocols)
		}
	}
	_, err = s.dialAny(t.Context(), name, "acme-tls/1")
	require.ErrorContains(t, err, "remote error: tls: ", "no proof without a validation")
	const callers, each = 16, 125
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := range each {
				_, _ = s.dialFrom(t.Context(), stranger, fmt.Sprintf("n%d.evil.example", i))
			}
		})
	}
	started := time.Now()
	_, err = s.dial(t.Context(), name)
	require.NoError(t, err, "who asks for the dashboard gets it meanwhile")
	require.Less(t, time.Since(started), 5*time.Second)
	wg.Wait()
	after, err := os.Stat(s.Log)
	require.NoError(t, err)
	require.Less(t, after.Size()-before.Size(), int64(16<<10), "%d refused handshakes in the log", callers*each)
}

// stranger is another address than that of everybody else: the listener limits each.
var stranger = net.IPv4(127, 0, 0, 2)

// dialAny is dial of a client that believes everything.
func (s *site) dialAny(ctx context.Context, name string, protocols ...string) (tls.ConnectionState, error) {
	return s.dialFrom(ctx, net.IPv4(127, 0, 0, 1), name, protocols...)
}

func (s *site) dialFrom(ctx context.Context, from net.IP, name string, protocols ...string) (tls.ConnectionState, error) {
	d := tls.Dialer{NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}, Config: &tls.Config{ServerName: name, NextProtos: protocols, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}}
	conn, err := d.DialContext(ctx, "tcp", s.admin)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer func() { _ = conn.Close() }()
	return conn.(*tls.Conn).ConnectionState(), nil
}

func TestACertificateIsRenewedUnderOpenConnections(t *testing.T) {
	t.Parallel()
	const life = 15 * time.Second
	s := newSite(t, life)
	s.Boot()
	s.served()
	b := s.browser()
	require.False(t, s.get(b))
	first := s.serial()
	s.Eventually(soon, "renewed", func(context.Context) error {
		if s.serial() == first { // served all the time, never expired: it trusts Pebble's root
			return errors.New("the first one is served")
		}
		return nil
	})
	require.True(t, s.get(b), "on the connection of before")
	require.Equal(t, 2, s.ca.front.orders())
	s.repaired()

	s.ca.front.plays(down)
	s.says("the certificate of "+name, "EOF", "check admin.acme.directory_url", "systemctl reload grpccontroller")
	require.True(t, s.get(b))
	s.Eventually(soon, "expired", func(context.Context) error {
		if page := s.status(); !strings.Contains(page, name+" expired at ") {
			return errors.New(page)
		}
		return nil
	})
	require.Contains(t, s.attention(), "critical: ")
	_, err := s.dial(t.Context(), name)
	require.ErrorContains(t, err, "expired", "the client refuses it, and knows why")
	require.True(t, s.get(b), "connections of before go on")

	s.ca.front.plays(nil)
	s.served() // without a signal: it is tried again by itself
	s.repaired()
}

// TestWithoutACertificateTheControllerWorks goes through what can keep it from one. Each
// is told with what to do, and ends with the signal of who repaired it.
func TestWithoutACertificateTheControllerWorks(t *testing.T) {
	t.Parallel()
	s := newSite(t, time.Hour)
	s.ca.front.plays(down)
	s.Boot()
	const none = "there is no certificate of " + name
	s.says(none, "EOF", "check admin.acme.directory_url")
	s.refused()

	for _, fault := range []struct {
		what  string
		play  func(http.ResponseWriter, *http.Request) bool
		texts []string
	}{
		{"too many orders", problem(http.StatusTooManyRequests, "rateLimited", "too many certificates"), []string{"too many certificates", "wait: the ACME server allows no more for now"}},
		{"the name is refused", problem(http.StatusForbidden, "rejectedIdentifier", "policy forbids"), []string{"policy forbids", "correct admin.acme.domains"}},
		{"the account is refused", problem(http.StatusForbidden, "userActionRequired", "new terms"), []string{"new terms", "the ACME server does not take this account"}},
		{"a fault of the server", problem(http.StatusInternalServerError, "serverInternal", "out of order"), []string{"out of order", "look at the status of the ACME server"}},
		{"a reply without an end", endless, []string{"admin.acme.directory_url"}},
		{"a reply of another kind", page, []string{"admin.acme.directory_url"}},
		{"another server's URLs", aimed, []string{"names a URL that the controller does not ask"}},
	} {
		s.ca.front.plays(fault.play)
		require.NoError(t, s.Signal(syscall.SIGHUP), fault.what)
		s.says(none, fault.texts...)
		s.refused()
	}

	// The name leads to another machine, where nobody listens.
	s.ca.front.plays(nil)
	s.ca.resolve(name, "127.0.0.99")
	require.NoError(t, s.Signal(syscall.SIGHUP))
	s.says(none, "127.0.0.99", "port 443 of "+name+": check the DNS record and the firewall")
	s.refused()

	// It stalls: who calls meanwhile is answered at once.
	release := make(chan struct{})
	s.ca.front.plays(func(_ http.ResponseWriter, r *http.Request) bool {
		if isOrder(r) {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
		return false
	})
	orders := s.ca.front.count(newOrder)
	require.NoError(t, s.Signal(syscall.SIGHUP))
	s.Eventually(soon, "it orders", func(context.Context) error {
		if s.ca.front.count(newOrder) == orders {
			return errors.New("not yet")
		}
		return nil
	})
	s.refused()
	s.ca.resolve(name, "")
	close(release)
	s.served()
	s.repaired()
}

// refused: a handshake ends at once, and hosts can be enrolled all the same.
func (s *site) refused() {
	s.t.Helper()
	started := time.Now()
	_, err := s.dialAny(s.t.Context(), name, "h2", "http/1.1")
	require.ErrorContains(s.t, err, "remote error: tls: ")
	require.Less(s.t, time.Since(started), 5*time.Second)
	_, err = s.API.Status(s.t.Context())
	require.NoError(s.t, err)
}

// endless is a directory that never ends.
func endless(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path != "/dir" {
		return false
	}
	_, _ = io.WriteString(w, `{"newNonce": "`)
	for block := strings.Repeat("x", 64<<10); r.Context().Err() == nil; {
		if _, err := io.WriteString(w, block); err != nil {
			return true
		}
	}
	return true
}

func page(w http.ResponseWriter, _ *http.Request) bool {
	_, _ = io.WriteString(w, "<html>Sign in to this network</html>")
	return true
}

// aimed is a directory that leads to a neighbour of the controller.
func aimed(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path != "/dir" {
		return false
	}
	at := "http://127.0.0.1:9/"
	_ = json.NewEncoder(w).Encode(map[string]string{"newNonce": at, "newAccount": at, "newOrder": at})
	return true
}

// TestAnACMEServerThatNobodyTrustsIsToldOf says which key is missing.
func TestAnACMEServerThatNobodyTrustsIsToldOf(t *testing.T) {
	t.Parallel()
	s := newSite(t, time.Hour)
	s.With("--admin-acme-ca-path", "")
	s.Boot()
	s.says("there is no certificate of "+name, "signed by unknown authority", "set admin.acme.ca_path")
	s.refused()
	require.Zero(t, s.ca.front.count(""), "nothing was sent to it")
}

// TestTheRefusalOfOneNameLeavesTheOther: the refusal is Pebble's own.
func TestTheRefusalOfOneNameLeavesTheOther(t *testing.T) {
	t.Parallel()
	s := newSite(t, time.Hour, "--admin-acme-domains", "blocked.example,"+name)
	s.Boot()
	s.served()
	s.says("there is no certificate of blocked.example", "correct admin.acme.domains")
	_, err := s.dialAny(t.Context(), "blocked.example")
	require.ErrorContains(t, err, "remote error: tls: ")
}
