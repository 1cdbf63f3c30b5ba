package settings

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"
)

// field is one key: a leaf of the struct.
type field struct {
	key   string // "spire.server_address"
	index []int  // as reflect.Value.FieldByIndex wants it
	kind  kind
	role  string // what the value names, empty for anything else
	usage string
	one   []string // the only values, for help; Validate checks them
}

// The values of the tag "is".
const (
	rolePath     = "path"     // a file or directory: one that a flag gives may be relative
	roleListener = "listener" // where to listen: a file may not say port 0
)

func (f field) flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(f.key) }

func (f field) env(prefix string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(f.key, ".", "_"))
}

var keyPattern = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*(\.[a-z][a-z0-9]*(_[a-z0-9]+)*)*$`)

// schemaOf lists the keys of a struct type in the order of its fields. It panics
// on a struct that cannot be a configuration: a bug that each run would show.
func schemaOf(t reflect.Type) []field {
	if t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("settings: %s is not a struct", t))
	}
	fields := collect(t, "", nil)
	seen := map[string]string{configFlag: "the file's own flag"}
	for _, f := range fields {
		if !keyPattern.MatchString(f.key) {
			panic(fmt.Sprintf("settings: %q in %s is not a key", f.key, t))
		}
		if other, ok := seen[f.flag()]; ok {
			panic(fmt.Sprintf("settings: key %q in %s is also %s", f.key, t, other))
		}
		seen[f.flag()] = f.key
	}
	return fields
}

func collect(t reflect.Type, section string, index []int) []field {
	var out []field
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, tagged := sf.Tag.Lookup("conf")
		if !sf.IsExported() || tag == "-" || (!tagged && !sf.Anonymous) {
			continue
		}
		key := joinPath(section, tag)
		at := append(append([]int(nil), index...), i)
		if sf.Type.Kind() == reflect.Struct {
			out = append(out, collect(sf.Type, key, at)...)
			continue
		}
		k, ok := kindOf(sf.Type)
		if !ok {
			panic(fmt.Sprintf("settings: key %q has the unsupported type %s", key, sf.Type))
		}
		out = append(out, field{key: key, index: at, kind: k, role: sf.Tag.Get("is"), usage: sf.Tag.Get("usage")})
		if one, few := sf.Tag.Lookup("one"); few {
			out[len(out)-1].one = strings.Fields(one)
		}
	}
	return out
}

func kindOf(t reflect.Type) (kind, bool) {
	if t == reflect.TypeFor[time.Duration]() {
		return kindDuration, true
	}
	switch t.Kind() {
	case reflect.String:
		return kindString, true
	case reflect.Bool:
		return kindBool, true
	case reflect.Int:
		return kindInt, true
	case reflect.Float64:
		return kindFloat, true
	case reflect.Slice:
		return kindStrings, t.Elem().Kind() == reflect.String
	default:
		return "", false
	}
}
