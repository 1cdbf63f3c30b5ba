package adminclient

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// pageSize is the largest page that the API gives.
const pageSize = 500

// CreateToken makes an enrollment token.
func (c *Client) CreateToken(ctx context.Context, r adminapi.TokenRequest) (adminapi.CreatedToken, error) {
	var out adminapi.CreatedToken
	err := c.call(ctx, http.MethodPost, route("tokens"), r, &out)
	return out, err
}

// Tokens lists all enrollment tokens, newest first.
func (c *Client) Tokens(ctx context.Context) ([]adminapi.Token, error) {
	return pages(ctx, c, "tokens", url.Values{}, func(l adminapi.TokenList) ([]adminapi.Token, string) { return l.Tokens, l.NextPageToken })
}

// RevokeToken makes a pending token unusable.
func (c *Client) RevokeToken(ctx context.Context, tokenID string) error {
	return c.remove(ctx, "tokens", tokenID)
}

// Enrollment is what a host needs before it is enrolled.
func (c *Client) Enrollment(ctx context.Context) (adminapi.Enrollment, error) {
	var out adminapi.Enrollment
	err := c.call(ctx, http.MethodGet, route("enrollment"), nil, &out)
	return out, err
}

// Requests lists the hosts that ask to be enrolled without a token, newest first;
// state "" is any.
func (c *Client) Requests(ctx context.Context, state string) ([]adminapi.Request, error) {
	q := url.Values{}
	if state != "" {
		q.Set("status", state)
	}
	return pages(ctx, c, "requests", q, func(l adminapi.RequestList) ([]adminapi.Request, string) { return l.Requests, l.NextPageToken })
}

// FindRequests lists the requests of any state in whose id, code or other names a text
// occurs, newest first.
func (c *Client) FindRequests(ctx context.Context, text string) ([]adminapi.Request, error) {
	return pages(ctx, c, "requests", url.Values{"q": {text}}, func(l adminapi.RequestList) ([]adminapi.Request, string) { return l.Requests, l.NextPageToken })
}

// ApproveRequest lets a host in.
func (c *Client) ApproveRequest(ctx context.Context, requestID string, a adminapi.Approval) (adminapi.Request, error) {
	var out adminapi.Request
	err := c.call(ctx, http.MethodPost, route("requests", requestID, "approve"), a, &out)
	return out, err
}

// DenyRequest refuses a host for good.
func (c *Client) DenyRequest(ctx context.Context, requestID string) (adminapi.Request, error) {
	var out adminapi.Request
	err := c.call(ctx, http.MethodPost, route("requests", requestID, "deny"), nil, &out)
	return out, err
}

// OpenClaim opens a claim link by its code, once.
func (c *Client) OpenClaim(ctx context.Context, code string) (adminapi.ClaimedToken, error) {
	var out adminapi.ClaimedToken
	err := c.call(ctx, http.MethodPost, route("claims", code), adminapi.ClaimOpening{}, &out)
	return out, err
}

// ListOptions filters a list of members.
type ListOptions struct {
	// Status is adminapi.Online, adminapi.Offline or adminapi.Revoked; "" is any of those
	// that are not revoked.
	Status string
	// Labels are those that each has, such as "env=prod" or "env=prod,tier=web"; "" is any.
	Labels string
}

func (o ListOptions) query() url.Values {
	q := url.Values{}
	if o.Status != "" {
		q.Set("status", o.Status)
	}
	if o.Labels != "" {
		q.Set("label", o.Labels)
	}
	return q
}

// Connectors lists connectors by id.
func (c *Client) Connectors(ctx context.Context, o ListOptions) ([]adminapi.Connector, error) {
	return pages(ctx, c, "connectors", o.query(), func(l adminapi.ConnectorList) ([]adminapi.Connector, string) {
		return l.Connectors, l.NextPageToken
	})
}

// Tunnelers lists tunnelers by id.
func (c *Client) Tunnelers(ctx context.Context, o ListOptions) ([]adminapi.Tunneler, error) {
	return pages(ctx, c, "tunnelers", o.query(), func(l adminapi.TunnelerList) ([]adminapi.Tunneler, string) {
		return l.Tunnelers, l.NextPageToken
	})
}

// Hosts lists hosts by id.
func (c *Client) Hosts(ctx context.Context, o ListOptions) ([]adminapi.Host, error) {
	return pages(ctx, c, "hosts", o.query(), func(l adminapi.HostList) ([]adminapi.Host, string) { return l.Hosts, l.NextPageToken })
}

// Connector returns one connector, also a revoked one.
func (c *Client) Connector(ctx context.Context, id string) (adminapi.Connector, error) {
	var out adminapi.Connector
	err := c.one(ctx, "connectors", id, &out)
	return out, err
}

// Tunneler returns one tunneler, also a revoked one.
func (c *Client) Tunneler(ctx context.Context, id string) (adminapi.Tunneler, error) {
	var out adminapi.Tunneler
	err := c.one(ctx, "tunnelers", id, &out)
	return out, err
}

// RevokeConnector ends a connector's access.
func (c *Client) RevokeConnector(ctx context.Context, id string) error {
	return c.remove(ctx, "connectors", id)
}

// RevokeTunneler ends a tunneler's access.
func (c *Client) RevokeTunneler(ctx context.Context, id string) error {
	return c.remove(ctx, "tunnelers", id)
}

// Keys lists all API keys, newest first.
func (c *Client) Keys(ctx context.Context) ([]adminapi.Key, error) {
	return pages(ctx, c, "keys", url.Values{}, func(l adminapi.KeyList) ([]adminapi.Key, string) { return l.Keys, l.NextPageToken })
}

