package api_test

import (
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/ui"
)

func built(t *testing.T) fs.FS {
	t.Helper()
	var zipped strings.Builder
	w := gzip.NewWriter(&zipped)
	_, err := io.WriteString(w, "zipped()")
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return fstest.MapFS{
		"index.html":         {Data: []byte(`<meta name="csp-nonce" content="__CSP_NONCE__"><link nonce="__CSP_NONCE__">`)},
		"favicon.svg":        {Data: []byte("<svg/>")},
		"assets/a-1.js":      {Data: []byte("plain()")},
		"assets/a-1.js.gz":   {Data: []byte(zipped.String())},
		"assets/a-1.js.br":   {Data: []byte("brotli")},
		"assets/c-1.js":      {Data: []byte("c()")},
		"assets/c-1.js.gz":   {Data: []byte("c gzipped")},
		"assets/b-1.css":     {Data: []byte("b{}")},
		"assets/secret.html": {Data: []byte("not served")},
	}
}

func browse(t *testing.T, files fs.FS, method, path string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	if header != nil {
		r.Header = header
	}
	w := httptest.NewRecorder()
	api.DashboardHandler(files).ServeHTTP(w, r)
	return w
}

var html = http.Header{"Accept": {"text/html,application/xhtml+xml,*/*;q=0.8"}}

func TestEveryPageGetsItsOwnNonce(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, path := range []string{"/", "/connectors", "/connectors/a.b", "/tunnelers/../ca", "/claim", "/apish", "/"} {
		res := browse(t, built(t), http.MethodGet, path, html)
		require.Equal(t, http.StatusOK, res.Code, path)
		require.Equal(t, "text/html; charset=utf-8", res.Header().Get("Content-Type"), path)
		require.Equal(t, "no-store", res.Header().Get("Cache-Control"), path)
		csp := res.Header().Get("Content-Security-Policy")
		m := regexp.MustCompile(`^default-src 'none'; script-src 'self'; style-src 'self' 'nonce-([A-Za-z0-9_-]{22})'; img-src 'self' data:; ` +
			`font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'$`).FindStringSubmatch(csp)
		require.NotNil(t, m, csp)
		require.False(t, seen[m[1]], "a nonce came twice")
		seen[m[1]] = true
		require.Equal(t, `<meta name="csp-nonce" content="`+m[1]+`"><link nonce="`+m[1]+`">`, res.Body.String())
	}
}

func TestHashedFilesAreCachedForEverAndOthersAreNot(t *testing.T) {
	t.Parallel()
	js := browse(t, built(t), http.MethodGet, "/assets/a-1.js", http.Header{"Accept-Encoding": {"gzip, deflate"}})
	require.Equal(t, "gzip", js.Header().Get("Content-Encoding"))
	require.Equal(t, "text/javascript; charset=utf-8", js.Header().Get("Content-Type"))
	require.Equal(t, "public, max-age=31536000, immutable", js.Header().Get("Cache-Control"))
	require.Equal(t, "nosniff", js.Header().Get("X-Content-Type-Options"))
	unzipped, err := gzip.NewReader(js.Body)
	require.NoError(t, err)
	b, err := io.ReadAll(unzipped)
	require.NoError(t, err)
	require.Equal(t, "zipped()", string(b))

	plain := browse(t, built(t), http.MethodGet, "/assets/a-1.js", nil)
	require.Empty(t, plain.Header().Get("Content-Encoding"))
	require.Equal(t, "plain()", plain.Body.String())
	css := browse(t, built(t), http.MethodGet, "/assets/b-1.css", http.Header{"Accept-Encoding": {"gzip"}})
	require.Empty(t, css.Header().Get("Content-Encoding"), "there is no zipped one")
	icon := browse(t, built(t), http.MethodGet, "/favicon.svg", nil)
	require.Equal(t, "image/svg+xml", icon.Header().Get("Content-Type"))
	require.Equal(t, "no-cache", icon.Header().Get("Cache-Control"))
}

