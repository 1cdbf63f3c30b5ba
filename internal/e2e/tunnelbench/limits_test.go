package tunnelbench_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// limit is one that the product promises: ours is at most, or at least, this many times the
// value of the best of the others.
type limit struct {
	row    string
	times  float64
	least  bool // else at most
	others []string
}

// limits are those of docs/benchmarks.md.
func limits() (out []limit) {
	for _, v := range variants() {
		out = append(out, limit{cost + v, 0.80, false, []string{nginx}}, limit{cost + v, 0.80, false, []string{sshGCM}})
		if strings.HasSuffix(v, " 8") {
			out = append(out, limit{bulk + v, 1.2, true, []string{sshDefault, sshGCM, stunnel, haproxy, nginx}})
		} else {
			out = append(out, limit{bulk + v, 1.2, true, []string{nginx, haproxy, stunnel}}, limit{bulk + v, 1.0, true, []string{sshGCM}})
		}
	}
	for _, row := range []string{sequential, parallel} {
		out = append(out, limit{row, 0.85, true, []string{raw}}, limit{row, 3, true, []string{nginx}})
	}
	return append(out, limit{pingP50, 1.3, false, []string{raw}}, limit{idle, 3, false, []string{raw}})
}

// missed says that ours is not what was promised.
func (l limit) missed(of map[string]figures) string {
	value, best, name := of[ours].median(l.row), 0.0, ""
	for _, other := range l.others {
		if v := of[other].median(l.row); name == "" || l.least == (v > best) {
			best, name = v, other
		}
	}
	word := "at most"
	if l.least {
		word = "at least"
	}
	if ratio := value / best; best <= 0 || l.least && ratio < l.times || !l.least && ratio > l.times {
		return fmt.Sprintf("%s: %.2f is %.2f times that of %s (%.2f), promised are %s %.2f", l.row, value, ratio, name, best, word, l.times)
	}
	return ""
}

func judge(of map[string]figures) (missed []string) {
	for _, l := range limits() {
		if m := l.missed(of); m != "" {
			missed = append(missed, m)
		}
	}
	return missed
}

// table is in Markdown: what was measured, in the brackets as a multiple of ours, and the limits that were missed.
func table(tunnels []tunnel, of map[string]figures) string {
	var b strings.Builder
	b.WriteString("| |")
	for _, x := range tunnels {
		fmt.Fprintf(&b, " %s |", x.name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(tunnels)) + "\n")
	var rows []string
	for _, kind := range []string{bulk, cost} {
		for _, v := range variants() {
			rows = append(rows, kind+v)
		}
	}
	for _, row := range append(rows, pingP50, pingP99, sequential, parallel, sequential+byClient, parallel+byClient, idle) {
		fmt.Fprintf(&b, "| %s |", row)
		own := of[ours].median(row)
		for _, x := range tunnels {
			v := of[x.name].median(row)
			digits := 2
			if v >= 100 {
				digits = 0
			}
			fmt.Fprintf(&b, " %.*f", digits, v)
			if x.name != ours {
				fmt.Fprintf(&b, " (ours %.2fx)", own/v)
			}
			b.WriteString(" |")
		}
		b.WriteString("\n")
	}
	for _, m := range judge(of) {
		b.WriteString("missed: " + m + "\n")
	}
	return b.String()
}

// TestTheLimitsAreLimits proves that they can be missed.
func TestTheLimitsAreLimits(t *testing.T) {
	t.Parallel()
	of := map[string]figures{}
	for _, name := range []string{raw, sshDefault, sshGCM, stunnel, haproxy, nginx, ours} {
		of[name] = figures{}
		for _, l := range limits() {
			of[name][l.row] = []float64{100}
		}
	}
	good := func(row string, value float64) { of[ours][row] = []float64{value} }
	for _, l := range limits() {
		if l.least {
			good(l.row, 300)
		} else {
			good(l.row, 80)
		}
	}
	require.Empty(t, judge(of))
	for _, l := range limits() {
		was := of[ours][l.row]
		if l.least {
			good(l.row, 100*l.times-1)
		} else {
			good(l.row, 100*l.times+1)
		}
		require.NotEmpty(t, l.missed(of), l.row)
		of[ours][l.row] = was
	}
	delete(of[nginx], cost+"up 1")
	require.NotEmpty(t, judge(of), "what was not measured")
}
