package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Text is a file with words that operators and users read: a document, a manifest, an
// alert rule, a script, the source of a page of the dashboard.
type Text struct {
	Path  string
	Words string
}

// dialect lists phrases that were a riddle to newcomers, with what to write instead.
// A phrase matches whole words in any case. Keep the list short: a phrase belongs here
// when a reviewer has found it twice.
var dialect = phrases(map[string]string{
	`go(es)? on`: `"continue"`,
	`(sessions?|connections?|streams?) lives? on`: `"continue"`,
	`(hears?|heard)`:                       `"receive", or "last heartbeat" for a member`,
	`(is|are|was|were|be|been) told`:       `what is sent: "hosts get the address"`,
	`(hand(s|ed)? over|handover)`:          `"pass", "send" or "transfer"`,
	`(of|for|by|to|from|with|than|as) who`: `the subject: "a peer that"`,
	`who may meet whom`:                    `"which tunnelers may use which connectors"`,
	`none of (ours|its|theirs)`:            `"not one of ours"`,
	`(himself|herself)`:                    `"yourself" or "themselves"`,
	`live host`:                            `"enrolled host"`,
	`(says nothing|not said)`:              `"does not report" or "unknown"`,
	`did not work`:                         `"failed", and the way out`,
	`looks? whether`:                       `"checks whether"`,
	`takes? away`:                          `"remove"`,
	`lets? (in|others in|them in)`:         `"admit" or "enroll"`,
	`swallows?`:                            `"drop"`,
	`(stands?|stood) behind`:               `"confirm"`,
	`besides`:                              `"also", "except" or "apart from"`,
	`crowds?`:                              `what it consists of: "the other connections"`,
	`seats?`:                               `"slot" or "place"`,
	`(young|ripe)`:                         `"new" or "confirmed"`,
	`at a stretch`:                         `"at a time"`,
})

type phrase struct {
	is    *regexp.Regexp
	write string
}

func phrases(list map[string]string) []phrase {
	out := make([]phrase, 0, len(list))
	for p, write := range list {
		out = append(out, phrase{regexp.MustCompile(`(?i)\b` + p + `\b`), write})
	}
	return out
}

// plainEnglish: what people read says it in the words of the field.
func plainEnglish(t *Tree) []Violation {
	var out []Violation
	for _, text := range t.Texts {
		out = append(out, dialectIn(text.Path, text.Words, dialect)...)
	}
	for _, f := range t.Files {
		if f.IsTest() || f.IsGenerated() || within(f.Dir(), "internal/e2e", "internal/archtest", "internal/tools") || strings.HasSuffix(f.Dir(), "test") {
			continue
		}
		out = append(out, dialectIn(f.Path, literals(f), dialect)...)
	}
	slices.SortFunc(out, func(a, b Violation) int { return strings.Compare(a.String(), b.String()) })
	return out
}

func dialectIn(file, text string, list []phrase) (out []Violation) {
	text = strings.Join(strings.Fields(text), " ")
	for _, p := range list {
		for _, at := range p.is.FindAllStringIndex(text, -1) {
			around := text[max(0, at[0]-30):min(len(text), at[1]+30)]
			out = append(out, Violation{file, fmt.Sprintf("has %q in %q; write %s", text[at[0]:at[1]], strings.ToValidUTF8(around, ""), p.write)})
		}
	}
	return out
}

// literals are the strings of a file: messages of errors and logs, help, tags of
// configuration. Import paths are none.
func literals(f *File) string {
	var out []string
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		if _, ok := n.(*ast.ImportSpec); ok {
			return false
		}
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if s, err := strconv.Unquote(lit.Value); err == nil {
				out = append(out, s)
			}
		}
		return true
	})
	return strings.Join(out, " | ")
}

// isText reports whether people read the file. The decisions keep the words of their
// time; the dashboard's schema is generated.
func isText(p string) bool {
	dir, ext := path.Dir(p), path.Ext(p)
	switch {
	case p == "webadmin/api/openapi.json":
		return true
	case dir == ".", dir == "docs", p == "docs/adr/README.md":
		return ext == ".md"
	case within(dir, "deploy"):
		return ext != ".go"
	case dir == "scripts":
		return true
	}
	return isDashboard(p)
}

// isDashboard reports whether the file is source of the dashboard or of its tests; the
// types of the API are generated.
func isDashboard(p string) bool {
	return within(path.Dir(p), "webadmin/ui/src", "webadmin/ui/dev", "webadmin/ui/e2e") && isScript(p) && path.Base(p) != "schema.ts"
}

// isScript reports whether the file is TypeScript or JavaScript.
func isScript(p string) bool {
	return slices.Contains([]string{".ts", ".tsx", ".mjs"}, path.Ext(p))
}

var comments = regexp.MustCompile(`(?s)/\*.*?\*/|(?m)(^|\s)//[^\n]*`)

// wordsOf leaves out the comments of scripts, which only developers read: plainCode
// checks those of the dashboard.
func wordsOf(p, src string) string {
	if isScript(p) {
		return comments.ReplaceAllString(src, " ")
	}
	return src
}
