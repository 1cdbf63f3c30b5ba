package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/flows"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// Flows are the records of flows; flows.Archive is it.
type Flows interface {
	FindFlows(ctx context.Context, q flows.Query) (flows.Page, error)
	Totals() flows.Totals
}

func (s *Server) flowOperations() []operation {
	const texts = "; a text that ends with * matches every value with that beginning"
	filters := []param{
		{name: "tunneler", description: "only flows of the tunneler with this id" + texts, maxLength: 256},
		{name: "connector", description: "only flows through the connector with this id" + texts, maxLength: 256},
		{name: "network", description: "only flows into the network with this id" + texts, maxLength: 256},
		{name: "resource", description: "only flows to the resource with this id" + texts, maxLength: 256},
		{name: "target", description: "only flows to this host:port" + texts, maxLength: 320},
		{name: "code", description: "only flows that ended with this code, one of those of a record" + texts, maxLength: 64},
		{name: "decision", description: "only flows with this decision, a code of an explanation" + texts, maxLength: 64},
		{name: "since", description: "that ended at this time (RFC 3339) or later", time: true},
		{name: "until", description: "that ended before this time (RFC 3339)", time: true},
	}
	return []operation{{
		method: http.MethodGet, path: "/flows", id: "listFlows", tag: "flows", summary: "List flows that are over, the one that ended last first",
		description: "Recorded within seconds, and kept as flows.retention says. A time and an exact tunneler, resource or target are found by index; everything else is compared with " +
			"10,000 records a page. So a page may be short or empty though there are more: continue while next_page_token is not empty. " +
			"With follow=true next_page_token is never empty: without page_token the page is empty and its token stands for now; with it the page has what was recorded since, in that order.",
		permission: auth.AuditRead, query: append(append(pageParams(), filters...), param{
			name: "follow", description: "only records that are recorded from now on, in that order: ask again with each next_page_token", enum: []string{"true"},
		}), replies: listReplies(adminapi.FlowList{}), handle: s.listFlows,
	}, {
		method: http.MethodGet, path: "/flows/:id", id: "getFlow", tag: "flows", summary: "Show one flow that is over",
		permission: auth.AuditRead, params: []param{{name: "id", description: "id of the record, as in the list"}},
		replies: map[int]any{http.StatusOK: adminapi.FlowRecord{}}, problems: []string{adminapi.TypeNotFound}, handle: s.getFlow,
	}, {
		method: http.MethodGet, path: "/flows/export", id: "exportFlows", tag: "flows", summary: "Download flow records, oldest first",
		description: "One JSON object per line, as in the list.",
		permission:  auth.AuditRead, query: filters, replies: map[int]any{http.StatusOK: eventLines{}}, stream: true, handle: s.exportFlows,
	}, {
		method: http.MethodGet, path: "/flows/totals", id: "getFlowTotals", tag: "flows", summary: "Show how many flows there are and were, and their bytes",
		description: "Bytes count when their flow has ended.",
		permission:  auth.AuditRead, replies: map[int]any{http.StatusOK: adminapi.FlowTotals{}}, handle: s.getFlowTotals,
	}}
}

// decisionCodes are those of decisions.
func decisionCodes() (out []string) {
	for _, c := range access.Codes() {
		out = append(out, string(c))
	}
	return out
}

// known refuses a text that no value of a list is or, with a * at its end, begins with: a
// mistyped code must not look as if nothing had happened.
func (f *faults) known(name, text string, values []string) {
	beginning, open := strings.CutSuffix(text, "*")
	if text == "" || slices.ContainsFunc(values, func(v string) bool { return v == text || open && strings.HasPrefix(v, beginning) }) {
		return
	}
	f.add(adminapi.InQuery, name, strconv.Quote(clip(text))+" is none of "+strings.Join(values, ", "))
}

func flowQuery(q url.Values) (flows.Query, error) {
	var found faults
	found.known("code", q.Get("code"), adminapi.FlowCodes())
	found.known("decision", q.Get("decision"), decisionCodes())
	out := flows.Query{
		Tunneler: q.Get("tunneler"), Connector: q.Get("connector"), Network: q.Get("network"), Resource: q.Get("resource"),
		Target: q.Get("target"), Code: q.Get("code"), Decision: q.Get("decision"),
	}
	out.Since, out.Until = times(q)
	return out, found.err()
}

// placeToken and placeOfToken translate the places of pages: the end in microseconds, and seq.
func placeToken(p flows.Place) string {
	return strconv.FormatInt(p.Ended.UnixMicro(), 10) + "-" + strconv.FormatInt(p.Seq, 10)
}

