package api_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit/export"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// fillTrail gives the log n events, the last of which has no place yet.
func fillTrail(e *apitest.Env, n int) {
	for i := range n {
		e.Trail.Rows = append(e.Trail.Rows, audit.Row{Seq: int64(i + 1), Index: int64(i), LeafVersion: 1, Event: audit.Event{
			Time: e.Clock.Now().Add(time.Duration(i) * time.Second), Actor: "key:bootstrap", Action: audit.TokenCreate,
			Target: "token/tok_1", Outcome: audit.Success, After: `{"i":1}`,
		}})
	}
	e.Trail.Rows[n-1].Index = -1
}

func TestListsAuditEventsNewestFirst(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	fillTrail(e, 5)
	page := decode[adminapi.AuditList](t, get(t, e, "/api/admin/audit?page_size=2"))
	require.Equal(t, int64(5), *page.Total)
	require.Nil(t, page.Events[0].Index, "it has no place yet")
	require.Equal(t, int64(3), *page.Events[1].Index)
	require.JSONEq(t, `{"i":1}`, string(page.Events[1].After))
	event := page.Events[1]
	event.Index, event.After, event.Time = nil, nil, time.Time{}
	require.Equal(t, adminapi.AuditEvent{
		Actor: "key:bootstrap", ActorKind: "key", ActorID: "bootstrap", Action: "token.create", Title: "Enrollment token created", Level: "info",
		Target: "token/tok_1", TargetKind: "token", TargetID: "tok_1", Outcome: "success", Count: 1,
	}, event, "words and level come from the action, kinds from the fields")
	var seen int
	for seen = 2; page.NextPageToken != ""; seen += len(page.Events) {
		page = decode[adminapi.AuditList](t, get(t, e, "/api/admin/audit?page_size=2&page_token="+url.QueryEscape(page.NextPageToken)))
	}
	require.Equal(t, 5, seen)
	require.JSONEq(t, `{"events":[],"next_page_token":""}`, get(t, e, "/api/admin/audit?action=none").Body.String())
}

func TestAuditFiltersAreChecked(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	get(t, e, "/api/admin/audit?actor=a*&action=b&target=c&outcome=denied&q=d&level=notice&since=2030-01-02T00:00:00Z&until=2030-01-03T00:00:00%2B01:00")
	require.Equal(t, audit.Query{
		Actor: "a*", Action: "b", Target: "c", Outcome: "denied", Text: "d", Limit: 100, Level: audit.Notice,
		Since: time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC), Until: e.Trail.Asked[0].Until,
	}, e.Trail.Asked[0])
	for query, field := range map[string]string{
		"since=yesterday": "since", "until=2030-01-02": "until", "since=0001-01-01T00:00:00Z": "since", "outcome=failed": "outcome", "level=loud": "level",
		"page_token=x": "page_token", "actr=a": "actr", "q=" + strings.Repeat("x", 257): "q",
		// tokens of this list's form that hold no number, or one that no row has
		"page_token=YXVkaXQ6eA": "page_token", "page_token=YXVkaXQ6LTE": "page_token",
	} {
		w := get(t, e, "/api/admin/audit?"+query)
		require.Equal(t, http.StatusBadRequest, w.Code, query)
		require.Equal(t, field, decode[adminapi.Problem](t, w).Field, query)
	}
}

func TestExportsAuditEventsAsLines(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	fillTrail(e, 1201)
	w := get(t, e, "/api/admin/audit/export")
	require.Equal(t, "application/x-ndjson", w.Header().Get("Content-Type"))
	n := int64(0)
	for s := bufio.NewScanner(w.Body); s.Scan(); n++ {
		var line export.Line
		require.NoError(t, json.Unmarshal(s.Bytes(), &line))
		require.Equal(t, n, line.Index)
	}
	require.Equal(t, int64(1200), n, "all that have their place")

	e.Trail.Err = errors.New("disk")
	require.Equal(t, http.StatusInternalServerError, get(t, e, "/api/admin/audit/export").Code)
}

// fillRenewals gives the trail n renewals, a minute apart.
func fillRenewals(e *apitest.Env, n int) {
	for i := range n {
		at := e.Clock.Now().Add(time.Duration(i) * time.Minute)
		e.Trail.Renewals = append(e.Trail.Renewals, audit.Renewal{
			Seq: int64(i + 1), Time: at, Member: "connector/c-" + strconv.Itoa(i%2), Serial: strconv.Itoa(i), Authority: "a", NotAfter: at.Add(time.Hour),
		})
	}
}

