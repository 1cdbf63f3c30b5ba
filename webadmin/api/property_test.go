package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// described is an operation as the OpenAPI document has it.
type described struct {
	method, path string
	*openapi3.Operation
}

func describedOperations(t testing.TB) []described {
	t.Helper()
	doc := theDocument(t)
	var out []described
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		ops := doc.Paths.Value(path).Operations()
		for _, method := range slices.Sorted(maps.Keys(ops)) {
			out = append(out, described{method, path, ops[method]})
		}
	}
	return out
}

// wild is a text that nobody should send.
func wild() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.String(), rapid.StringN(0, 40, 300), rapid.StringMatching(`[ -~]{0,40}`),
		rapid.SampledFrom([]string{
			"", " ", ".", "..", "/", "%00", "\x00", "a\r\nX: y", "' OR 1=1 --", "%", "_", "*", "null", "-1", "0", "1e9", "9223372036854775808",
			"{}", "[]", "\ufeff", "а", "../../etc/passwd", "<script>", "${jndi:x}", strings.Repeat("a", 5000), "\xff\xfe", ":id", "true",
		}),
	)
}

// valueOf draws a value of a schema that is valid as far as the schema says.
func valueOf(t *rapid.T, s *openapi3.Schema, label string) any {
	switch {
	case len(s.Enum) > 0:
		return rapid.SampledFrom(s.Enum).Draw(t, label)
	case s.Type.Is("boolean"):
		return rapid.Bool().Draw(t, label)
	case s.Type.Is("integer"):
		least, most := 0, 1000
		if s.Min != nil {
			least = int(*s.Min)
		}
		if s.Max != nil {
			most = int(*s.Max)
		}
		return rapid.IntRange(least, most).Draw(t, label)
	case s.Type.Is("number"):
		return rapid.Float64Range(-1e6, 1e6).Draw(t, label)
	case s.Type.Is("array"):
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) any { return valueOf(t, s.Items.Value, label) }), 0, 3).Draw(t, label)
	case s.Type.Is("object"):
		out := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			if slices.Contains(s.Required, name) || rapid.Bool().Draw(t, "with "+name) {
				out[name] = valueOf(t, s.Properties[name].Value, name)
			}
		}
		return out
	default:
		return text(t, label)
	}
}

// text is what a field of this name might hold.
func text(t *rapid.T, name string) string {
	likely := map[string][]string{
		"id":          {"c-00001", "t-00002", "fresh", "c-00000", "a-b", "tok_0000000000000001"},
		"ttl":         {"10m", "1h", "1m", "24h", "59s", "25h", "0s"},
		"deadline":    {"5m", "0s", "1h"},
		"offline":     {"proceed", "wait"},
		"on_deadline": {"drop", "abort"},
		"source_cidr": {"192.0.2.0/24", "10.0.0.1/8", "::/0"},
		"q":           {"c-0", "v1.2", "10.0.0", ""},
	}[name]
	if name == "id" && rapid.Bool().Draw(t, "a new id") {
		return rapid.StringMatching(`[a-z][a-z0-9-]{0,20}`).Draw(t, name)
	}
	if len(likely) > 0 && !rarely(t, 6, "unlikely") {
		return rapid.SampledFrom(likely).Draw(t, name)
	}
	return wild().Draw(t, name)
}

// rarely is true once in about n draws. rapid prefers the ends of a range, and what
// a test shrinks to is false.
func rarely(t *rapid.T, n int, label string) bool {
	return rapid.IntRange(0, n).Draw(t, label) == n/2+1
}

// sent is one request drawn from an operation: valid, nearly valid or wild.
func sent(t *rapid.T, r *realAPI, o described) *http.Request {
	path := o.path
	query := url.Values{}
	header := http.Header{}
	for _, ref := range o.Parameters {
		p := ref.Value
		draw := func() string {
			if rarely(t, 8, "wild "+p.Name) {
				return wild().Draw(t, p.Name)
			}
			return fmt.Sprint(valueOf(t, p.Schema.Value, p.Name))
		}
		switch {
		case p.In == "path":
			v := draw()
			if strings.Contains(o.path, "/hosts/") && rapid.Bool().Draw(t, "a host") {
				v = string(rapid.SampledFrom(r.hosts).Draw(t, "host"))
			}
			if strings.Contains(o.path, "/requests/") && rapid.Bool().Draw(t, "a request") {
				v = rapid.SampledFrom(r.asking).Draw(t, "request")
			}
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(v))
		case p.In == "query" && rarely(t, 3, "with "+p.Name):
			query.Add(p.Name, draw())
			if rarely(t, 30, "twice") {
				query.Add(p.Name, draw())
			}
		case p.In == "header" && rarely(t, 3, "with "+p.Name):
			header.Set(p.Name, strings.Map(printable, rapid.OneOf(rapid.SampledFrom([]string{"k1", "k2", "k3", "*"}), rapid.StringMatching(`[a-z]{4}`), wild()).Draw(t, p.Name)))
		}
	}
	if rarely(t, 20, "an unknown parameter") {
		query.Add(wild().Draw(t, "name"), wild().Draw(t, "value"))
	}
	raw := query.Encode()
	if rarely(t, 40, "a malformed query") {
		raw = url.PathEscape(wild().Draw(t, "query")) + "&%zz;"
	}
	req := httptest.NewRequestWithContext(context.Background(), o.method, "/", strings.NewReader(body(t, o, header)))
	req.URL = &url.URL{Path: unescape(path), RawPath: path, RawQuery: raw}
	req.Header = header
	if !rarely(t, 40, "without a key") {
		req.Header.Set("Authorization", "Bearer "+r.Key)
	}
	return req
}

