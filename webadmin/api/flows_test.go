package api_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/flows"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// fillFlows gives the API n records, a minute apart.
func fillFlows(e *apitest.Env, n int) {
	for i := range n {
		at := e.Clock.Now().Add(time.Duration(i) * time.Minute)
		r := flows.Record{
			Seq: int64(i + 1), Recorded: at.Add(time.Second), Opened: at.Add(-time.Minute), Ended: at, Tunneler: fmt.Sprint("t-", i%2), Connector: "c-1", Network: "default",
			Resource: "db", ResourceName: "Orders", Grant: "g-1", Target: "db.corp:5432", Address: "10.0.0.5:5432", Connected: true, Code: "ok", Decision: "granted", Up: 10, Down: 20, Count: 1,
		}
		if i == 0 {
			r.Resource, r.ResourceName, r.Grant, r.Address, r.Connected, r.Code, r.Decision, r.Up, r.Down, r.Count = "", "", "", "", false, flows.Refused, "no_resource", 0, 0, 17
		}
		e.Flows.Records = append(e.Flows.Records, r)
	}
}

func TestListsAndExportsFlows(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	fillFlows(e, 5)
	page := decode[adminapi.FlowList](t, get(t, e, "/api/admin/flows?page_size=2&tunneler=t-0"))
	require.Len(t, page.Flows, 2)
	require.Equal(t, "5", page.Flows[0].ID)
	require.Equal(t, "db.corp:5432", page.Flows[0].Target)
	page = decode[adminapi.FlowList](t, get(t, e, "/api/admin/flows?tunneler=t-0&page_token="+url.QueryEscape(page.NextPageToken)))
	require.Len(t, page.Flows, 1)
	require.Empty(t, page.NextPageToken)
	first, err := json.Marshal(page.Flows[0])
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"1","opened_at":"2030-01-02T03:03:05Z","ended_at":"2030-01-02T03:04:05Z","recorded_at":"2030-01-02T03:04:06Z","tunneler_id":"t-0",
		"connector_id":"c-1","network_id":"default","target":"db.corp:5432","connected":false,"code":"refused","decision":"no_resource","bytes_up":0,"bytes_down":0,"count":17}`,
		string(first))
	get(t, e, "/api/admin/flows?connector=c&network=n&resource=r*&target=h:1&code=ok&decision=granted&since=2030-01-02T00:00:00Z&until=2030-01-03T00:00:00Z")
	require.Equal(t, flows.Query{
		Connector: "c", Network: "n", Resource: "r*", Target: "h:1", Code: "ok", Decision: "granted", Limit: 100,
		Since: time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC), Until: time.Date(2030, 1, 3, 0, 0, 0, 0, time.UTC),
	}, e.Flows.Asked[2])

	fillFlows(e, 1200)
	w := get(t, e, "/api/admin/flows/export")
	require.Equal(t, "application/x-ndjson", w.Header().Get("Content-Type"))
	n := 0
	for s := bufio.NewScanner(w.Body); s.Scan(); n++ {
		var line adminapi.FlowRecord
		require.NoError(t, json.Unmarshal(s.Bytes(), &line))
		require.Equal(t, "c-1", line.ConnectorID)
	}
	require.Equal(t, 5+1200, n)
}

// TestTheCodesOfTheAPIAreThoseOfFlows: a filter takes no others.
func TestTheCodesOfTheAPIAreThoseOfFlows(t *testing.T) {
	t.Parallel()
	var all []string
	for c := flow.CodeOK; c <= flow.LastCode; c++ {
		all = append(all, c.String())
	}
	require.Equal(t, all, adminapi.FlowCodes())
}

func TestFlowsAreRefused(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	fillFlows(e, 5)
	audit := decode[adminapi.FlowList](t, get(t, e, "/api/admin/flows?page_size=2")).NextPageToken
	require.NotEmpty(t, audit)
	for query, field := range map[string]string{
		"since=yesterday": "since", "until=1": "until", "page_token=x": "page_token", "actor=a": "actor", "tunneler=" + strings.Repeat("x", 257): "tunneler",
		"target=" + strings.Repeat("x", 321): "target", "page_size=501": "page_size", "code=" + strings.Repeat("x", 65): "code",
		"code=refusd": "code", "code=x*": "code", "decision=denied": "decision",
	} {
		w := get(t, e, "/api/admin/flows?"+query)
		require.Equal(t, http.StatusBadRequest, w.Code, query)
		require.Equal(t, field, decode[adminapi.Problem](t, w).Field, query)
	}
	require.Equal(t, http.StatusBadRequest, get(t, e, "/api/admin/flows/export?code=refusd").Code)
	require.Equal(t, http.StatusOK, get(t, e, "/api/admin/flows?code=re*&decision=address_*").Code)
	require.Equal(t, http.StatusBadRequest, get(t, e, "/api/admin/audit?page_token="+url.QueryEscape(audit)).Code, "of another list")
	for _, path := range []string{"/flows", "/flows/export", "/flows/totals"} {
		e.Auth.Be(person(auth.FleetRead))
		require.Equal(t, http.StatusForbidden, get(t, e, "/api/admin"+path).Code, path)
		e.Auth.Be(auth.Principal{})
	}
	e.Flows.Err = errors.New("disk")
	require.Equal(t, http.StatusInternalServerError, get(t, e, "/api/admin/flows").Code)
	require.Equal(t, http.StatusInternalServerError, get(t, e, "/api/admin/flows/export").Code)
}

func TestShowsTotalsOfFlows(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Flows.Sums = flows.Totals{Open: 3, Hour: flows.Sum{Flows: 1, Refused: 2, Failed: 3, Up: 4, Down: 5, Lost: 6}, Day: flows.Sum{Flows: 7}}
	require.JSONEq(t, `{"open":3,"hour":{"flows":1,"refused":2,"failed":3,"bytes_up":4,"bytes_down":5,"unrecorded":6},
		"day":{"flows":7,"refused":0,"failed":0,"bytes_up":0,"bytes_down":0,"unrecorded":0}}`, get(t, e, "/api/admin/flows/totals").Body.String())
}

func TestCLIFlows(t *testing.T) {
	t.Parallel()
	e, dir := startForCLI(t)
	fillFlows(e, 4)
	e.Flows.Sums = flows.Totals{Open: 3, Hour: flows.Sum{Refused: 12}}
	lines := func(args ...string) []string {
		r := runCLI(append(args, "--data-dir", dir)...)
		require.Equal(t, 0, r.code, r.errOut)
		return strings.Split(strings.TrimSpace(r.out), "\n")
	}
	list := lines("flows", "list")
	require.Len(t, list, 5)
	require.Contains(t, list[4], "refused (17 times)")
	require.Len(t, lines("flows", "list", "--limit", "2", "--tunneler", "t-0"), 3)
	require.Contains(t, lines("flows", "list", "--code", "refused", "-o", "wide")[1], "no_resource")
	require.Equal(t, []string{"4", "3", "2", "1"}, lines("flows", "list", "-o", "name"))
	require.Len(t, lines("flows", "export", "--target", "db.corp:5432"), 4)
	totals := lines("flows", "totals")
	require.Contains(t, totals[1], "12")
	require.Equal(t, "3 open", totals[3])
	require.Equal(t, 2, runCLI("flows", "list", "--data-dir", dir, "--limit", "0").code)
	require.Equal(t, 2, runCLI("flows", "list", "--data-dir", dir, "--since", "yesterday").code)
	require.Equal(t, 1, runCLI("flows", "export", "--data-dir", filepath.Join(dir, "none")).code)
}
