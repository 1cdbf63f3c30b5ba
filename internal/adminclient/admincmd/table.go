package admincmd

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

// statusColumn is the header of the column that is coloured.
const statusColumn = "STATUS"

// writeTable writes t with its status coloured, if w is a terminal. The colour is
// added to the finished lines, because cli.Table takes every escape sequence out
// of a cell: cells come from other hosts.
func writeTable(w io.Writer, t cli.Table) error {
	var plain bytes.Buffer
	if err := t.Write(&plain); err != nil {
		return err
	}
	_, err := io.WriteString(w, colourStatus(plain.String(), t, cli.NewPaint(w)))
	return err
}

// colourStatus expects ASCII before the status column; a line that is otherwise
// stays as it is.
func colourStatus(text string, t cli.Table, p cli.Paint) string {
	lines := strings.SplitAfter(text, "\n")
	at := strings.Index(lines[0], statusColumn)
	header := strings.TrimSuffix(lines[0], "\n")
	lines[0] = p.Bold(header) + "\n"
	for i, row := range t.Rows {
		line := lines[i+1]
		if word := row[1]; at >= 0 && len(line) > at && strings.HasPrefix(line[at:], word) {
			lines[i+1] = line[:at] + statusColour(p, word) + line[at+len(word):]
		}
	}
	return strings.Join(lines, "")
}

func statusColour(p cli.Paint, status string) string {
	switch status {
	case adminapi.Online, "redeemed", "approved", "enrolled":
		return p.Good(status)
	case adminapi.Offline, "denied":
		return p.Bad(status)
	case "pending":
		return p.Warn(status)
	default:
		return p.Dim(status)
	}
}

// reported is what a host says of itself, as one word: our own cells have spaces
// ("3 s ago"), so that "web ONLINE" as the name of a host could pass for two of them.
func reported(s string) string {
	return orDefault(strings.ReplaceAll(s, " ", "·"), "-")
}

// relative says when t is from now: "3 s ago", "in 10 min", or "-" for never.
func relative(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := t.Sub(now).Round(time.Second)
	if d > 0 {
		return "in " + span(d)
	}
	return span(-d) + " ago"
}

func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return fmt.Sprintf("%d d", int(d.Hours()/24))
	}
}

// both is how long ago a time is, and the time with its zone.
func both(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return relative(t, now) + " (" + absolute(t) + ")"
}
