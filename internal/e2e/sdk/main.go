// Command sdk drives a controller by a client that oapi-codegen made of openapi.json, and
// knows nothing else of the admin API. It creates, reads, changes and deletes every kind of
// object, and fails at the first answer that is not as the document says.
//
// usage: sdk SOCKET URL, the local admin socket and the address of a controller that has
// a connector that is ONLINE, another one, a tunneler, and a host that asks to be enrolled.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			fmt.Fprintln(os.Stderr, v)
			os.Exit(1)
		}
	}()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", os.Args[1])
	}
	api, err := NewClientWithResponses("http://localhost", WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: dial}}))
	require(err == nil, "%v", err)
	p := &program{api, ctx, os.Args[2]}
	for _, part := range []func(){p.tokens, p.keys, p.people, p.requests, p.networks, p.rules, p.members, p.controller} {
		part()
	}
}

type program struct {
	*ClientWithResponses
	ctx context.Context
	url string // of the API for holders of a key
}

// want requires a status and returns the reply.
func want[R interface {
	StatusCode() int
	GetBody() []byte
}](status int) func(R, error) R {
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

// problem requires a type of problem.
func problem(got *Problem, typ string) {
	require(got != nil && got.Type == "urn:grpccontroller:problem:"+typ, "not %s: %+v", typ, got)
}

func ptr[T any](v T) *T { return &v }

func (p *program) tokens() {
	asked, once := TokenRequest{Kind: "connector", ID: "sdk-01", TTL: ptr("5m"), SourceCidr: ptr("127.0.0.0/8")}, &CreateTokenParams{IdempotencyKey: ptr("sdk-token-1")}
	made := want[*CreateTokenResponse](201)(p.CreateTokenWithResponse(p.ctx, once, asked)).JSON201
	require(made.Token != nil && made.ID == asked.ID && len(made.InstallCommands) > 0, "a token without what is needed: %s", made.TokenID)
	again := want[*CreateTokenResponse](409)(p.CreateTokenWithResponse(p.ctx, once, asked)).ApplicationProblemJSON409
	require(*again.Resource == made.TokenID, "the repetition names %v", *again.Resource)
	one := want[*GetTokenResponse](200)(p.GetTokenWithResponse(p.ctx, made.TokenID)).JSON200
	require(one.ID == asked.ID && *one.SourceCidr == *asked.SourceCidr && one.Status == "pending", "the token: %+v", one)
	page := want[*ListTokensResponse](200)(p.ListTokensWithResponse(p.ctx, &ListTokensParams{Q: ptr(made.TokenID)})).JSON200
	require(page.Total == 1 && page.Tokens[0].TokenID == made.TokenID, "%d tokens", page.Total)
	want[*RevokeTokenResponse](204)(p.RevokeTokenWithResponse(p.ctx, made.TokenID))
	require(want[*GetTokenResponse](200)(p.GetTokenWithResponse(p.ctx, made.TokenID)).JSON200.Status == "revoked", "the token is not revoked")
	wrong := TokenRequest{Kind: "router", ID: "NO ID", TTL: ptr("ten minutes")}
	faults := want[*CreateTokenResponse](400)(p.CreateTokenWithResponse(p.ctx, nil, wrong)).ApplicationProblemJSON400.Errors
	require(len(*faults) == 3, "not all faults at once: %+v", faults)
}

func (p *program) keys() {
	made := want[*CreateKeyResponse](201)(p.CreateKeyWithResponse(p.ctx, nil, KeyRequest{Name: "sdk", Scopes: []string{"fleet:read"}, TTL: ptr("2h")})).JSON201
	id := made.Key.ID
	holder, err := NewClientWithResponses(p.url, WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+made.Secret)
		return nil
	}))
	require(err == nil, "%v", err)
	network := NetworkRequest{ID: "sdk-key"}
	problem(want[*CreateNetworkResponse](403)(holder.CreateNetworkWithResponse(p.ctx, nil, network)).ApplicationProblemJSON403, "forbidden")
	want[*UpdateKeyResponse](200)(p.UpdateKeyWithResponse(p.ctx, id, KeyChange{Name: ptr("sdk 2"), Scopes: &[]string{"fleet:read", "fleet:write"}}))
	one := want[*GetKeyResponse](200)(p.GetKeyWithResponse(p.ctx, id)).JSON200
	require(one.Name == "sdk 2" && len(one.Scopes) == 2 && one.Status == "active", "the key: %+v", one)
	want[*CreateNetworkResponse](201)(holder.CreateNetworkWithResponse(p.ctx, nil, network))
	want[*DeleteNetworkResponse](204)(holder.DeleteNetworkWithResponse(p.ctx, network.ID))
	require(want[*ListKeysResponse](200)(p.ListKeysWithResponse(p.ctx, nil)).JSON200.Keys[0].ID == id, "the newest key is another one")
	want[*RevokeKeyResponse](204)(p.RevokeKeyWithResponse(p.ctx, id))
	want[*GetStatusResponse](401)(holder.GetStatusWithResponse(p.ctx))
	problem(want[*UpdateKeyResponse](409)(p.UpdateKeyWithResponse(p.ctx, id, KeyChange{Name: ptr("sdk 3")})).ApplicationProblemJSON409, "revoked")
}

