package adminclient

import (
	"context"
	"net/http"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// ExportPolicy returns the policy as a file.
func (c *Client) ExportPolicy(ctx context.Context) (out adminapi.PolicyFile, err error) {
	err = c.call(ctx, http.MethodGet, route("policy"), nil, &out)
	return out, err
}

// PlanPolicy says what a policy file would change.
func (c *Client) PlanPolicy(ctx context.Context, r adminapi.PolicyPlanRequest) (out adminapi.PolicyPlan, err error) {
	err = c.call(ctx, http.MethodPost, route("policy", "plan"), r, &out)
	return out, err
}

// ApplyPolicy makes what a policy file says.
func (c *Client) ApplyPolicy(ctx context.Context, r adminapi.PolicyRequest) (out adminapi.PolicyPlan, err error) {
	err = c.call(ctx, http.MethodPost, route("policy", "apply"), r, &out)
	return out, err
}
