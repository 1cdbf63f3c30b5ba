package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit/export"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// Trail is the audit log; audit.Archive is it.
type Trail interface {
	FindAudit(ctx context.Context, q audit.Query) (audit.Page, error)
	AuditTotal(ctx context.Context) (int64, error)
	FindRenewals(ctx context.Context, q audit.RenewalQuery) (audit.RenewalPage, error)
	Checkpoint() (c audit.SignedCheckpoint, verifierKey string)
	Verified() audit.CheckState
	Witnesses(ctx context.Context) ([]audit.Witness, error)
}

func (s *Server) auditOperations() []operation {
	const texts = "; a text that ends with * matches every value with that beginning"
	filters := []param{
		{name: "actor", description: "who did it" + texts, maxLength: 256},
		{name: "action", description: "what was done" + texts, maxLength: 256},
		{name: "target", description: "what it was done to" + texts, maxLength: 256},
		{name: "outcome", description: "only events of this outcome", enum: []string{string(audit.Success), string(audit.Denied)}},
		{name: "level", description: "only events of this level or a higher one", enum: audit.Levels()},
		{name: "since", description: "not before this time (RFC 3339)", time: true},
		{name: "until", description: "before this time (RFC 3339)", time: true},
		{name: "q", description: "text to look for in all fields", maxLength: 256},
	}
	renewals := []param{
		{name: "member", description: "connector/<id> or tunneler/<id>" + texts, maxLength: 256},
		{name: "serial", description: "serial number of the SVID, in hexadecimal" + texts, maxLength: 256},
		{name: "authority", description: "authority that signed it" + texts, maxLength: 256},
		{name: "since", description: "not before this time (RFC 3339)", time: true},
		{name: "until", description: "before this time (RFC 3339)", time: true},
	}
	return []operation{{
		method: http.MethodGet, path: "/audit", id: "listAuditEvents", tag: "audit", summary: "List audit events, newest first",
		description: "An exact target, actor, action or outcome is found by index; everything else is compared with 10,000 events a page. " +
			"So a page may be short or empty though there are more: continue while next_page_token is not empty.",
		permission: auth.AuditRead, query: append(pageParams(), filters...), replies: listReplies(adminapi.AuditList{}), handle: s.listAudit,
	}, {
		method: http.MethodGet, path: "/audit/export", id: "exportAuditEvents", tag: "audit", summary: "Download audit events, oldest first",
		description: "One JSON object per line, as the exporters write it. Contains only events that have an index.",
		permission:  auth.AuditRead, query: filters, replies: map[int]any{http.StatusOK: eventLines{}}, stream: true, handle: s.exportAudit,
	}, {
		method: http.MethodGet, path: "/audit/renewals", id: "listSVIDRenewals", tag: "audit", summary: "List the SVIDs that members proved, newest first",
		description: "Kept for 30 days; recorded within a minute. An exact member is found by index, and a time by the hour; everything else is compared with 50,000 renewals a page. " +
			"So a page may be short or empty though there are more: continue while next_page_token is not empty.",
		permission: auth.AuditRead, query: append(pageParams(), renewals...), replies: listReplies(adminapi.SVIDRenewalList{}), handle: s.listRenewals,
	}, {
		method: http.MethodGet, path: "/audit/renewals/export", id: "exportSVIDRenewals", tag: "audit", summary: "Download SVID renewals, oldest first",
		description: "One JSON object per line, as the exporters write it.",
		permission:  auth.AuditRead, query: renewals, replies: map[int]any{http.StatusOK: eventLines{}}, stream: true, handle: s.exportRenewals,
	}, {
		method: http.MethodGet, path: "/audit/checkpoint", id: "getAuditCheckpoint", tag: "audit", summary: "Show the newest signed checkpoint of the audit log",
		permission: auth.AuditRead, replies: map[int]any{http.StatusOK: adminapi.AuditCheckpoint{}}, handle: s.getCheckpoint,
	}, {
		method: http.MethodGet, path: "/audit/verification", id: "getAuditVerification", tag: "audit", summary: "Show whether the audit log is intact",
		description: "The controller's own verification, and what connectors witnessed. An attacker who owns the controller can forge this reply; " +
			"the verdict of a connector is on its host (grpcconnector witness show).",
		permission: auth.AuditRead, replies: map[int]any{http.StatusOK: adminapi.AuditVerification{}}, handle: s.getVerification,
	}}
}

func auditQuery(q url.Values) audit.Query {
	out := audit.Query{
		Actor: q.Get("actor"), Action: audit.Action(q.Get("action")), Target: q.Get("target"), Outcome: q.Get("outcome"),
		Level: audit.ParseLevel(q.Get("level")), Text: q.Get("q"),
	}
	out.Since, out.Until = times(q)
	return out
}

// times reads since and until.
func times(q url.Values) (since, until time.Time) {
	// checkQuery has read both: no error is the empty time.
	since, _ = parseTime(q.Get("since"))
	until, _ = parseTime(q.Get("until"))
	return since, until
}

