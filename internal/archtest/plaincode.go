package archtest

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// notYetPlain lists the packages whose comments and identifiers were not rewritten yet.
// The list only shrinks: rewrite a package and take it out; never add one.
var notYetPlain = []string{}

// spoken are words that describe programs as people who talk. They are not the field's:
// programs send, receive, report and distinguish.
var spoken = phrases(map[string]string{
	`(tells?|told)`: `"send", "report", "notify" or "distinguish"`,
	`spread`:        `"distribute", "stagger" or what varies`,
	`trouble`:       `the fault, or "alert"`,
})

// metaphors are the words that no identifier may have, with what to write instead.
var metaphors = map[string]string{
	"crowd": "what it consists of", "crowds": "what it consists of",
	"seat": "slot or limit", "seats": "slots or limit",
	"spread": "what varies: label, stagger, propagation", "handover": "transfer",
	"besides": "background or extra", "trouble": "fault or alert",
	"young": "new", "ripe": "confirmed",
	"tell": "send, report or notify", "tells": "send, report or notify", "told": "sent or reported",
	"hear": "receive", "hears": "receives", "heard": "received",
}

// plainCode: comments and identifiers use the words of the field, as one would explain
// the code to a new colleague. Tests in Go and what runs the whole system are not
// checked; the dashboard is, with its tests.
func plainCode(t *Tree) []Violation {
	var out []Violation
	for _, f := range t.Files {
		for _, word := range wordsIn(strings.TrimSuffix(f.Path, ".go")) {
			if write, bad := metaphors[word]; bad {
				out = append(out, Violation{f.Path, "has " + word + " in its name; write " + write})
			}
		}
		if f.IsTest() || f.IsGenerated() || within(f.Dir(), "internal/e2e", "internal/archtest", "internal/tools") || within(f.Dir(), notYetPlain...) {
			continue
		}
		for _, group := range f.Syntax.Comments {
			out = append(out, dialectIn(f.Path, group.Text(), slices.Concat(dialect, spoken))...)
		}
		for _, name := range declared(f) {
			for _, word := range wordsIn(name) {
				if write, bad := metaphors[word]; bad {
					out = append(out, Violation{f.Path, "declares " + name + "; write " + write})
				}
			}
		}
	}
	for p, src := range t.Sources {
		if isDashboard(p) {
			out = append(out, plainScript(p, src)...)
		}
	}
	slices.SortFunc(out, func(a, b Violation) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(out)
}

// declares finds the names that a script declares: with a keyword, or as a property, a
// parameter or a method.
var declares = regexp.MustCompile(`\b(?:const|let|function|class|type|interface)\s+([A-Za-z]\w*)|\b([A-Za-z]\w*)\??(?::\s|\(| = )`)

// plainScript checks the comments, the names and the file name of a script of the
// dashboard, or of one of its tests.
func plainScript(p, src string) []Violation {
	out := dialectIn(p, strings.Join(comments.FindAllString(src, -1), " | "), slices.Concat(dialect, spoken))
	names := []string{path.Base(p)}
	for _, m := range declares.FindAllStringSubmatch(comments.ReplaceAllString(src, " "), -1) {
		names = append(names, m[1]+m[2])
	}
	for _, name := range names {
		for _, word := range wordsIn(name) {
			if write, bad := metaphors[word]; bad {
				out = append(out, Violation{p, "declares " + name + "; write " + write})
			}
		}
	}
	return out
}

// declared are the names that the file declares: packages, functions, types, fields,
// parameters, constants and variables.
func declared(f *File) (names []string) {
	add := func(ids ...*ast.Ident) {
		for _, id := range ids {
			if id != nil {
				names = append(names, id.Name)
			}
		}
	}
	add(f.Syntax.Name)
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			add(n.Name)
		case *ast.TypeSpec:
			add(n.Name)
		case *ast.ValueSpec:
			add(n.Names...)
		case *ast.Field:
			add(n.Names...)
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				for _, e := range n.Lhs {
					if id, ok := e.(*ast.Ident); ok {
						add(id)
					}
				}
			}
		case *ast.RangeStmt:
			for _, e := range []ast.Expr{n.Key, n.Value} {
				if id, ok := e.(*ast.Ident); ok {
					add(id)
				}
			}
		}
		return true
	})
	return names
}

var word = regexp.MustCompile(`[A-Z]?[a-z]+|[A-Z]+`)

// wordsIn splits an identifier: "tellEvery" is tell and every.
func wordsIn(name string) []string {
	out := word.FindAllString(name, -1)
	for i := range out {
		out[i] = strings.ToLower(out[i])
	}
	return out
}
