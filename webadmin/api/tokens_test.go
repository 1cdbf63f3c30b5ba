package api_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

var errDisk = errors.New("disk full")

func create(body string) request {
	return request{method: http.MethodPost, path: "/api/admin/tokens", body: body}
}

func TestCreatesAToken(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	w := send(t, e, create(`{"kind":"connector","id":"connector-local-01","ttl":"15m","replace":true,"source_cidr":"10.0.0.0/8"}`))
	require.Equal(t, http.StatusCreated, w.Code, w.Body.String())
	require.Equal(t, "application/json; charset=utf-8", w.Header().Get("Content-Type"))
	got := decode[adminapi.CreatedToken](t, w)
	require.Equal(t, adminapi.CreatedToken{
		TokenID: "tok_0000000000000001", Token: "ztc_secret1", Kind: "connector", ID: "connector-local-01",
		ExpiresAt: e.Clock.Now().Add(15 * time.Minute), Delivery: "plain", InstallCommand: "install connector-local-01 ztc_secret1",
		InstallCommands: []adminapi.InstallCommand{{Form: "stdin", Command: "install connector-local-01 ztc_secret1"}},
	}, got)
	require.Empty(t, cmp.Diff([]enroll.TokenRequest{{
		Workload: identity.Workload{Kind: identity.KindConnector, ID: "connector-local-01"}, TTL: 15 * time.Minute, Replace: true,
		Source: netip.MustParsePrefix("10.0.0.0/8"), Actor: apitest.Actor, RequestID: w.Header().Get("X-Request-Id"), From: "192.0.2.1",
	}}, e.Tokens.Requests(), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })))
	requireLogsWithout(t, e, "ztc_", "zta_", "Bearer")
}

