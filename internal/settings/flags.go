package settings

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/knadh/koanf/providers/posflag"
	"github.com/spf13/pflag"
)

// configFlag names the file to read.
const configFlag = "config"

// Flags registers one flag for each key, and --config.
func (l *Loader[T]) Flags(fs *pflag.FlagSet) {
	usage := "configuration `file`"
	if l.spec.FileEnv != "" {
		usage += " [$" + l.spec.FileEnv + "]"
	}
	fs.String(configFlag, l.spec.File, usage)
	defaults := reflect.ValueOf(l.defaults)
	for _, f := range l.fields {
		f.register(fs, defaults.FieldByIndex(f.index), f.usage+" [$"+f.env(l.spec.EnvPrefix)+"]")
	}
}

func (f field) register(fs *pflag.FlagSet, def reflect.Value, usage string) {
	switch f.kind {
	case kindString:
		fs.String(f.flag(), def.String(), usage)
	case kindBool:
		fs.Bool(f.flag(), def.Bool(), usage)
	case kindInt:
		fs.Int(f.flag(), int(def.Int()), usage)
	case kindFloat:
		fs.Float64(f.flag(), def.Float(), usage)
	case kindDuration:
		fs.Duration(f.flag(), time.Duration(def.Int()), usage)
	case kindStrings:
		fs.StringSlice(f.flag(), toStrings(def), usage)
	}
}

// path returns the file to read and whether somebody asked for it by name.
func (s *sources) path(fs *pflag.FlagSet) (string, bool) {
	if fs != nil && fs.Changed(configFlag) {
		path, err := fs.GetString(configFlag)
		s.faults.Require(err == nil && path != "", "--"+configFlag, "names no file")
		return path, true
	}
	if s.spec.FileEnv != "" {
		for _, kv := range s.spec.Environ {
			if path, ok := strings.CutPrefix(kv, s.spec.FileEnv+"="); ok && path != "" {
				return path, true
			}
		}
	}
	return s.spec.File, false
}

// readFlags takes the flags that were given; pflag has checked their types.
func (s *sources) readFlags(fs *pflag.FlagSet) {
	if fs == nil {
		return
	}
	known := map[string]field{}
	for _, f := range s.fields {
		known[f.flag()] = f
	}
	s.merge(posflag.ProviderWithFlag(fs, ".", nil, func(given *pflag.Flag) (string, any) {
		f, ok := known[given.Name]
		if !ok || !given.Changed {
			return "", nil
		}
		return f.key, s.fromFlag(f, posflag.FlagVal(fs, given))
	}), fmt.Sprintf("flags of %s", fs.Name()))
}

// fromFlag makes a path absolute: who types one means it from where he is. A service
// has no such place, so what a file or the environment says must be absolute.
func (s *sources) fromFlag(f field, value any) any {
	if f.role != rolePath {
		return value
	}
	absolute := func(path string) string {
		if path == "" || path[0] == '$' { // of a systemd credential, filled in later
			return path
		}
		abs, err := filepath.Abs(path)
		s.faults.Require(err == nil, "--"+f.flag(), "%v", err)
		return abs
	}
	switch value := value.(type) {
	case string:
		return absolute(value)
	case []string:
		out := make([]string, len(value))
		for i, path := range value {
			out[i] = absolute(path)
		}
		return out
	}
	return value
}
