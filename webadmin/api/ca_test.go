package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

func post(t testing.TB, e *apitest.Env, path, body string) (code int, p adminapi.Problem, text string) {
	t.Helper()
	w := send(t, e, request{method: http.MethodPost, path: "/api/admin" + path, body: body})
	_ = json.Unmarshal(w.Body.Bytes(), &p)
	return w.Code, p, w.Body.String()
}

func TestCAShowsAuthoritiesAndBudget(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	require.NoError(t, e.SPIRE.Prepare(t.Context()))
	ca := decode[adminapi.CA](t, get(t, e, "/api/admin/ca"))
	require.Len(t, ca.Authorities, 2)
	require.Equal(t, "active", ca.Authorities[0].Status)
	require.Equal(t, "prepared", ca.Authorities[1].Status)
	require.True(t, ca.Authorities[1].Trusted)
	require.Equal(t, "ca-2", ca.Automatic.Authority)
	require.Equal(t, "24h", ca.OutageBudget.PolicyAge)
	require.Nil(t, ca.Rotation)
	requireProblem(t, get(t, e, "/api/admin/ca?x=y"), http.StatusBadRequest)
}

func TestRotationRequestsAreChecked(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	for name, tc := range map[string]struct{ body, field string }{
		"no object":                    {`[]`, ""},
		"an unknown field":             {`{"force":true}`, "force"},
		"a field of another case":      {`{"EMERGENCY":true}`, "EMERGENCY"},
		"no boolean":                   {`{"emergency":"yes"}`, "emergency"},
		"no duration":                  {`{"deadline":"soon"}`, "deadline"},
		"a deadline without an amount": {`{"deadline":"0s"}`, "deadline"},
		"a short deadline":             {`{"deadline":"1s"}`, "deadline"},
		"an unknown offline policy":    {`{"offline":"ignore"}`, "offline"},
		"an empty offline policy":      {`{"offline":""}`, "offline"},
		"an unknown end":               {`{"on_deadline":"panic"}`, "on_deadline"},
		"an emergency that waits":      {`{"emergency":true,"offline":"wait"}`, "emergency"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sure := strings.Replace(tc.body, "{", `{"confirm":"rotate",`, 1)
			if strings.Contains(sure, `"emergency":true`) {
				sure = strings.Replace(sure, "rotate", "emergency", 1)
			}
			for _, body := range []string{sure, strings.Replace(tc.body, "{", `{"dry_run":true,`, 1)} {
				code, p, text := post(t, e, "/ca/rotations", body)
				require.Equal(t, http.StatusBadRequest, code, text)
				require.Equal(t, tc.field, p.Field, text)
			}
		})
	}
	require.Nil(t, decode[adminapi.CA](t, get(t, e, "/api/admin/ca")).Rotation)
}

func TestRotationThroughTheAPI(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	for path, body := range map[string]string{"/ca/rotations/resume": `{"confirm":"resume"}`, "/ca/rotations/abort": ""} {
		code, p, _ := post(t, e, path, body)
		require.Equal(t, http.StatusConflict, code)
		require.Equal(t, adminapi.TypeRotation, p.Type)
	}
	code, _, text := post(t, e, "/ca/rotations", `{"dry_run":true}`)
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, text, `"dry_run":true`)
	code, _, text = post(t, e, "/ca/rotations", `{"confirm":"rotate","deadline":"5m","on_deadline":"abort","offline":"wait"}`)
	require.Equal(t, http.StatusAccepted, code, text)
	r := decode[adminapi.CA](t, get(t, e, "/api/admin/ca")).Rotation
	require.Equal(t, []string{"running", "preparing", "5m", "abort", "wait", apitest.Actor},
		[]string{r.Status, r.Phase, r.Deadline, r.OnDeadline, r.Offline, r.StartedBy})
	code, p, _ := post(t, e, "/ca/rotations", `{"confirm":"rotate"}`)
	require.Equal(t, http.StatusConflict, code)
	require.Equal(t, adminapi.TypeRotation, p.Type)
	code, _, text = post(t, e, "/ca/rotations/abort", "")
	require.Equal(t, http.StatusAccepted, code)
	require.Contains(t, text, `"status":"aborted"`)

	e.SPIRE.SetUpstream("root")
	code, p, _ = post(t, e, "/ca/rotations", `{"confirm":"rotate"}`)
	require.Equal(t, http.StatusConflict, code)
	require.Equal(t, adminapi.TypeUpstream, p.Type)
	require.Equal(t, "root", decode[adminapi.CA](t, get(t, e, "/api/admin/ca")).Upstream)
}