func unescape(path string) string {
	out, err := url.PathUnescape(path)
	if err != nil {
		return path
	}
	return out
}

// printable drops what no HTTP server lets through in a header.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}

// body draws a body and its type.
func body(t *rapid.T, o described, header http.Header) string {
	if o.RequestBody == nil {
		if rarely(t, 10, "a body for nothing") {
			return wild().Draw(t, "body")
		}
		return ""
	}
	media := slices.Sorted(maps.Keys(o.RequestBody.Value.Content))[0]
	header.Set("Content-Type", media)
	if rarely(t, 30, "another media type") {
		header.Set("Content-Type", strings.Map(printable, wild().Draw(t, "media type")))
	}
	if rarely(t, 15, "a wild body") {
		return wild().Draw(t, "body")
	}
	v, _ := valueOf(t, o.RequestBody.Value.Content[media].Schema.Value, "body").(map[string]any)
	if v != nil && rarely(t, 8, "nearly valid") {
		names := append(slices.Sorted(maps.Keys(v)), "unknown")
		name := rapid.SampledFrom(names).Draw(t, "field")
		v[name] = rapid.SampledFrom([]any{nil, 1, -1.5, true, "", []any{}, map[string]any{"a": 1}, strings.Repeat("x", 1000)}).Draw(t, "in its place")
	}
	if media != "application/json" {
		form := url.Values{}
		for name, value := range v {
			form.Set(name, fmt.Sprint(value))
		}
		return form.Encode()
	}
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

// requireDescribed holds a reply against the document.
func requireDescribed(t *rapid.T, o described, w *httptest.ResponseRecorder) {
	require.Less(t, w.Code, http.StatusInternalServerError, "%s %s: %s", o.method, o.path, w.Body)
	reply := o.Responses.Value(strconv.Itoa(w.Code))
	require.NotNil(t, reply, "%s %s: status %d is not in the document: %s", o.method, o.path, w.Code, w.Body)
	if len(reply.Value.Content) == 0 {
		require.Empty(t, w.Body.String())
		return
	}
	media, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	content := reply.Value.Content[media]
	require.NotNil(t, content, "%s %s: %d with %q", o.method, o.path, w.Code, media)
	if media == "text/event-stream" || media == "application/x-ndjson" {
		return
	}
	var v any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &v))
	require.NoError(t, content.Schema.Value.VisitJSON(v), "%s %s: %d %s", o.method, o.path, w.Code, w.Body)
}

// hangUp goes away when the first bytes arrive.
type hangUp struct {
	*httptest.ResponseRecorder
	cancel func()
}

// Write implements io.Writer.
func (h hangUp) Write(b []byte) (int, error) {
	h.cancel()
	return h.ResponseRecorder.Write(b)
}

// TestEveryReplyIsAsDescribed sends 5,000 requests that are drawn from the OpenAPI
// document to the real domain and store.
func TestEveryReplyIsAsDescribed(t *testing.T) {
	if testing.Short() {
		t.Skip("5,000 requests")
	}
	t.Parallel()
	const each = 50 // in each of the hundred checks of rapid
	ops := describedOperations(t)
	codes := map[int]int{}
	total := 0
	rapid.Check(t, func(rt *rapid.T) {
		r := newReal(t, t.TempDir(), 5)
		for range each {
			o := rapid.SampledFrom(ops).Draw(rt, "operation")
			req := sent(rt, r, o)
			ctx, cancel := context.WithCancel(req.Context())
			w := httptest.NewRecorder()
			var out http.ResponseWriter = w
			if strings.HasSuffix(o.path, "/events") {
				out = hangUp{w, cancel} // it would stream for ever
			}
			r.Server.Handler().ServeHTTP(out, req.WithContext(ctx))
			cancel()
			requireDescribed(rt, o, w)
			codes[w.Code]++
			total++
		}
	})
	t.Logf("%d requests, by status: %v", total, codes)
	require.GreaterOrEqual(t, total, 100*each)
	for _, code := range []int{200, 201, 202, 204, 400, 401, 404, 409} {
		require.NotZero(t, codes[code], "no request was answered with %d: the generator is too tame or too wild", code)
	}
	require.Greater(t, codes[200]+codes[201]+codes[204], total/10)
}