func (p *program) people() {
	asked := PersonRequest{Email: "sdk@example.com", Name: "A Program", Role: "auditor"}
	made := want[*CreatePersonResponse](201)(p.CreatePersonWithResponse(p.ctx, nil, asked)).JSON201
	id := made.Person.ID
	problem(want[*CreatePersonResponse](409)(p.CreatePersonWithResponse(p.ctx, nil, asked)).ApplicationProblemJSON409, "person-state")
	want[*UpdatePersonResponse](200)(p.UpdatePersonWithResponse(p.ctx, id, PersonChange{Name: ptr("Another Program"), Role: ptr("operator")}))
	one := want[*GetPersonResponse](200)(p.GetPersonWithResponse(p.ctx, id)).JSON200
	require(one.Name == "Another Program" && one.Role == "operator" && one.Invited, "the person: %+v", one)
	reset := want[*ResetPersonResponse](201)(p.ResetPersonWithResponse(p.ctx, id, nil, ResetRequest{Confirm: "reset"})).JSON201
	_, code, _ := strings.Cut(reset.SetupURL, "#")
	want[*UseSetupLinkResponse](200)(p.UseSetupLinkWithResponse(p.ctx, SetupRequest{Code: code, Password: "a long sentence of a program"}))
	sessions := want[*ListSessionsResponse](200)(p.ListSessionsWithResponse(p.ctx, nil)).JSON200
	session := want[*GetSessionByIDResponse](200)(p.GetSessionByIDWithResponse(p.ctx, sessions.Sessions[0].ID)).JSON200
	require(session.PersonID == id && session.PersonEmail == asked.Email, "the session: %+v", session)
	want[*EndSessionResponse](204)(p.EndSessionWithResponse(p.ctx, session.ID))
	want[*GetSessionByIDResponse](404)(p.GetSessionByIDWithResponse(p.ctx, session.ID))
	require(want[*ListPeopleResponse](200)(p.ListPeopleWithResponse(p.ctx, nil)).JSON200.Total > 0, "nobody in the list")
	want[*DeletePersonResponse](204)(p.DeletePersonWithResponse(p.ctx, id, nil))
	want[*GetPersonResponse](404)(p.GetPersonWithResponse(p.ctx, id))
}

func (p *program) requests() {
	pending := want[*ListRequestsResponse](200)(p.ListRequestsWithResponse(p.ctx, &ListRequestsParams{Status: ptr(ListRequestsParamsStatus("pending"))})).JSON200
	require(pending.Total > 0, "no host asks")
	id := pending.Requests[0].EnrollmentRequestID
	wrong := want[*ApproveRequestResponse](409)(p.ApproveRequestWithResponse(p.ctx, id, nil, Approval{Fingerprint: "0000"}))
	problem(wrong.ApplicationProblemJSON409, "fingerprint-mismatch")
	want[*DenyRequestResponse](200)(p.DenyRequestWithResponse(p.ctx, id, nil))
	require(want[*GetRequestResponse](200)(p.GetRequestWithResponse(p.ctx, id)).JSON200.Status == "denied", "the request is not denied")
}

