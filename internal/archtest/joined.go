package archtest

import (
	"go/ast"
	"strings"
)

// joined: a goroutine that nothing waits for can outlive what it uses. errgroup and
// sync.WaitGroup.Go show their join; of each go statement a comment of its function says
// "joined by" what.
func joined(f *File) (out []string) {
	if f.IsTest() || isKit(f.Dir()) || within(f.Dir(), wholeSystem) {
		return nil
	}
	for _, d := range f.Syntax.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		said := strings.Count(commentsOf(f, fn, fn.Doc), "joined by")
		ast.Inspect(fn, func(n ast.Node) bool {
			if _, ok := n.(*ast.GoStmt); !ok {
				return true
			}
			if said--; said < 0 {
				out = append(out, "starts a goroutine in "+fn.Name.Name+` without "joined by" and what`)
			}
			return true
		})
	}
	return out
}

// commentsOf is what the comments of a declaration say, on one line.
func commentsOf(f *File, n ast.Node, doc *ast.CommentGroup) string {
	var b strings.Builder
	b.WriteString(doc.Text())
	for _, group := range f.Syntax.Comments {
		if n.Pos() <= group.Pos() && group.Pos() <= n.End() {
			b.WriteString(" " + group.Text())
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
