// Program sdk drives a controller by a client that oapi-codegen made of openapi.json. It
// knows nothing else of the admin API, and fails at the first answer that is not as the
// document says. It does not yet use labels, networks, PATCH and bulk revocation.
//
// usage: sdk SOCKET URL, the local admin socket and the address of a controller that has
// a connector that is ONLINE and a host that asks to be enrolled.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, socket, url string) (err error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	api, err := NewClientWithResponses("http://localhost", WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: dial}}))
	if err != nil {
		return err
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%v", v)
		}
	}()
	p := &program{ctx, api, url}
	p.tokens()
	p.keys()
	p.people()
	p.requests()
	p.fleet()
	p.controller()
	return nil
}

type program struct {
	ctx context.Context
	api *ClientWithResponses
	url string // of the API for holders of a key
}

// reply is what every reply of the client has.
type reply interface {
	StatusCode() int
	GetBody() []byte
}

// want requires a status and returns the reply.
func want[R reply](status int) func(R, error) R {
	return func(r R, err error) R {
		require(err == nil, "%v", err)
		require(r.StatusCode() == status, "%T: status %d, not %d: %s", r, r.StatusCode(), status, r.GetBody())
		return r
	}
}

func require(ok bool, format string, args ...any) {
	if !ok {
		panic(fmt.Sprintf(format, args...))
	}
}

func ptr[T any](v T) *T { return &v }

func (p *program) tokens() {
	asked := TokenRequest{Kind: "connector", ID: "sdk-01", TTL: ptr("5m"), SourceCidr: ptr("127.0.0.0/8")}
	once := &CreateTokenParams{IdempotencyKey: ptr("sdk-token-1")}
	made := want[*CreateTokenResponse](201)(p.api.CreateTokenWithResponse(p.ctx, once, asked)).JSON201
	require(made.Token != nil && made.ID == asked.ID && len(made.InstallCommands) > 0, "a token without what is needed: %+v", made.TokenID)

	again := want[*CreateTokenResponse](409)(p.api.CreateTokenWithResponse(p.ctx, once, asked)).ApplicationProblemJSON409
	require(*again.Resource == made.TokenID, "the repetition names %v", *again.Resource)

	page := want[*ListTokensResponse](200)(p.api.ListTokensWithResponse(p.ctx, &ListTokensParams{Q: ptr(made.TokenID)})).JSON200
	require(page.Total == 1 && page.Tokens[0].TokenID == made.TokenID, "%d tokens", page.Total)

	want[*RevokeTokenResponse](204)(p.api.RevokeTokenWithResponse(p.ctx, made.TokenID))
	page = want[*ListTokensResponse](200)(p.api.ListTokensWithResponse(p.ctx, &ListTokensParams{Q: ptr(made.TokenID)})).JSON200
	require(page.Tokens[0].RevokedAt != nil, "the token is not revoked")
	missing := want[*RevokeTokenResponse](404)(p.api.RevokeTokenWithResponse(p.ctx, "tok_none")).ApplicationProblemJSON404
	require(missing.Type == "urn:grpccontroller:problem:not-found", "type %s", missing.Type)

	// All faults of a body at once.
	wrong := TokenRequest{Kind: "router", ID: "NO ID", TTL: ptr("ten minutes")}
	faults := want[*CreateTokenResponse](400)(p.api.CreateTokenWithResponse(p.ctx, nil, wrong)).ApplicationProblemJSON400.Errors
	require(len(*faults) == 3, "faults: %+v", faults)
}

func (p *program) keys() {
	asked := KeyRequest{Name: "sdk", Scopes: []string{"fleet:read"}, TTL: ptr("2h")}
	made := want[*CreateKeyResponse](201)(p.api.CreateKeyWithResponse(p.ctx, nil, asked)).JSON201
	require(made.Secret != "" && made.Key.Name == "sdk", "a key without a secret")

	// The key reads, and does not write.
	bearer := WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+made.Secret)
		return nil
	})
	holder, err := NewClientWithResponses(p.url, bearer)
	require(err == nil, "%v", err)
	want[*GetStatusResponse](200)(holder.GetStatusWithResponse(p.ctx))
	refused := want[*CreateTokenResponse](403)(holder.CreateTokenWithResponse(p.ctx, nil, TokenRequest{Kind: "connector", ID: "sdk-02"})).ApplicationProblemJSON403
	require(refused.Type == "urn:grpccontroller:problem:forbidden", "type %s", refused.Type)

	list := want[*ListKeysResponse](200)(p.api.ListKeysWithResponse(p.ctx, nil)).JSON200
	found := false
	for _, k := range list.Keys {
		found = found || k.ID == made.Key.ID
	}
	require(found, "the key is not in the list")
	want[*RevokeKeyResponse](204)(p.api.RevokeKeyWithResponse(p.ctx, made.Key.ID))
	want[*GetStatusResponse](401)(holder.GetStatusWithResponse(p.ctx))
	want[*RevokeKeyResponse](404)(p.api.RevokeKeyWithResponse(p.ctx, "key_none"))
}

