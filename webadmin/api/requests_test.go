package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

const fingerprint = "0123-4567-89AB-CDEF-GHJK-MNPQ"

func pendingRequest(e *apitest.Env, id string) enroll.Request {
	return enroll.Request{
		ID: id, Code: "BCDF-GHJ" + strings.ToUpper(id[len(id)-1:]), Workload: identity.Workload{Kind: identity.KindConnector, ID: "a"}, Fingerprint: fingerprint,
		Facts: enroll.Facts{Hostname: "box", BinaryPath: "/usr/bin/x", UID: 7}, Source: "192.0.2.7", KeyHash: []byte("keyhash"), CSR: []byte("csr"),
		CreatedAt: e.Clock.Now(), ExpiresAt: e.Clock.Now().Add(time.Minute),
	}
}

func toPath(path, body string) request {
	return request{method: http.MethodPost, path: "/api/admin/" + path, body: body}
}

func TestListsRequestsWithoutTheLastGroupOfTheirFingerprint(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Fleet.AddConnector("a", nil)
	decided := pendingRequest(e, "req_2")
	decided.Decision, decided.DecidedBy, decided.CreatedAt = enroll.Denied, "person:p9", e.Clock.Now().Add(-time.Minute)
	e.Requests.Put(decided, pendingRequest(e, "req_1"))
	reply := get(t, e, "/api/admin/requests")
	require.Equal(t, http.StatusOK, reply.Code)
	for _, secret := range []string{"MNPQ", "keyhash", `"csr"`} {
		require.NotContains(t, reply.Body.String(), secret)
	}
	list := decode[adminapi.RequestList](t, reply)
	require.Len(t, list.Requests, 2)
	require.Equal(t, "0123-4567-89AB-CDEF-GHJK", list.Requests[0].FingerprintStart)
	require.True(t, list.Requests[0].LiveID, "an approval would need replace")
	require.Equal(t, "denied", list.Requests[1].Status)
	require.Len(t, decode[adminapi.RequestList](t, get(t, e, "/api/admin/requests?status=pending")).Requests, 1)
	require.NotContains(t, get(t, e, "/api/admin/requests/req_1").Body.String(), "MNPQ")
	requireProblem(t, get(t, e, "/api/admin/requests?status=odd"), http.StatusBadRequest)
	requireProblem(t, get(t, e, "/api/admin/requests/req_9"), http.StatusNotFound)
	require.Equal(t, 2, decode[adminapi.RequestList](t, get(t, e, "/api/admin/requests?page_size=1&q=BOX&sort=status")).Total)
	require.Zero(t, decode[adminapi.RequestList](t, get(t, e, "/api/admin/requests?q=MNPQ")).Total, "a search does not tell it either")
	require.JSONEq(t, `{"requests":[],"next_page_token":"","total":0}`, get(t, apitest.New(t), "/api/admin/requests").Body.String())
}

func TestApprovesByTheFingerprintOfTheOtherScreen(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Requests.Put(pendingRequest(e, "req_1"))
	for body, field := range map[string]string{
		`{}`: "fingerprint", `{"fingerprint":""}`: "fingerprint", `{"fingerprint":7}`: "fingerprint", `{"fingerprint":null}`: "fingerprint",
		`{"fingerprint":"` + fingerprint + `","id":"b"}`: "id", `{"fingerprint":"x","actor":"y"}`: "actor", `{"fingerprint":"x","replace":"yes"}`: "replace",
	} {
		require.Equal(t, field, requireProblem(t, send(t, e, toPath("requests/req_1/approve", body)), http.StatusBadRequest).Field, body)
	}
	require.Empty(t, e.Requests.Verdicts())
	p := requireProblem(t, send(t, e, toPath("requests/req_1/approve", `{"fingerprint":"0123-4567-89AB-CDEF-GHJK"}`)), http.StatusConflict)
	require.Equal(t, adminapi.TypeFingerprint, p.Type)
	require.NotContains(t, p.Detail, "MNPQ")

	w := send(t, e, toPath("requests/req_1/approve", `{"fingerprint":"0123456789abcdefghjkmnpq","id":"a","replace":true}`))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Equal(t, "approved", decode[adminapi.Request](t, w).Status)
	verdicts := e.Requests.Verdicts()
	require.Equal(t, enroll.Verdict{
		ID: "req_1", Fingerprint: "0123456789abcdefghjkmnpq", Replace: true, Actor: apitest.Actor, RequestID: w.Header().Get("X-Request-Id"), From: "192.0.2.1",
	}, verdicts[len(verdicts)-1])
	for _, action := range []request{toPath("requests/req_1/approve", `{"fingerprint":"`+fingerprint+`"}`), toPath("requests/req_1/deny", "")} {
		require.Equal(t, adminapi.TypeRequestDecided, requireProblem(t, send(t, e, action), http.StatusConflict).Type)
	}
	requireProblem(t, send(t, e, toPath("requests/req_9/deny", "")), http.StatusNotFound)
}