func TestTheSmallestFormThatABrowserTakesIsSent(t *testing.T) {
	t.Parallel()
	for accepted, want := range map[string]string{
		"gzip, deflate, br, zstd": "br", "br": "br", "BR;q=0.5, gzip": "br", "br;q=0, gzip": "gzip", "br; q=0.0, gzip; q=1": "gzip", "gzip": "gzip",
		"": "", "identity": "", "*": "", "brotli, xgzip": "", "br;q=0, gzip;q=0": "", "br;q=much": "", "deflate": "",
	} {
		res := browse(t, built(t), http.MethodGet, "/assets/a-1.js", http.Header{"Accept-Encoding": {accepted}})
		require.Equal(t, http.StatusOK, res.Code, accepted)
		require.Equal(t, want, res.Header().Get("Content-Encoding"), accepted)
		require.Equal(t, "Accept-Encoding", res.Header().Get("Vary"), accepted)
		require.Equal(t, strconv.Itoa(res.Body.Len()), res.Header().Get("Content-Length"), accepted)
	}
	only := browse(t, built(t), http.MethodGet, "/assets/c-1.js", http.Header{"Accept-Encoding": {"br, gzip"}})
	require.Equal(t, "gzip", only.Header().Get("Content-Encoding"), "there is no brotli of it")
	one := browse(t, built(t), http.MethodGet, "/assets/b-1.css", http.Header{"Accept-Encoding": {"br"}})
	require.Empty(t, one.Header().Get("Vary"), "there is one form")
}

func TestABrowserThatHasAFileIsToldSo(t *testing.T) {
	t.Parallel()
	tags := map[string]bool{}
	for _, accepted := range []string{"br", "gzip", ""} {
		h := http.Header{"Accept-Encoding": {accepted}}
		tag := browse(t, built(t), http.MethodGet, "/assets/a-1.js", h).Header().Get("ETag")
		require.Regexp(t, `^"[0-9a-f]{16}"$`, tag)
		require.False(t, tags[tag], "each form has a tag of its own")
		tags[tag] = true
		h.Set("If-None-Match", `"other", W/`+tag)
		again := browse(t, built(t), http.MethodGet, "/assets/a-1.js", h)
		require.Equal(t, http.StatusNotModified, again.Code)
		require.Empty(t, again.Body.String())
		require.Equal(t, tag, again.Header().Get("ETag"))
		h.Set("If-None-Match", `"0123456789abcdef"`)
		require.Equal(t, http.StatusOK, browse(t, built(t), http.MethodGet, "/assets/a-1.js", h).Code)
	}
}

// The page compares its build with the header of each reply.
func TestEachReplyNamesTheBuild(t *testing.T) {
	t.Parallel()
	files := built(t).(fstest.MapFS)
	files["index.html"] = &fstest.MapFile{Data: []byte(`<meta name="dashboard-build" content="__BUILD__">`)}
	page := browse(t, files, http.MethodGet, "/", html)
	build := page.Header().Get("X-Dashboard-Build")
	require.Regexp(t, `^[0-9a-f]{16}$`, build)
	require.Equal(t, `<meta name="dashboard-build" content="`+build+`">`, page.Body.String())
	require.Equal(t, build, browse(t, files, http.MethodGet, "/api/admin/nothing", nil).Header().Get("X-Dashboard-Build"))
	files["index.html"] = &fstest.MapFile{Data: []byte(`<meta name="dashboard-build" content="__BUILD__"> `)}
	require.NotEqual(t, build, browse(t, files, http.MethodGet, "/", html).Header().Get("X-Dashboard-Build"))
	require.NotContains(t, browse(t, fstest.MapFS{}, http.MethodGet, "/", html).Header(), "X-Dashboard-Build")
}

func TestTheDashboardLeavesTheRestToTheAPI(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		method, path string
		header       http.Header
	}{
		"a path of the API":               {http.MethodGet, "/api/admin/nothing", html},
		"a path that climbs into the API": {http.MethodGet, "/x/../api/admin/nothing", html},
		"the API's own root":              {http.MethodGet, "/api", html},
		"the token endpoint":              {http.MethodGet, "/oauth/token", html},
		"a program, which wants no page":  {http.MethodGet, "/connectors", http.Header{"Accept": {"application/json"}}},
		"a write":                         {http.MethodPost, "/connectors", html},
		"an asset that is gone":           {http.MethodGet, "/assets/old-1.js", html},
		"a page among the assets":         {http.MethodGet, "/assets/secret.html", html},
		"a brotli file by name":           {http.MethodGet, "/assets/a-1.js.br", nil},
		"a zipped file by name":           {http.MethodGet, "/assets/a-1.js.gz", nil},
		"a climb out of the build":        {http.MethodGet, "/../../etc/x.txt", nil},
	} {
		res := browse(t, built(t), tc.method, tc.path, tc.header)
		require.Equal(t, http.StatusNotFound, res.Code, name)
		require.Equal(t, "application/problem+json", res.Header().Get("Content-Type"), name)
		require.Equal(t, "default-src 'none'; frame-ancestors 'none'", res.Header().Get("Content-Security-Policy"), name)
	}
}

