package settings

import (
	"errors"
	"io/fs"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/envfile"
)

// sources is one Load in progress: values so far, typed, and faults so far.
type sources struct {
	spec   Spec
	fields []field
	values *koanf.Koanf
	faults Faults
	absent bool // the default file does not exist
}

// merge puts typed values over those of the sources read before.
func (s *sources) merge(p koanf.Provider, origin string) {
	if err := s.values.Load(p, nil); err != nil {
		s.faults.Add(origin, "%v", err)
	}
}

// readFile reports whether the file was understood, or absent and not asked for.
func (s *sources) readFile(path string, explicit bool) bool {
	if path == "" {
		return true
	}
	raw, err := file.Provider(path).ReadBytes()
	var onDisk *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist) && !explicit:
		s.absent = true
		return true
	case errors.As(err, &onDisk):
		s.faults.Add(path, "%v", onDisk.Err)
		return false
	case err != nil:
		s.faults.Add(path, "%v", err)
		return false
	}
	var content map[string]any
	if s.spec.Format == EnvFile {
		if !s.understood(path, string(raw)) {
			return false
		}
		content = variables(string(raw))
	} else if content, err = yaml.Parser().Unmarshal(raw); err != nil {
		s.faults.Add(path, "%v", err)
		return false
	}
	k := koanf.New(".")
	if err := k.Load(confmap.Provider(content, ""), nil); err != nil {
		s.faults.Add(path, "%v", err)
		return false
	}
	s.takeFile(path, k)
	return true
}

// understood reports the lines that systemd and we would not read alike.
func (s *sources) understood(path, text string) bool {
	_, faults := envfile.Parse(text)
	for _, f := range faults {
		s.faults.Add(path, "%s", f)
	}
	return len(faults) == 0
}

// variables are the keys of an environment file with their values.
func variables(text string) map[string]any {
	out := map[string]any{}
	all, _ := envfile.Parse(text)
	for _, v := range all {
		out[v.Key] = v.Value
	}
	return out
}

func (s *sources) takeFile(path string, k *koanf.Koanf) {
	known := map[string]field{}
	for _, f := range s.fields {
		known[s.spec.nameOf(f)] = f
	}
	for _, key := range dottedKeys(k.Raw(), s.spec.Format) {
		s.faults.Add(path, "key %q: write sections nested, not with a dot", clip(key))
	}
	raw, typed := k.All(), map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		v := raw[name]
		if isSection(name, s.fields) && s.spec.Format == YAML {
			if _, ok := v.(map[string]any); v != nil && !ok {
				s.faults.Add(name, "must be a section in %s", path)
			}
			continue
		}
		f, ok := known[name]
		if !ok {
			s.faults.Add(clip(name), "unknown key in %s", path)
			continue
		}
		s.take(f, v, path, typed)
	}
	s.merge(confmap.Provider(typed, "."), path)
}

// take converts one value of the file; an absent value leaves the key alone.
func (s *sources) take(f field, v any, origin string, typed map[string]any) {
	convert := func() (any, error) { return f.kind.fromYAML(v) }
	if text, ok := v.(string); ok && s.spec.Format == EnvFile {
		convert = func() (any, error) { return f.kind.fromText(text) }
		if text == "" {
			return
		}
	}
	if v == nil {
		return
	}
	value, err := convert()
	if err != nil {
		s.faults.Add(s.spec.nameOf(f), "%v in %s", err, origin)
		return
	}
	s.refuseAnyPort(f, value, origin)
	typed[f.key] = value
}

// refuseAnyPort: a listener that a file puts on port 0 would be somewhere else after
// each start. Tests say it by a flag or a variable.
func (s *sources) refuseAnyPort(f field, value any, origin string) {
	text, _ := value.(string)
	if _, port, err := net.SplitHostPort(text); err == nil && f.role == roleListener && strings.Trim(port, "0") == "" && port != "" {
		s.faults.Add(s.spec.nameOf(f), "must have a port of 1 to 65535 in %s, is %q (0, any free port, is for a flag or a variable alone)", origin, text)
	}
}

// readEnv takes the variables of the keys. An empty variable counts as unset:
// Compose and shells pass one for every ${NAME:-}.
func (s *sources) readEnv() {
	known := map[string]field{}
	for _, f := range s.fields {
		known[f.env(s.spec.EnvPrefix)] = f
	}
	s.merge(s.spec.envProvider(func(name, text string) (string, any) {
		f, ok := known[name]
		if !ok {
			s.refuseVariable(name, text)
			return "", nil
		}
		if text == "" {
			return "", nil
		}
		v, err := f.kind.fromText(text)
		if err != nil {
			s.faults.Add(s.spec.nameOf(f), "%v in environment variable %s", err, name)
			return "", nil
		}
		return f.key, v
	}), "environment")
}

// refuseVariable makes a mistyped variable a fault. Without a prefix no variable
// can be distinguished from another program's.
func (s *sources) refuseVariable(name, text string) {
	if s.spec.EnvPrefix == "" || name == s.spec.FileEnv || slices.Contains(s.spec.Others, name) || s.isServiceLink(name, text) {
		return
	}
	s.faults.Add(clip(name), "unknown environment variable")
}

var (
	linkHost = regexp.MustCompile(`_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$|_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`)
	linkURL  = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

// isServiceLink recognizes the variables that Kubernetes gives to each pod for a
// Service that happens to be named like this program.
func (s *sources) isServiceLink(name, text string) bool {
	inPod := slices.ContainsFunc(s.spec.Environ, func(kv string) bool {
		return strings.HasPrefix(kv, "KUBERNETES_SERVICE_HOST=")
	})
	return inPod && (linkHost.MatchString(name) || strings.HasSuffix(name, "_PORT") && linkURL.MatchString(text))
}

// validate runs the struct's own rules. Their paths are keys; a user of the environment
// knows them under another name.
func (s *sources) validate(rules func() error) {
	var own Faults
	own.In("", rules())
	for _, fault := range own {
		for _, f := range s.fields {
			if fault.Path == f.key {
				fault.Path = s.spec.nameOf(f)
			}
		}
		s.faults = append(s.faults, fault)
	}
}

// isSection reports whether keys lie below name.
func isSection(name string, fields []field) bool {
	return slices.ContainsFunc(fields, func(f field) bool { return strings.HasPrefix(f.key, name+".") })
}

// dottedKeys finds "a.b: 1" in YAML. Beside "a: {b: 2}" it would be the same key
// twice, and which one won would be left to chance.
func dottedKeys(m map[string]any, format Format) []string {
	if format != YAML {
		return nil
	}
	var out []string
	for key, v := range m {
		if strings.Contains(key, ".") {
			out = append(out, key)
		}
		if sub, ok := v.(map[string]any); ok {
			out = append(out, dottedKeys(sub, format)...)
		}
	}
	slices.Sort(out)
	return out
}
