package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// EnvironmentFile is the variable in which a unit names the file that it also gives
// to systemd as EnvironmentFile=. A process keeps the environment of its start; by
// this it finds what the file says later.
const EnvironmentFile = "ENVIRONMENT_FILE"

// Again returns a Load that may be called whenever a file may have changed. Call it
// at the start, where what the environment has from the unit's file can still be
// distinguished from what it has from elsewhere.
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
	if atStart, faults := environmentOf(path); len(faults) == 0 {
		own = slices.DeleteFunc(slices.Clone(own), func(kv string) bool { return slices.Contains(atStart, kv) })
	}
	return func() (T, error) {
		now, faults := environmentOf(path)
		if len(faults) > 0 {
			var none T
			return none, faults
		}
		fresh := *l
		fresh.spec.Environ = beneath(own, now)
		return fresh.Load(flags)
	}
}

// environmentOf lists the NAME=VALUE of a file.
func environmentOf(path string) ([]string, Faults) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, Faults{{path, errors.Unwrap(err).Error()}}
	}
	s := sources{}
	if !s.understood(path, string(raw)) {
		return nil, s.faults
	}
	all := variables(string(raw))
	out := make([]string, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, name+"="+fmt.Sprint(all[name]))
	}
	return out, nil
}

// beneath adds the variables of more that environ does not have.
func beneath(environ, more []string) []string {
	return append(slices.Clone(environ), slices.DeleteFunc(slices.Clone(more), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.ContainsFunc(environ, func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
	})...)
}

// readUnit looks at the environment file of the program's unit, unless it is the
// configuration file too. In a unit systemd has read it, as root, and passed over lines
// that we refuse. A person who calls the program gets from it what the unit would,
// unless another configuration file was named.
func (s *sources) readUnit(config string, explicit bool) {
	i := slices.IndexFunc(s.spec.Environ, func(kv string) bool { return strings.HasPrefix(kv, EnvironmentFile+"=") })
	inUnit, path := i >= 0, s.spec.UnitFile
	if inUnit {
		path = strings.TrimPrefix(s.spec.Environ[i], EnvironmentFile+"=")
	}
	if path == "" || path == config || !inUnit && explicit {
		return
	}
	raw, err := os.ReadFile(path)
	switch {
	case err != nil && (inUnit || errors.Is(err, fs.ErrNotExist)):
		return
	case err != nil:
		s.faults.Add(path, "%v: the unit has more of the configuration there", errors.Unwrap(err))
		return
	case !s.understood(path, string(raw)):
		return
	}
	all := variables(string(raw))
	for _, f := range s.fields {
		s.refuseAnyPort(f, all[f.env(s.spec.EnvPrefix)], path)
	}
	if !inUnit {
		now, _ := environmentOf(path)
		s.spec.Environ = beneath(s.spec.Environ, now)
	}
}