func (p *program) networks() {
	made := want[*CreateNetworkResponse](201)(p.CreateNetworkWithResponse(p.ctx, nil, NetworkRequest{ID: "sdk-net", Name: ptr("SDK")})).JSON201
	want[*UpdateNetworkResponse](200)(p.UpdateNetworkWithResponse(p.ctx, made.ID, NetworkChange{Name: ptr("SDK 2"), Revision: &made.Revision}))
	problem(want[*UpdateNetworkResponse](409)(p.UpdateNetworkWithResponse(p.ctx, made.ID, NetworkChange{Name: ptr("SDK 3"), Revision: &made.Revision})).ApplicationProblemJSON409, "revision")
	require(want[*GetNetworkResponse](200)(p.GetNetworkWithResponse(p.ctx, made.ID)).JSON200.Name == "SDK 2", "the network has another name")
	c := want[*ListConnectorsResponse](200)(p.ListConnectorsWithResponse(p.ctx, &ListConnectorsParams{Status: ptr(ListConnectorsParamsStatus("ONLINE"))})).JSON200.Connectors[0]
	moved := want[*UpdateConnectorResponse](200)(p.UpdateConnectorWithResponse(p.ctx, c.ID, ConnectorChange{NetworkID: &made.ID})).JSON200
	require(moved.NetworkID == made.ID && moved.Status == "ONLINE", "the connector after its move: %+v", moved)
	problem(want[*DeleteNetworkResponse](409)(p.DeleteNetworkWithResponse(p.ctx, made.ID)).ApplicationProblemJSON409, "in-use")
	want[*UpdateConnectorResponse](200)(p.UpdateConnectorWithResponse(p.ctx, c.ID, ConnectorChange{NetworkID: ptr("default")}))
	want[*DeleteNetworkResponse](204)(p.DeleteNetworkWithResponse(p.ctx, made.ID))
	want[*GetNetworkResponse](404)(p.GetNetworkWithResponse(p.ctx, made.ID))
}

