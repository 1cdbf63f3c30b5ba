package hostcmd

import (
	"fmt"
	"regexp"
	"strings"
)

// entry is one KEY=VALUE of a conf file.
type entry struct{ key, value string }

// plain are the values that systemd, a shell and a dotenv parser all read as
// themselves without quotation. No space, quote, dollar, '#' or line end: a value
// that a peer sent must not become a second line.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./:,@%+=\[\]-]+$`)

// mergeConf sets the entries in a dotenv text. Other lines, comments too, stay;
// an entry that has a line already is replaced there, and a second line of the
// same key is dropped, for readers disagree on which one counts. An empty value
// leaves the text alone.
func mergeConf(text string, entries []entry) (string, error) {
	values := map[string]string{}
	for _, e := range entries {
		if e.value == "" {
			continue
		}
		if !plain.MatchString(e.value) {
			return "", fmt.Errorf("%s: %q has characters that a conf file cannot hold", e.key, e.value)
		}
		values[e.key] = e.value
	}
	var out strings.Builder
	written := map[string]bool{}
	for line := range strings.Lines(text) {
		key := keyOf(line)
		value, ours := values[key]
		switch {
		case !ours:
			out.WriteString(strings.TrimRight(line, "\r\n") + "\n")
		case !written[key]:
			written[key] = true
			out.WriteString(key + "=" + value + "\n")
		}
	}
	for _, e := range entries {
		if value, ours := values[e.key]; ours && !written[e.key] {
			written[e.key] = true
			out.WriteString(e.key + "=" + value + "\n")
		}
	}
	return out.String(), nil
}

var keyPattern = regexp.MustCompile(`^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*[=:]`)

// keyOf is the key of a line, empty for a comment or anything else.
func keyOf(line string) string {
	m := keyPattern.FindStringSubmatch(line)
	if m == nil {
		return ""
	}
	return m[1]
}
