package api_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// readDocument reads openapi.json once.
var readDocument = sync.OnceValues(func() (*openapi3.T, error) { return openapi3.NewLoader().LoadFromFile("openapi.json") })

func theDocument(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := readDocument()
	require.NoError(t, err)
	return doc
}

var ginParam = regexp.MustCompile(`:([a-z_]+)`)

// TestTheDocumentHasTheRoutesOfTheRouterAndNoOthers compares the document with what gin
// serves. HEAD goes with GET and is not in the document.
func TestTheDocumentHasTheRoutesOfTheRouterAndNoOthers(t *testing.T) {
	t.Parallel()
	var served, described []string
	for _, r := range apitest.New(t).Server.Routes() {
		if r.Method != http.MethodHead {
			served = append(served, r.Method+" "+ginParam.ReplaceAllString(r.Path, "{$1}"))
		}
	}
	for _, o := range describedOperations(t) {
		described = append(described, o.method+" "+o.path)
	}
	require.ElementsMatch(t, served, described)
}

// TestEveryExampleIsOfItsSchema walks the whole document: each body, parameter and header
// has an example that its schema takes, and each field of an object has one.
func TestEveryExampleIsOfItsSchema(t *testing.T) {
	t.Parallel()
	n := 0
	valid := func(where string, schema *openapi3.SchemaRef, example any) {
		require.NotNil(t, example, where)
		require.NoError(t, schema.Value.VisitJSON(example, openapi3.EnableFormatValidation()), where)
		n++
	}
	content := func(where string, all openapi3.Content) {
		for media, m := range all {
			at := where + " " + media
			if len(m.Examples) == 0 {
				valid(at, m.Schema, m.Example)
			}
			for name, e := range m.Examples {
				valid(at+" "+name, m.Schema, e.Value.Value)
			}
		}
	}
	doc := theDocument(t)
	for _, o := range describedOperations(t) {
		for _, p := range o.Parameters {
			valid(o.OperationID+" "+p.Value.Name, p.Value.Schema, p.Value.Example)
		}
		if o.RequestBody != nil {
			content(o.OperationID, o.RequestBody.Value.Content)
		}
		for status, r := range o.Responses.Map() {
			content(o.OperationID+" "+status, r.Value.Content)
			for name, h := range r.Value.Headers {
				valid(o.OperationID+" "+status+" "+name, h.Value.Schema, h.Value.Example)
			}
		}
	}
	for name, s := range doc.Components.Schemas {
		for field, p := range s.Value.Properties {
			for _, example := range p.Value.Examples {
				valid(name+"."+field, p, example)
			}
		}
	}
	require.Greater(t, n, 1000)
}

// TestEveryOperationSaysWhatAClientNeeds is what no linter knows.
func TestEveryOperationSaysWhatAClientNeeds(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	for _, o := range describedOperations(t) {
		row := operationOf(t, e, o.method, ginPath(strings.TrimPrefix(o.path, adminapi.Base)))
		require.Equal(t, row.Public, len(*o.Security) == 0, o.OperationID)
		for _, way := range *o.Security {
			for scheme, scopes := range way {
				if scheme != "csrf" {
					require.Equal(t, []string{string(row.Permission)}, scopes, o.OperationID)
				}
			}
			require.Equal(t, slices.Contains(slices.Collect(maps.Keys(way)), "session") && o.method != http.MethodGet, way["csrf"] != nil, o.OperationID)
		}
		require.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(o.Responses.Map())), func(s string) bool { return s[0] == '2' || s == "303" }), o.OperationID)
		for _, status := range []int{400, 403, 421, 429, 500, 503} {
			require.NotNil(t, o.Responses.Value(strconv.Itoa(status)), "%s %d", o.OperationID, status)
		}
		for status, r := range o.Responses.Map() {
			require.NotNil(t, r.Value.Headers["X-Request-Id"], "%s %s", o.OperationID, status)
			require.Equal(t, status == "429", r.Value.Headers["Retry-After"] != nil, "%s %s", o.OperationID, status)
			for _, m := range r.Value.Content {
				for name, e := range m.Examples {
					p, err := json.Marshal(e.Value.Value)
					require.NoError(t, err)
					var problem adminapi.Problem
					require.NoError(t, json.Unmarshal(p, &problem))
					require.Equal(t, status, strconv.Itoa(problem.Status), "%s %s", o.OperationID, name)
					require.Equal(t, adminapi.TypePrefix+name, problem.Type)
				}
			}
		}
	}
}

// ginPath is the path as the table has it.
func ginPath(path string) string { return strings.NewReplacer("{", ":", "}", "").Replace(path) }

