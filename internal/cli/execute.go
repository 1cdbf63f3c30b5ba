package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
)

// The exit codes of Execute.
const (
	ExitOK      = 0
	ExitFailure = 1 // the command ran and failed
	ExitUsage   = 2 // arguments or configuration are wrong; running again is no use
)

// Process is what a run gets from outside.
type Process struct {
	Args   []string // without the program's name
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
}

// OS is the process that the program runs in.
func OS() Process {
	return Process{Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
}

// Execute runs the command that the arguments name and returns the exit code.
// It adds version, completion and man to root.
//
// What fails before a command's RunE (flags, arguments, PreRunE) is wrong usage,
// so checks belong into PreRunE; inside RunE, wrap with UsageError.
func Execute(root *cobra.Command, p Process) int {
	// Once the context ends, stop gives the signals their default action back, so
	// that the second one kills a program whose shutdown hangs.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	started := prepare(root, p)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitOK
	}
	var (
		usage  *usageError
		coded  *codedError
		faults settings.Faults
		text   = strings.TrimSpace(err.Error())
		code   = ExitFailure
	)
	switch {
	case errors.As(err, &faults):
		code = ExitUsage
	case errors.As(err, &usage) || !*started:
		code = ExitUsage
		said, more, _ := strings.Cut(text, "\n") // cobra's suggestions follow
		text = strings.TrimSpace(fmt.Sprintf("%s (see %s --help)\n%s", said, cmd.CommandPath(), strings.TrimSpace(more)))
		if usage != nil {
			text += usage.hint
		}
	case errors.As(err, &coded):
		code = coded.code
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		text = "interrupted"
	case (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)) && !errors.Is(err, atomicfile.ErrDiskFull):
		text = "disk full: " + text // what does not write by atomicfile; the text has the path
	}
	_, _ = fmt.Fprintf(p.Stderr, "%s: %s\n", root.Name(), text) // no other place to report to
	return code
}

// prepare completes the tree; the result says whether a command began to run.
func prepare(root *cobra.Command, p Process) *bool {
	root.SetArgs(append([]string{}, p.Args...)) // cobra reads os.Args itself if this is nil
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	root.SilenceErrors, root.SilenceUsage = true, true
	info := Version()
	root.Version = info.Version
	root.AddCommand(versionCommand(info), manCommand(root))
	root.InitDefaultCompletionCmd()
	started := new(bool)
	walk(root, func(c *cobra.Command) { tighten(c, started) })
	root.InitDefaultHelpCmd() // last: it takes any arguments on purpose
	return started
}

// synonyms are what people call a command in other programs.
func synonyms(name string) []string {
	for _, same := range [][]string{
		{"get", "show", "describe", "view", "info"},
		{"list", "ls"},
		{"create", "add", "new"},
		{"set", "update", "edit", "change", "modify"},
		{"delete", "remove", "rm", "revoke"},
		{"export", "dump"},
		{"totals", "stats", "summary"},
	} {
		if slices.Contains(same, name) {
			return same
		}
	}
	return nil
}

// tighten closes what cobra leaves open: a command without Args takes any, and a
// group prints its help for a command that does not exist, with exit code 0.
func tighten(c *cobra.Command, started *bool) {
	for _, flags := range []*pflag.FlagSet{c.Flags(), c.PersistentFlags()} {
		flags.VisitAll(plainly)
	}
	c.SuggestFor = append(c.SuggestFor, synonyms(c.Name())...)
	if c.Args == nil && c.HasParent() && c.Runnable() && !c.HasSubCommands() {
		c.Args = Arguments()
	}
	if c.ValidArgsFunction == nil && c.Runnable() && !c.HasSubCommands() {
		c.ValidArgsFunction = cobra.NoFileCompletions // no argument names a file
	}
	if f := c.Flags().Lookup("output"); f != nil {
		if o, ok := f.Value.(*Output); ok {
			Choices(c, f.Name, o.Formats()...)
		}
	}
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return err
			}
			return required(cmd)
		}
	}
	if !c.Runnable() && c.HasParent() && c.HasSubCommands() {
		c.RunE = runGroup
	}
	switch run, runE := c.Run, c.RunE; {
	case runE != nil:
		c.RunE = func(cmd *cobra.Command, args []string) error {
			*started = true
			return runE(cmd, args)
		}
	case run != nil:
		c.Run = func(cmd *cobra.Command, args []string) {
			*started = true
			run(cmd, args)
		}
	}
}

// plainly writes a default as people do: 2m, not 2m0s.
func plainly(f *pflag.Flag) {
	if d, err := time.ParseDuration(f.DefValue); err == nil && f.Value.Type() == "duration" {
		f.DefValue = health.Span(d)
	}
}

func runGroup(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	var has []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			has = append(has, c.Name())
		}
	}
	text := fmt.Sprintf("unknown command %q for %q, which has %s", args[0], cmd.CommandPath(), strings.Join(has, ", "))
	if cmd.SuggestionsMinimumDistance = 2; len(cmd.SuggestionsFor(args[0])) > 0 {
		text += "; did you mean " + strings.Join(cmd.SuggestionsFor(args[0]), " or ") + "?"
	}
	return UsageError(errors.New(text))
}

func walk(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		walk(sub, visit)
	}
}

type usageError struct {
	err  error
	hint string // lines that follow the error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// UsageError marks an error as wrong usage: exit code 2 and a hint at --help.
// It returns nil for nil.
func UsageError(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err: err}
}

type codedError struct {
	err  error
	code int
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// CodedError gives a failure that scripts distinguish from others an exit code of its own,
// above ExitUsage. The command's help has to name it.
func CodedError(code int, err error) error { return &codedError{err: err, code: code} }