// RevokeKey ends an API key and what it made.
func (c *Client) RevokeKey(ctx context.Context, id string) error {
	return c.remove(ctx, "keys", id)
}

// BootstrapCA returns the bootstrap CA and its replacement.
func (c *Client) BootstrapCA(ctx context.Context) (adminapi.BootstrapCA, error) {
	var out adminapi.BootstrapCA
	err := c.call(ctx, http.MethodGet, route("ca", "bootstrap"), nil, &out)
	return out, err
}

// ReplaceBootstrapCA starts its replacement and does not wait for it.
func (c *Client) ReplaceBootstrapCA(ctx context.Context, r adminapi.BootstrapRequest) (adminapi.BootstrapReplacement, error) {
	var out adminapi.BootstrapReplacement
	r.DryRun = false
	err := c.call(ctx, http.MethodPost, route("ca", "bootstrap", "replacements"), r, &out)
	return out, err
}

// PreviewBootstrapCA says what ReplaceBootstrapCA would do.
func (c *Client) PreviewBootstrapCA(ctx context.Context, r adminapi.BootstrapRequest) (adminapi.BootstrapPreview, error) {
	var out adminapi.BootstrapPreview
	r.DryRun = true
	err := c.call(ctx, http.MethodPost, route("ca", "bootstrap", "replacements"), r, &out)
	return out, err
}

// AbortBootstrapCA ends the replacement, until the new CA signs.
func (c *Client) AbortBootstrapCA(ctx context.Context) (adminapi.BootstrapReplacement, error) {
	var out adminapi.BootstrapReplacement
	err := c.call(ctx, http.MethodPost, route("ca", "bootstrap", "replacements", "abort"), nil, &out)
	return out, err
}

// CA returns the authorities, the rotation and the outage budget.
func (c *Client) CA(ctx context.Context) (adminapi.CA, error) {
	var out adminapi.CA
	err := c.call(ctx, http.MethodGet, route("ca"), nil, &out)
	return out, err
}

// Rotate starts a rotation and does not wait for it. It confirms: the caller has asked.
func (c *Client) Rotate(ctx context.Context, r adminapi.RotationRequest) (adminapi.Rotation, error) {
	var out adminapi.Rotation
	r.DryRun, r.Confirm = false, adminapi.ConfirmRotate
	if r.Emergency {
		r.Confirm = adminapi.ConfirmEmergency
	}
	err := c.call(ctx, http.MethodPost, route("ca", "rotations"), r, &out)
	return out, err
}

// PreviewRotation says what Rotate would do.
func (c *Client) PreviewRotation(ctx context.Context, r adminapi.RotationRequest) (adminapi.RotationPreview, error) {
	var out adminapi.RotationPreview
	r.DryRun = true
	err := c.call(ctx, http.MethodPost, route("ca", "rotations"), r, &out)
	return out, err
}

// ResumeRotation continues the paused rotation. It confirms, as Rotate does.
func (c *Client) ResumeRotation(ctx context.Context) (adminapi.Rotation, error) {
	var out adminapi.Rotation
	err := c.call(ctx, http.MethodPost, route("ca", "rotations", "resume"), adminapi.ResumeRequest{Confirm: adminapi.ConfirmResume}, &out)
	return out, err
}

// AbortRotation ends the unfinished rotation, while that is possible.
func (c *Client) AbortRotation(ctx context.Context) (adminapi.Rotation, error) {
	var out adminapi.Rotation
	err := c.call(ctx, http.MethodPost, route("ca", "rotations", "abort"), nil, &out)
	return out, err
}

// Attention lists what an operator has to look into, the gravest first.
func (c *Client) Attention(ctx context.Context) (out adminapi.AttentionList, err error) {
	err = c.call(ctx, http.MethodGet, route("attention"), nil, &out)
	return out, err
}

// DismissAttention takes an item off the list until its state changes.
func (c *Client) DismissAttention(ctx context.Context, id string) (out adminapi.Attention, err error) {
	if id == "" {
		return out, errNoID
	}
	err = c.call(ctx, http.MethodPost, route("attention", id, "dismiss"), nil, &out)
	return out, err
}

// Status returns the trust domain, the controller's version and counts.
func (c *Client) Status(ctx context.Context) (adminapi.Status, error) {
	var out adminapi.Status
	err := c.call(ctx, http.MethodGet, route("status"), nil, &out)
	return out, err
}

var errNoID = errors.New("the id is empty")

func (c *Client) one(ctx context.Context, list, id string, out any) error {
	if id == "" {
		return errNoID // the path would be that of the list
	}
	return c.call(ctx, http.MethodGet, route(list, id), nil, out)
}

func (c *Client) remove(ctx context.Context, list, id string) error {
	if id == "" {
		return errNoID
	}
	return c.call(ctx, http.MethodDelete, route(list, id), nil, nil)
}

// pages follows next_page_token to the end of a list.
func pages[L, T any](ctx context.Context, c *Client, list string, q url.Values, items func(L) ([]T, string)) ([]T, error) {
	q.Set("page_size", strconv.Itoa(pageSize))
	all := []T{} // [] and not null in JSON
	for {
		u := route(list)
		u.RawQuery = q.Encode()
		var reply L
		if err := c.call(ctx, http.MethodGet, u, nil, &reply); err != nil {
			return nil, err
		}
		page, next := items(reply)
		all = append(all, page...)
		if next == "" {
			return all, nil
		}
		if next == q.Get("page_token") {
			return nil, errors.New("the admin API answers the same page again")
		}
		q.Set("page_token", next)
	}
}
