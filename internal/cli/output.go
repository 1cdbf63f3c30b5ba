package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/pflag"
)

// The output formats.
const (
	OutputTable = "table"
	OutputJSON  = "json"
)

// Output is the value of the flag -o. The zero value prints a table.
type Output struct{ format string }

// Register adds the flag -o, --output.
func (o *Output) Register(fs *pflag.FlagSet) {
	fs.VarP(o, "output", "o", "output `format`: table or json")
}

// String returns the format; it is part of pflag.Value.
func (o *Output) String() string {
	if o.format == "" {
		return OutputTable
	}
	return o.format
}

// Set accepts table or json; it is part of pflag.Value.
func (o *Output) Set(s string) error {
	if s != OutputTable && s != OutputJSON {
		return fmt.Errorf("must be %s or %s", OutputTable, OutputJSON)
	}
	o.format = s
	return nil
}

// Type is part of pflag.Value.
func (o *Output) Type() string { return "format" }

// Write prints value as JSON, or calls text (often Table.Write) for people.
func (o *Output) Write(w io.Writer, value any, text func(io.Writer) error) error {
	if o.String() == OutputTable {
		return text(w)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(value)
}

// Table is a list for people. Cells may come from other hosts, so that none can draw
// on the screen or look like more than one: columns are two spaces apart, and within
// a cell a space stands alone. A dot stands for what a terminal would obey, for a
// second space, and for what is no Latin, Greek or Cyrillic letter: other scripts turn
// the line around, are wider than a column or are blank. JSON has them as they are.
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
