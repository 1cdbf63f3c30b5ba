package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Arguments takes one argument for each name, as the command's Use has them: "ID", or
// "[URL]" for one that may be left out, and "[ID]..." for any number of them at the end. Its errors name the argument; Execute adds the
// usage line and an example.
func Arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		for i, name := range names {
			switch optional := strings.HasPrefix(name, "["); {
			case i < len(args) && strings.TrimSpace(args[i]) == "": // of a variable that is not set
				return argumentError(cmd, fmt.Errorf("the argument %s is empty", strings.Trim(name, "[].")))
			case i >= len(args) && !optional:
				return argumentError(cmd, fmt.Errorf("the argument %s is missing", name))
			}
		}
		if len(names) > 0 && strings.HasSuffix(names[len(names)-1], "...") {
			return nil
		}
		if len(args) > len(names) {
			// Their text may be a token or a key.
			return argumentError(cmd, fmt.Errorf("the command takes %s, but was given %d", taken(names), len(args)))
		}
		return nil
	}
}

func taken(names []string) string {
	if len(names) == 0 {
		return "no argument"
	}
	return "only " + strings.Join(names, " ")
}

// argumentError is wrong usage that a look at the usage line mends.
func argumentError(cmd *cobra.Command, err error) error {
	return &usageError{err: err, hint: "\nUsage:   " + cmd.UseLine() + example(cmd)}
}

// example is the first example of a command, on a line of its own.
func example(cmd *cobra.Command) string {
	for line := range strings.Lines(cmd.Example) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return "\nExample: " + line
		}
	}
	return ""
}

// chosen checks the flags that Choices is about, before the command does anything, and
// spells their values as the command does.
func chosen(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		values := f.Annotations[choices]
		i := slices.IndexFunc(values, func(one string) bool { return strings.EqualFold(one, f.Value.String()) })
		switch {
		case err != nil || len(values) == 0:
		case i < 0:
			err = UsageError(fmt.Errorf("--%s must be one of %s", f.Name, strings.Join(values, ", ")))
		default:
			err = f.Value.Set(values[i])
		}
	})
	return err
}

// required checks the flags that a command cannot do without. Cobra would too, after
// the arguments, with an error that shows no way out.
func required(cmd *cobra.Command) error {
	var missing []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if must := f.Annotations[cobra.BashCompOneRequiredFlag]; len(must) > 0 && must[0] == "true" && !f.Changed {
			missing = append(missing, "--"+f.Name)
		}
	})
	if len(missing) == 0 {
		return chosen(cmd)
	}
	are := "is"
	if len(missing) > 1 {
		are = "are"
	}
	return argumentError(cmd, fmt.Errorf("%s %s missing", strings.Join(missing, " and "), are))
}
