package adminclient

import (
	"context"
	"net/http"
	"net/url"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// Resources lists resources by id.
func (c *Client) Resources(ctx context.Context, o ListOptions) ([]adminapi.Resource, error) {
	return pages(ctx, c, "resources", o.query(), func(l adminapi.ResourceList) ([]adminapi.Resource, string) {
		return l.Resources, l.NextPageToken
	})
}

// Resource returns one resource.
func (c *Client) Resource(ctx context.Context, id string) (out adminapi.Resource, err error) {
	err = c.one(ctx, "resources", id, &out)
	return out, err
}

// CreateResource makes a resource, which nobody reaches yet.
func (c *Client) CreateResource(ctx context.Context, r adminapi.ResourceRequest) (out adminapi.Resource, err error) {
	err = c.call(ctx, http.MethodPost, route("resources"), r, &out)
	return out, err
}

// ChangeResource changes a resource.
func (c *Client) ChangeResource(ctx context.Context, id string, r adminapi.ResourceChange) (out adminapi.Resource, err error) {
	err = c.change(ctx, "resources", id, r, &out)
	return out, err
}

// DeleteResource deletes a resource that no grant names.
func (c *Client) DeleteResource(ctx context.Context, id string) error {
	return c.remove(ctx, "resources", id)
}

// Grants lists grants by id.
func (c *Client) Grants(ctx context.Context) ([]adminapi.Grant, error) {
	return pages(ctx, c, "grants", url.Values{}, func(l adminapi.GrantList) ([]adminapi.Grant, string) { return l.Grants, l.NextPageToken })
}

// Grant returns one grant.
func (c *Client) Grant(ctx context.Context, id string) (out adminapi.Grant, err error) {
	err = c.one(ctx, "grants", id, &out)
	return out, err
}

// CreateGrant lets tunnelers reach resources.
func (c *Client) CreateGrant(ctx context.Context, r adminapi.GrantRequest) (out adminapi.Grant, err error) {
	err = c.call(ctx, http.MethodPost, route("grants"), r, &out)
	return out, err
}

// GrantEdit says what becomes of a grant. It is the JSON of an adminapi.GrantChange, in
// which null is said and not absent.
type GrantEdit map[string]any

// ChangeGrant changes a grant.
func (c *Client) ChangeGrant(ctx context.Context, id string, r GrantEdit) (out adminapi.Grant, err error) {
	err = c.change(ctx, "grants", id, r, &out)
	return out, err
}

// DeleteGrant ends what a grant allows.
func (c *Client) DeleteGrant(ctx context.Context, id string) error {
	return c.remove(ctx, "grants", id)
}

// Explain says whether a tunneler may reach a target, and why.
func (c *Client) Explain(ctx context.Context, r adminapi.ExplainRequest) (out adminapi.Explanation, err error) {
	err = c.call(ctx, http.MethodPost, route("explain"), r, &out)
	return out, err
}