// rules makes a resource, a grant and a test of both, in the order in which each needs the other,
// and removes them in the other order.
func (p *program) rules() {
	tunneler := want[*ListTunnelersResponse](200)(p.ListTunnelersWithResponse(p.ctx, nil)).JSON200.Tunnelers[0].ID
	r := want[*CreateResourceResponse](201)(p.CreateResourceWithResponse(p.ctx, nil, ResourceRequest{ID: "sdk-db", NetworkID: ptr("default"), Hosts: []string{"db.sdk.corp"}, Ports: []string{"5432"}})).JSON201
	want[*UpdateResourceResponse](200)(p.UpdateResourceWithResponse(p.ctx, r.ID, ResourceChange{Ports: &[]string{"5432-5433"}, Revision: &r.Revision}))
	problem(want[*UpdateResourceResponse](409)(p.UpdateResourceWithResponse(p.ctx, r.ID, ResourceChange{Name: ptr("x"), Revision: &r.Revision})).ApplicationProblemJSON409, "revision")
	require(want[*GetResourceResponse](200)(p.GetResourceWithResponse(p.ctx, r.ID)).JSON200.Ports[0] == "5432-5433", "the resource has other ports")
	test := PolicyTestRequest{ID: ptr("sdk-test"), Subject: "tunneler/" + tunneler, Target: "db.sdk.corp:5433", Expect: "reach"}
	problem(want[*CreatePolicyTestResponse](409)(p.CreatePolicyTestWithResponse(p.ctx, nil, test)).ApplicationProblemJSON409, "policy-tests-broken")
	g := want[*CreateGrantResponse](201)(p.CreateGrantWithResponse(p.ctx, nil, GrantRequest{ID: ptr("sdk-grant"), Subject: test.Subject, Object: "resource/" + r.ID})).JSON201
	want[*CreatePolicyTestResponse](201)(p.CreatePolicyTestWithResponse(p.ctx, nil, test))
	broken := want[*DeleteGrantResponse](409)(p.DeleteGrantWithResponse(p.ctx, g.ID)).ApplicationProblemJSON409
	problem(broken, "policy-tests-broken")
	want[*UpdatePolicyTestResponse](200)(p.UpdatePolicyTestWithResponse(p.ctx, *test.ID, PolicyTestChange{Note: ptr("by a program")}))
	require(*want[*GetPolicyTestResponse](200)(p.GetPolicyTestWithResponse(p.ctx, *test.ID)).JSON200.Note == "by a program", "the test has no note")
	want[*DeletePolicyTestResponse](204)(p.DeletePolicyTestWithResponse(p.ctx, *test.ID))
	want[*UpdateGrantResponse](200)(p.UpdateGrantWithResponse(p.ctx, g.ID, GrantChange{Until: ptr(time.Now().AddDate(20, 0, 0))}))
	require(want[*GetGrantResponse](200)(p.GetGrantWithResponse(p.ctx, g.ID)).JSON200.Until != nil, "the grant has no end")
	problem(want[*DeleteResourceResponse](409)(p.DeleteResourceWithResponse(p.ctx, r.ID)).ApplicationProblemJSON409, "in-use")
	want[*DeleteGrantResponse](204)(p.DeleteGrantWithResponse(p.ctx, g.ID))
	want[*DeleteResourceResponse](204)(p.DeleteResourceWithResponse(p.ctx, r.ID))
	want[*GetResourceResponse](404)(p.GetResourceWithResponse(p.ctx, r.ID))
}

