package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Limits of a document.
const (
	MaxSize   = 4 << 20 // bytes
	maxDepth  = 8
	maxValues = 500_000
	maxFaults = 20 // that are named
)

// Read fills a struct by one document; an empty one leaves it as it is. A key that is unknown
// or twice there, a value of another type, anchors, aliases and tags are faults: the error
// joins them, each with its line. A text may be written as a number (5432).
func Read(raw []byte, into any) error {
	if len(raw) > MaxSize {
		return fmt.Errorf("it has more than %d MiB", MaxSize>>20)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	var doc yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		return nil // empty
	} else if err != nil {
		return oneLine(err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		if err != nil {
			return oneLine(err)
		}
		return errors.New("it has more than one document")
	}
	r := reader{}
	if r.check(&doc, 0); len(r.faults) == 0 && doc.Content[0].Tag != "!!null" {
		r.read(doc.Content[0], "", reflect.ValueOf(into).Elem())
	}
	return r.err()
}

// oneLine is one line, without the name of the library.
func oneLine(err error) error {
	return errors.New(strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "\n", " "))
}

type reader struct {
	nodes  int
	faults []error
}

func (r *reader) err() error {
	if n := len(r.faults); n > maxFaults {
		r.faults = append(r.faults[:maxFaults], fmt.Errorf("and %d more", n-maxFaults))
	}
	return errors.Join(r.faults...)
}

func (r *reader) wrong(n *yaml.Node, format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf("line %d: %s", n.Line, fmt.Sprintf(format, args...)))
}

// check refuses what would cost more than it is long, or means something to YAML only.
func (r *reader) check(n *yaml.Node, depth int) {
	if r.nodes++; len(r.faults) > 0 {
		return
	}
	switch {
	case r.nodes > maxValues:
		r.wrong(n, "there are more than %d values", maxValues)
	case depth > maxDepth:
		r.wrong(n, "it is nested too deep")
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.wrong(n, "anchors and aliases (& and *) are not read: write the value itself, or quote it")
	case n.Style&yaml.TaggedStyle != 0 || n.Tag == "!!merge":
		r.wrong(n, "tags and merge keys (! and <<) are not read")
	}
	for _, child := range n.Content {
		r.check(child, depth+1)
	}
}

var timeType = reflect.TypeFor[time.Time]()

// read fills a value of one of the types that documents have.
func (r *reader) read(n *yaml.Node, name string, to reflect.Value) {
	switch {
	case to.Type() == timeType:
		at, err := time.Parse(time.RFC3339Nano, n.Value)
		if n.Kind != yaml.ScalarNode || err != nil {
			r.wrong(n, "%s must be a time such as 2026-12-31T18:00:00Z", name)
			return
		}
		to.Set(reflect.ValueOf(at))
	case to.Kind() == reflect.String:
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
			r.wrong(n, "%s must be a text", name)
			return
		}
		to.SetString(n.Value)
	case to.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			r.wrong(n, "%s must be a list", name)
			return
		}
		to.Set(reflect.MakeSlice(to.Type(), len(n.Content), len(n.Content)))
		for i, one := range n.Content {
			r.read(one, fmt.Sprintf("%s[%d]", name, i), to.Index(i))
		}
	case n.Kind != yaml.MappingNode:
		r.wrong(n, "%s must have keys and values", orDocument(name))
	case to.Kind() == reflect.Map:
		to.Set(reflect.MakeMap(to.Type()))
		r.keys(n, name, func(key string) (reflect.Value, func()) {
			value := reflect.New(to.Type().Elem()).Elem()
			return value, func() { to.SetMapIndex(reflect.ValueOf(key), value) }
		})
	default:
		r.keys(n, name, func(key string) (reflect.Value, func()) { return fieldNamed(to, key), func() {} })
	}
}

// keys reads each key into the value that of returns; the zero Value if it is unknown.
func (r *reader) keys(n *yaml.Node, name string, of func(key string) (reflect.Value, func())) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		full := strings.TrimPrefix(name+"."+key.Value, ".")
		if key.Kind != yaml.ScalarNode {
			r.wrong(key, "a key of %s must be a word", orDocument(name))
			continue
		}
		to, done := of(key.Value)
		switch {
		case seen[key.Value]:
			r.wrong(key, "%s is there twice", full)
		case !to.IsValid():
			r.wrong(key, "%s is not known", full)
		default:
			r.read(value, full, to)
			done()
		}
		seen[key.Value] = true
	}
}

func orDocument(name string) string {
	if name == "" {
		return "the document"
	}
	return name
}

func fieldNamed(v reflect.Value, name string) reflect.Value {
	for i := range v.NumField() {
		tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if tag == name {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}
