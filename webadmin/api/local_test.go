package api_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/authtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/events"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/localsocket"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// startLocal runs an API with a local admin socket at path.
func startLocal(t *testing.T, options ...func(*api.Config)) (e *apitest.Env, path string) {
	t.Helper()
	local, path := apitest.Socket(t)
	return apitest.Start(t, append(options, local)...), path
}

// askRaw sends one request as it stands over a connection and returns the answer.
func askRaw(t *testing.T, conn net.Conn, text string) (status int, body string) {
	t.Helper()
	_, err := io.WriteString(conn, strings.ReplaceAll(text, "\n", "\r\n"))
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode, string(b)
}

func TestTheLocalSocketNeedsNoKeyBeforeAndAfterTheFirstOwner(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]func(*api.Config){
		"as it is":        func(*api.Config) {},
		"beyond loopback": func(c *api.Config) { c.Listen, c.InsecureListen = "0.0.0.0:0", true },
		"with public_url": func(c *api.Config) { c.PublicURL = "https://controller.example.com" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, path := startLocal(t, option)
			c := adminclient.To(adminclient.Target{Socket: path})
			t.Cleanup(c.Close)
			_, err := c.CreateToken(t.Context(), adminapi.TokenRequest{Kind: "connector", ID: "a"})
			require.NoError(t, err)
			e.Identity.Add(t, "ada@example.com", auth.Owner)
			_, err = c.CreateToken(t.Context(), adminapi.TokenRequest{Kind: "connector", ID: "b"})
			require.NoError(t, err)
			for _, r := range e.Tokens.Requests() {
				require.Equal(t, auth.LocalActor, r.Actor)
				require.Equal(t, localsocket.Self().String(), r.From, "user and process are in the audit log")
			}
			_, err = c.Rotate(t.Context(), adminapi.RotationRequest{})
			require.NoError(t, err, "what a person must sign in again for")
		})
	}
}

// TestTheLocalSocketIsAnOwnerForEveryOperation: whatever needs a permission, except what
// a person does with their own account.
func TestTheLocalSocketIsAnOwnerForEveryOperation(t *testing.T) {
	t.Parallel()
	p := auth.Local()
	for _, permission := range auth.Owner.Permissions() {
		require.Equal(t, permission != auth.Self, p.May(permission), permission)
	}
	require.True(t, p.SteppedUp(authtest.NewClock().Now()))
}

func TestNoHeaderHelpsOrHindersAtTheLocalSocket(t *testing.T) {
	t.Parallel()
	e, path := startLocal(t)
	in := e.Identity.Add(t, "ada@example.com", auth.Auditor)
	for _, header := range []string{
		"", "Authorization: Bearer " + e.Key, "Authorization: Bearer zta_wrong", "Authorization: Bearer a\nAuthorization: Bearer b",
		"Cookie: zt_session=" + in.Secret, "Cookie: zt_session=wrong", "Cookie: zt_session=" + in.Secret + "; zt_session=x",
		"X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: evil.example\nX-Forwarded-Proto: https", "Forwarded: for=192.0.2.1", "X-Real-IP: 192.0.2.1",
		"Proxy-Authorization: Basic x",
	} {
		if header != "" {
			header += "\n"
		}
		status, body := askRaw(t, controltest.DialAdmin(t, path), "GET /api/admin/people HTTP/1.1\nHost: localhost\n"+header+"\n")
		require.Equal(t, http.StatusOK, status, "%s: %s", header, body)
		status, body = askRaw(t, controltest.DialAdmin(t, path), "DELETE /api/admin/connectors/none HTTP/1.1\nHost: localhost\n"+header+"\n")
		require.Equal(t, http.StatusNotFound, status, "%s: %s", header, body)
	}
	require.Empty(t, e.Refused())
	for _, line := range e.Logs.FilterMessage("admin request").All() {
		require.Equal(t, auth.LocalActor, line.ContextMap()["actor"])
		require.NotContains(t, line.ContextMap()["caller_addr"], "192.0.2.1")
	}
}

// TestAnotherUserIsRefusedAtTheLocalSocket: with the socket open to everybody, so that
// its mode is not what stops them, and with every credential that there is.
func TestAnotherUserIsRefusedAtTheLocalSocket(t *testing.T) {
	t.Parallel()
	e, path := startLocal(t)
	in := e.Identity.Add(t, "ada@example.com", auth.Owner)
	for _, route := range []string{
		"GET /api/admin/connectors", "GET /api/admin/setup", "POST /api/admin/tokens", "DELETE /api/admin/connectors/a", "GET /", "GET /api/admin/nothing", "GET /api/admin/openapi.json",
	} {
		for _, header := range []string{"", "Authorization: Bearer " + e.Key + "\n", "Cookie: zt_session=" + in.Secret + "\n"} {
			for _, uid := range []uint32{4242, 65534} {
				status, body := askRaw(t, controltest.DialAdminAs(t, path, uid), route+" HTTP/1.1\nHost: localhost\n"+header+"\n")
				require.Equal(t, http.StatusForbidden, status, "%s %d", route, uid)
				require.Contains(t, body, "only root and the controller's own user")
			}
		}
	}
	require.Empty(t, e.Tokens.Requests())
	require.NotEmpty(t, e.Refused())
	for _, refused := range e.Refused() {
		require.Equal(t, audit.Denied, refused.Outcome)
		require.Empty(t, refused.Actor)
		require.Regexp(t, `^uid (4242|65534) pid [1-9][0-9]*$`, refused.Source)
	}
	require.LessOrEqual(t, len(e.Refused()), 10, "a stranger fills no audit log")
}