// members names and labels one of each kind, and revokes by id and by label.
func (p *program) members() {
	change := Change{Name: ptr("Named"), Notes: ptr("by a program"), Labels: &map[string]*string{"sdk": ptr("one")}}
	c := want[*ListConnectorsResponse](200)(p.ListConnectorsWithResponse(p.ctx, nil)).JSON200.Connectors[0]
	want[*UpdateConnectorResponse](200)(p.UpdateConnectorWithResponse(p.ctx, c.ID, ConnectorChange{Name: change.Name, Notes: change.Notes, Labels: change.Labels}))
	want[*UpdateConnectorResponse](200)(p.UpdateConnectorWithBodyWithResponse(p.ctx, c.ID, "application/json", strings.NewReader(`{"name":null}`)))
	connector := want[*GetConnectorResponse](200)(p.GetConnectorWithResponse(p.ctx, c.ID)).JSON200
	require(connector.Name == "" && connector.Notes == *change.Notes && connector.Labels["sdk"] == "one", "the connector: %+v", connector)
	t := want[*ListTunnelersResponse](200)(p.ListTunnelersWithResponse(p.ctx, nil)).JSON200.Tunnelers[0]
	want[*UpdateTunnelerResponse](200)(p.UpdateTunnelerWithResponse(p.ctx, t.ID, change))
	tunneler := want[*GetTunnelerResponse](200)(p.GetTunnelerWithResponse(p.ctx, t.ID)).JSON200
	require(tunneler.Name == "Named" && tunneler.Labels["sdk"] == "one", "the tunneler: %+v", tunneler)
	want[*UpdateHostResponse](200)(p.UpdateHostWithResponse(p.ctx, c.HostID, change))
	hosts := want[*ListHostsResponse](200)(p.ListHostsWithResponse(p.ctx, &ListHostsParams{Label: ptr("sdk=one")})).JSON200
	require(hosts.Total == 1 && want[*GetHostResponse](200)(p.GetHostWithResponse(p.ctx, c.HostID)).JSON200.Notes == *change.Notes, "%d hosts", hosts.Total)
	want[*RevokeTunnelerResponse](204)(p.RevokeTunnelerWithResponse(p.ctx, t.ID))
	gone := want[*ListTunnelersResponse](200)(p.ListTunnelersWithResponse(p.ctx, &ListTunnelersParams{Status: ptr(ListTunnelersParamsStatus("REVOKED"))})).JSON200
	require(gone.Tunnelers[0].ID == t.ID && gone.Tunnelers[0].Status == "OFFLINE" && gone.Tunnelers[0].RevokedAt != nil, "revoked: %+v", gone)
	problem(want[*UpdateTunnelerResponse](409)(p.UpdateTunnelerWithResponse(p.ctx, t.ID, change)).ApplicationProblemJSON409, "revoked")
	before := want[*GetStatusResponse](200)(p.GetStatusWithResponse(p.ctx)).JSON200.Connectors.Total
	look := want[*RevokeByLabelResponse](200)(p.RevokeByLabelWithResponse(p.ctx, nil, BulkRevocation{Label: "sdk=one", DryRun: ptr(true)})).JSON200
	require(look.Total == 1 && look.Revoked == 0, "the dry run: %+v", look)
	more := BulkRevocation{Label: "sdk=one", Selection: ptr(strings.Repeat("0", 64)), Confirm: ptr(BulkRevocationConfirm("revoke"))}
	problem(want[*RevokeByLabelResponse](409)(p.RevokeByLabelWithResponse(p.ctx, nil, more)).ApplicationProblemJSON409, "selection")
	more.Selection = &look.Selection
	require(want[*RevokeByLabelResponse](200)(p.RevokeByLabelWithResponse(p.ctx, nil, more)).JSON200.Revoked == 1, "it was not revoked")
	require(want[*GetConnectorResponse](200)(p.GetConnectorWithResponse(p.ctx, look.Members[0].ID)).JSON200.RevokedAt != nil, "the connector is not revoked")
	after := want[*GetStatusResponse](200)(p.GetStatusWithResponse(p.ctx)).JSON200.Connectors.Total
	require(after == before-1, "%d connectors of %d after one was revoked", after, before)
	c = want[*ListConnectorsResponse](200)(p.ListConnectorsWithResponse(p.ctx, nil)).JSON200.Connectors[0]
	want[*RevokeConnectorResponse](204)(p.RevokeConnectorWithResponse(p.ctx, c.ID))
}

// controller starts a rotation of the CA and reads what cannot be changed by the API.
func (p *program) controller() {
	preview := want[*StartRotationResponse](200)(p.StartRotationWithResponse(p.ctx, nil, RotationRequest{DryRun: ptr(true)})).JSON200
	require(preview.DryRun && len(preview.Steps) > 0, "no preview of a rotation")
	started := want[*StartRotationResponse](202)(p.StartRotationWithResponse(p.ctx, nil, RotationRequest{Confirm: ptr(RotationRequestConfirm("rotate"))})).JSON202
	require(want[*GetCAResponse](200)(p.GetCAWithResponse(p.ctx)).JSON200.Rotation.ID == started.ID, "another rotation runs")
	want[*AbortRotationResponse](202)(p.AbortRotationWithResponse(p.ctx, nil))
	require(len(want[*GetBootstrapCAResponse](200)(p.GetBootstrapCAWithResponse(p.ctx)).JSON200.Anchors) > 0, "no bootstrap CA")
	require(len(want[*GetSettingsResponse](200)(p.GetSettingsWithResponse(p.ctx)).JSON200.Groups) > 0, "no settings")
	want[*GetEnrollmentResponse](200)(p.GetEnrollmentWithResponse(p.ctx))
	want[*GetSeriesResponse](200)(p.GetSeriesWithResponse(p.ctx, nil))
	want[*ListAuditEventsResponse](200)(p.ListAuditEventsWithResponse(p.ctx, &ListAuditEventsParams{Action: ptr("member.revoke")}))
	want[*ListSVIDRenewalsResponse](200)(p.ListSVIDRenewalsWithResponse(p.ctx, nil))
	want[*GetAuditVerificationResponse](200)(p.GetAuditVerificationWithResponse(p.ctx))
}
