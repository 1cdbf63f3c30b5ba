package settings

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// kind is the type of a key, as the reference documentation names it.
type kind string

const (
	kindString   kind = "string"
	kindBool     kind = "bool"
	kindInt      kind = "int"
	kindFloat    kind = "number"
	kindDuration kind = "duration"
	kindStrings  kind = "list"
)

// must completes "must be ".
func (k kind) must() string {
	return map[kind]string{
		kindString:   "a string (quote it)",
		kindBool:     "true or false",
		kindInt:      "a whole number",
		kindFloat:    "a number",
		kindDuration: "a duration such as 30s or 1h30m",
		kindStrings:  "a list of strings",
	}[k]
}

// fromText reads a value of the environment or an environment file.
func (k kind) fromText(s string) (any, error) {
	var v any
	var err error
	switch k {
	case kindString:
		return s, nil
	case kindStrings:
		return splitList(s), nil
	case kindBool:
		v, err = strconv.ParseBool(s)
	case kindInt:
		v, err = strconv.Atoi(s)
	case kindFloat:
		v, err = strconv.ParseFloat(s, 64)
	case kindDuration:
		v, err = time.ParseDuration(s)
	}
	if err != nil {
		return nil, k.mismatch(strconv.Quote(clip(s)))
	}
	return v, nil
}

// fromYAML reads a value that YAML has typed already. It converts nothing: a
// number where a string belongs (an id such as 007) would lose its digits.
func (k kind) fromYAML(v any) (any, error) {
	switch v := v.(type) {
	case string:
		if k == kindString || k == kindDuration || k == kindStrings {
			return k.fromText(v)
		}
	case bool:
		if k == kindBool {
			return v, nil
		}
	case int:
		switch k {
		case kindInt:
			return v, nil
		case kindFloat:
			return float64(v), nil
		}
	case float64:
		if k == kindFloat {
			return v, nil
		}
	case []any:
		if k == kindStrings {
			return stringsOf(v)
		}
	case map[string]any:
		return nil, fmt.Errorf("must be %s, is a section", k.must())
	}
	return nil, k.mismatch(clip(fmt.Sprintf("%v", v)))
}

func (k kind) mismatch(is string) error { return fmt.Errorf("must be %s, is %s", k.must(), is) }

func stringsOf(list []any) ([]string, error) {
	out := make([]string, 0, len(list))
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			return nil, kindStrings.mismatch("a list with " + clip(fmt.Sprintf("%v", v)))
		}
		out = append(out, s)
	}
	return out, nil
}

func splitList(s string) []string {
	var out []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// clip bounds what a value may add to an error.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
