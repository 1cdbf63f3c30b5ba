package adminclient

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// FlowFilter chooses flow records; zero values choose all.
type FlowFilter struct {
	Tunneler, Connector, Network, Resource, Target, Code, Decision string
	Since, Until                                                   time.Time
}

func (f FlowFilter) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{
		"tunneler": f.Tunneler, "connector": f.Connector, "network": f.Network, "resource": f.Resource,
		"target": f.Target, "code": f.Code, "decision": f.Decision,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	between(q, f.Since, f.Until)
	return q
}

// Flows lists records, the one that ended last first, up to a limit.
func (c *Client) Flows(ctx context.Context, f FlowFilter, limit int) ([]adminapi.FlowRecord, error) {
	return newest(limit, f.query(), func(q url.Values) ([]adminapi.FlowRecord, string, error) {
		u := route("flows")
		u.RawQuery = q.Encode()
		var page adminapi.FlowList
		err := c.call(ctx, http.MethodGet, u, nil, &page)
		return page.Flows, page.NextPageToken, err
	})
}

// Flow returns one record.
func (c *Client) Flow(ctx context.Context, id string) (out adminapi.FlowRecord, err error) {
	err = c.one(ctx, "flows", id, &out)
	return out, err
}

// RecordedFlows lists records in the order in which they were recorded, those since a token, and has
// the next one. Without a token it has none, and the token of now.
func (c *Client) RecordedFlows(ctx context.Context, f FlowFilter, token string) ([]adminapi.FlowRecord, string, error) {
	q := f.query()
	q.Set("follow", "true")
	q.Set("page_size", strconv.Itoa(pageSize))
	if token != "" {
		q.Set("page_token", token)
	}
	u := route("flows")
	u.RawQuery = q.Encode()
	var page adminapi.FlowList
	err := c.call(ctx, http.MethodGet, u, nil, &page)
	return page.Flows, page.NextPageToken, err
}

// ExportFlows copies records to w as JSON lines, oldest first.
func (c *Client) ExportFlows(ctx context.Context, f FlowFilter, w io.Writer) error {
	u := route("flows", "export")
	u.RawQuery = f.query().Encode()
	return c.copyLines(ctx, u, w)
}

// FlowTotals says how many flows there are and were.
func (c *Client) FlowTotals(ctx context.Context) (out adminapi.FlowTotals, err error) {
	err = c.call(ctx, http.MethodGet, route("flows", "totals"), nil, &out)
	return out, err
}