// TestTheAddressIsThePageToAnybody: curl of the address that an operator was told
// answered 404, as if nothing ran there.
func TestTheAddressIsThePageToAnybody(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path, accept string
		page         bool
	}{
		"curl at the root":                      {"/", "*/*", true},
		"a program without preferences":         {"/", "", true},
		"a program that wants JSON at the root": {"/", "application/json", true},
		"a browser at a page":                   {"/connectors", "text/html,*/*", true},
		"curl at a page":                        {"/connectors", "*/*", false},
		"a probe at the wrong port":             {"/readyz", "*/*", false},
		"curl at the file of the page":          {"/index.html", "*/*", true},
		"a program that wants JSON at a page":   {"/connectors", "application/json", false},
		"an icon that there is not":             {"/favicon.ico", "image/avif,image/webp,image/png", false},
		"curl at the API":                       {"/api", "*/*", false},
		"curl below the API":                    {"/api/admin/nothing", "*/*", false},
		"curl at the token endpoint":            {"/oauth/token", "*/*", false},
		"curl at an asset that is gone":         {"/assets/old-1.js", "*/*", false},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			h := http.Header{}
			if c.accept != "" {
				h.Set("Accept", c.accept)
			}
			res := browse(t, built(t), method, c.path, h)
			if !c.page {
				require.Equal(t, http.StatusNotFound, res.Code, name)
				require.Equal(t, "application/problem+json", res.Header().Get("Content-Type"), name)
				continue
			}
			require.Equal(t, http.StatusOK, res.Code, name)
			require.Equal(t, "text/html; charset=utf-8", res.Header().Get("Content-Type"), name)
			require.NotContains(t, res.Body.String(), "__CSP_NONCE__", name)
		}
	}
}

func TestABuildWithoutTheDashboardSaysSo(t *testing.T) {
	t.Parallel()
	res := browse(t, fstest.MapFS{".gitkeep": {}}, http.MethodGet, "/", html)
	require.Equal(t, http.StatusOK, res.Code)
	require.Contains(t, res.Body.String(), "The dashboard is not part of this build: make ui")
}

func TestTheServerServesTheDashboardWithoutAKey(t *testing.T) {
	t.Parallel()
	e := apitest.Start(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.URL+"/tokens?status=pending&q=a", nil)
	require.NoError(t, err)
	r.Header = html.Clone()
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = res.Body.Close() })
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, "text/html; charset=utf-8", res.Header.Get("Content-Type"))
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NotContains(t, string(body), "__CSP_NONCE__")
}

// The policy has no 'unsafe-inline'; what it would block must not be in a build.
func TestTheBuiltIndexHasNothingInline(t *testing.T) {
	t.Parallel()
	index, err := fs.ReadFile(ui.Files(), "index.html")
	if err != nil {
		t.Skip("the dashboard is not part of this build: make ui")
	}
	require.Contains(t, string(index), `<meta name="csp-nonce" content="__CSP_NONCE__"`)
	require.NotRegexp(t, `<script(?:[^>]*)>[^<]+</script>`, string(index))
	require.NotRegexp(t, `\son[a-z]+=|\sstyle=`, string(index))
	for _, style := range regexp.MustCompile(`<style[^>]*>`).FindAllString(string(index), -1) {
		require.Equal(t, `<style nonce="__CSP_NONCE__">`, style)
	}
	require.Contains(t, string(index), `<meta name="dashboard-build" content="__BUILD__"`)
	head, _, _ := strings.Cut(string(index), "<body>")
	require.NotContains(t, head, `rel="stylesheet"`, "it would keep everything white until it has arrived")
	require.NotRegexp(t, `(?:src|href)="(?:https?:)?//`, string(index))
}
