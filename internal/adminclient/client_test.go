package adminclient_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRefusesAnAddressThatWouldLeakTheKey(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"http://192.0.2.1:8080", "http://controller.example.com", "http://localhost.example.com:8080", "ftp://127.0.0.1", "127.0.0.1:8080",
		"", "http://", "http://user:pw@127.0.0.1:8080", "http://127.0.0.1:8080/api/admin", "http://127.0.0.1:8080/?x=y", "http://0.0.0.0:8080",
		"http://127.0.0.1@192.0.2.1:8080",
	} {
		_, err := adminclient.New(url, "zta_key").Tokens(t.Context())
		require.ErrorContains(t, err, "http", url)
		require.NotContains(t, err.Error(), "zta_key")
		require.NotContains(t, err.Error(), "pw")
	}
}

func TestRefusesAKeyThatIsNoHeaderValueWithoutQuotingIt(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"zta_a\r\nX: y", "zta_a b", "zta_\x00", "zta_ä"} {
		_, err := adminclient.New("http://127.0.0.1:1", key).Tokens(t.Context())
		require.ErrorContains(t, err, "API key")
		require.NotContains(t, err.Error(), "zta_")
	}
}

func TestSurvivesAServerThatIsNotTheAdminAPI(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	for name, tc := range map[string]struct {
		serve http.HandlerFunc
		want  string
	}{
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		}, "307"},
		"an HTML error": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte("<html>\x1b[2J"))
		}, "502"},
		"a problem that lies about its status": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", adminapi.ProblemContentType)
			w.WriteHeader(http.StatusConflict)
			_, _ = w.Write([]byte(`{"status":200,"detail":"no"}`))
		}, "no"},
		"no JSON": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }, "not answer like the admin API"},
		"an endless reply": {func(w http.ResponseWriter, _ *http.Request) {
			chunk := []byte(strings.Repeat(" ", 1<<20))
			for range 10 {
				_, _ = w.Write(chunk)
			}
		}, "larger than 8 MiB"},
		"the same page for ever": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"tokens":[],"next_page_token":"x"}`))
		}, "same page"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(tc.serve)
			t.Cleanup(srv.Close)
			c := adminclient.New(srv.URL, "zta_key")
			t.Cleanup(c.Close)
			_, err := c.Tokens(t.Context())
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "\x1b")
		})
	}
	require.Zero(t, elsewhere.Load(), "the key must not follow a redirect")
}

// TestAnIDIsNeverAnotherPath: what a person gives as an id must not walk to another call.
func TestAnIDIsNeverAnotherPath(t *testing.T) {
	t.Parallel()
	var asked atomic.Value
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.EscapedPath())
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(srv.Close)
	c := adminclient.New(srv.URL, "zta_key")
	t.Cleanup(c.Close)
	for id, want := range map[string]string{
		"..": "%2E%2E", ".": "%2E", "../keys/k": "%2E%2E%2Fkeys%2Fk", "a?b=c#d": "a%3Fb=c%23d", "%2e%2e": "%252e%252e",
	} {
		require.NoError(t, c.RevokeToken(t.Context(), id), id)
		require.Equal(t, adminapi.Base+"/tokens/"+want, asked.Load(), id)
	}
}