func (p *program) people() {
	asked := PersonRequest{Email: "sdk@example.com", Name: "A Program", Role: "auditor"}
	made := want[*CreatePersonResponse](201)(p.api.CreatePersonWithResponse(p.ctx, nil, asked)).JSON201
	require(made.SetupURL != "" && made.Person.Invited, "an invitation without a link")
	taken := want[*CreatePersonResponse](409)(p.api.CreatePersonWithResponse(p.ctx, nil, asked)).ApplicationProblemJSON409
	require(taken.Type == "urn:grpccontroller:problem:person-state", "type %s", taken.Type)

	changed := want[*UpdatePersonResponse](200)(p.api.UpdatePersonWithResponse(p.ctx, made.Person.ID, PersonChange{Name: ptr("Another Program"), Role: ptr("operator")})).JSON200
	require(changed.Name == "Another Program" && changed.Role == "operator", "the change: %+v", changed)
	reset := want[*ResetPersonResponse](201)(p.api.ResetPersonWithResponse(p.ctx, made.Person.ID, nil, ResetRequest{Confirm: "reset"})).JSON201
	require(reset.SetupURL != made.SetupURL, "the old link again")

	people := want[*ListPeopleResponse](200)(p.api.ListPeopleWithResponse(p.ctx, nil)).JSON200
	require(people.Total >= 1, "nobody in the list")
	want[*ListSessionsResponse](200)(p.api.ListSessionsWithResponse(p.ctx, nil))
	want[*EndSessionResponse](404)(p.api.EndSessionWithResponse(p.ctx, "ses_none"))
	want[*DeletePersonResponse](204)(p.api.DeletePersonWithResponse(p.ctx, made.Person.ID, nil))
	want[*DeletePersonResponse](404)(p.api.DeletePersonWithResponse(p.ctx, made.Person.ID, nil))
}

func (p *program) requests() {
	pending := want[*ListRequestsResponse](200)(p.api.ListRequestsWithResponse(p.ctx, &ListRequestsParams{Status: ptr(ListRequestsParamsStatus("pending"))})).JSON200
	require(pending.Total > 0, "no host asks")
	id := pending.Requests[0].EnrollmentRequestID
	one := want[*GetRequestResponse](200)(p.api.GetRequestWithResponse(p.ctx, id)).JSON200
	require(one.FingerprintStart != "", "no fingerprint")
	wrong := want[*ApproveRequestResponse](409)(p.api.ApproveRequestWithResponse(p.ctx, id, nil, Approval{Fingerprint: "0000"})).ApplicationProblemJSON409
	require(wrong.Type == "urn:grpccontroller:problem:fingerprint-mismatch", "type %s", wrong.Type)
	want[*DenyRequestResponse](200)(p.api.DenyRequestWithResponse(p.ctx, id, nil))
}

func (p *program) fleet() {
	page := want[*ListConnectorsResponse](200)(p.api.ListConnectorsWithResponse(p.ctx, &ListConnectorsParams{PageSize: ptr(PageSize(1)), Status: ptr(ListConnectorsParamsStatus("ONLINE"))})).JSON200
	require(page.Total > 0 && len(page.Connectors) == 1, "no connector is ONLINE")
	c := page.Connectors[0]
	one := want[*GetConnectorResponse](200)(p.api.GetConnectorWithResponse(p.ctx, c.ID)).JSON200
	require(one.SpiffeID == c.SpiffeID && one.Status == "ONLINE", "the connector is %s", one.Status)
	host := want[*GetHostResponse](200)(p.api.GetHostWithResponse(p.ctx, c.HostID)).JSON200
	require(len(host.Members) > 0 && host.Members[0].ID == c.ID, "the host of the connector has %+v", host.Members)
	want[*ListTunnelersResponse](200)(p.api.ListTunnelersWithResponse(p.ctx, nil))
	want[*ListHostsResponse](200)(p.api.ListHostsWithResponse(p.ctx, nil))
	networks := want[*ListNetworksResponse](200)(p.api.ListNetworksWithResponse(p.ctx, nil)).JSON200
	require(networks.Total >= 1, "no network")

	before := want[*GetStatusResponse](200)(p.api.GetStatusWithResponse(p.ctx)).JSON200
	want[*RevokeConnectorResponse](204)(p.api.RevokeConnectorWithResponse(p.ctx, c.ID))
	gone := want[*GetConnectorResponse](200)(p.api.GetConnectorWithResponse(p.ctx, c.ID)).JSON200
	require(gone.RevokedAt != nil, "the connector is not revoked")
	after := want[*GetStatusResponse](200)(p.api.GetStatusWithResponse(p.ctx)).JSON200
	require(after.Connectors.Total == before.Connectors.Total-1, "%d connectors after one was revoked", after.Connectors.Total)
}

func (p *program) controller() {
	settings := want[*GetSettingsResponse](200)(p.api.GetSettingsWithResponse(p.ctx)).JSON200
	require(len(settings.Groups) > 0, "no settings")
	preview := want[*StartRotationResponse](200)(p.api.StartRotationWithResponse(p.ctx, nil, RotationRequest{DryRun: ptr(true)})).JSON200
	require(preview.DryRun && len(preview.Steps) > 0, "no preview of a rotation")
	unmeant := want[*StartRotationResponse](400)(p.api.StartRotationWithResponse(p.ctx, nil, RotationRequest{})).ApplicationProblemJSON400
	require(*unmeant.Field == "confirm", "the fault is in %s", *unmeant.Field)
	want[*ListAuditEventsResponse](200)(p.api.ListAuditEventsWithResponse(p.ctx, &ListAuditEventsParams{Action: ptr("member.revoke")}))
}