func TestCreatesTokensForEachDelivery(t *testing.T) {
	t.Parallel()
	e := apitest.New(t, func(c *api.Config) { c.PublicURL = "https://admin.example.com" })
	sealed := decode[adminapi.CreatedToken](t, send(t, e, create(`{"kind":"connector","id":"a","delivery":"sealed","recipient":"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"}`)))
	require.NotEmpty(t, sealed.SealedToken)
	require.Empty(t, sealed.Token+sealed.ClaimURL)
	link := decode[adminapi.CreatedToken](t, send(t, e, create(`{"kind":"connector","id":"b","delivery":"claim"}`)))
	require.Equal(t, "https://admin.example.com/claim#ztc_secret2", link.ClaimURL)
	require.Empty(t, link.Token+link.SealedToken)
	for _, body := range []string{
		`{"kind":"connector","id":"a","delivery":""}`, `{"kind":"connector","id":"a","delivery":"request"}`, `{"kind":"connector","id":"a","delivery":"PLAIN"}`,
	} {
		require.Equal(t, "delivery", requireProblem(t, send(t, e, create(body)), http.StatusBadRequest).Field)
	}
}

func TestAClaimLinkNeedsNoKeyAndOpensOnce(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Requests.PutLink("ztl_code", enroll.Token{ID: "tok_1", Workload: identity.Workload{Kind: identity.KindConnector, ID: "a"}, Delivery: enroll.ByClaim})
	stranger := func(path, body string) request {
		r := toPath(path, body)
		r.header = map[string][]string{"Authorization": nil}
		return r
	}
	requireProblem(t, send(t, e, stranger("claims/ztl_code", `{"x":1}`)), http.StatusBadRequest)
	requireProblem(t, send(t, e, stranger("claims/ztl_code", ``)), http.StatusBadRequest)
	require.Empty(t, e.Requests.Openings(), "a link preview or a form of another site opens nothing")
	w := send(t, e, stranger("claims/code=ztl_code", `{}`)) // as it stands in a link
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Equal(t, "ztc_claimed", decode[adminapi.ClaimedToken](t, w).Token)
	require.Equal(t, "192.0.2.1", e.Requests.Openings()[0].From)
	used := requireProblem(t, send(t, e, stranger("claims/ztl_code", `{}`)), http.StatusNotFound)
	unknown := requireProblem(t, send(t, e, stranger("claims/ztl_other", `{}`)), http.StatusNotFound)
	used.RequestID, unknown.RequestID = "", ""
	require.Equal(t, used, unknown, "nobody learns which links there were")
	requireLogsWithout(t, e, "ztl_code", "ztc_claimed")

	for range 10 {
		w = send(t, e, stranger("claims/ztl_guess", `{}`))
	}
	require.Equal(t, http.StatusTooManyRequests, w.Code)
	require.NotEmpty(t, w.Header().Get("Retry-After"))
	e.Clock.Advance(time.Minute)
	requireProblem(t, send(t, e, stranger("claims/ztl_guess", `{}`)), http.StatusNotFound)
}