func TestRefusesATokenRequestThatIsNotExactlyRight(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 64)
	for name, tc := range map[string]struct{ body, field string }{
		"an empty body":               {"", ""},
		"a cut body":                  {`{"kind":"connector","id":"a"`, ""},
		"an array":                    {`[{"kind":"connector","id":"a"}]`, ""},
		"null":                        {`null`, ""},
		"a string":                    {`"connector"`, ""},
		"a form":                      {`kind=connector&id=a`, ""},
		"two objects":                 {`{"kind":"connector","id":"a"}{"kind":"connector","id":"b"}`, ""},
		"text behind it":              {`{"kind":"connector","id":"a"} x`, ""},
		"a byte order mark":           {"\ufeff" + `{"kind":"connector","id":"a"}`, ""},
		"deep nesting":                {`{"kind":` + strings.Repeat("[", 20000), ""},
		"an unknown field":            {`{"kind":"connector","id":"a","ttll":"10m"}`, "ttll"},
		"a field in capitals":         {`{"KIND":"connector","id":"a"}`, "KIND"},
		"a field twice":               {`{"kind":"connector","id":"a","id":"b"}`, "id"},
		"a field twice by an escape":  {`{"kind":"connector","id":"a","\u0069d":"b"}`, "id"},
		"no kind":                     {`{"id":"a"}`, "kind"},
		"kind controller":             {`{"kind":"controller","id":"a"}`, "kind"},
		"kind null":                   {`{"kind":null,"id":"a"}`, "kind"},
		"no id":                       {`{"kind":"connector"}`, "id"},
		"an empty id":                 {`{"kind":"connector","id":""}`, "id"},
		"an id in capitals":           {`{"kind":"connector","id":"Aa"}`, "id"},
		"an id of 64 characters":      {`{"kind":"connector","id":"` + long + `"}`, "id"},
		"an id with a slash":          {`{"kind":"connector","id":"a/b"}`, "id"},
		"an id that climbs":           {`{"kind":"connector","id":"../a"}`, "id"},
		"an id with CRLF":             {`{"kind":"connector","id":"a\r\nSet-Cookie: x"}`, "id"},
		"an id with NUL":              {`{"kind":"connector","id":"a\u0000"}`, "id"},
		"an id with a final newline":  {`{"kind":"connector","id":"a\n"}`, "id"},
		"an id with shell syntax":     {`{"kind":"connector","id":"$(reboot)"}`, "id"},
		"an id with a lookalike":      {`{"kind":"connector","id":"а"}`, "id"},
		"an id of invalid UTF-8":      {"{\"kind\":\"connector\",\"id\":\"a\xff\"}", ""},
		"half of a pair":              {`{"kind":"connector","id":"a\ud800"}`, ""},
		"an id that is a number":      {`{"kind":"connector","id":7}`, "id"},
		"an id that is an object":     {`{"kind":"connector","id":{"a":1}}`, "id"},
		"a ttl without unit":          {`{"kind":"connector","id":"a","ttl":"10"}`, "ttl"},
		"a ttl in nanoseconds":        {`{"kind":"connector","id":"a","ttl":600000000000}`, "ttl"},
		"an empty ttl":                {`{"kind":"connector","id":"a","ttl":""}`, "ttl"},
		"ttl null":                    {`{"kind":"connector","id":"a","ttl":null}`, "ttl"},
		"a ttl of zero":               {`{"kind":"connector","id":"a","ttl":"0s"}`, "ttl"},
		"a negative ttl":              {`{"kind":"connector","id":"a","ttl":"-10m"}`, "ttl"},
		"a ttl that is too short":     {`{"kind":"connector","id":"a","ttl":"59.999s"}`, "ttl"},
		"a ttl that is too long":      {`{"kind":"connector","id":"a","ttl":"24h0m1s"}`, "ttl"},
		"a ttl that overflows":        {`{"kind":"connector","id":"a","ttl":"9999999999h"}`, "ttl"},
		"replace as a string":         {`{"kind":"connector","id":"a","replace":"true"}`, "replace"},
		"replace null":                {`{"kind":"connector","id":"a","replace":null}`, "replace"},
		"an empty source":             {`{"kind":"connector","id":"a","source_cidr":""}`, "source_cidr"},
		"a source without a length":   {`{"kind":"connector","id":"a","source_cidr":"10.0.0.1"}`, "source_cidr"},
		"a source with host bits":     {`{"kind":"connector","id":"a","source_cidr":"10.0.0.1/8"}`, "source_cidr"},
		"a source with a zone":        {`{"kind":"connector","id":"a","source_cidr":"fe80::%eth0/64"}`, "source_cidr"},
		"a mapped IPv4 source":        {`{"kind":"connector","id":"a","source_cidr":"::ffff:10.0.0.0/104"}`, "source_cidr"},
		"a source list":               {`{"kind":"connector","id":"a","source_cidr":"10.0.0.0/8,192.0.2.0/24"}`, "source_cidr"},
		"a field of 200 characters":   {`{"` + strings.Repeat("f", 200) + `":1}`, strings.Repeat("f", 80) + "…"},
		"the token that it asks for":  {`{"kind":"connector","id":"a","token":"ztc_mine"}`, "token"},
		"an actor of its own choice":  {`{"kind":"connector","id":"a","actor":"key:other"}`, "actor"},
		"a workload in place of both": {`{"workload":"connector/a"}`, "workload"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := apitest.New(t)
			p := requireProblem(t, send(t, e, create(tc.body)), http.StatusBadRequest)
			require.Equal(t, adminapi.TypeInvalidRequest, p.Type)
			require.Equal(t, tc.field, p.Field)
			got, err := e.Tokens.List(t.Context())
			require.NoError(t, err)
			require.Empty(t, got)
			requireLogsWithout(t, e, "Set-Cookie", "ztc_mine")
		})
	}
}