// TestWhatCannotBeUndoneIsConfirmed: by its name, so that neither a slip nor a request
// that was meant for something else is enough. With a key nobody is asked, and at the
// local admin socket no key is needed.
func TestWhatCannotBeUndoneIsConfirmed(t *testing.T) {
	t.Parallel()
	e, path := startLocal(t)
	ada := e.Identity.Add(t, "ada@example.com", auth.Operator)
	reset := "/people/" + ada.Person.ID + "/reset"
	for name, tc := range map[string]struct{ path, body, must string }{
		"a rotation without":                       {"/ca/rotations", `{}`, "rotate"},
		"a rotation with an empty one":             {"/ca/rotations", `{"confirm":""}`, "rotate"},
		"a rotation with another case":             {"/ca/rotations", `{"confirm":"Rotate"}`, "rotate"},
		"a rotation with a yes":                    {"/ca/rotations", `{"confirm":"yes"}`, "rotate"},
		"a rotation with the word of an emergency": {"/ca/rotations", `{"confirm":"emergency"}`, "rotate"},
		"an emergency without":                     {"/ca/rotations", `{"emergency":true}`, "emergency"},
		"an emergency with the word of a rotation": {"/ca/rotations", `{"emergency":true,"confirm":"rotate"}`, "emergency"},
		"a dry run that is none":                   {"/ca/rotations", `{"dry_run":false}`, "rotate"},
		"resuming without":                         {"/ca/rotations/resume", `{}`, "resume"},
		"resuming with the word of a rotation":     {"/ca/rotations/resume", `{"confirm":"rotate"}`, "resume"},
		"resuming without a body":                  {"/ca/rotations/resume", "", ""},
		"a reset of a person without":              {reset, `{}`, "reset"},
		"a reset of a person with a yes":           {reset, `{"confirm":"yes"}`, "reset"},
		"a reset of a person without a body":       {reset, "", ""},
	} {
		if tc.path != reset { // no key may do that
			code, p, text := post(t, e, tc.path, tc.body)
			require.Equal(t, http.StatusBadRequest, code, "%s: %s", name, text)
			if tc.must != "" {
				require.Equal(t, "confirm", p.Field, name)
			}
		}
		status, body := askRaw(t, controltest.DialAdmin(t, path), "POST /api/admin"+tc.path+" HTTP/1.1\nHost: localhost\nContent-Type: application/json\nContent-Length: "+strconv.Itoa(len(tc.body))+"\n\n"+tc.body)
		require.Equal(t, http.StatusBadRequest, status, "%s at the socket: %s", name, body)
		if tc.must != "" {
			require.Contains(t, body, `must be \"`+tc.must+`\"`, name)
		}
	}
	require.Nil(t, decode[adminapi.CA](t, get(t, e, "/api/admin/ca")).Rotation)
	_, err := e.Identity.Sessions.Authenticate(t.Context(), ada.Secret, false)
	require.NoError(t, err, "the person is still signed in")

	status, body := askRaw(t, controltest.DialAdmin(t, path), "POST /api/admin"+reset+" HTTP/1.1\nHost: localhost\nContent-Type: application/json\nContent-Length: 19\n\n"+`{"confirm":"reset"}`)
	require.Equal(t, http.StatusCreated, status, body)
	code, _, text := post(t, e, "/ca/rotations", `{"emergency":true,"confirm":"emergency"}`)
	require.Equal(t, http.StatusAccepted, code, text)
}

func TestCLIRotates(t *testing.T) {
	t.Parallel()
	e, dir := startForCLI(t)
	r := runCLI("ca", "rotate", "--dry-run", "--data-dir", dir)
	require.Equal(t, 0, r.code, r.errOut)
	require.Contains(t, r.out, "1. prepare a new authority")
	require.Empty(t, e.SPIRE.Calls())

	for name, tc := range map[string]struct {
		args []string
		code int
		want string
	}{
		"a bad deadline":            {[]string{"rotate", "--yes", "--deadline", "1s"}, 2, "--deadline: must be at least 10s"},
		"a bad policy":              {[]string{"rotate", "--yes", "--offline", "x"}, 2, "--offline must be"},
		"an emergency nobody meant": {[]string{"rotate", "--emergency"}, 2, "add --yes"},
		"nothing to resume":         {[]string{"resume", "--yes"}, 1, "no rotation is in progress"},
		"nothing to abort":          {[]string{"abort"}, 1, "no rotation is in progress"},
	} {
		r := runCLI(append(append([]string{"ca"}, tc.args...), "--data-dir", dir)...)
		require.Equal(t, tc.code, r.code, name)
		require.Contains(t, r.errOut, tc.want, name)
		require.Equal(t, 1, strings.Count(r.errOut, "\n"), r.errOut)
	}

	require.Equal(t, 0, runCLI("ca", "rotate", "--yes", "--detach", "--data-dir", dir).code)
	require.Contains(t, runCLI("ca", "status", "--data-dir", dir).out, "preparing")
	require.Contains(t, runCLI("ca", "abort", "--data-dir", dir).out, "aborted in phase preparing")

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Rotations.Run(ctx) }()
	defer func() {
		cancel()
		require.NoError(t, <-done)
	}()
	r = runCLI("ca", "rotate", "--yes", "-o", "json", "--data-dir", dir)
	require.Equal(t, 0, r.code, r.errOut)
	var rotated adminapi.Rotation
	require.NoError(t, json.Unmarshal([]byte(r.out), &rotated))
	require.Equal(t, adminapi.RotationDone, rotated.Status)
	require.Equal(t, []string{"prepare ca-2", "activate ca-2", "taint ca-1", "revoke ca-1"}, e.SPIRE.Calls())

	status := runCLI("ca", "status", "--data-dir", dir).out
	require.Contains(t, status, "ca-2")
	require.NotContains(t, status, "ca-1", "a revoked one is not shown")
	require.Contains(t, status, "Last rotation "+rotated.ID+": done")
	require.Contains(t, status, "connector   3m to 5m30s")
}
