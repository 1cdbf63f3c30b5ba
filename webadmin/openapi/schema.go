package openapi

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// schemas makes JSON Schemas of Go types. Struct tags beside json: enum:"a,b",
// format:"uri" and example:"text".
type schemas struct {
	comments   comments
	components object
	missing    []string // fields without an example
}

// reply is the schema of a value that the API writes: fields may be added to it.
func (s *schemas) reply(v any) object { return s.of(reflect.TypeOf(v), false) }

// request is the schema of a value that the API reads, where an unknown field is an
// error.
func (s *schemas) request(v any) object { return s.of(reflect.TypeOf(v), true) }

func (s *schemas) of(t reflect.Type, closed bool) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage]():
		return object{} // anything
	case t.Kind() == reflect.Pointer && closed: // of a merge patch, in which null takes a value away
		return orNull(s.of(t.Elem(), closed))
	case t.Kind() == reflect.Map && closed:
		return orNull(object{"type": "object", "additionalProperties": s.of(t.Elem(), closed)})
	case t.Kind() == reflect.Pointer:
		return s.of(t.Elem(), closed)
	}
	switch t.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer", "format": "int64"}
	case reflect.Uint64, reflect.Uint32:
		return object{"type": "integer", "format": "int64", "minimum": 0}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem(), closed)}
	case reflect.Map:
		if t.Name() != "" { // a reply that its operation says no more of
			return object{"type": "object"}
		}
		return object{"type": "object", "additionalProperties": s.of(t.Elem(), closed)}
	case reflect.Interface:
		return object{} // anything
	case reflect.Struct:
		return s.component(t, closed)
	default:
		panic(fmt.Sprintf("openapi: no schema for %s", t))
	}
}

// orNull also takes null.
func orNull(schema object) object {
	schema["type"] = []any{schema["type"], "null"}
	return schema
}

// component puts a struct among the components and returns a reference to it.
func (s *schemas) component(t reflect.Type, closed bool) object {
	ref := object{"$ref": "#/components/schemas/" + t.Name()}
	if _, known := s.components[t.Name()]; known {
		return ref
	}
	out := object{"type": "object"}
	s.components[t.Name()] = out // before its fields, which may refer to it
	properties, required := object{}, []string{}
	s.fields(t, closed, properties, &required)
	out["properties"] = properties
	if len(required) > 0 {
		out["required"] = required
	}
	if text := s.comments[t.Name()]; text != "" {
		out["description"] = text
	}
	if closed {
		out["additionalProperties"] = false
	}
	return ref
}

func (s *schemas) fields(t reflect.Type, closed bool, properties object, required *[]string) {
	for _, f := range fieldsOf(t) {
		property := s.of(f.Type, closed)
		value := property
		if items, ok := property["items"].(object); ok {
			value = items
		}
		if enum := f.Tag.Get("enum"); enum != "" {
			value["enum"] = strings.Split(enum, ",")
		}
		if format := f.Tag.Get("format"); format != "" {
			value["format"] = format
		}
		if kind := property["type"]; kind != nil && kind != "array" && kind != "object" {
			property["examples"] = []any{s.exampleField(f)}
		}
		if text := s.comments[f.owner.Name()+"."+f.Name]; text != "" {
			property["description"] = text
		}
		properties[f.name] = property
		if !f.optional {
			*required = append(*required, f.name)
		}
	}
}

// field is a field of a struct as JSON has it.
type field struct {
	reflect.StructField

	owner    reflect.Type // the struct that declares it
	name     string
	optional bool
}

// fieldsOf are the fields of a struct and of those that it embeds.
func fieldsOf(t reflect.Type) (out []field) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			out = append(out, fieldsOf(f.Type)...)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			out = append(out, field{f, t, name, strings.Contains(options, "omit")})
		}
	}
	return out
}
