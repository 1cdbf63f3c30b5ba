package api_test

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// TestAConnectionCountsForItsCaller: whoever is authenticated makes room for nobody, and
// a flood of strangers behind the same address keeps no caller out.
func TestAConnectionCountsForItsCaller(t *testing.T) {
	t.Parallel()
	e := apitest.Start(t)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	get := func(key string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.URL+"/api/admin/connectors", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := client.Do(req)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, errors.Join(err, resp.Body.Close()))
		return resp.StatusCode
	}
	require.Equal(t, http.StatusUnauthorized, get("nobody's"))
	all, anonymous := e.Server.Connections().Open()
	require.Equal(t, [2]int{1, 1}, [2]int{all, anonymous})
	require.Equal(t, http.StatusOK, get(e.Key))
	all, anonymous = e.Server.Connections().Open()
	require.Equal(t, [2]int{1, 0}, [2]int{all, anonymous}, "the same connection")
}

// TestAFloodOfRequestsIsCut: on one connection, whatever the requests are.
func TestAFloodOfRequestsIsCut(t *testing.T) {
	t.Parallel()
	e := apitest.Start(t)
	client := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
	t.Cleanup(client.CloseIdleConnections)
	var err error
	for n := 0; err == nil && n < 5000; n++ {
		var req *http.Request
		req, err = http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL+"/nothing", http.NoBody) // a POST is not sent again
		require.NoError(t, err)
		var resp *http.Response
		if resp, err = client.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}
	require.Error(t, err)
	require.Positive(t, e.Server.Connections().Closed("flood"))
}