func TestCLIDecidesOnRequests(t *testing.T) {
	t.Parallel()
	e, dir := startForCLI(t)
	require.Contains(t, runCLI("requests", "list", "--data-dir", dir).out, "requests command --kind connector")
	ask := runCLI("requests", "command", "--kind", "connector", "--data-dir", dir)
	require.Equal(t, "enroll --request\n", ask.out)
	require.Contains(t, ask.errOut, "the package.", "what the command needs comes first")
	require.Equal(t, 2, runCLI("requests", "command", "--kind", "relay", "--data-dir", dir).code)
	first, second := pendingRequest(e, "req_b"), pendingRequest(e, "req_c")
	first.Facts.Hostname = "\x1b[2Jbox"
	e.Requests.Put(first, second)
	list := runCLI("requests", "list", "--data-dir", dir)
	require.Equal(t, 0, list.code, list.errOut)
	require.Contains(t, list.out, "BCDF-GHJB")
	require.Contains(t, list.out, "0123-4567-89AB-CDEF-GHJK-????")
	require.NotContains(t, list.out, "\x1b")
	require.NotContains(t, list.out, "MNPQ")

	r := runCLI("requests", "approve", "BCDF-GHJB", "--data-dir", dir)
	require.Equal(t, 2, r.code)
	require.Contains(t, r.errOut, "--fingerprint")
	r = runCLI("requests", "approve", "BCDF-GHJB", "--fingerprint", "0123-4567-89AB-CDEF-GHJK-0000", "--data-dir", dir)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, "host's own screen")
	r = runCLI("requests", "approve", "bcdfghjb", "--fingerprint", fingerprint, "--data-dir", dir)
	require.Equal(t, 0, r.code, r.errOut)
	require.Contains(t, r.out, "approved")
	r = runCLI("requests", "approve", "BCDF-GHJB", "--fingerprint", fingerprint, "--data-dir", dir)
	require.Equal(t, 1, r.code)
	require.Regexp(t, `the request BCDF-GHJB of connector \S+ was approved already, .* by `, r.errOut)
	r = runCLI("requests", "approve", "ZZZZ-ZZZZ", "--fingerprint", fingerprint, "--data-dir", dir)
	require.Equal(t, 3, r.code)
	require.Contains(t, r.errOut, `no request has the code "ZZZZ-ZZZZ": `+"`grpccontroller requests list` lists")
	require.Contains(t, runCLI("requests", "deny", "BCDF-GHJC", "--data-dir", dir).errOut, "add --yes")
	require.Equal(t, 0, runCLI("requests", "deny", "BCDF-GHJC", "--yes", "--data-dir", dir).code)
	require.Contains(t, runCLI("requests", "list", "--all", "--data-dir", dir).out, "denied")
	r = runCLI("requests", "deny", "BCDF-GHJC", "--data-dir", dir)
	require.Equal(t, 0, r.code, "denying twice changes nothing: %s", r.errOut)
	require.Contains(t, r.errOut, "was denied already")
}

func TestCLISealsToAKeyOrAFile(t *testing.T) {
	t.Parallel()
	e, dir := startForCLI(t)
	writeFile(t, dir+"/key.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDpThUoNQe9O9Yd2XuzSQ7JxO8K9R1Fbxws6teGIvDgB root@box\n")
	writeFile(t, dir+"/key", "-----BEGIN OPENSSH PRIVATE KEY-----\n")
	for _, given := range []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDpThUoNQe9O9Yd2XuzSQ7JxO8K9R1Fbxws6teGIvDgB root@box", dir + "/key.pub"} {
		r := runCLI("token", "create", "--kind", "connector", "--id", "a", "--seal-to", given, "--data-dir", dir)
		require.Equal(t, 0, r.code, r.errOut)
		requests := e.Tokens.Requests()
		require.Equal(t, enroll.Sealed, requests[len(requests)-1].Delivery)
		require.Equal(t, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDpThUoNQe9O9Yd2XuzSQ7JxO8K9R1Fbxws6teGIvDgB root@box", requests[len(requests)-1].Recipient)
	}
	before := len(e.Tokens.Requests())
	for _, given := range []string{dir + "/key", dir + "/none"} {
		require.NotZero(t, runCLI("token", "create", "--kind", "connector", "--id", "a", "--seal-to", given, "--data-dir", dir).code)
	}
	require.Len(t, e.Tokens.Requests(), before, "a private key stays here")
	require.Contains(t, runCLI("token", "create", "--kind", "connector", "--id", "a", "--claim", "--data-dir", dir).out, "/claim#")
}
