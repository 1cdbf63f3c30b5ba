package adminclient

import (
	"bytes"
	"context"
	"net/http"
	"net/url"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// BeginDevice asks for the codes with which this command line signs in (RFC 8628).
// hostName is for the person who approves; may be empty.
func (c *Client) BeginDevice(ctx context.Context, hostName string) (adminapi.DeviceAuthorization, error) {
	form := url.Values{"client_id": {adminapi.CLIClientID}}
	if hostName != "" {
		form.Set("host_name", hostName)
	}
	var out adminapi.DeviceAuthorization
	err := c.form(ctx, route("oauth", "device_authorization"), form, &out)
	return out, err
}

// DeviceToken asks whether a person has approved. Until then, and if that will not
// happen, it returns an *Error whose Problem.Error says which.
func (c *Client) DeviceToken(ctx context.Context, deviceCode string) (adminapi.AccessToken, error) {
	var out adminapi.AccessToken
	err := c.form(ctx, route("oauth", "token"), url.Values{
		"grant_type": {adminapi.DeviceCodeGrant}, "client_id": {adminapi.CLIClientID}, "device_code": {deviceCode},
	}, &out)
	return out, err
}

// RevokeLogin ends the login of a token (RFC 7009).
func (c *Client) RevokeLogin(ctx context.Context, token string) error {
	return c.form(ctx, route("oauth", "revoke"), url.Values{"token": {token}, "client_id": {adminapi.CLIClientID}}, nil)
}

// WhoAmI says who calls.
func (c *Client) WhoAmI(ctx context.Context) (adminapi.Caller, error) {
	var out adminapi.Caller
	err := c.call(ctx, http.MethodGet, route("whoami"), nil, &out)
	return out, err
}

// form posts a form. Errors are those of call.
func (c *Client) form(ctx context.Context, path *url.URL, form url.Values, out any) error {
	if c.err != nil {
		return c.err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.ResolveReference(path).String(), bytes.NewReader([]byte(form.Encode())))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json, "+adminapi.ProblemContentType)
	return c.send(req, out)
}

// Origin is the address of a target in the one form in which addresses are compared,
// such as "https://controller.example.com". Errors are those of the first call.
func Origin(baseURL string) (string, error) {
	u, err := parseBase(baseURL)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}
