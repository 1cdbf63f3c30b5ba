package envfile

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Entry is a KEY=VALUE to be set.
type Entry struct{ Key, Value string }

// plain are the values that systemd, a shell and every other reader of such files take
// as themselves without quotes.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./:,@%+=\[\]-]+$`)

// Quote writes a value so that it is read back as itself, on one line. It has an error
// for a line end or another control character: a value may come from a peer.
func Quote(value string) (string, error) {
	if plain.MatchString(value) {
		return value, nil
	}
	if strings.ContainsAny(value, "\n\t") || !acceptable(value) {
		return "", errors.New("has a line end or another character that a conf file cannot hold")
	}
	var out strings.Builder
	for _, r := range value {
		if strings.ContainsRune(escapable, r) {
			out.WriteByte('\\')
		}
		out.WriteRune(r)
	}
	return `"` + out.String() + `"`, nil
}

// Value is the value of a key in a text, empty if it has none.
func Value(text, key string) (value string) {
	settings, _ := Parse(text)
	for _, s := range settings {
		if s.Key == key {
			value = s.Value
		}
	}
	return value
}

// Check returns an error that names the lines at fault, nil if there are none.
func Check(text string) error {
	_, faults := Parse(text)
	var all []error
	for _, f := range faults {
		all = append(all, errors.New(f.String()))
	}
	return errors.Join(all...)
}

// Merge sets the entries in a text. Its other lines, comments too, stay as they are; an
// entry that has a line already is replaced there, and further lines of the same key
// are dropped. An entry with an empty value leaves the text alone. A text with a fault
// is not edited: an added line might become a part of another value.
func Merge(text string, entries []Entry) (string, error) {
	if err := Check(text); err != nil {
		return "", err
	}
	lines := map[string]string{}
	for _, e := range entries {
		if e.Value == "" {
			continue
		}
		quoted, err := Quote(e.Value)
		if err != nil {
			return "", fmt.Errorf("%s: %q %w", e.Key, e.Value, err)
		}
		lines[e.Key] = e.Key + "=" + quoted + "\n"
	}
	var out strings.Builder
	written, done := map[string]bool{}, 0
	settings, _ := Parse(text)
	for _, s := range settings {
		line, ours := lines[s.Key]
		if !ours {
			continue
		}
		out.WriteString(text[done:s.start])
		if done = s.end; !written[s.Key] {
			out.WriteString(line)
		}
		written[s.Key] = true
	}
	out.WriteString(text[done:])
	if s := out.String(); s != "" && !isLineEnd(s[len(s)-1]) {
		out.WriteByte('\n')
	}
	for _, e := range entries {
		if line, ours := lines[e.Key]; ours && !written[e.Key] {
			written[e.Key] = true
			out.WriteString(line)
		}
	}
	return out.String(), nil
}
