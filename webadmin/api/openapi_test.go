package api_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

var update = flag.Bool("update", false, "write openapi.json")

// TestOpenAPIDocumentPage compares the types of problems in docs/api.md with the registry;
// -update writes them.
func TestOpenAPIDocumentPage(t *testing.T) {
	t.Parallel()
	const file, begin, end = "../../docs/api.md", "<!-- types of problems: make openapi -->\n", "<!-- end -->"
	page, err := os.ReadFile(file)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(page), begin)
	require.True(t, ok)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok)
	table := "| type | status | when | what to do |\n|---|---|---|---|\n"
	for _, p := range adminapi.ProblemTypes() {
		table += fmt.Sprintf("| %#q | %d | %s | %s |\n", strings.TrimPrefix(p.Type, adminapi.TypePrefix), p.Status, p.When, p.Do)
	}
	want := before + begin + table + end + after
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(page), "run make openapi")
}

// TestOpenAPIDocument compares openapi.json with the table of operations; -update
// writes it.
func TestOpenAPIDocument(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	got, err := e.Server.Document()
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile("openapi.json", got, 0o644))
		return // the server has embedded the one before
	}
	want, err := os.ReadFile("openapi.json")
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run make openapi")
	require.NotRegexp(t, `"[0-9hm]+[hm]0s"`, string(got), "the API writes 24h, not 24h0m0s (health.Span)")

	w := ask(t, e, operationOf(t, e, http.MethodGet, "/openapi.json"), auth.Principal{})
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, string(want), w.Body.String())

	doc, err := openapi3.NewLoader().LoadFromData(want)
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
	require.True(t, doc.IsOpenAPI31OrLater())
	ops := 0
	for _, item := range doc.Paths.Map() {
		ops += len(item.Operations())
	}
	require.Len(t, e.Server.Operations(), ops)
}
