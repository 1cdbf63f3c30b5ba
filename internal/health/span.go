package health

import (
	"strings"
	"time"
)

// Span is a length of time for people, which programs can parse too: 24h where String of
// time.Duration says 24h0m0s, 1h30m and not 1h30m0s.
func Span(d time.Duration) string {
	text := d.String()
	if rest, ok := strings.CutSuffix(text, "m0s"); ok {
		text = rest + "m"
	}
	if rest, ok := strings.CutSuffix(text, "h0m"); ok {
		text = rest + "h"
	}
	return text
}
