package adminclient

import (
	"context"
	"net/http"
	"net/url"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// PolicyTests lists policy tests by id.
func (c *Client) PolicyTests(ctx context.Context) ([]adminapi.PolicyTest, error) {
	return pages(ctx, c, "policy-tests", url.Values{}, func(l adminapi.PolicyTestList) ([]adminapi.PolicyTest, string) {
		return l.PolicyTests, l.NextPageToken
	})
}

// PolicyTest returns one policy test.
func (c *Client) PolicyTest(ctx context.Context, id string) (out adminapi.PolicyTest, err error) {
	err = c.one(ctx, "policy-tests", id, &out)
	return out, err
}

// CreatePolicyTest says what the rules must decide.
func (c *Client) CreatePolicyTest(ctx context.Context, r adminapi.PolicyTestRequest) (out adminapi.PolicyTest, err error) {
	err = c.call(ctx, http.MethodPost, route("policy-tests"), r, &out)
	return out, err
}

// PolicyTestEdit says what becomes of a policy test. It is the JSON of an
// adminapi.PolicyTestChange, in which null is said and not absent.
type PolicyTestEdit map[string]any

// ChangePolicyTest changes a policy test.
func (c *Client) ChangePolicyTest(ctx context.Context, id string, r PolicyTestEdit) (out adminapi.PolicyTest, err error) {
	err = c.change(ctx, "policy-tests", id, r, &out)
	return out, err
}

// DeletePolicyTest allows again what it refused.
func (c *Client) DeletePolicyTest(ctx context.Context, id string) error {
	return c.remove(ctx, "policy-tests", id)
}
