package adminclient

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// AuditFilter chooses audit events; zero values choose all.
type AuditFilter struct {
	Actor, Action, Target, Outcome, Text string
	Since, Until                         time.Time
}

func (f AuditFilter) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{
		"actor": f.Actor, "action": f.Action, "target": f.Target, "outcome": f.Outcome, "q": f.Text,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, at := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !at.IsZero() {
			q.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	return q
}

// AuditEvents lists events, newest first, up to a limit.
func (c *Client) AuditEvents(ctx context.Context, f AuditFilter, limit int) ([]adminapi.AuditEvent, error) {
	q, out := f.query(), []adminapi.AuditEvent{}
	for len(out) < limit {
		q.Set("page_size", strconv.Itoa(min(pageSize, limit-len(out))))
		u := route("audit")
		u.RawQuery = q.Encode()
		var page adminapi.AuditList
		if err := c.call(ctx, http.MethodGet, u, nil, &page); err != nil {
			return nil, err
		}
		out = append(out, page.Events...)
		if page.NextPageToken == "" {
			break
		}
		q.Set("page_token", page.NextPageToken)
	}
	return out, nil
}

// AuditVerification says whether the log is intact, as the controller sees it.
func (c *Client) AuditVerification(ctx context.Context) (adminapi.AuditVerification, error) {
	var out adminapi.AuditVerification
	err := c.call(ctx, http.MethodGet, route("audit", "verification"), nil, &out)
	return out, err
}

// ExportAudit copies events to w as JSON lines, oldest first. It has no deadline
// but that of ctx: a log can be long.
func (c *Client) ExportAudit(ctx context.Context, f AuditFilter, w io.Writer) error {
	if c.err != nil {
		return c.err
	}
	u := route("audit", "export")
	u.RawQuery = f.query().Encode()
	req, err := c.request(ctx, http.MethodGet, u, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/x-ndjson, "+adminapi.ProblemContentType)
	endless := *c.http
	endless.Timeout = 0
	resp, err := endless.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
		if err != nil {
			return fmt.Errorf("read the admin API's reply: %w", err)
		}
		return errorOf(resp, body)
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("the export is not complete: %w", err)
	}
	return nil
}