// TestAConnectionThatRootOpenedIsRootsForWhoeverHoldsIt and the other way round: the
// kernel notes who called connect, and a descriptor is handed on deliberately.
func TestAConnectionThatRootOpenedIsRootsForWhoeverHoldsIt(t *testing.T) {
	t.Parallel()
	_, path := startLocal(t)
	handed := controltest.DialAdmin(t, path)
	require.Equal(t, http.StatusOK, controltest.AskAdminAs(t, handed, 4242, "/api/admin/connectors"))
	require.Equal(t, http.StatusForbidden, controltest.AskAdmin(t, controltest.DialAdminAs(t, path, 4242), "/api/admin/connectors", nil), "asked by root")
}

// TestABrowserIsRefusedAtTheLocalSocket: where it is forwarded to a port, a page of
// another site could otherwise act as root.
func TestABrowserIsRefusedAtTheLocalSocket(t *testing.T) {
	t.Parallel()
	e, path := startLocal(t)
	for name, c := range map[string]struct {
		request string
		status  int
	}{
		"a page of another site":     {"POST /api/admin/tokens HTTP/1.1\nHost: localhost\nOrigin: https://evil.example\n", http.StatusForbidden},
		"a page that hides its name": {"POST /api/admin/tokens HTTP/1.1\nHost: localhost\nOrigin: null\n", http.StatusForbidden},
		"a tab":                      {"GET /api/admin/connectors HTTP/1.1\nHost: localhost\nSec-Fetch-Site: none\n", http.StatusForbidden},
		"a forwarded port":           {"GET /api/admin/connectors HTTP/1.1\nHost: localhost:8080\n", http.StatusMisdirectedRequest},
		"DNS rebinding":              {"GET /api/admin/connectors HTTP/1.1\nHost: evil.example\n", http.StatusMisdirectedRequest},
		"a name of this server":      {"GET /api/admin/connectors HTTP/1.1\nHost: example.com\n", http.StatusMisdirectedRequest},
		"the dashboard":              {"GET / HTTP/1.1\nHost: localhost\nSec-Fetch-Mode: navigate\n", http.StatusForbidden},
	} {
		status, body := askRaw(t, controltest.DialAdmin(t, path), c.request+"Content-Length: 0\n\n")
		require.Equal(t, c.status, status, "%s: %s", name, body)
	}
	require.Empty(t, e.Tokens.Requests())
}

// TestOnlyTheSocketMakesAnOwner: nothing that a caller of the other listener sends.
func TestOnlyTheSocketMakesAnOwner(t *testing.T) {
	t.Parallel()
	e, _ := startLocal(t)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", e.Server.Addr().String())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.Equal(t, http.StatusUnauthorized, controltest.AskAdmin(t, conn, "/api/admin/connectors", http.Header{
		"X-Forwarded-For": {"uid 0 pid 1"}, "Forwarded": {`for="local/root"`}, "X-Real-Ip": {"local/root"}, "Authorization": {"local/root"},
	}))
	require.Equal(t, "no API key", e.Refused()[0].Reason)
}

func TestALargeBodyIsRefusedAtTheLocalSocketToo(t *testing.T) {
	t.Parallel()
	e, path := startLocal(t)
	body := `{"kind":"connector","id":"` + strings.Repeat("a", 65<<10) + `"}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/api/admin/tokens", strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}
	resp, err := client.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
	require.Empty(t, e.Tokens.Requests())
}

// TestTheLocalSocketHasRoomForAnOwner: connections of others, which are refused only
// when they ask, make room for one of root.
func TestTheLocalSocketHasRoomForAnOwner(t *testing.T) {
	t.Parallel()
	e, path := startLocal(t)
	for range 40 { // more than may be anonymous
		controltest.DialAdminAs(t, path, 4242)
	}
	require.Equal(t, http.StatusOK, controltest.AskAdmin(t, controltest.DialAdmin(t, path), "/api/admin/connectors", nil))
	_, anonymous := e.Server.LocalConnections().Open()
	require.LessOrEqual(t, anonymous, 32)
}

// TestAnEventStreamOfTheLocalSocketGoesOn: news of a key make it ask again who reads.
func TestAnEventStreamOfTheLocalSocketGoesOn(t *testing.T) {
	t.Parallel()
	e, path := startLocal(t)
	conn := controltest.DialAdmin(t, path)
	_, err := io.WriteString(conn, "GET /api/admin/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	lines := bufio.NewReader(resp.Body)
	next := func(want string) {
		for line := ""; !strings.HasPrefix(line, want); {
			line, err = lines.ReadString('\n')
			require.NoError(t, err)
		}
	}
	next(": hello")
	e.Events.Publish(events.Key, "key_1", "revoked")
	next("event: key")
	require.NoError(t, conn.Close())
}

func TestABindAddressIsNeverADestination(t *testing.T) {
	t.Parallel()
	for bound, want := range map[string]string{
		"0.0.0.0:8080": "localhost:8080", "[::]:8080": "localhost:8080", ":8080": "localhost:8080", "[::ffff:0.0.0.0]:80": "localhost:80",
		"127.0.0.1:8080": "127.0.0.1:8080", "[2001:db8::1]:8443": "[2001:db8::1]:8443", "admin.example.com:443": "admin.example.com:443", "nonsense": "nonsense",
	} {
		require.Equal(t, want, api.Reachable(bound))
	}
	e := apitest.New(t, func(c *api.Config) { c.Listen, c.InsecureListen = "0.0.0.0:0", true })
	require.Contains(t, e.Server.SetupURL("code"), "http://localhost:")
}
