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
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/auth"
)

// Trail is the audit log; audit.Archive is it.
type Trail interface {
	FindAudit(ctx context.Context, q audit.Query) ([]audit.Row, error)
	CountAudit(ctx context.Context, q audit.Query) (int64, error)
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
		{name: "since", description: "not before this time (RFC 3339)", time: true},
		{name: "until", description: "before this time (RFC 3339)", time: true},
		{name: "q", description: "text to look for in all fields", maxLength: 256},
	}
	return []operation{{
		method: http.MethodGet, path: "/audit", id: "listAuditEvents", tag: "audit", summary: "List audit events, newest first",
		permission: auth.AuditRead, query: append(pageParams(), filters...), replies: listReplies(adminapi.AuditList{}), handle: s.listAudit,
	}, {
		method: http.MethodGet, path: "/audit/export", id: "exportAuditEvents", tag: "audit", summary: "Download audit events, oldest first",
		description: "One JSON object per line, as the exporters write it. Contains only events that have an index.",
		permission:  auth.AuditRead, query: filters, replies: map[int]any{http.StatusOK: eventLines{}}, stream: true, handle: s.exportAudit,
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
		Actor: q.Get("actor"), Action: q.Get("action"), Target: q.Get("target"), Outcome: q.Get("outcome"), Text: q.Get("q"),
	}
	// checkQuery has read both: no error is the empty time.
	out.Since, _ = parseTime(q.Get("since"))
	out.Until, _ = parseTime(q.Get("until"))
	return out
}

func (s *Server) listAudit(c *gin.Context) error {
	q := queryOf(c)
	find := auditQuery(q)
	at, err := parsePage("audit", q)
	if err != nil {
		return err
	}
	if at.after != "" {
		if find.After, err = strconv.ParseInt(at.after, 10, 64); err != nil || find.After < 1 {
			return inQuery("page_token", "is not a next_page_token of this list")
		}
	}
	find.Limit = at.size + 1
	rows, err := s.cfg.Trail.FindAudit(c.Request.Context(), find)
	if err != nil {
		return err
	}
	total, err := s.cfg.Trail.CountAudit(c.Request.Context(), find)
	if err != nil {
		return err
	}
	out := adminapi.AuditList{Events: []adminapi.AuditEvent{}, Total: total}
	if len(rows) > at.size {
		rows = rows[:at.size]
		out.NextPageToken = at.token(strconv.FormatInt(rows[at.size-1].Seq, 10))
	}
	for _, r := range rows {
		out.Events = append(out.Events, renderEvent(r))
	}
	return list(c, out)
}

// eventLines marks a reply of JSON lines, each an adminapi.AuditEvent.
type eventLines struct{}

func renderEvent(r audit.Row) adminapi.AuditEvent {
	e := adminapi.AuditEvent{
		Time: r.Time, Actor: r.Actor, Action: r.Action, Target: r.Target, Outcome: string(r.Outcome),
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
	rows, err := s.cfg.Trail.FindAudit(c.Request.Context(), find)
	if err != nil {
		return err
	}
	c.Header("Content-Type", "application/x-ndjson")
	c.Header("Content-Disposition", `attachment; filename="audit.jsonl"`)
	c.Status(http.StatusOK)
	for {
		if err := writeLines(c, rows); err != nil {
			panic(http.ErrAbortHandler)
		}
		if len(rows) < exportPage {
			return nil
		}
		find.After = rows[len(rows)-1].Seq
		if rows, err = s.cfg.Trail.FindAudit(c.Request.Context(), find); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

func writeLines(c *gin.Context, rows []audit.Row) error {
	// A caller that stops reading must not hold the rows for ever.
	err := http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(handlerTimeout))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	for _, r := range rows {
		if r.Index < 0 {
			continue
		}
		line, err := export.Encode(r)
		if err != nil {
			return err
		}
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
		State: st.State, CheckedAt: st.At, Seconds: st.Duration.Seconds(), Records: st.Report.Size, Running: st.Running,
		Checkpoint: s.checkpoint(), Witnesses: []adminapi.AuditWitness{},
	}
	if p := st.Report.Problem; p != nil {
		out.Problem = &adminapi.AuditProblem{Kind: p.Kind, Index: p.Index, Time: p.Time, Action: p.Action, Detail: p.Detail}
	}
	for _, w := range witnesses {
		out.Witnesses = append(out.Witnesses, adminapi.AuditWitness{ConnectorID: w.Connector, Size: w.Size, At: w.At, Failure: w.Failure})
	}
	c.JSON(http.StatusOK, out)
	return nil
}
