package logging_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheSampledMessagesAreThoseOfTheDocument: a logger made by Hot is kept in a field
// called hot and nowhere else, so that each line through it can be found.
func TestTheSampledMessagesAreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/logs.md")
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(doc), "This applies only to:")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "All other lines")
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(table, -1) {
		documented = append(documented, m[1])
	}
	sampled, others := hotMessages(t, "../..")
	slices.Sort(documented)
	slices.Sort(sampled)
	require.Equal(t, documented, slices.Compact(sampled))
	require.Empty(t, others, "logging.Hot outside of a field hot")
}

// hotMessages are what is logged through a hot, and where Hot is used otherwise.
func hotMessages(t *testing.T, root string) (messages, others []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && d.Name() != "..") {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		assigned := 0
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "hot" {
					assigned++
				}
			case *ast.CallExpr:
				sel, ok := n.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "logging" && sel.Sel.Name == "Hot" {
					assigned--
				}
				if through(sel.X, "hot") {
					messages = append(messages, firstText(n.Args)...)
				}
			}
			return true
		})
		if assigned != 0 {
			others = append(others, path)
		}
		return nil
	}))
	return messages, others
}

// through says whether x is y.name, or a call with that among its arguments, as
// logging.For(ctx, s.hot).
func through(x ast.Expr, name string) bool {
	switch x := x.(type) {
	case *ast.SelectorExpr:
		return x.Sel.Name == name
	case *ast.CallExpr:
		return slices.ContainsFunc(x.Args, func(a ast.Expr) bool { return through(a, name) })
	default:
		return false
	}
}

func firstText(args []ast.Expr) []string {
	for _, a := range args {
		if lit, ok := a.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				return []string{text}
			}
		}
	}
	return nil
}