// TestEveryTypeOfProblemIsDescribedOnce compares the constants with the registry.
func TestEveryTypeOfProblemIsDescribedOnce(t *testing.T) {
	t.Parallel()
	f, err := parser.ParseFile(token.NewFileSet(), "../../internal/adminapi/problem.go", nil, 0)
	require.NoError(t, err)
	var constants, described []string
	ast.Inspect(f, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if v, err := strconv.Unquote(lit.Value); err == nil && strings.HasPrefix(v, adminapi.TypePrefix) && v != adminapi.TypePrefix {
				constants = append(constants, v)
			}
		}
		return true
	})
	require.NotEmpty(t, constants)
	titles := map[string]bool{}
	for _, p := range adminapi.ProblemTypes() {
		described = append(described, p.Type)
		require.False(t, titles[p.Title], p.Title)
		titles[p.Title] = true
		require.Regexp(t, `^[A-Z].*[^.]$`, p.Title)
		require.Regexp(t, `^[A-Z`+"`"+`].*\.$`, p.When)
		require.Regexp(t, `^[A-Z`+"`"+`].*\.$`, p.Do)
		require.NotEmpty(t, http.StatusText(p.Status))
		require.GreaterOrEqual(t, p.Status, 400)
		require.NotEmpty(t, p.Example.Detail, p.Type)
	}
	require.ElementsMatch(t, constants, described)
}

// TestNoHandlerWritesAProblemOutsideTheRegistry: problems are made in one file, from the
// registry, and the text that sourcelimit sends before any handler is one of them too.
func TestNoHandlerWritesAProblemOutsideTheRegistry(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{".", "../../controller/auth", "../../controller/replay", "../../internal/adminclient", "../../controller/app"} {
		require.NoError(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			require.NoError(t, err)
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CompositeLit: // a problem by hand
					if s, ok := n.Type.(*ast.SelectorExpr); ok && s.Sel.Name == "Problem" && path != "problem.go" {
						require.Contains(t, path, "adminclient", "%s makes a problem by hand", path)
					}
				case *ast.BasicLit:
					require.NotContains(t, n.Value, adminapi.TypePrefix, path)
					require.NotContains(t, n.Value, "problem+json", path)
				}
				return true
			})
			return nil
		}))
	}
	p := requireProblemBody(t, []byte(sourcelimit.TooManyRequests))
	require.Equal(t, adminapi.TypeTooManyRequests, p.Type)
}

// requireProblemBody checks a body against the registry and the schema.
func requireProblemBody(t testing.TB, body []byte) adminapi.Problem {
	t.Helper()
	var p adminapi.Problem
	require.NoError(t, json.Unmarshal(body, &p))
	all := adminapi.ProblemTypes()
	i := slices.IndexFunc(all, func(k adminapi.ProblemType) bool { return k.Type == p.Type })
	require.GreaterOrEqual(t, i, 0, "%q is in no registry", p.Type)
	known := all[i]
	require.Equal(t, known.Title, p.Title)
	require.Equal(t, known.Status, p.Status)
	var v any
	require.NoError(t, json.Unmarshal(body, &v))
	require.NoError(t, theDocument(t).Components.Schemas["Problem"].Value.VisitJSON(v))
	return p
}

// askBody sends a body to an operation as somebody who may call it.
func askBody(t testing.TB, e *apitest.Env, o described, body, query string) *httptest.ResponseRecorder {
	t.Helper()
	row := operationOf(t, e, o.method, ginPath(strings.TrimPrefix(o.path, adminapi.Base)))
	if !row.Public {
		e.Auth.Be(person(row.Permission))
	}
	path := regexp.MustCompile(`{[a-z_]+}`).ReplaceAllString(o.path, "nobody")
	return send(t, e, request{method: o.method, path: path + query, body: body})
}

// faultsOf are the names of the faults of a reply, all of one place.
func faultsOf(t testing.TB, w *httptest.ResponseRecorder, in string) (names []string) {
	t.Helper()
	p := requireProblem(t, w, http.StatusBadRequest)
	require.Equal(t, adminapi.TypeInvalidRequest, p.Type)
	for _, f := range p.Errors {
		require.Equal(t, in, f.In)
		require.NotEmpty(t, f.Detail)
		require.Equal(t, in == adminapi.InBody, f.Pointer == "#/"+f.Name, f)
		names = append(names, f.Name)
	}
	if len(p.Errors) > 0 {
		require.Equal(t, p.Errors[0].Name, p.Field)
		require.Equal(t, p.Errors[0].Detail, p.Detail)
	}
	return names
}