func TestRefusesABodyOfTheWrongSizeOrType(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	t.Run("larger than 64 KiB", func(t *testing.T) {
		body := `{"kind":"connector","id":"` + strings.Repeat("a", 64<<10) + `"}`
		require.Equal(t, adminapi.TypeTooLarge, requireProblem(t, send(t, e, create(body)), http.StatusRequestEntityTooLarge).Type)
	})
	for _, ct := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "application/json; =", "multipart/form-data"} {
		t.Run("of type "+ct, func(t *testing.T) {
			r := create(`{"kind":"connector","id":"a"}`)
			r.header = map[string][]string{"Content-Type": {ct}}
			require.Equal(t, adminapi.TypeMediaType, requireProblem(t, send(t, e, r), http.StatusUnsupportedMediaType).Type)
		})
	}
	t.Run("with a query", func(t *testing.T) {
		r := create(`{"kind":"connector","id":"a"}`)
		r.path += "?replace=true"
		require.Equal(t, "replace", requireProblem(t, send(t, e, r), http.StatusBadRequest).Field)
	})
	require.Empty(t, e.Tokens.Requests())
}

func TestRefusesATokenForALiveIDUnlessItReplaces(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Fleet.AddConnector("a", nil)
	p := requireProblem(t, send(t, e, create(`{"kind":"connector","id":"a"}`)), http.StatusConflict)
	require.Equal(t, adminapi.TypeLiveMember, p.Type)
	requireProblem(t, send(t, e, create(`{"kind":"connector","id":"a","replace":false}`)), http.StatusConflict)
	require.Equal(t, http.StatusCreated, send(t, e, create(`{"kind":"connector","id":"a","replace":true}`)).Code)
	require.Equal(t, http.StatusCreated, send(t, e, create(`{"kind":"tunneler","id":"a"}`)).Code, "a tunneler of that name is another member")
}

func TestListsTokensWithTheirStateAndWithoutSecrets(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	now := e.Clock.Now()
	w := identity.Workload{Kind: identity.KindConnector, ID: "a"}
	e.Tokens.Put(
		enroll.Token{ID: "tok_1", Workload: w, CreatedAt: now.Add(-time.Hour), ExpiresAt: now},
		enroll.Token{ID: "tok_2", Workload: w, CreatedAt: now.Add(-time.Minute), ExpiresAt: now.Add(time.Minute), ClaimedAt: now, HostID: "abcd", KeyHash: []byte("keyhash")},
		enroll.Token{ID: "tok_3", Workload: w, CreatedAt: now, ExpiresAt: now.Add(time.Minute), RevokedAt: now},
		enroll.Token{ID: "tok_4", Workload: w, CreatedAt: now.Add(time.Second), ExpiresAt: now.Add(time.Minute), Source: netip.MustParsePrefix("10.0.0.0/8")},
	)
	reply := get(t, e, "/api/admin/tokens")
	require.Equal(t, http.StatusOK, reply.Code)
	list := decode[adminapi.TokenList](t, reply)
	var got []string
	for _, tok := range list.Tokens {
		got = append(got, tok.TokenID+" "+tok.Status+" "+tok.HostID+tok.SourceCIDR)
	}
	require.Equal(t, []string{"tok_4 pending 10.0.0.0/8", "tok_3 revoked ", "tok_2 redeemed abcd", "tok_1 expired "}, got)
	require.NotContains(t, reply.Body.String(), `"token"`)
	require.NotContains(t, reply.Body.String(), "hash")

	t.Run("page by page", func(t *testing.T) {
		first := decode[adminapi.TokenList](t, get(t, e, "/api/admin/tokens?page_size=3"))
		require.Len(t, first.Tokens, 3)
		e.Tokens.Put(enroll.Token{ID: "tok_5", Workload: w, CreatedAt: now.Add(time.Minute)}) // newer: changes no later page
		second := decode[adminapi.TokenList](t, get(t, e, "/api/admin/tokens?page_size=3&page_token="+url.QueryEscape(first.NextPageToken)))
		require.Len(t, second.Tokens, 1)
		require.Equal(t, "tok_1", second.Tokens[0].TokenID)
		require.Empty(t, second.NextPageToken)
	})
	t.Run("an empty list is [] and not null", func(t *testing.T) {
		require.JSONEq(t, `{"tokens":[],"next_page_token":"","total":0}`, get(t, apitest.New(t), "/api/admin/tokens").Body.String())
	})
}

