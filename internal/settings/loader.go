package settings

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

// Format is the syntax of a configuration file.
type Format int

const (
	// YAML is a nested file, one section a level.
	YAML Format = iota
	// EnvFile is a file of KEY=VALUE lines, read as systemd reads EnvironmentFile=; see
	// internal/envfile. Keys are written as in the environment; a key without a value
	// counts as absent.
	EnvFile
)

// Spec says where the values of a program may come from.
type Spec struct {
	// Format of the file.
	Format Format
	// File is the default path. It may be missing; a file that was named by the
	// flag --config or the variable FileEnv may not.
	File string
	// FileEnv is the environment variable that names another file; may be empty.
	FileEnv string
	// EnvPrefix begins the environment variable of each key. With a prefix, an
	// unknown variable that begins with it is a fault.
	EnvPrefix string
	// Others are variables with the prefix that are no keys: something else reads them.
	Others []string
	// UnitFile is the environment file of the program's unit, where it is another file
	// than the configuration. A command that runs without a unit reads it too, so that
	// it sees what the unit sees. It may be missing.
	UnitFile string
	// Absent completes "File does not exist: ", for a program that cannot do without the
	// file: it says what to do, and is the first fault where that file is missing.
	Absent string
	// Environ is the environment; nil means os.Environ().
	Environ []string
}

// Loader reads configurations of type T, a struct whose fields are tagged
// `conf:"key" usage:"text"`, and `is:"path"` or `is:"listener"` where the value names
// one, `one:"a b"` where it is one of a few. A nested struct is a section; its tag comes before
// the keys inside, an embedded struct without a tag adds no section. Fields
// without the tag are left alone. Values are strings, bools, ints, float64s,
// time.Durations and slices of strings.
type Loader[T any] struct {
	spec     Spec
	defaults T
	fields   []field
}

// New prepares a Loader; defaults are the values that no source sets. It panics
// if T is not such a struct, because that is a bug and no input.
func New[T any](spec Spec, defaults T) *Loader[T] {
	if spec.Environ == nil {
		spec.Environ = os.Environ()
	}
	return &Loader[T]{spec: spec, defaults: defaults, fields: schemaOf(reflect.TypeFor[T]())}
}

// Load reads all sources. If T has a method Validate() error it is called on the
// result, with the whole chain of sources applied. The error is of type Faults.
// Flags may be nil; they must have been registered by Flags and parsed.
func (l *Loader[T]) Load(flags *pflag.FlagSet) (T, error) {
	s := &sources{spec: l.spec, fields: l.fields, values: koanf.New(".")}
	path, explicit := s.path(flags)
	readable := s.readFile(path, explicit)
	s.readUnit(path, explicit)
	s.readEnv()
	s.readFlags(flags)

	out := l.fill(s.values)
	if v, ok := any(&out).(interface{ Validate() error }); ok && readable {
		s.validate(v.Validate)
	}
	if len(s.faults) > 0 && s.absent && s.spec.Absent != "" {
		s.faults = append(Faults{{Path: path, Message: "does not exist: " + s.spec.Absent}}, s.faults...)
	}
	return out, s.faults.Err()
}

// fill sets the fields of a copy of the defaults.
func (l *Loader[T]) fill(values *koanf.Koanf) T {
	out := l.defaults
	v := reflect.ValueOf(&out).Elem()
	for _, f := range l.fields {
		dst := v.FieldByIndex(f.index)
		switch {
		case values.Exists(f.key):
			dst.Set(reflect.ValueOf(values.Get(f.key)).Convert(dst.Type()))
		case f.kind == kindStrings: // no caller may reach into the defaults
			dst.Set(reflect.AppendSlice(reflect.Zero(dst.Type()), dst))
		}
	}
	return out
}

// Key describes one key, for documentation and examples.
type Key struct {
	Name    string // in the file
	Env     string // environment variable
	Flag    string // with its dashes
	Type    string // string, bool, int, number, duration or list
	Default string // as text; empty for the zero string
	Usage   string
	Choices []string // the only values; nil where there are many
}

// Keys lists the keys in the order of the struct.
func (l *Loader[T]) Keys() []Key {
	v := reflect.ValueOf(l.defaults)
	keys := make([]Key, len(l.fields))
	for i, f := range l.fields {
		def := v.FieldByIndex(f.index)
		text := fmt.Sprint(def.Interface())
		switch f.kind {
		case kindStrings:
			text = strings.Join(toStrings(def), ",")
		case kindDuration:
			text = health.Span(time.Duration(def.Int()))
		}
		keys[i] = Key{
			Name: l.spec.nameOf(f), Env: f.env(l.spec.EnvPrefix), Flag: "--" + f.flag(),
			Type: string(f.kind), Default: text, Usage: f.usage, Choices: f.one,
		}
	}
	return keys
}

func toStrings(v reflect.Value) []string {
	return slices.Clone(v.Convert(reflect.TypeFor[[]string]()).Interface().([]string))
}

// nameOf is the key as the user of this format writes it.
func (s Spec) nameOf(f field) string {
	if s.Format == EnvFile {
		return f.env("")
	}
	return f.key
}

func (s Spec) envProvider(transform func(k, v string) (string, any)) *env.Env {
	return env.Provider(".", env.Opt{
		Prefix:        s.EnvPrefix,
		TransformFunc: transform,
		EnvironFunc:   func() []string { return s.Environ },
	})
}
