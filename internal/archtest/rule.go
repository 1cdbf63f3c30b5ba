package archtest

import "fmt"

// Rule is one thing that must hold for the whole tree.
type Rule struct {
	// Name is also that of the file in testdata that breaks the rule.
	Name  string
	check func(*Tree) []Violation
}

// Violation is one place where a rule does not hold.
type Violation struct {
	Path    string
	Message string
}

// String returns "path: message".
func (v Violation) String() string { return v.Path + ": " + v.Message }

// Check returns the places where the tree breaks the rule.
func (r Rule) Check(t *Tree) []Violation { return r.check(t) }

// Rules lists all rules.
func Rules() []Rule {
	return []Rule{
		{"program-boundaries", eachFile(programBoundaries)},
		{"pure-domain", eachFile(pureDomain)},
		{"one-home", eachFile(oneHome)},
		{"test-kits", eachFile(testKits)},
		{"only-main-exits", eachFile(onlyMainExits)},
		{"forbidden-names", eachFile(forbiddenNames)},
		{"program-written", eachFile(programWritten)},
		{"one-hint", eachFile(oneHint)},
		{"joined", eachFile(joined)},
		{"spiffe-scheme", eachFile(spiffeScheme)},
		{"no-init", eachFile(noInit)},
		{"package-comment", packageComment},
		{"package-name", eachFile(packageName)},
		{"rooms", rooms},
		{"paths", paths},
		{"top-level", topLevel},
		{"plain-english", plainEnglish},
		{"plain-code", plainCode},
		{"walks", walks},
	}
}

// eachFile makes a rule of a check that looks at one handwritten file.
func eachFile(check func(f *File) []string) func(*Tree) []Violation {
	return func(t *Tree) []Violation {
		var out []Violation
		for _, f := range t.Files {
			if f.IsGenerated() {
				continue
			}
			for _, message := range check(f) {
				out = append(out, Violation{Path: f.Path, Message: message})
			}
		}
		return out
	}
}

func imports(p string) string { return fmt.Sprintf("imports %s", p) }
