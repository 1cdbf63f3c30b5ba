package archtest

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// walkFile lists, for each question that a reader brings, the files and the declarations
// that answer it, in the order in which one gets from one to the next.
const walkFile = "docs/walks.md"

var (
	walkHeading = regexp.MustCompile(`^## (.+) \(at most (\d+) files\)$`)
	walkStep    = regexp.MustCompile("^\\d+\\. `([^`]+)`((?: `[^`]+`)+)(?: by `([^`]+)`)?")
	quoted      = regexp.MustCompile("`([^`]+)`")
	nameParts   = regexp.MustCompile(`[A-Za-z0-9]+`)
)

// walk is one heading of walkFile with its steps.
type walk struct {
	title string
	most  int
	files []string
	words map[string]bool // of the declarations so far
}

// walks keeps walkFile true: each file has the declarations that the walk names; each one is
// named by a declaration before it, or shares with those the word after "by"; and there are no
// more files than the heading says.
func walks(t *Tree) []Violation {
	at := slices.IndexFunc(t.Texts, func(x Text) bool { return x.Path == walkFile })
	if at < 0 {
		return []Violation{{walkFile, "is missing"}}
	}
	var out []Violation
	var w *walk
	end := func() {
		if w != nil && len(w.files) > w.most {
			out = append(out, Violation{walkFile, fmt.Sprintf("%q has %d files", w.title, len(w.files))})
		}
	}
	for line := range strings.Lines(t.Texts[at].Words) {
		line = strings.TrimSpace(line)
		if h := walkHeading.FindStringSubmatch(line); h != nil {
			end()
			most, _ := strconv.Atoi(h[2])
			w = &walk{title: h[1], most: most}
		}
		if s := walkStep.FindStringSubmatch(line); s != nil && w != nil {
			for _, fault := range w.step(t, s[1], quoted.FindAllStringSubmatch(s[2], -1), s[3]) {
				out = append(out, Violation{walkFile, fmt.Sprintf("%q: %s", w.title, fault)})
			}
		}
	}
	end()
	return out
}

// step goes to the declarations of one file.
func (w *walk) step(t *Tree, file string, names [][]string, by string) (faults []string) {
	if !slices.Contains(w.files, file) {
		w.files = append(w.files, file)
	}
	for i, n := range names {
		words := wordsOfDecl(t, file, n[1])
		last := n[1][strings.LastIndex(n[1], ".")+1:]
		switch {
		case words == nil:
			faults = append(faults, fmt.Sprintf("%s does not declare %s", file, n[1]))
		case w.words == nil:
			w.words = map[string]bool{}
		case i == 0 && by != "":
			if !w.words[by] || !words[by] {
				faults = append(faults, fmt.Sprintf("%s and what is before it do not share the word %s", n[1], by))
			}
		case !w.words[last]:
			faults = append(faults, "nothing before it names "+n[1])
		}
		for word := range words {
			w.words[word] = true
		}
	}
	return faults
}

// wordsOfDecl are the words in a declaration and its comments; nil if the file has none
// of that name. Of a file that is not Go it is all words, if the name is one.
func wordsOfDecl(t *Tree, file, name string) map[string]bool {
	if path.Ext(file) != ".go" {
		words := wordSet(t.Sources[file])
		if !words[name] {
			return nil
		}
		return words
	}
	at := slices.IndexFunc(t.Files, func(f *File) bool { return f.Path == file })
	if at < 0 {
		return nil
	}
	f := t.Files[at]
	for _, d := range f.Syntax.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if funcName(d) == name {
				return wordSet(textOf(f, d, d.Doc))
			}
		case *ast.GenDecl:
			if slices.ContainsFunc(d.Specs, func(s ast.Spec) bool { return specNames(s, name) }) {
				return wordSet(textOf(f, d, d.Doc))
			}
		}
	}
	return nil
}

// funcName is "name" or "receiver.name".
func funcName(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	recv := d.Recv.List[0].Type
	for {
		switch r := recv.(type) {
		case *ast.StarExpr:
			recv = r.X
		case *ast.IndexExpr:
			recv = r.X
		case *ast.IndexListExpr:
			recv = r.X
		case *ast.Ident:
			return r.Name + "." + d.Name.Name
		default:
			return d.Name.Name
		}
	}
}

func specNames(s ast.Spec, name string) bool {
	switch s := s.(type) {
	case *ast.TypeSpec:
		return s.Name.Name == name
	case *ast.ValueSpec:
		return slices.ContainsFunc(s.Names, func(id *ast.Ident) bool { return id.Name == name })
	}
	return false
}

// textOf is what a declaration says: names, literals, comments.
func textOf(f *File, n ast.Node, doc *ast.CommentGroup) string {
	all := []string{commentsOf(f, n, doc)}
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			all = append(all, n.Name)
		case *ast.BasicLit:
			all = append(all, n.Value)
		}
		return true
	})
	return strings.Join(all, " ")
}

func wordSet(text string) map[string]bool {
	out := map[string]bool{}
	for _, word := range nameParts.FindAllString(text, -1) {
		out[word] = true
	}
	return out
}
