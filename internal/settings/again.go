package settings

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/dotenv"
	"github.com/spf13/pflag"
)

// EnvironmentFile is the variable in which a unit names the file that it also gives
// to systemd as EnvironmentFile=. A process keeps the environment of its start; by
// this it finds what the file says later.
const EnvironmentFile = "ENVIRONMENT_FILE"

// Again returns a Load that may be called whenever a file may have changed. Call it
// at the start, where what the environment has from the unit's file can still be
// told from what it has from elsewhere.
func (l *Loader[T]) Again(flags *pflag.FlagSet) func() (T, error) {
	path, own := "", l.spec.Environ
	for _, kv := range l.spec.Environ {
		if p, ok := strings.CutPrefix(kv, EnvironmentFile+"="); ok {
			path = p
		}
	}
	if path == "" {
		return func() (T, error) { return l.Load(flags) }
	}
	if atStart, err := environmentOf(path); err == nil {
		own = slices.DeleteFunc(slices.Clone(own), func(kv string) bool { return slices.Contains(atStart, kv) })
	}
	return func() (T, error) {
		now, err := environmentOf(path)
		if err != nil {
			var none T
			return none, Faults{{path, err.Error()}}
		}
		fresh := *l
		fresh.spec.Environ = append(slices.Clone(own), slices.DeleteFunc(now, func(kv string) bool {
			name, _, _ := strings.Cut(kv, "=")
			return slices.ContainsFunc(own, func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
		})...)
		return fresh.Load(flags)
	}
}

// environmentOf lists the NAME=VALUE of a file.
func environmentOf(path string) ([]string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	// Without an end the parser passes over a last line that is none.
	all, err := dotenv.Parser().Unmarshal(append(raw, '\n'))
	if err != nil {
		return nil, errors.New(dotenvFault(path)) // the parser quotes the file
	}
	out := make([]string, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, name+"="+fmt.Sprint(all[name]))
	}
	return out, nil
}
