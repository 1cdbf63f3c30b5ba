package archtest

import (
	"path"
	"slices"
)

// packageComment: each package says what it owns in doc.go; a program may say it
// in main.go.
func packageComment(t *Tree) []Violation {
	documented := map[string]bool{}
	var dirs []string
	for _, f := range t.Files {
		if f.IsTest() || f.IsGenerated() {
			continue
		}
		dirs = append(dirs, f.Dir())
		base := path.Base(f.Path)
		if f.Syntax.Doc != nil && (base == "doc.go" || base == "main.go" && f.Syntax.Name.Name == "main") {
			documented[f.Dir()] = true
		}
	}
	var out []Violation
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		if !documented[dir] {
			out = append(out, Violation{Path: dir, Message: "has no package comment in doc.go"})
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
