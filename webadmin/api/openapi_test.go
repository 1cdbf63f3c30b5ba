package api_test

import (
	"flag"
	"net/http"
	"os"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/auth"
)

var update = flag.Bool("update", false, "write openapi.json")

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
