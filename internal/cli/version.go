package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// The linker stamps these two (see the Makefile); nothing else sets them. The
// toolchain's own stamp fails in a checkout that another user owns.
var (
	version = "devel"
	commit  = ""
)

// Info says which build this is.
type Info struct {
	Version  string `json:"version"` // of git describe; ends in -dirty if the tree had changes
	Commit   string `json:"commit,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Version describes the running program. Without a stamp, as after go install,
// Commit is what the toolchain recorded, or empty.
func Version() Info {
	info := Info{Version: version, Commit: commit, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	build, ok := debug.ReadBuildInfo()
	if !ok || info.Commit != "" {
		return info
	}
	for _, s := range build.Settings {
		if s.Key == "vcs.revision" {
			info.Commit = s.Value
		}
	}
	return info
}

func versionCommand(info Info) *cobra.Command {
	var out Output
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return out.Write(cmd.OutOrStdout(), info, func(w io.Writer) error { return info.write(w, cmd.Root().Name()) })
		},
	}
	out.Register(cmd.Flags())
	return cmd
}

func (i Info) write(w io.Writer, program string) error {
	_, err := fmt.Fprintf(w, "%s %s", program, i.Version)
	if err == nil && i.Commit != "" {
		_, err = fmt.Fprintf(w, " (commit %.12s)", i.Commit)
	}
	if err == nil {
		_, err = fmt.Fprintf(w, " %s %s\n", i.Go, i.Platform)
	}
	return err
}
