package envfile

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Setting is one KEY=VALUE.
type Setting struct {
	Key, Value string
	Line       int // where it begins, from 1

	start, end int // its lines in the text
}

// Fault is one thing that is wrong with a text.
type Fault struct {
	Line    int
	Message string // completes "line 3 "
}

// String is "line 3 is not KEY=VALUE".
func (f Fault) String() string { return fmt.Sprintf("line %d %s", f.Line, f.Message) }

const (
	notAssignment = "is not KEY=VALUE"
	exported      = "begins with `export`, which systemd does not know: remove the word"
	noEnd         = "begins a quoted value that has no end"
	afterQuote    = "has text after the closing quote"
	lateComment   = "has a comment behind the value, which systemd takes as part of the value: give it a line of its own, or quote a value that holds a #"
	continued     = "is a comment that ends in a backslash, which some releases of systemd continue on the next line: remove the backslash"
	nothingMore   = "ends in a backslash, and no line follows"
	unreadable    = "has a value with a control character, or with bytes that are not text"
)

var (
	name = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// systemd takes a character that has a use inside double quotes without its backslash.
	escapable = "\"\\`$"
)

// Parse lists the settings in the order of the text; of several with one key the last
// counts. With a fault the list is as complete as can be.
func Parse(text string) ([]Setting, []Fault) {
	p := parser{text: text}
	for p.skipBlank(); p.at < len(text); p.skipBlank() {
		if c := text[p.at]; c == '#' || c == ';' {
			p.comment()
		} else {
			p.setting()
		}
	}
	return p.settings, p.faults
}

// parser is at a byte of the text. Every method leaves it behind the line that it read.
type parser struct {
	text     string
	at       int
	settings []Setting
	faults   []Fault
}

func isLineEnd(c byte) bool { return c == '\n' || c == '\r' }
func isBlank(c byte) bool   { return c == ' ' || c == '\t' }

func (p *parser) skipBlank() {
	for p.at < len(p.text) && (isBlank(p.text[p.at]) || isLineEnd(p.text[p.at])) {
		p.at++
	}
}

func (p *parser) skipLine() {
	for p.at < len(p.text) && !isLineEnd(p.text[p.at]) {
		p.at++
	}
	p.at = min(p.at+1, len(p.text))
}

func (p *parser) line(at int) int { return 1 + strings.Count(p.text[:at], "\n") }

func (p *parser) fault(at int, message string) {
	p.faults = append(p.faults, Fault{p.line(at), message})
}

func (p *parser) comment() {
	start := p.at
	p.skipLine()
	line := strings.TrimRight(p.text[start:p.at], "\r\n")
	if strings.HasSuffix(line, `\`) {
		p.fault(start, continued)
	}
}

func (p *parser) setting() {
	start := p.at
	length := strings.IndexAny(p.text[start:], "=\r\n")
	if length < 0 || p.text[start+length] != '=' {
		p.fault(start, notAssignment)
		p.skipLine()
		return
	}
	key := strings.TrimRight(p.text[start:start+length], " \t")
	p.at += length + 1
	value, wrong := p.value()
	switch {
	case strings.HasPrefix(key, "export ") || strings.HasPrefix(key, "export\t"):
		wrong = exported
	case !name.MatchString(key):
		wrong = notAssignment
	case wrong == "" && !acceptable(value):
		wrong = unreadable
	}
	if wrong != "" {
		p.fault(start, wrong)
		return
	}
	first := 1 + strings.LastIndexAny(p.text[:start], "\r\n")
	p.settings = append(p.settings, Setting{key, value, p.line(start), first, p.at})
}

// value reads to the end of the line, or of the lines that a backslash or a quote
// joins to it. The second result is what is wrong, empty if nothing is.
func (p *parser) value() (value, wrong string) {
	for p.at < len(p.text) && isBlank(p.text[p.at]) {
		p.at++
	}
	if p.at < len(p.text) && (p.text[p.at] == '"' || p.text[p.at] == '\'') {
		if value, wrong = p.quoted(); wrong != "" {
			return "", wrong
		}
		rest := p.at
		p.skipLine()
		if strings.Trim(p.text[rest:p.at], " \t\r\n") != "" {
			return "", afterQuote
		}
		return value, ""
	}
	return p.bare()
}

// quoted reads a value up to its closing quote. Only a double quote knows escapes.
func (p *parser) quoted() (value, wrong string) {
	quote := p.text[p.at]
	var out strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == quote:
			p.at++
			return out.String(), ""
		case c != '\\' || quote == '\'':
			out.WriteByte(c)
		case p.at+1 == len(p.text): // the quote has no end
		default:
			p.at++
			if next := p.text[p.at]; strings.IndexByte(escapable, next) >= 0 {
				out.WriteByte(next)
			} else if next != '\n' {
				out.WriteString(p.text[p.at-1 : p.at+1])
			}
		}
	}
	return "", noEnd
}

// bare reads a value without quotes around it: quotes inside are themselves, and
// blanks at its end do not count unless a backslash stands before them.
func (p *parser) bare() (value, wrong string) {
	var out []byte
	counts := 0 // bytes that the end of the line does not strip
	for ; p.at < len(p.text); p.at++ {
		c := p.text[p.at]
		switch {
		case isLineEnd(c):
			p.at++
			return string(out[:counts]), wrong
		case c == '\\':
			if p.at++; p.at == len(p.text) {
				return "", nothingMore
			}
			if next := p.text[p.at]; !isLineEnd(next) {
				out = append(out, next)
			} else if p.at+1 == len(p.text) {
				return "", nothingMore
			}
			counts = len(out)
		default:
			if c == '#' && isBlank(p.text[p.at-1]) && counts < len(out) || c == '#' && len(out) == 0 && isBlank(p.text[p.at-1]) {
				wrong = lateComment
			}
			out = append(out, c)
			if !isBlank(c) {
				counts = len(out)
			}
		}
	}
	return string(out[:counts]), wrong
}

// acceptable is false for control characters, which nobody means, and for what is no
// UTF-8, for which systemd refuses the whole file.
func acceptable(value string) bool {
	for _, r := range value {
		switch {
		case r < ' ' && r != '\t' && r != '\n', r == 0x7f,
			r >= 0xfdd0 && r <= 0xfdef, r&0xfffe == 0xfffe: // Unicode's "noncharacters"
			return false
		}
	}
	return utf8.ValidString(value)
}
