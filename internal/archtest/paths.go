package archtest

import (
	"regexp"
	"strings"
)

// namedPath is a file of the repository that a text names.
var namedPath = regexp.MustCompile("`((?:connector|controller|deploy|docs|internal|proto|scripts|spire|tunneler|webadmin)/[A-Za-z0-9_./-]+\\.(?:go|json|md|mjs|proto|sh|sql|tsx?|ya?ml))`")

// paths: a file that a document names is there, so that the lists of files to touch stay
// right. What a decision of the past names (docs/adr) may be gone, and files in testdata are
// not read.
func paths(t *Tree) (out []Violation) {
	for _, text := range t.Texts {
		if !strings.HasSuffix(text.Path, ".md") || within(text.Path, "docs/adr") {
			continue
		}
		for _, m := range namedPath.FindAllStringSubmatch(text.Words, -1) {
			if p := m[1]; !t.Paths[p] && !strings.Contains(p, "/testdata/") {
				out = append(out, Violation{text.Path, "names " + p + ", which is not there"})
			}
		}
	}
	return out
}
