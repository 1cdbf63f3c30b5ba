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
	Actor, Action, Target, Outcome, Level, Text string
	Since, Until                                time.Time
}

func (f AuditFilter) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{
		"actor": f.Actor, "action": f.Action, "target": f.Target, "outcome": f.Outcome, "level": f.Level, "q": f.Text,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	between(q, f.Since, f.Until)
	return q
}

func between(q url.Values, since, until time.Time) {
	for name, at := range map[string]time.Time{"since": since, "until": until} {
		if !at.IsZero() {
			q.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
}

// RenewalFilter chooses SVID renewals; zero values choose all.
type RenewalFilter struct {
	Member, Serial, Authority string
	Since, Until              time.Time
}

func (f RenewalFilter) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"member": f.Member, "serial": f.Serial, "authority": f.Authority} {
		if value != "" {
			q.Set(name, value)
		}
	}
	between(q, f.Since, f.Until)
	return q
}

// AuditEvents lists events, newest first, up to a limit.
func (c *Client) AuditEvents(ctx context.Context, f AuditFilter, limit int) ([]adminapi.AuditEvent, error) {
	return newest(limit, f.query(), func(q url.Values) ([]adminapi.AuditEvent, string, error) {
		u := route("audit")
		u.RawQuery = q.Encode()
		var page adminapi.AuditList
		err := c.call(ctx, http.MethodGet, u, nil, &page)
		return page.Events, page.NextPageToken, err
	})
}

// SVIDRenewals lists renewals, newest first, up to a limit.
func (c *Client) SVIDRenewals(ctx context.Context, f RenewalFilter, limit int) ([]adminapi.SVIDRenewal, error) {
	return newest(limit, f.query(), func(q url.Values) ([]adminapi.SVIDRenewal, string, error) {
		u := route("audit", "renewals")
		u.RawQuery = q.Encode()
		var page adminapi.SVIDRenewalList
		err := c.call(ctx, http.MethodGet, u, nil, &page)
		return page.Renewals, page.NextPageToken, err
	})
}

// newest reads pages until there are limit items, or no more.
func newest[T any](limit int, q url.Values, read func(url.Values) ([]T, string, error)) ([]T, error) {
	out := []T{}
	for len(out) < limit {
		q.Set("page_size", strconv.Itoa(min(pageSize, limit-len(out))))
		items, next, err := read(q)
		if err != nil {
			return nil, err
		}
		out = append(out, items...)
		if next == "" {
			break
		}
		q.Set("page_token", next)
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
	u := route("audit", "export")
	u.RawQuery = f.query().Encode()
	return c.copyLines(ctx, u, w)
}

// ExportSVIDRenewals copies renewals to w as ExportAudit does events.
func (c *Client) ExportSVIDRenewals(ctx context.Context, f RenewalFilter, w io.Writer) error {
	u := route("audit", "renewals", "export")
	u.RawQuery = f.query().Encode()
	return c.copyLines(ctx, u, w)
}

func (c *Client) copyLines(ctx context.Context, u *url.URL, w io.Writer) error {
	if c.err != nil {
		return c.err
	}
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
