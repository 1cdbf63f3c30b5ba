package guardedhttp_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/guardedhttp"
)

// client is that of a service at a URL.
func client(t *testing.T, service string) *http.Client {
	t.Helper()
	c := guardedhttp.New(guardedhttp.Config{Service: service, Transport: &http.Transport{}, Timeout: 5 * time.Second, MaxReply: 10})
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func get(t *testing.T, c *http.Client, url string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.Status + " " + string(text), nil
}

func TestAServiceIsAskedAndNobodyElse(t *testing.T) {
	t.Parallel()
	var neighbour atomic.Int32
	victim := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { neighbour.Add(1) }))
	t.Cleanup(victim.Close)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, victim.URL, http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 100))
	}))
	t.Cleanup(service.Close)
	c := client(t, service.URL+"/directory")

	text, err := get(t, c, service.URL+"/order")
	require.NoError(t, err)
	require.Equal(t, "200 OK xxxxxxxxxx", text, "no more than the limit")
	text, err = get(t, c, service.URL+"/redirect")
	require.NoError(t, err)
	require.Contains(t, text, "302 Found")
	for _, url := range []string{
		victim.URL, strings.Replace(victim.URL, "127.0.0.1", "localhost", 1), strings.Replace(victim.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1),
		strings.Replace(victim.URL, "127.0.0.1", "0.0.0.0", 1), "http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/", "http://224.0.0.1/",
		"https" + strings.TrimPrefix(service.URL, "http"), "ftp://service.example/",
	} {
		_, err := get(t, c, url)
		require.ErrorIs(t, err, guardedhttp.ErrAimed, url)
	}
	_, err = get(t, client(t, ":"), service.URL)
	require.ErrorIs(t, err, guardedhttp.ErrAimed, "a service without an address")
	require.Zero(t, neighbour.Load())
}