func TestEveryBodyNamesAllItsFaultsAtOnce(t *testing.T) {
	t.Parallel()
	n := 0
	for _, o := range describedOperations(t) {
		if o.RequestBody == nil || o.RequestBody.Value.Content["application/json"] == nil {
			continue
		}
		n++
		t.Run(o.OperationID, func(t *testing.T) {
			t.Parallel()
			schema := o.RequestBody.Value.Content["application/json"].Schema.Value
			wrong, want := map[string]any{"unknown_a": 1, "unknown_b": nil}, []string{"unknown_a", "unknown_b"}
			for name, p := range schema.Properties {
				want = append(want, name)
				wrong[name] = map[string]any{"wrong": true}
				if p.Value.Type.Is("object") {
					wrong[name] = "wrong"
				}
			}
			body, err := json.Marshal(wrong)
			require.NoError(t, err)
			e := apitest.New(t)
			require.ElementsMatch(t, want, faultsOf(t, askBody(t, e, o, string(body), ""), adminapi.InBody))
			if len(schema.Required) > 0 {
				require.ElementsMatch(t, schema.Required, faultsOf(t, askBody(t, e, o, "{}", ""), adminapi.InBody), "of an empty object")
			}
			require.Empty(t, faultsOf(t, askBody(t, e, o, "[]", ""), adminapi.InBody))
		})
	}
	require.Greater(t, n, 15)
}

func TestEveryQueryNamesAllItsFaultsAtOnce(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	for _, o := range describedOperations(t) {
		if operationOf(t, e, o.method, ginPath(strings.TrimPrefix(o.path, adminapi.Base))).AnyQuery {
			continue
		}
		query, want := "?unknown_a=1&unknown_b=", []string{"unknown_a", "unknown_b"}
		for _, p := range o.Parameters {
			if p.Value.In == "query" {
				query += "&" + p.Value.Name + "=" + strings.Repeat("x", 2000)
				want = append(want, p.Value.Name)
			}
		}
		require.ElementsMatch(t, want, faultsOf(t, askBody(t, e, o, "{}", query), adminapi.InQuery), o.OperationID)
	}
}

func TestFaultsHaveABoundAndAPointer(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	many := make([]string, 5000)
	for i := range many {
		many[i] = `"u` + strconv.Itoa(i) + `":1`
	}
	p := requireProblem(t, send(t, e, create("{"+strings.Join(many, ",")+"}")), http.StatusBadRequest)
	require.Len(t, p.Errors, 50)
	p = requireProblem(t, send(t, e, create(`{"a/b~c d%":1,"`+strings.Repeat("y", 200)+`":1,"kind":"connector","kind":"tunneler","id":null}`)), http.StatusBadRequest)
	require.Equal(t, adminapi.Fault{In: "body", Name: "a/b~c d%", Pointer: "#/a~1b~0c%20d%25", Detail: "unknown field"}, p.Errors[0])
	require.Less(t, len(p.Errors[1].Name), 100)
	require.Equal(t, adminapi.Fault{In: "body", Name: "kind", Pointer: "#/kind", Detail: "is given twice"}, p.Errors[2])
	require.Equal(t, adminapi.Fault{In: "body", Name: "id", Pointer: "#/id", Detail: "must be a string"}, p.Errors[3])
	require.Empty(t, e.Tokens.Requests())
}

// TestTheFaultsOfTheDomainComeTogether: what only the domain knows of a value is said
// beside what the body says by itself.
func TestTheFaultsOfTheDomainComeTogether(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		method, path, body string
		want               []string
	}{
		"a token":    {"POST", "/tokens", `{"kind":"x","id":"NO ID","ttl":"1s","delivery":"sealed","source_cidr":"10.1.2.3/8","more":1}`, []string{"more", "kind", "id", "ttl", "source_cidr", "recipient"}},
		"a key":      {"POST", "/keys", `{"name":"","scopes":["self"],"ttl":"1s"}`, []string{"name", "scopes", "ttl"}},
		"a person":   {"POST", "/people", `{"email":"x","name":" ","role":"king"}`, []string{"email", "name", "role"}},
		"a change":   {"PATCH", "/people/nobody", `{"name":"","role":"king","keys":"eat"}`, []string{"name", "role", "keys"}},
		"a rotation": {"POST", "/ca/rotations", `{"deadline":"1s","offline":"x","on_deadline":"y"}`, []string{"deadline", "offline", "on_deadline", "confirm"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := apitest.New(t)
			e.Auth.Be(person("tokens:write", "keys:manage", "people:manage", "ca:rotate", "self"))
			w := send(t, e, request{method: tc.method, path: adminapi.Base + tc.path, body: tc.body})
			require.ElementsMatch(t, tc.want, faultsOf(t, w, adminapi.InBody), w.Body.String())
		})
	}
}
