package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// form sends a form, as a command line does.
func form(t testing.TB, e *apitest.Env, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	b := newBrowser(t, e)
	b.header = map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "", "Origin": ""}
	return b.do(http.MethodPost, path, body)
}

const cliClient = "client_id=grpccontroller-cli"

func begin(t testing.TB, e *apitest.Env) adminapi.DeviceAuthorization {
	t.Helper()
	w := form(t, e, "/oauth/device_authorization", cliClient+"&host_name=laptop")
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	return decode[adminapi.DeviceAuthorization](t, w)
}

func poll(t testing.TB, e *apitest.Env, code string) *httptest.ResponseRecorder {
	t.Helper()
	return form(t, e, "/oauth/token", url.Values{"grant_type": {adminapi.DeviceCodeGrant}, "client_id": {"grpccontroller-cli"}, "device_code": {code}}.Encode())
}

func requireWaits(t testing.TB, w *httptest.ResponseRecorder, code string) {
	t.Helper()
	require.Equal(t, code, requireProblem(t, w, http.StatusBadRequest).Error)
}

func TestTheDeviceFlow(t *testing.T) {
	t.Parallel()
	e := apitest.New(t, func(c *api.Config) { c.PublicURL = "https://example.com" })
	e.Auth.Use(e.Identity.Keys)
	b := as(t, e, auth.Admin)
	d := begin(t, e)
	require.Equal(t, "https://example.com/device", d.VerificationURI)
	require.Equal(t, 600, d.ExpiresIn)
	require.Equal(t, 5, d.Interval)
	requireWaits(t, poll(t, e, d.DeviceCode), adminapi.ErrorPending)
	requireWaits(t, poll(t, e, d.DeviceCode), adminapi.ErrorSlowDown)

	code := `{"user_code":"` + d.UserCode + `"}`
	looked := decode[adminapi.WaitingDevice](t, b.do(http.MethodPost, "/device/look", code))
	require.Equal(t, "laptop", looked.HostName)
	require.NotEmpty(t, looked.YourSource)
	require.Equal(t, 8*60*60, looked.TokenExpiresIn)
	require.Equal(t, http.StatusNoContent, b.do(http.MethodPost, "/device/approve", code).Code)
	e.Clock.Advance(2 * auth.DeviceInterval)
	w := poll(t, e, d.DeviceCode)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	token := decode[adminapi.AccessToken](t, w)
	require.Equal(t, "Bearer", token.TokenType)

	cli := newBrowser(t, e)
	cli.header = map[string]string{"Authorization": "Bearer " + token.AccessToken, "Sec-Fetch-Site": "", "Origin": ""}
	who := decode[adminapi.Caller](t, cli.do(http.MethodGet, "/whoami", ""))
	require.Equal(t, "admin", who.Role)
	require.NotContains(t, who.Permissions, "keys:manage")
	require.Equal(t, http.StatusCreated, cli.do(http.MethodPost, "/tokens", `{"kind":"connector","id":"a"}`).Code)
	for _, o := range []struct{ method, path string }{
		{http.MethodPost, "/device/look"},
		{http.MethodPost, "/device/approve"},
		{http.MethodPost, "/me/password"},
		{http.MethodDelete, "/me/sessions"},
		{http.MethodPost, "/keys"},
		{http.MethodGet, "/people"},
		{http.MethodGet, "/logins"},
		{http.MethodPost, "/session/step-up"},
	} {
		p := requireProblem(t, cli.do(o.method, o.path, code), http.StatusForbidden)
		require.Equal(t, adminapi.TypeForbidden, p.Type, "a token approves no other, and changes no account: %s", o.path)
	}

	list := decode[adminapi.SessionList](t, b.do(http.MethodGet, "/logins", ""))
	require.Len(t, list.Sessions, 1)
	require.Equal(t, "device", list.Sessions[0].Method)
	mine := decode[adminapi.SessionList](t, b.do(http.MethodGet, "/me/sessions", ""))
	for _, s := range mine.Sessions {
		if s.Method != "device" {
			requireProblem(t, b.do(http.MethodDelete, "/logins/"+s.ID, ""), http.StatusNotFound)
		}
	}
	require.Equal(t, http.StatusNoContent, b.do(http.MethodDelete, "/logins/"+list.Sessions[0].ID, "").Code)
	requireProblem(t, cli.do(http.MethodGet, "/whoami", ""), http.StatusUnauthorized)
	requireLogsWithout(t, e, token.AccessToken, d.DeviceCode, d.UserCode)
}

func TestSigningOutEverywhereEndsTheBrowserToo(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	b := as(t, e, auth.Operator)
	require.Equal(t, http.StatusNoContent, b.do(http.MethodDelete, "/me/sessions", "").Code)
	require.NotContains(t, b.cookies, "zt_session")
	requireProblem(t, b.do(http.MethodGet, "/session", ""), http.StatusUnauthorized)
}

