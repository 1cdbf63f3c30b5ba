package archtest

import (
	"path"
	"regexp"
	"slices"
)

// boundary is a word with which a comment says what is not a package's job. That the
// sentence says it well is for a reader to judge.
var boundary = regexp.MustCompile(`(?i)\b(not|no|nothing|nobody|never)\b`)

// packageComment: each package says in doc.go what it owns and what is not its job; a
// program may say it in main.go.
func packageComment(t *Tree) []Violation {
	documented, limited := map[string]bool{}, map[string]bool{}
	var dirs []string
	for _, f := range t.Files {
		if f.IsTest() || f.IsGenerated() {
			continue
		}
		dirs = append(dirs, f.Dir())
		base := path.Base(f.Path)
		if f.Syntax.Doc != nil && (base == "doc.go" || base == "main.go" && f.Syntax.Name.Name == "main") {
			documented[f.Dir()] = true
			limited[f.Dir()] = boundary.MatchString(f.Syntax.Doc.Text())
		}
	}
	var out []Violation
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		switch {
		case !documented[dir]:
			out = append(out, Violation{Path: dir, Message: "has no package comment in doc.go"})
		case !limited[dir]:
			out = append(out, Violation{Path: dir, Message: "has a package comment that does not say what is not its job"})
		}
	}
	return out
}

// top lists what may lie at the top of the repository.
var top = []string{
	".ci", ".git", ".gitignore", ".golangci.yml", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "connector", "controller",
	"deploy", "docs", "go.mod", "go.sum", "internal", "proto", "scripts", "spire", "tunneler", "webadmin",
}

// topLevel: listing the repository shows its design, and nothing else.
func topLevel(t *Tree) []Violation {
	var out []Violation
	for _, name := range t.Top {
		if !slices.Contains(top, name) {
			out = append(out, Violation{Path: name, Message: "does not belong at the top"})
		}
	}
	return out
}
