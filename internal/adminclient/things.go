package adminclient

import (
	"context"
	"net/http"
	"net/url"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// Token returns one enrollment token, whatever became of it.
func (c *Client) Token(ctx context.Context, id string) (out adminapi.Token, err error) {
	err = c.one(ctx, "tokens", id, &out)
	return out, err
}

// Request returns one enrollment request.
func (c *Client) Request(ctx context.Context, id string) (out adminapi.Request, err error) {
	err = c.one(ctx, "requests", id, &out)
	return out, err
}

// Host returns one host, also a revoked one.
func (c *Client) Host(ctx context.Context, id string) (out adminapi.Host, err error) {
	err = c.one(ctx, "hosts", id, &out)
	return out, err
}

// Key returns one API key, also a dead one.
func (c *Client) Key(ctx context.Context, id string) (out adminapi.Key, err error) {
	err = c.one(ctx, "keys", id, &out)
	return out, err
}

// People lists those who may sign in.
func (c *Client) People(ctx context.Context) ([]adminapi.Person, error) {
	return pages(ctx, c, "people", url.Values{}, func(l adminapi.PersonList) ([]adminapi.Person, string) { return l.People, l.NextPageToken })
}

// Person returns one person.
func (c *Client) Person(ctx context.Context, id string) (out adminapi.Person, err error) {
	err = c.one(ctx, "people", id, &out)
	return out, err
}

// InvitePerson makes a person, with a link to set a password.
func (c *Client) InvitePerson(ctx context.Context, r adminapi.PersonRequest) (out adminapi.InvitedPerson, err error) {
	err = c.call(ctx, http.MethodPost, route("people"), r, &out)
	return out, err
}

// PersonEdit says what becomes of a person; what is zero stays. It is the JSON of an
// adminapi.PersonChange, in which false is said and not absent.
type PersonEdit struct {
	Name     *string `json:"name,omitempty"`
	Role     string  `json:"role,omitempty"`
	Disabled *bool   `json:"disabled,omitempty"`
	// Keys is "revoke" or "keep", as adminapi.PersonChange says.
	Keys string `json:"keys,omitempty"`
}

// ChangePerson changes the name or role of a person, disables or enables them.
func (c *Client) ChangePerson(ctx context.Context, id string, e PersonEdit) (out adminapi.Person, err error) {
	err = c.change(ctx, "people", id, e, &out)
	return out, err
}

// ResetPerson takes password, second factor and sessions from somebody, and returns a new
// link. It confirms: the caller has asked.
func (c *Client) ResetPerson(ctx context.Context, id string) (out adminapi.InvitedPerson, err error) {
	if id == "" {
		return out, errNoID
	}
	err = c.call(ctx, http.MethodPost, route("people", id, "reset"), adminapi.ResetRequest{Confirm: adminapi.ConfirmReset}, &out)
	return out, err
}

// RemovePerson ends somebody's access; keep leaves the API keys that they made.
func (c *Client) RemovePerson(ctx context.Context, id string, keep bool) error {
	if id == "" {
		return errNoID
	}
	u := route("people", id)
	if keep {
		u.RawQuery = "keys=keep"
	}
	return c.call(ctx, http.MethodDelete, u, nil, nil)
}

// Sessions lists everybody's sessions, newest first.
func (c *Client) Sessions(ctx context.Context) ([]adminapi.Session, error) {
	return pages(ctx, c, "sessions", url.Values{}, func(l adminapi.SessionList) ([]adminapi.Session, string) { return l.Sessions, l.NextPageToken })
}

// Session returns one session.
func (c *Client) Session(ctx context.Context, id string) (out adminapi.Session, err error) {
	err = c.one(ctx, "sessions", id, &out)
	return out, err
}

// EndSession ends anybody's session.
func (c *Client) EndSession(ctx context.Context, id string) error {
	return c.remove(ctx, "sessions", id)
}

// Networks lists networks by id.
func (c *Client) Networks(ctx context.Context) ([]adminapi.Network, error) {
	return pages(ctx, c, "networks", url.Values{}, func(l adminapi.NetworkList) ([]adminapi.Network, string) { return l.Networks, l.NextPageToken })
}

// Network returns one network.
func (c *Client) Network(ctx context.Context, id string) (out adminapi.Network, err error) {
	err = c.one(ctx, "networks", id, &out)
	return out, err
}

// CreateNetwork makes a network without connectors.
func (c *Client) CreateNetwork(ctx context.Context, r adminapi.NetworkRequest) (out adminapi.Network, err error) {
	err = c.call(ctx, http.MethodPost, route("networks"), r, &out)
	return out, err
}

// ChangeNetwork changes a network.
func (c *Client) ChangeNetwork(ctx context.Context, id string, r adminapi.NetworkChange) (out adminapi.Network, err error) {
	err = c.change(ctx, "networks", id, r, &out)
	return out, err
}

// DeleteNetwork deletes a network that has neither connectors nor resources.
func (c *Client) DeleteNetwork(ctx context.Context, id string) error {
	return c.remove(ctx, "networks", id)
}

// ChangeConnector changes what operators say of a connector, or moves it.
func (c *Client) ChangeConnector(ctx context.Context, id string, r adminapi.ConnectorChange) (out adminapi.Connector, err error) {
	err = c.change(ctx, "connectors", id, r, &out)
	return out, err
}

// ChangeTunneler changes what operators say of a tunneler.
func (c *Client) ChangeTunneler(ctx context.Context, id string, r adminapi.Change) (out adminapi.Tunneler, err error) {
	err = c.change(ctx, "tunnelers", id, r, &out)
	return out, err
}

// ChangeHost changes what operators say of a host.
func (c *Client) ChangeHost(ctx context.Context, id string, r adminapi.Change) (out adminapi.Host, err error) {
	err = c.change(ctx, "hosts", id, r, &out)
	return out, err
}

// ChangeKey changes the name or the scopes of an API key.
func (c *Client) ChangeKey(ctx context.Context, id string, r adminapi.KeyChange) (out adminapi.Key, err error) {
	err = c.change(ctx, "keys", id, r, &out)
	return out, err
}

// RevokeLabelled revokes the members with a label, or says whom it would revoke.
func (c *Client) RevokeLabelled(ctx context.Context, r adminapi.BulkRevocation) (out adminapi.BulkRevoked, err error) {
	err = c.call(ctx, http.MethodPost, route("revocations"), r, &out)
	return out, err
}

func (c *Client) change(ctx context.Context, list, id string, in, out any) error {
	if id == "" {
		return errNoID // the path would be that of the list
	}
	return c.call(ctx, http.MethodPatch, route(list, id), in, out)
}
