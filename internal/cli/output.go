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

// Table is a list for people. Cells may come from other hosts: characters that a
// terminal would obey are replaced, so that a host name cannot rewrite the screen.
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
			cells[i] = printable(cell)
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

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, s)
}
