package audit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// TestEveryActionHasAKind: an action that somebody adds and does not describe would be shown
// to nobody as what it is.
func TestEveryActionHasAKind(t *testing.T) {
	t.Parallel()
	declared := map[audit.Action]bool{}
	files, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, 0)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if id, typed := typeOf(spec, ok); !typed || id != "Action" {
				return true
			}
			for _, v := range spec.Values {
				if lit, ok := v.(*ast.BasicLit); ok {
					text, err := strconv.Unquote(lit.Value)
					require.NoError(t, err)
					require.False(t, declared[audit.Action(text)], text)
					declared[audit.Action(text)] = true
				}
			}
			return true
		})
	}
	require.Len(t, audit.Actions(), len(declared))
	for _, a := range audit.Actions() {
		require.True(t, declared[a], a)
		k, known := audit.KindOf(a)
		require.True(t, known)
		require.NotEmpty(t, k.Title)
		require.Equal(t, strings.ToUpper(k.Title[:1]), k.Title[:1], k.Title)
		require.NotContains(t, k.Title, ".", "a title is no prose")
	}
}

func typeOf(spec *ast.ValueSpec, ok bool) (name string, typed bool) {
	if !ok {
		return "", false
	}
	id, typed := spec.Type.(*ast.Ident)
	if !typed {
		return "", false
	}
	return id.Name, true
}

func TestAnUnknownActionIsNotRecorded(t *testing.T) {
	t.Parallel()
	s := &memory{}
	require.ErrorIs(t, newLog(t).Record(t.Context(), s, audit.Event{Action: "token.made", Outcome: audit.Success}), audit.ErrAction)
	require.Empty(t, s.events)
}

// TestAnEventIsReadByItsFields: what its reason says changes nothing.
func TestAnEventIsReadByItsFields(t *testing.T) {
	t.Parallel()
	prose := "host cloned; session revoked: denied"
	for name, c := range map[string]struct {
		e     audit.Event
		title string
		level audit.Level
		count uint64
	}{
		"a change":                    {audit.Event{Action: audit.TokenCreate, Outcome: audit.Success, Reason: prose}, "Enrollment token created", audit.Info, 1},
		"a refusal":                   {audit.Event{Action: audit.Enroll, Outcome: audit.Denied}, "Enrolled: refused", audit.Warning, 1},
		"refusals that were counted":  {audit.Event{Action: audit.Enroll, Outcome: audit.Denied, After: `{"count":7}`}, "Enrolled: refused", audit.Warning, 7},
		"a contested host":            {audit.Event{Action: audit.HostContest, Outcome: audit.Success}, "Host contested: a second machine tried its token", audit.Alert, 1},
		"a state with a count":        {audit.Event{Action: audit.PersonUpdate, Outcome: audit.Success, After: `{"count":7}`}, "Person changed", audit.Notice, 1},
		"a count of no kind":          {audit.Event{Action: audit.Enroll, Outcome: audit.Denied, After: `{"count":-1}`}, "Enrolled: refused", audit.Warning, 1},
		"a text as a count":           {audit.Event{Action: audit.Enroll, Outcome: audit.Denied, After: `{"count":"12"}`}, "Enrolled: refused", audit.Warning, 1},
		"no object":                   {audit.Event{Action: audit.Enroll, Outcome: audit.Denied, After: `"no object"`}, "Enrolled: refused", audit.Warning, 1},
		"a state that is damaged":     {audit.Event{Action: audit.Enroll, Outcome: audit.Denied, After: `{"count":`}, "Enrolled: refused", audit.Warning, 1},
		"an event of another release": {audit.Event{Action: "moon.land", Outcome: audit.Success}, "moon.land", audit.Info, 1},
	} {
		require.Equal(t, c.title, c.e.Title(), name)
		require.Equal(t, c.level, c.e.Level(), name)
		require.Equal(t, c.count, c.e.Count(), name)
	}
	require.Equal(t, audit.Alert, audit.ParseLevel(audit.Alert.String()))
	require.Equal(t, audit.Info, audit.ParseLevel("loud"))
}

func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"connector/c-01", "person:p_1", "spire", "", "route GET /x", "/", "host/", "token/a/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := audit.ParseRef(s)
		require.True(t, strings.HasSuffix(s, r.ID))
		if r.Kind == "" {
			require.Equal(t, s, r.ID)
			return
		}
		require.True(t, strings.HasPrefix(s, r.Kind))
		require.LessOrEqual(t, len(s)-len(r.Kind)-len(r.ID), 1)
	})
}

func TestRefs(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]audit.Ref{
		"connector/c-01":   {Kind: "connector", ID: "c-01"},
		"person:p_1":       {Kind: "person", ID: "p_1"},
		"spire":            {Kind: "spire"},
		"":                 {},
		"route GET /x":     {ID: "route GET /x"},
		"audit.refusals":   {ID: "audit.refusals"},
		"token/a/b":        {Kind: "token", ID: "a/b"},
		"connectors/c-01":  {ID: "connectors/c-01"},
		"person/first:own": {Kind: "person", ID: "first:own"},
	} {
		require.Equal(t, want, audit.ParseRef(s), s)
	}
}