func TestRevokesAToken(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	created := decode[adminapi.CreatedToken](t, send(t, e, create(`{"kind":"connector","id":"a"}`)))
	for range 2 {
		w := send(t, e, request{method: http.MethodDelete, path: "/api/admin/tokens/" + created.TokenID})
		require.Equal(t, http.StatusNoContent, w.Code)
		require.Empty(t, w.Body.String())
	}
	require.Equal(t, "revoked", decode[adminapi.TokenList](t, get(t, e, "/api/admin/tokens")).Tokens[0].Status)
	for _, id := range []string{"tok_ffff", created.Token, "tok_0000000000000001%0d%0aX:y", "%00", "..", "*"} {
		t.Run("not "+id, func(t *testing.T) {
			p := requireProblem(t, send(t, e, request{method: http.MethodDelete, path: "/api/admin/tokens/" + id}), http.StatusNotFound)
			require.Contains(t, p.Detail, "token_id")
			require.NotContains(t, p.Detail, created.Token)
		})
	}
	requireLogsWithout(t, e, created.Token, "X:y")
}

// FuzzTokenRequest: whatever is sent, a token comes only of a request that the
// domain would accept as it stands, and every refusal is a problem.
func FuzzTokenRequest(f *testing.F) {
	for _, s := range []string{
		`{"kind":"connector","id":"a","ttl":"10m","replace":true,"source_cidr":"10.0.0.0/8"}`,
		`{"kind":"tunneler","id":"a","ttl":"\ufffd"}`, `{"kind":"tunneler","kind":"connector"}`, "{\"id\":\"\xff\"}", `{"":{}}`, `{"id":[[[`,
	} {
		f.Add(s)
	}
	e := apitest.New(f)
	seen := 0
	f.Fuzz(func(t *testing.T, body string) {
		w := send(t, e, create(body))
		requests := e.Tokens.Requests()
		if w.Code != http.StatusCreated {
			require.Contains(t, []int{400, 413}, requireProblem(t, w, w.Code).Status)
		}
		if len(requests) == seen {
			require.NotEqual(t, http.StatusCreated, w.Code)
			return
		}
		seen = len(requests)
		r := requests[seen-1]
		require.NoError(t, identity.ValidateID(r.Workload.ID))
		_, err := identity.ParseKind(string(r.Workload.Kind))
		require.NoError(t, err)
		require.Equal(t, r.Source, r.Source.Masked())
		if w.Code == http.StatusCreated {
			require.True(t, r.TTL == 0 || r.TTL >= enroll.MinTTL && r.TTL <= enroll.MaxTTL)
		}
	})
}

func TestPagesOfMembersAreStableUnderChanges(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	for i := range 25 {
		e.Fleet.AddConnector(fmt.Sprintf("c-%02d", (i*7)%25), nil)
	}
	var got []string
	path := "/api/admin/connectors?page_size=10"
	for token := "first"; token != ""; {
		list := decode[adminapi.ConnectorList](t, get(t, e, path))
		for _, c := range list.Connectors {
			got = append(got, c.ID)
		}
		require.LessOrEqual(t, len(list.Connectors), 10)
		e.Fleet.AddConnector("a-new-"+list.Connectors[0].ID, nil) // before the cursor: not seen, shifts nothing
		require.NoError(t, e.Fleet.Revoke(t.Context(), fleetRevocation(list.Connectors[len(list.Connectors)-1].ID)))
		token = list.NextPageToken
		path = "/api/admin/connectors?page_size=10&page_token=" + url.QueryEscape(token)
	}
	var want []string
	for i := range 25 {
		want = append(want, fmt.Sprintf("c-%02d", i))
	}
	require.Equal(t, want, got)
}

func fleetRevocation(id string) fleet.Revocation {
	return fleet.Revocation{Workload: identity.Workload{Kind: identity.KindConnector, ID: id}}
}
