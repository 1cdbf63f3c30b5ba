package doctor

import (
	"fmt"
	"io"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

// Write prints the report for a person, in colour on a terminal.
func (r Report) Write(w io.Writer) error {
	paint := cli.NewPaint(w)
	mark := map[Level]string{
		OK: paint.Good("ok     "), Warning: paint.Warn("warning"), Fault: paint.Bad("FAULT  "), Skipped: paint.Dim("skipped"),
	}
	wide := 0
	for _, f := range r.Findings {
		wide = max(wide, len(f.Check))
	}
	var b strings.Builder
	for _, f := range r.Findings {
		found := f.Found
		if f.Level == Skipped {
			found = paint.Dim(found)
		}
		fmt.Fprintf(&b, "%s  %-*s  %s\n", mark[f.Level], wide, f.Check, found)
		if f.Do != "" {
			fmt.Fprintf(&b, "%*s%s\n", len("warning")+2+wide+2, "", paint.Bold("do: ")+f.Do)
		}
	}
	fmt.Fprintf(&b, "faults: %d, warnings: %d, skipped: %d\n", r.Count(Fault), r.Count(Warning), r.Count(Skipped))
	_, err := io.WriteString(w, b.String())
	return err
}
