package conf

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// quote renders s as an HCL 1 string literal in ASCII. A quote or a newline would
// end the string, and "${" starts an interpolation inside which HCL neither
// unescapes nor sees quotes; whoever chooses a path could add settings that way.
// So everything but the plainest characters, "$" above all, is written as an
// escape. HCL decodes \x as a byte and \u, \U as a code point.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case plain(r):
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		s = s[size:]
	}
	b.WriteByte('"')
	return b.String()
}

func plain(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' ||
		strings.ContainsRune(` ./:_-+,=@?&%*(){}[]<>;!~^|'#`, r)
}

// writer builds an HCL document, one indented line at a time.
type writer struct {
	b     strings.Builder
	depth int
}

func (w *writer) line(s string) {
	w.b.WriteString(strings.Repeat("    ", w.depth))
	w.b.WriteString(s)
	w.b.WriteByte('\n')
}

// block writes `name "label" { ... }`; label may be empty. Names come from our
// source only and are not quoted.
func (w *writer) block(name, label string, body func()) {
	if label != "" {
		name += " " + quote(label)
	}
	w.line(name + " {")
	w.depth++
	body()
	w.depth--
	w.line("}")
}

// plugin writes a plugin with its plugin_data.
func (w *writer) plugin(kind, name string, data func()) {
	w.block(kind, name, func() { w.block("plugin_data", "", data) })
}

func (w *writer) str(key, value string) { w.line(key + " = " + quote(value)) }

func (w *writer) strs(key string, values []string) {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = quote(v)
	}
	w.line(key + " = [" + strings.Join(quoted, ", ") + "]")
}

func (w *writer) number(key string, n int)             { w.line(fmt.Sprintf("%s = %d", key, n)) }
func (w *writer) boolean(key string, v bool)           { w.line(fmt.Sprintf("%s = %t", key, v)) }
func (w *writer) duration(key string, d time.Duration) { w.str(key, d.String()) }
func (w *writer) bytes() []byte                        { return []byte(w.b.String()) }
func none()                                            {}

// telemetry has SPIRE answer Prometheus on loopback; port 0 leaves it out. The name
// rather than 127.0.0.1, for SPIRE warns of anything else that it is open to the
// network. A port that is taken costs SPIRE no more than a line in its log.
func (w *writer) telemetry(port int) {
	if port == 0 {
		return
	}
	w.block("telemetry", "", func() {
		w.block("Prometheus", "", func() {
			w.str("host", "localhost")
			w.number("port", port)
		})
	})
}
