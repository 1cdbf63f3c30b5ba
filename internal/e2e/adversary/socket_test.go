package adversary_test

import (
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/localsocket"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

const members = "/api/admin/connectors"

// Docker's socket, and every agent socket that someone has opened by chmod 666: whoever
// can connect is root. Here the mode is the first door and not the only one.
func TestAnotherUserOwnsNothingAtTheSocket(t *testing.T) {
	t.Parallel()
	local, path := apitest.Socket(t)
	apitest.Start(t, local)
	require.Equal(t, http.StatusOK, controltest.AskAdmin(t, controltest.DialAdmin(t, path), members, nil))
	require.Equal(t, http.StatusForbidden, controltest.AskAdmin(t, controltest.DialAdminAs(t, path, 4242), members, nil))
}

// In a user namespace every user that is not mapped into it has the uid 65534: a
// controller that runs as that user, as many images do, would take all of them for itself.
func TestTheOverflowUserOwnsNothingEvenAsOwnUser(t *testing.T) {
	t.Parallel()
	l, path := controltest.ListenAdmin(t)
	l.Owners.Own = 65534
	apitest.Start(t, func(c *api.Config) { c.Local = l })
	require.Equal(t, http.StatusForbidden, controltest.AskAdmin(t, controltest.DialAdminAs(t, path, 65534), members, nil))
}

// A reverse proxy in front of a trusted socket made its headers count (a forged
// X-Forwarded-User is the oldest of them). Here none is read, for better or worse.
func TestNoHeaderSaysWhoCallsAtTheSocket(t *testing.T) {
	t.Parallel()
	local, path := apitest.Socket(t)
	e := apitest.Start(t, local)
	auditor := e.AddKey(t, auth.Key{ID: "auditor", Permissions: []auth.Permission{auth.AuditRead}})
	for _, h := range []http.Header{
		{"Authorization": {"Bearer " + auditor}}, {"Authorization": {"Bearer zta_wrong"}}, {"Cookie": {"zt_session=wrong"}}, {"X-Forwarded-For": {"192.0.2.1"}},
	} {
		require.Equal(t, http.StatusOK, controltest.AskAdmin(t, controltest.DialAdmin(t, path), members, h), "%v", h)
	}
	require.Empty(t, e.Refused())
}

// "It comes from loopback, so it is the administrator": every program of the host, and
// every page in a browser on it, comes from there.
func TestLoopbackIsNotTheSocket(t *testing.T) {
	t.Parallel()
	local, _ := apitest.Socket(t)
	e := apitest.Start(t, local)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(e.URL, "http://"))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.Equal(t, http.StatusUnauthorized, controltest.AskAdmin(t, conn, members, nil))
}

// A second start that removes "the stale socket" of a program that runs takes its
// callers away from it.
func TestASecondControllerDoesNotTakeTheSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(controltest.SocketDir(t), "admin.sock")
	first, err := localsocket.Listen(path)
	require.NoError(t, err)
	defer func() { _ = first.Close() }()
	_, err = localsocket.Listen(path)
	require.ErrorContains(t, err, "another program listens")
	controltest.DialAdmin(t, path)
}