func (s *Server) listAudit(c *gin.Context) error {
	q := queryOf(c)
	find := auditQuery(q)
	at, err := parsePage("audit", q)
	if err != nil {
		return err
	}
	all := find == audit.Query{}
	if find.After, err = afterSeq(at); err != nil {
		return err
	}
	find.Limit = at.size
	page, err := s.cfg.Trail.FindAudit(c.Request.Context(), find)
	if err != nil {
		return err
	}
	out := adminapi.AuditList{Events: []adminapi.AuditEvent{}, NextPageToken: seqToken(at, page.Next)}
	if all {
		total, err := s.cfg.Trail.AuditTotal(c.Request.Context())
		if err != nil {
			return err
		}
		out.Total = &total
	}
	for _, r := range page.Rows {
		out.Events = append(out.Events, renderEvent(r))
	}
	return list(c, out)
}

// afterSeq and seqToken translate the page tokens of lists that are in the order of seq.
func afterSeq(at pageQuery) (int64, error) {
	if at.after == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(at.after, 10, 64)
	if err != nil || n < 1 {
		return 0, inQuery("page_token", "is not a next_page_token of this list")
	}
	return n, nil
}

func seqToken(at pageQuery, next int64) string {
	if next == 0 {
		return ""
	}
	return at.token(strconv.FormatInt(next, 10))
}

// eventLines marks a reply of JSON lines, each an adminapi.AuditEvent.
type eventLines struct{}

func renderEvent(r audit.Row) adminapi.AuditEvent {
	actor, target := r.ActorRef(), r.TargetRef()
	e := adminapi.AuditEvent{
		Time: r.Time, Actor: r.Actor, Action: string(r.Action), Target: r.Target, Outcome: string(r.Outcome),
		Title: r.Title(), Level: r.Level().String(), Count: r.Count(),
		ActorKind: actor.Kind, ActorID: actor.ID, TargetKind: target.Kind, TargetID: target.ID,
		Reason: r.Reason, RequestID: r.RequestID, Source: r.Source, Before: rawState(r.Before), After: rawState(r.After),
	}
	if r.Index >= 0 {
		e.Index = &r.Index
	}
	return e
}

// rawState keeps a row that somebody damaged from making the reply unreadable.
func rawState(s string) json.RawMessage {
	if !json.Valid([]byte(s)) {
		return nil
	}
	return json.RawMessage(s)
}

const exportPage = 500

// exportAudit streams. It ends early, without the last newline's worth of events,
// only when the caller goes or the database fails; the connection is cut then, so
// that nobody takes a part for the whole.
func (s *Server) exportAudit(c *gin.Context) error {
	find := auditQuery(queryOf(c))
	find.Oldest, find.Limit = true, exportPage
	return exportLines(c, "audit.jsonl", func() (lines [][]byte, next bool, err error) {
		page, err := s.cfg.Trail.FindAudit(c.Request.Context(), find)
		for _, r := range page.Rows {
			if r.Index < 0 {
				continue
			}
			line, err := export.Encode(r)
			if err != nil {
				return nil, false, err
			}
			lines = append(lines, line)
		}
		find.After = page.Next
		return lines, page.Next > 0, err
	})
}

// exportLines streams page after page. A fault of the first one is a reply of its own.
func exportLines(c *gin.Context, name string, page func() (lines [][]byte, next bool, err error)) error {
	lines, more, err := page()
	if err != nil {
		return err
	}
	c.Header("Content-Type", "application/x-ndjson")
	c.Header("Content-Disposition", `attachment; filename="`+name+`"`)
	c.Status(http.StatusOK)
	for {
		if err := writeLines(c, lines); err != nil {
			panic(http.ErrAbortHandler)
		}
		if !more {
			return nil
		}
		if lines, more, err = page(); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

func writeLines(c *gin.Context, lines [][]byte) error {
	// A caller that stops reading must not hold the lines for ever.
	err := http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(handlerTimeout))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	for _, line := range lines {
		if _, err := c.Writer.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	c.Writer.Flush()
	return nil
}

func (s *Server) getCheckpoint(c *gin.Context) error {
	c.JSON(http.StatusOK, s.checkpoint())
	return nil
}

func (s *Server) checkpoint() adminapi.AuditCheckpoint {
	newest, key := s.cfg.Trail.Checkpoint()
	return adminapi.AuditCheckpoint{Size: newest.Size, Time: newest.Time, Note: newest.Note, VerifierKey: key}
}

func (s *Server) getVerification(c *gin.Context) error {
	witnesses, err := s.cfg.Trail.Witnesses(c.Request.Context())
	if err != nil {
		return err
	}
	st := s.cfg.Trail.Verified()
	out := adminapi.AuditVerification{
		State: st.State, CheckedAt: st.At, Seconds: st.Duration.Seconds(), Running: st.Running,
		Records: st.Report.Size, Archived: st.Report.Archived, Read: st.Report.Read, Renewals: st.Report.Renewals,
		Checkpoint: s.checkpoint(), Witnesses: []adminapi.AuditWitness{},
	}
	if p := st.Report.Problem; p != nil {
		out.Problem = &adminapi.AuditProblem{Kind: p.Kind, Index: p.Index, Time: p.Time, Action: string(p.Action), Detail: p.Detail}
	}
	for _, w := range witnesses {
		out.Witnesses = append(out.Witnesses, adminapi.AuditWitness{ConnectorID: w.Connector, Size: w.Size, At: w.At, Failure: w.Failure})
	}
	c.JSON(http.StatusOK, out)
	return nil
}
