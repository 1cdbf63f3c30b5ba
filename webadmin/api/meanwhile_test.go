package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// meanwhile is a body with an event before its first byte: the caller was authenticated
// by then.
type meanwhile struct {
	io.Reader
	happens func()
}

func (m meanwhile) Read(b []byte) (int, error) {
	m.happens()
	return m.Reader.Read(b)
}

// TestAKeyThatIsRevokedDuringItsRequestGivesNothingAway: the transaction of a change that
// hands out rights looks at the key again, and the caller reads why it was refused.
func TestAKeyThatIsRevokedDuringItsRequestGivesNothingAway(t *testing.T) {
	t.Parallel()
	r := newReal(t, t.TempDir(), 1)
	rows := r.store.AuthRows()
	made, _, err := r.people.Keys.Create(t.Context(), auth.NewAPIKey{Name: "other", Permissions: []auth.Permission{auth.FleetRead}}, auth.By{Actor: auth.LocalActor})
	require.NoError(t, err)
	person, _, err := r.people.People.Create(t.Context(), auth.NewPerson{Email: "p@example.com", Name: "P", Role: auth.Auditor}, auth.By{Actor: auth.LocalActor})
	require.NoError(t, err)
	before := state(t, r)
	for name, c := range map[string]struct{ method, path, body string }{
		"an enrollment token":  {http.MethodPost, "/tokens", `{"kind":"connector","id":"new"}`},
		"another key":          {http.MethodPost, "/keys", `{"name":"x","scopes":["fleet:read"]}`},
		"a scope for a key":    {http.MethodPatch, "/keys/" + made.ID, `{"scopes":["fleet:write"]}`},
		"an invitation":        {http.MethodPost, "/people", `{"email":"x@example.com","name":"X","role":"auditor"}`},
		"a role for somebody":  {http.MethodPatch, "/people/" + person.ID, `{"role":"operator"}`},
		"a way to be a person": {http.MethodPost, "/people/" + person.ID + "/reset", `{"confirm":"reset"}`},
		"a repeatable token":   {http.MethodPost, "/tokens", `{"kind":"tunneler","id":"new"}`},
	} {
		t.Run(name, func(t *testing.T) {
			secret, hash := auth.NewKey()
			id := "key_" + strings.ReplaceAll(name, " ", "_")
			require.NoError(t, rows.InsertKey(t.Context(), auth.Key{ID: id, Permissions: apitest.Grantable(), CreatedAt: r.Clock.Now(), ExpiresAt: r.Clock.Now().Add(time.Hour)}, hash))
			end := sync.OnceFunc(func() { require.NoError(t, rows.RevokeKey(t.Context(), id, r.Clock.Now())) })
			req := httptest.NewRequestWithContext(t.Context(), c.method, adminapi.Base+c.path, meanwhile{strings.NewReader(c.body), end})
			req.Header.Set("Authorization", "Bearer "+secret)
			req.Header.Set("Content-Type", "application/json")
			if name == "a repeatable token" {
				req.Header.Set("Idempotency-Key", "once")
			}
			w := httptest.NewRecorder()
			r.Server.Handler().ServeHTTP(w, req)
			p := requireProblem(t, w, http.StatusUnauthorized)
			require.Equal(t, adminapi.TypeUnauthenticated, p.Type)
			require.Contains(t, p.Detail, "send a valid API key")
		})
	}
	require.Equal(t, before, state(t, r), "nothing was handed out")
}

// state is what the requests would change.
func state(t *testing.T, r *realAPI) (out string) {
	t.Helper()
	for _, path := range []string{"/people", "/tokens", "/keys/all"} {
		w := get(t, r.Env, adminapi.Base+path)
		require.Equal(t, http.StatusOK, w.Code)
		out += w.Body.String()
	}
	return out
}