func placeOfToken(text string) (flows.Place, error) {
	ended, seq, _ := strings.Cut(text, "-")
	at, badTime := strconv.ParseInt(ended, 10, 64)
	n, badSeq := strconv.ParseInt(seq, 10, 64)
	p := flows.Place{Ended: time.UnixMicro(at).UTC(), Seq: n}
	if badTime != nil || badSeq != nil || placeToken(p) != text {
		return flows.Place{}, inQuery("page_token", "is not a next_page_token of this list")
	}
	return p, nil
}

func (s *Server) listFlows(c *gin.Context) error {
	q := queryOf(c)
	find, err := flowQuery(q)
	if err != nil {
		return err
	}
	if q.Has("follow") {
		return s.followFlows(c, find)
	}
	at, err := parsePage("flows", q)
	if err != nil {
		return err
	}
	if at.after != "" {
		if find.After, err = placeOfToken(at.after); err != nil {
			return err
		}
	}
	find.Limit = at.size
	page, err := s.cfg.Flows.FindFlows(c.Request.Context(), find)
	if err != nil {
		return err
	}
	out := adminapi.FlowList{Flows: []adminapi.FlowRecord{}}
	if page.Next != (flows.Place{}) {
		out.NextPageToken = at.token(placeToken(page.Next))
	}
	for _, r := range page.Records {
		out.Flows = append(out.Flows, renderFlow(r))
	}
	return list(c, out)
}

// followFlows is the list in the order in which records were recorded. Its place is a number.
func (s *Server) followFlows(c *gin.Context, find flows.Query) error {
	at, err := cursor{list: "flows", order: "recorded"}.page(queryOf(c))
	if err != nil {
		return err
	}
	last := int64(-1)
	if at.after != "" {
		if last, err = strconv.ParseInt(at.after, 10, 64); err != nil || last < 0 || strconv.FormatInt(last, 10) != at.after {
			return errPageToken()
		}
	}
	find.Recorded, find.Limit = &last, at.size
	page, err := s.cfg.Flows.FindFlows(c.Request.Context(), find)
	if err != nil {
		return err
	}
	out := adminapi.FlowList{Flows: []adminapi.FlowRecord{}, NextPageToken: at.token(strconv.FormatInt(page.Last, 10))}
	for _, r := range page.Records {
		out.Flows = append(out.Flows, renderFlow(r))
	}
	return list(c, out)
}

func (s *Server) getFlow(c *gin.Context) error {
	id := c.Param("id")
	seq, err := strconv.ParseInt(id, 10, 64)
	if err != nil || seq < 1 {
		return noFlow(id)
	}
	before := seq - 1
	page, err := s.cfg.Flows.FindFlows(c.Request.Context(), flows.Query{Recorded: &before, Limit: 1})
	if err != nil {
		return err
	}
	if len(page.Records) == 0 || page.Records[0].Seq != seq {
		return noFlow(id)
	}
	c.JSON(http.StatusOK, renderFlow(page.Records[0]))
	return nil
}

func noFlow(id string) error {
	return problem(adminapi.TypeNotFound, "no flow record has the id "+strconv.Quote(clip(id))+": records are kept as flows.retention says, and flows that are open have none")
}

func renderFlow(r flows.Record) adminapi.FlowRecord {
	return adminapi.FlowRecord{
		ID: strconv.FormatInt(r.Seq, 10), OpenedAt: r.Opened, EndedAt: r.Ended, RecordedAt: r.Recorded,
		TunnelerID: r.Tunneler, ConnectorID: r.Connector, NetworkID: r.Network, ResourceID: r.Resource, ResourceName: r.ResourceName,
		GrantID: r.Grant, Target: r.Target, Address: r.Address, Connected: r.Connected, Code: r.Code, Decision: r.Decision,
		BytesUp: r.Up, BytesDown: r.Down, Count: r.Count,
	}
}

// exportFlows streams as exportAudit does.
func (s *Server) exportFlows(c *gin.Context) error {
	find, err := flowQuery(queryOf(c))
	if err != nil {
		return err
	}
	find.Oldest, find.Limit = true, exportPage
	return exportLines(c, "flows.jsonl", func() (lines [][]byte, next bool, err error) {
		page, err := s.cfg.Flows.FindFlows(c.Request.Context(), find)
		for _, r := range page.Records {
			line, err := json.Marshal(renderFlow(r))
			if err != nil {
				return nil, false, err
			}
			lines = append(lines, line)
		}
		find.After = page.Next
		return lines, page.Next != (flows.Place{}), err
	})
}

func (s *Server) getFlowTotals(c *gin.Context) error {
	t := s.cfg.Flows.Totals()
	c.JSON(http.StatusOK, adminapi.FlowTotals{Open: t.Open, Hour: renderSum(t.Hour), Day: renderSum(t.Day)})
	return nil
}

func renderSum(s flows.Sum) adminapi.FlowSum {
	return adminapi.FlowSum{Flows: s.Flows, Refused: s.Refused, Failed: s.Failed, BytesUp: s.Up, BytesDown: s.Down, Unrecorded: s.Lost}
}