func TestListsAndExportsRenewalsOfSVIDs(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	fillRenewals(e, 5)
	page := decode[adminapi.SVIDRenewalList](t, get(t, e, "/api/admin/audit/renewals?page_size=2&member=connector/c-0"))
	require.Len(t, page.Renewals, 2)
	require.Equal(t, adminapi.SVIDRenewal(e.Trail.Renewals[4]), page.Renewals[0])
	page = decode[adminapi.SVIDRenewalList](t, get(t, e, "/api/admin/audit/renewals?member=connector/c-0&page_token="+url.QueryEscape(page.NextPageToken)))
	require.Len(t, page.Renewals, 1)
	require.Empty(t, page.NextPageToken)
	get(t, e, "/api/admin/audit/renewals?serial=5f*&authority=a&since=2030-01-02T00:00:00Z")
	require.Equal(t, audit.RenewalQuery{Serial: "5f*", Authority: "a", Since: time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC), Limit: 100}, e.Trail.AskedRenewals[2])
	for query, field := range map[string]string{"since=yesterday": "since", "page_token=x": "page_token", "actor=a": "actor", "member=" + strings.Repeat("x", 257): "member"} {
		w := get(t, e, "/api/admin/audit/renewals?"+query)
		require.Equal(t, http.StatusBadRequest, w.Code, query)
		require.Equal(t, field, decode[adminapi.Problem](t, w).Field, query)
	}

	fillRenewals(e, 1200)
	w := get(t, e, "/api/admin/audit/renewals/export")
	require.Equal(t, "application/x-ndjson", w.Header().Get("Content-Type"))
	n := 0
	for s := bufio.NewScanner(w.Body); s.Scan(); n++ {
		var line export.RenewalLine
		require.NoError(t, json.Unmarshal(s.Bytes(), &line))
		require.Equal(t, export.RenewalAction, line.Action)
	}
	require.Equal(t, 1205, n)
	e.Trail.Err = errors.New("disk")
	require.Equal(t, http.StatusInternalServerError, get(t, e, "/api/admin/audit/renewals/export").Code)
}

func TestSaysWhetherTheAuditLogIsIntact(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Trail.Head = audit.SignedCheckpoint{Size: 7, Time: e.Clock.Now(), Note: "note"}
	e.Trail.State = audit.CheckState{State: audit.CheckBad, At: e.Clock.Now(), Duration: time.Second, Report: audit.Report{
		Size: 7, Archived: 2, Read: 5, Renewals: 3, Problem: &audit.Problem{Kind: audit.Deleted, Index: 3, Detail: "it is missing"},
	}}
	e.Trail.Others = []audit.Witness{{Connector: "c-01", Size: 6, At: e.Clock.Now(), Failure: "rolled back"}}
	require.JSONEq(t, `{"state":"bad","checked_at":"2030-01-02T03:04:05Z","seconds":1,"records":7,"archived":2,"read":5,"renewals":3,"running":false,
		"problem":{"kind":"deleted","index":3,"detail":"it is missing"},
		"checkpoint":{"size":7,"time":"2030-01-02T03:04:05Z","note":"note","verifier_key":"verifier key"},
		"witnesses":[{"connector_id":"c-01","size":6,"at":"2030-01-02T03:04:05Z","failure":"rolled back"}]}`,
		get(t, e, "/api/admin/audit/verification").Body.String())
	require.JSONEq(t, `{"size":7,"time":"2030-01-02T03:04:05Z","note":"note","verifier_key":"verifier key"}`,
		get(t, e, "/api/admin/audit/checkpoint").Body.String())
}

func TestCLIAudit(t *testing.T) {
	t.Parallel()
	e, dir := startForCLI(t)
	fillTrail(e, 4)
	r := runCLI("audit", "list", "--data-dir", dir, "--limit", "2", "--since", "24h")
	require.Equal(t, 0, r.code, r.errOut)
	require.Contains(t, r.out, "token.create")
	require.Len(t, strings.Split(strings.TrimSpace(r.out), "\n"), 3)
	r = runCLI("audit", "export", "--data-dir", dir)
	require.Equal(t, 0, r.code, r.errOut)
	require.Len(t, strings.Split(strings.TrimSpace(r.out), "\n"), 3)
	fillRenewals(e, 4)
	r = runCLI("audit", "renewals", "--data-dir", dir, "--member", "connector/c-1")
	require.Equal(t, 0, r.code, r.errOut)
	require.Len(t, strings.Split(strings.TrimSpace(r.out), "\n"), 3)
	r = runCLI("audit", "renewals", "--data-dir", dir, "--export")
	require.Equal(t, 0, r.code, r.errOut)
	require.Len(t, strings.Split(strings.TrimSpace(r.out), "\n"), 4)
	require.Equal(t, 2, runCLI("audit", "renewals", "--data-dir", dir, "--export", "--limit", "3").code)
	require.Equal(t, 2, runCLI("audit", "list", "--data-dir", dir, "--since", "yesterday").code)
	require.Equal(t, 1, runCLI("audit", "export", "--data-dir", filepath.Join(dir, "none")).code)
	require.Equal(t, 2, runCLI("audit", "export", "--data-dir", dir, "--outcome", "maybe").code)
}
