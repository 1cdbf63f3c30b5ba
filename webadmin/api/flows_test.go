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
	for _, path := range []string{"/flows", "/flows/1", "/flows/export", "/flows/totals"} {
		e.Auth.Be(person(auth.FleetRead))
		require.Equal(t, http.StatusForbidden, get(t, e, "/api/admin"+path).Code, path)
		e.Auth.Be(auth.Principal{})
	}
	e.Flows.Err = errors.New("disk")
	require.Equal(t, http.StatusInternalServerError, get(t, e, "/api/admin/flows").Code)
	require.Equal(t, http.StatusInternalServerError, get(t, e, "/api/admin/flows/export").Code)
}

// TestFlowsAreFollowedByTheirTokens: from now on, in the order in which they were recorded, none twice.
func TestFlowsAreFollowedByTheirTokens(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	follow := func(query string) (ids []string, token string) {
		page := decode[adminapi.FlowList](t, get(t, e, "/api/admin/flows?follow=true"+query))
		require.NotEmpty(t, page.NextPageToken)
		for _, r := range page.Flows {
			ids = append(ids, r.ID)
		}
		return ids, "&page_token=" + url.QueryEscape(page.NextPageToken)
	}
	_, empty := follow("")
	fillFlows(e, 3)
	none, token := follow("")
	require.Empty(t, none)
	ids, next := follow("&page_size=2" + empty)
	require.Equal(t, []string{"1", "2"}, ids)
	ids, next = follow("&page_size=2" + next)
	require.Equal(t, []string{"3"}, ids)
	require.Equal(t, token, next)
	late := e.Flows.Records[0]
	late.Seq, late.Tunneler, late.Ended = 4, "t-9", late.Ended.Add(-time.Hour)
	e.Flows.Add(late)
	ids, next = follow("&tunneler=t-1" + token)
	require.Empty(t, ids)
	require.NotEqual(t, token, next, "what is not asked for is not looked at again")
	ids, _ = follow("&tunneler=t-9" + token)
	require.Equal(t, []string{"4"}, ids, "though it ended long before the others")

	list := decode[adminapi.FlowList](t, get(t, e, "/api/admin/flows?page_size=1")).NextPageToken
	for query, field := range map[string]string{
		"follow=false": "follow", "follow=true&page_token=" + url.QueryEscape(list): "page_token", strings.TrimPrefix(token, "&"): "page_token", "follow=true&code=refusd": "code",
	} {
		w := get(t, e, "/api/admin/flows?"+query)
		require.Equal(t, http.StatusBadRequest, w.Code, query)
		require.Equal(t, field, decode[adminapi.Problem](t, w).Field, query)
	}
	require.Equal(t, "2", decode[adminapi.FlowRecord](t, get(t, e, "/api/admin/flows/2")).ID)
	for _, id := range []string{"0", "-1", "5", "x", "99999999999999999999", "02x"} {
		require.Equal(t, http.StatusNotFound, get(t, e, "/api/admin/flows/"+id).Code, id)
	}
	e.Flows.Err = errors.New("disk")
	require.Equal(t, http.StatusInternalServerError, get(t, e, "/api/admin/flows?follow=true").Code)
	require.Equal(t, http.StatusInternalServerError, get(t, e, "/api/admin/flows/2").Code)
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
	require.Contains(t, lines("flows", "get", "1", "-o", "wide")[1], "no_resource")
	require.Contains(t, lines("flows", "get", "1", "-o", "json"), `  "decision": "no_resource",`)
	require.Equal(t, []string{"3", "2"}, lines("flows", "get", "3", "2", "-o", "name"))
	none := runCLI("flows", "get", "1", "9", "--data-dir", dir)
	require.Equal(t, 3, none.code)
	require.Contains(t, none.errOut, `no flow record has the id "9"`)
	require.Equal(t, 2, runCLI("flows", "list", "--data-dir", dir, "--limit", "0").code)
	require.Equal(t, 2, runCLI("flows", "list", "--data-dir", dir, "--follow", "--until", "1h").code, "nothing would come")
	require.Equal(t, 2, runCLI("flows", "list", "--data-dir", dir, "--since", "yesterday").code)
	require.Equal(t, 1, runCLI("flows", "export", "--data-dir", filepath.Join(dir, "none")).code)
}

// TestCLIFlowsSayThatThereIsNoSuchThing: an empty list may be a mistyped id.
func TestCLIFlowsSayThatThereIsNoSuchThing(t *testing.T) {
	t.Parallel()
	e, dir := startForCLI(t)
	fillFlows(e, 4)
	e.Fleet.AddTunneler("laptop-01", nil)
	note := func(args ...string) string {
		r := runCLI(append([]string{"flows", "list", "--data-dir", dir}, args...)...)
		require.Equal(t, 0, r.code, r.errOut)
		return r.errOut
	}
	require.Equal(t, "note: no tunneler \"latpop-01\" is or was enrolled: did you mean laptop-01?\n", note("--tunneler", "latpop-01"))
	require.Equal(t, "note: no connector \"gw\" is or was enrolled\nnote: no network \"x\" is there\nnote: no resource \"y\" is there\n",
		note("--connector", "gw", "--network", "x", "--resource", "y"))
	for _, args := range [][]string{{"--tunneler", "laptop-01"}, {"--tunneler", "none*"}, {"--tunneler", "t-0"}, {"--target", "none:1"}, {}} {
		require.Empty(t, note(args...), args)
	}
}

func TestCLIFlowsAreFollowed(t *testing.T) {
	t.Parallel()
	e, dir := startForCLI(t)
	fillFlows(e, 4)
	another := e.Flows.Records[3]
	w := running(t, "flows", "list", "--data-dir", dir, "--follow", "--limit", "2")
	require.Regexp(t, `^ENDED +TUNNELER +TARGET `, w.next())
	require.Contains(t, w.next(), " t-0 ", "the older one first")
	require.Contains(t, w.next(), " t-1 ")
	another.Seq, another.Tunneler, another.Ended = 5, "t-5", another.Ended.Add(-time.Hour)
	e.Flows.Add(another)
	require.Contains(t, w.next(), " t-5 ", "as it is recorded, once and without another header")
	require.NoError(t, w.stop(), "an interrupt is how it ends")

	names := running(t, "flows", "list", "--data-dir", dir, "-f", "--tunneler", "t-6", "-o", "name")
	another.Seq, another.Tunneler = 6, "t-6"
	e.Flows.Add(another)
	require.Equal(t, "6", names.next())
	another.Seq = 7
	e.Flows.Add(another)
	require.Equal(t, "7", names.next())
	require.NoError(t, names.stop())
	lines := running(t, "flows", "list", "--data-dir", dir, "-f", "--limit", "1", "-o", "json")
	require.Contains(t, lines.next(), `{"id":"7",`, "one object a line")
	require.NoError(t, lines.stop())
	require.Equal(t, 2, runCLI("flows", "list", "--data-dir", dir, "-f", "--code", "refusd").code)
}
