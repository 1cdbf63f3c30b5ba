package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/visible"
)

// The output formats. Wide and names are those of lists of things with an id.
const (
	OutputTable = "table"
	OutputJSON  = "json"
	OutputYAML  = "yaml"
	OutputWide  = "wide"
	OutputName  = "name"
)

// Output is the value of the flag -o. The zero value prints a table.
type Output struct {
	format string
	things bool // it also has wide and name
}

// Register adds the flag -o, --output.
func (o *Output) Register(fs *pflag.FlagSet) {
	fs.VarP(o, "output", "o", "output `format`: "+strings.Join(o.Formats(), ", "))
}

// RegisterThings adds the flag of a command that shows things with an id.
func (o *Output) RegisterThings(fs *pflag.FlagSet) {
	o.things = true
	o.Register(fs)
}

// Formats are those that the flag takes.
func (o *Output) Formats() []string {
	if o.things {
		return []string{OutputTable, OutputWide, OutputName, OutputJSON, OutputYAML}
	}
	return []string{OutputTable, OutputJSON, OutputYAML}
}

// String returns the format; it is part of pflag.Value.
func (o *Output) String() string {
	if o.format == "" {
		return OutputTable
	}
	return o.format
}

// Set accepts one of Formats; it is part of pflag.Value.
func (o *Output) Set(s string) error {
	if !slices.Contains(o.Formats(), s) {
		return fmt.Errorf("must be one of %s", strings.Join(o.Formats(), ", "))
	}
	o.format = s
	return nil
}

// Type is part of pflag.Value.
func (o *Output) Type() string { return "format" }

// Write prints value as JSON or YAML, or calls text (often Table.Write) for people.
func (o *Output) Write(w io.Writer, value any, text func(io.Writer) error) error {
	switch o.String() {
	case OutputJSON:
		return WriteJSON(w, value, "  ")
	case OutputYAML:
		return writeYAML(w, value)
	default:
		return text(w)
	}
}

// WriteJSON prints value on lines that are indented so, or on one line. Names and addresses
// come from other hosts: what a terminal would obey is an escape sequence of JSON, which
// reads as the same text.
func WriteJSON(w io.Writer, value any, indent string) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", indent)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return err
	}
	_, err := io.WriteString(w, escaped(b.String(), func(r rune) (text string) {
		for _, half := range utf16.AppendRune(nil, r) {
			text += fmt.Sprintf(`\u%04x`, half)
		}
		return text
	}))
	return err
}

// escaped replaces what is not printable in JSON or YAML, where it only stands between
// double quotes.
func escaped(text string, escape func(rune) string) string {
	var b strings.Builder
	for _, r := range text {
		if unprintable(r) {
			b.WriteString(escape(r))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool { return r != '\n' && r != utf8.RuneError && !visible.Rune(r) }

// inYAML is a character as YAML escapes it, which has no halves.
func inYAML(r rune) string {
	if r > 0xFFFF {
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// writeYAML prints value with the names that it has in JSON, in their order. JSON is
// YAML, so that it is read as such and only laid out anew.
func writeYAML(w io.Writer, value any) error {
	b, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(escaped(string(b), inYAML)), &doc); err != nil {
		return err
	}
	inBlocks(&doc)
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(&doc), enc.Close()); err != nil {
		return err
	}
	_, err = io.WriteString(w, escaped(out.String(), inYAML))
	return err
}

// inBlocks takes the braces and quotes of JSON away; what would be another type without
// its quotes keeps them, and what is not printable.
func inBlocks(n *yaml.Node) {
	switch {
	case n.Kind == yaml.ScalarNode && strings.ContainsFunc(n.Value, unprintable):
		n.Style = yaml.DoubleQuotedStyle
	case len(n.Content) > 0 || n.Kind == yaml.ScalarNode:
		n.Style = 0
	}
	for _, c := range n.Content {
		inBlocks(c)
	}
}

// Table is a list for people. Cells may come from other hosts, so that none can draw
// on the screen or look like more than one: columns are two spaces apart, and within
// a cell a space stands alone. A dot stands for what a terminal would obey, for a
// second space, and for what is no Latin, Greek or Cyrillic letter: other scripts turn
// the line around, are wider than a column or are blank. JSON and YAML have them all.
type Table struct {
	Header []string
	Rows   [][]string
}

// Write prints the columns aligned; the header is bold on a terminal.
func (t Table) Write(w io.Writer) error {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, row := range append([][]string{t.Header}, t.Rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = Printable(cell)
		}
		if _, err := fmt.Fprintln(tw, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	header, rows, _ := strings.Cut(b.String(), "\n")
	_, err := fmt.Fprintf(w, "%s\n%s", NewPaint(w).Bold(header), rows)
	return err
}

// Printable is what a cell of a Table shows of s.
func Printable(s string) string {
	before := ' '
	s = strings.Map(func(r rune) rune {
		if r == ' ' && before == ' ' || !standsAlone(r) {
			r = '·'
		}
		before = r
		return r
	}, s)
	if strings.HasSuffix(s, " ") {
		s = strings.TrimSuffix(s, " ") + "·"
	}
	return s
}

// standsAlone says whether a character takes one column, shows something and leaves
// the order of its neighbours alone.
func standsAlone(r rune) bool {
	return r >= ' ' && r <= '~' || r == '·' || unicode.IsLetter(r) && unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic) && !fullWidth(r)
}

// fullWidth are the forms of Latin letters that fill two columns.
func fullWidth(r rune) bool { return r >= 0xFF00 && r <= 0xFFEF }
