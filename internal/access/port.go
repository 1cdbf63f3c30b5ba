package access

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// PortRange is the TCP ports from First to Last.
type PortRange struct{ First, Last uint16 }

// ParsePortRange reads 443 or 8000-8100.
func ParsePortRange(text string) (PortRange, error) {
	first, last, ranged := strings.Cut(text, "-")
	if !ranged {
		last = first
	}
	var r PortRange
	var err1, err2 error
	r.First, err1 = parsePort(first)
	r.Last, err2 = parsePort(last)
	if err1 != nil || err2 != nil {
		return PortRange{}, fmt.Errorf("%q is no port: write 443 or 8000-8100, from 1 to 65535", short(text))
	}
	if r.First > r.Last {
		return PortRange{}, fmt.Errorf("%q ends before it begins", short(text))
	}
	return r, nil
}

// parsePort reads a port in decimal, without a sign or leading zeros: one spelling.
func parsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || text[0] == '0' || text[0] == '+' {
		return 0, fmt.Errorf("%q is no port: there are 1 to 65535", short(text))
	}
	return uint16(n), nil
}

// String is the only spelling of the range.
func (r PortRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// merged sorts ranges and joins those that overlap or touch.
func merged(ranges []PortRange) []PortRange {
	ranges = slices.SortedFunc(slices.Values(ranges), func(a, b PortRange) int { return cmp.Compare(a.First, b.First) })
	out := ranges[:0]
	for _, r := range ranges {
		if n := len(out); n > 0 && int(r.First) <= int(out[n-1].Last)+1 {
			out[n-1].Last = max(out[n-1].Last, r.Last)
			continue
		}
		out = append(out, r)
	}
	return out
}

// hasPort says whether a port is in ranges that were merged.
func hasPort(ranges []PortRange, port uint16) bool {
	for _, r := range ranges {
		if port <= r.Last {
			return port >= r.First
		}
	}
	return false
}
