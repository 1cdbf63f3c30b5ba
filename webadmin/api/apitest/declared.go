package apitest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// declared are the types of problems of each operation ("GET /api/admin/tokens/:id") in
// the document that the API serves.
type declared map[string]map[string]bool

var (
	readDocument sync.Once
	problemsOf   declared
	pathParam    = regexp.MustCompile(`\{([a-z_]+)\}`)
)

// requireDeclared holds the problems that an API answered with, as its log has them,
// against its document.
func requireDeclared(t testing.TB, api http.Handler, logs *observer.ObservedLogs) {
	all := logs.FilterMessage("admin request").All() // before the request for the document
	readDocument.Do(func() { problemsOf = document(t, api) })
	for _, line := range all {
		fields := line.ContextMap()
		problem, _ := fields["problem"].(string)
		method, _ := fields["method"].(string)
		route, _ := fields["route"].(string)
		if method == http.MethodHead {
			method = http.MethodGet
		}
		types, known := problemsOf[method+" "+route]
		if problem != "" && known {
			require.True(t, types[problem], "%s %s answered with the problem %q, which its row does not declare", method, route, problem)
		}
	}
}

func document(t testing.TB, api http.Handler) declared {
	w := httptest.NewRecorder()
	api.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "http://localhost"+adminapi.Base+"/openapi.json", nil))
	type content map[string]struct {
		Examples map[string]any `json:"examples"`
	}
	var doc struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct {
				Ref string `json:"$ref"`
			} `json:"responses"`
		} `json:"paths"`
		Components struct {
			Responses map[string]struct {
				Content content `json:"content"`
			} `json:"responses"`
		} `json:"components"`
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &doc))
	out := declared{}
	for path, methods := range doc.Paths {
		for method, o := range methods {
			types := map[string]bool{}
			for _, r := range o.Responses {
				name := strings.TrimPrefix(r.Ref, "#/components/responses/")
				for typ := range doc.Components.Responses[name].Content[adminapi.ProblemContentType].Examples {
					types[typ] = true
				}
			}
			out[strings.ToUpper(method)+" "+pathParam.ReplaceAllString(path, ":$1")] = types
		}
	}
	return out
}