func TestAnApprovalNeedsAFreshSignInOfAPerson(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Auth.Use(e.Identity.Keys)
	b := as(t, e, auth.Owner)
	d := begin(t, e)
	code := `{"user_code":"` + d.UserCode + `"}`
	e.Clock.Advance(auth.StepUpLife)
	require.Equal(t, adminapi.TypeStepUpRequired, requireProblem(t, b.do(http.MethodPost, "/device/approve", code), http.StatusForbidden).Type)
	_, key, err := e.Identity.Keys.Create(t.Context(), auth.NewAPIKey{Name: "x", Permissions: []auth.Permission{auth.FleetRead, auth.KeysManage}}, auth.By{})
	require.NoError(t, err)
	program := newBrowser(t, e)
	program.header = map[string]string{"Authorization": "Bearer " + key}
	requireProblem(t, program.do(http.MethodPost, "/device/approve", code), http.StatusForbidden)
	requireWaits(t, poll(t, e, d.DeviceCode), adminapi.ErrorPending)
	require.Equal(t, http.StatusNoContent, b.do(http.MethodPost, "/device/deny", code).Code, "to deny needs none")
	e.Clock.Advance(auth.DeviceInterval)
	requireWaits(t, poll(t, e, d.DeviceCode), adminapi.ErrorDenied)
}

func TestRefusesADeviceAuthorizationThatIsNone(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	for name, c := range map[string]struct{ body, want string }{
		"no client":        {"", "invalid_client"},
		"another client":   {"client_id=grpccontroller", "invalid_client"},
		"a client twice":   {cliClient + "&" + cliClient, "invalid_request"},
		"a host with html": {cliClient + "&host_name=%3Cb%3E", "invalid_request"},
	} {
		require.Equal(t, c.want, requireProblem(t, form(t, e, "/oauth/device_authorization", c.body), http.StatusBadRequest).Error, name)
	}
	b := newBrowser(t, e)
	requireProblem(t, b.do(http.MethodPost, "/oauth/device_authorization", `{"client_id":"grpccontroller-cli"}`), http.StatusUnsupportedMediaType)
	b.header = map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "cross-site"}
	require.Equal(t, adminapi.TypeCSRF, requireProblem(t, b.do(http.MethodPost, "/oauth/device_authorization", cliClient), http.StatusForbidden).Type)
	for range 20 {
		begin(t, e)
	}
	require.NotEmpty(t, requireProblem(t, form(t, e, "/oauth/device_authorization", cliClient), http.StatusTooManyRequests).Detail)
}

func TestWhoTriesCodesAndTokensIsToldToWait(t *testing.T) {
	t.Parallel()
	for name, try := range map[string]func(t *testing.T, e *apitest.Env) *httptest.ResponseRecorder{
		"device codes": func(t *testing.T, e *apitest.Env) *httptest.ResponseRecorder { return poll(t, e, "ztd_x") },
		"tokens": func(t *testing.T, e *apitest.Env) *httptest.ResponseRecorder {
			return form(t, e, "/oauth/revoke", "token=ztp_x")
		},
	} {
		e := apitest.New(t)
		for range 10 {
			require.NotEqual(t, http.StatusTooManyRequests, try(t, e).Code, name)
		}
		w := try(t, e)
		requireProblem(t, w, http.StatusTooManyRequests)
		require.NotEmpty(t, w.Header().Get("Retry-After"))
	}
}

func TestADeviceGrantHasNoSecretAndItsOwnClient(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	d := begin(t, e)
	grant := "grant_type=" + url.QueryEscape(adminapi.DeviceCodeGrant) + "&device_code=" + d.DeviceCode
	for _, body := range []string{grant, grant + "&client_id=key_x", grant + "&" + cliClient + "&client_secret=x"} {
		require.Equal(t, "invalid_client", requireProblem(t, form(t, e, "/oauth/token", body), http.StatusBadRequest).Error)
	}
	require.Equal(t, adminapi.ErrorPending, requireProblem(t, poll(t, e, d.DeviceCode), http.StatusBadRequest).Error, "and none of these was a poll")
}

// TestACodeThatNobodyWaitsWithIsRecorded: a person who tries codes is seen.
func TestACodeThatNobodyWaitsWithIsRecorded(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	b := as(t, e, auth.Auditor)
	for _, path := range []string{"/device/look", "/device/deny", "/device/approve"} {
		p := requireProblem(t, b.do(http.MethodPost, path, `{"user_code":"BBBB-BBBB"}`), http.StatusNotFound)
		require.Contains(t, p.Detail, "10 minutes")
	}
	refused := e.Refused()
	require.NotEmpty(t, refused)
	require.Equal(t, audit.AdminSignIn, refused[0].Action)
	require.True(t, strings.HasPrefix(refused[0].Actor, "person:"))
	require.Equal(t, "no command line waits with this code", refused[0].Reason)
}
