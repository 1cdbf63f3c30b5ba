package hostcmd

import (
	"os"

	"github.com/spf13/pflag"
)

// StateOf is where a command that looks at an installed program finds its state: the
// configured directory, or else the one that the unit gives to the program, ofUnit,
// where there is one. With another conf file than the unit's it is another program.
// The run command does not guess: only the unit knows that it may write there, and what
// another user left in it would be in the unit's way.
//
// It is asked whether the name exists, not what is behind it: systemd's DynamicUser
// makes it a link into a directory that only root may enter.
func StateOf(configured, ofUnit string, fs *pflag.FlagSet) string {
	if f := fs.Lookup("config"); configured != "" || f == nil || f.Value.String() != f.DefValue {
		return configured
	}
	if _, err := os.Lstat(ofUnit); err != nil {
		return ""
	}
	return ofUnit
}
