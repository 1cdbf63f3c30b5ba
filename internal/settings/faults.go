package settings

import (
	"errors"
	"fmt"
	"strings"
)

// Fault is one thing that is wrong with a configuration.
type Fault struct {
	// Path is the key, file or variable at fault; empty if Message says it all.
	Path string
	// Message completes "<path>: ", such as `must be 1s or more, is 5ms`.
	Message string
}

// String returns "path: message".
func (f Fault) String() string {
	if f.Path == "" {
		return f.Message
	}
	return f.Path + ": " + f.Message
}

// Faults collects what is wrong, so that an operator sees everything at once.
// The zero value is empty and ready. It is an error once it is not empty; see Err.
type Faults []Fault

// Add notes a fault of the key at path.
func (f *Faults) Add(path, format string, args ...any) {
	*f = append(*f, Fault{Path: path, Message: fmt.Sprintf(format, args...)})
}

// Require notes a fault unless ok is true.
func (f *Faults) Require(ok bool, path, format string, args ...any) {
	if !ok {
		f.Add(path, format, args...)
	}
}

// In takes over what a Validate method of a section returned: its faults get the
// path section.path, any other error becomes one fault of the section.
func (f *Faults) In(section string, err error) {
	if err == nil {
		return
	}
	var inner Faults
	if !errors.As(err, &inner) {
		f.Add(section, "%v", err)
		return
	}
	for _, fault := range inner {
		fault.Path = joinPath(section, fault.Path)
		*f = append(*f, fault)
	}
}

// Err returns the faults as an error, or nil if there are none.
func (f *Faults) Err() error {
	if len(*f) == 0 {
		return nil
	}
	return *f
}

// Error lists every fault, one a line if there are several.
func (f Faults) Error() string {
	if len(f) == 1 {
		return "config: " + f[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "config: %d faults:", len(f))
	for _, fault := range f {
		b.WriteString("\n  " + fault.String())
	}
	return b.String()
}

func joinPath(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "." + b
}
