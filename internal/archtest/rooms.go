package archtest

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const (
	// smallRoom is how many lines of code a package needs to be one: below that it is a file
	// of its neighbour, unless its import boundary protects something.
	smallRoom = 120
	// roomFile lists the packages that are smaller below smallHeading, with what their
	// boundary protects.
	roomFile     = "docs/rooms.md"
	smallHeading = "## Small packages that stay"
)

var roomRow = regexp.MustCompile("^\\| `([^`]+)` \\| .*[^ |].* \\|$")

// rooms: a package is worth its door. Each small one is a row of roomFile, and each row is
// of a package that is there and small. scripts/rooms.sh counts the same lines.
func rooms(t *Tree) []Violation {
	at := slices.IndexFunc(t.Texts, func(x Text) bool { return x.Path == roomFile })
	if at < 0 {
		return []Violation{{roomFile, "is missing"}}
	}
	lines, listed := map[string]int{}, map[string]bool{}
	for _, f := range t.Files {
		if !f.IsTest() && !f.IsGenerated() && !within(f.Dir(), wholeSystem) {
			lines[f.Dir()] += f.Lines
		}
	}
	var out []Violation
	var here bool
	for line := range strings.Lines(t.Texts[at].Words) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "## ") {
			here = line == smallHeading
		}
		row := roomRow.FindStringSubmatch(line)
		if row == nil || !here {
			continue
		}
		listed[row[1]] = true
		switch n, there := lines[row[1]]; {
		case !there:
			out = append(out, Violation{roomFile, row[1] + " is not there"})
		case n >= smallRoom:
			out = append(out, Violation{roomFile, fmt.Sprintf("%s is not small any more: %d lines of code", row[1], n)})
		}
	}
	for dir, n := range lines {
		if n < smallRoom && !listed[dir] {
			out = append(out, Violation{dir, fmt.Sprintf("has %d lines of code: make it files of its neighbour, or say in %s what its import boundary protects", n, roomFile)})
		}
	}
	slices.SortFunc(out, func(a, b Violation) int { return cmp.Compare(a.String(), b.String()) })
	return out
}

// codeLines counts the lines that are neither blank nor a comment.
func codeLines(src string) (n int) {
	for line := range strings.Lines(src) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			n++
		}
	}
	return n
}
