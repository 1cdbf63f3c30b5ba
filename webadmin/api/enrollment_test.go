package api_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

func TestAnybodyMayFetchTheBootstrapCA(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	w := send(t, e, request{method: http.MethodGet, path: "/ca.crt", header: map[string][]string{"Authorization": nil}})
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Equal(t, apitest.CA, w.Body.String())
	require.Equal(t, "application/x-pem-file", w.Header().Get("Content-Type"))
	require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		w := send(t, e, request{method: method, path: "/ca.crt"})
		require.GreaterOrEqual(t, w.Code, 400, method)
		require.NotContains(t, w.Body.String(), "CERTIFICATE")
	}
	got := decode[adminapi.Enrollment](t, get(t, e, "/api/admin/enrollment"))
	require.Equal(t, apitest.CA, got.CA)
	require.Equal(t, "AB:CD", got.CAFingerprint)
}

func TestALinkThatOnlyThisMachineOpensSaysSo(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		option func(*api.Config)
		warns  bool
	}{
		"without public_url, on loopback":        {func(*api.Config) {}, true},
		"without public_url, on every interface": {func(c *api.Config) { c.Listen, c.InsecureListen = "0.0.0.0:0", true }, true},
		"with public_url":                        {func(c *api.Config) { c.PublicURL = "https://admin.example.com" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := apitest.New(t, tc.option)
			link := decode[adminapi.CreatedToken](t, send(t, e, create(`{"kind":"connector","id":"b","delivery":"claim"}`)))
			require.NotEmpty(t, link.ClaimURL)
			if tc.warns {
				require.Contains(t, link.LinkWarning, "set admin.public_url")
			} else {
				require.Empty(t, link.LinkWarning)
			}
			plain := decode[adminapi.CreatedToken](t, send(t, e, create(`{"kind":"connector","id":"c"}`)))
			require.Empty(t, plain.LinkWarning, "it has no link")
		})
	}
}
