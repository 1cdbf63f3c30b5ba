package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
)

// choices is the annotation of a flag that takes some values only.
const choices = "grpccontroller_choices"

// Choices completes the value of a flag, which takes no other, in upper or lower case. It
// panics on a flag that the command does not have.
func Choices(cmd *cobra.Command, flag string, values ...string) {
	suggest(cmd, flag, values)
	if err := cmd.Flags().SetAnnotation(flag, choices, values); err != nil {
		panic("cli: " + err.Error())
	}
}

// Check has the value of a flag refused, where it is given, before the command does
// anything: after PreRunE, which must be set by then. What a value may be beyond its form is
// left to whoever knows, such as the controller.
func Check(cmd *cobra.Command, flag string, check func(string) error) {
	f, before := cmd.Flags().Lookup(flag), cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if before != nil {
			if err := before(cmd, args); err != nil {
				return err
			}
		}
		if !f.Changed {
			return nil
		}
		if err := check(f.Value.String()); err != nil {
			return UsageError(fmt.Errorf("--%s: %w", flag, err))
		}
		return nil
	}
}

func suggest(cmd *cobra.Command, flag string, values []string) {
	complete(cmd, flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// ListChoices completes a flag that takes several values with commas between them.
func ListChoices(cmd *cobra.Command, flag string, values ...string) {
	complete(cmd, flag, func(_ *cobra.Command, _ []string, typed string) (out []string, _ cobra.ShellCompDirective) {
		before := typed[:strings.LastIndex(typed, ",")+1]
		given := strings.Split(before, ",")
		for _, v := range values {
			if !slices.Contains(given, v) {
				out = append(out, before+v)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
}

// CompleteKeys completes the flags of a configuration that have few values. The
// configuration checks them itself, with all others.
func CompleteKeys(cmd *cobra.Command, keys []settings.Key) {
	for _, k := range keys {
		if len(k.Choices) > 0 {
			suggest(cmd, strings.TrimPrefix(k.Flag, "--"), k.Choices)
		}
	}
}

func complete(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic("cli: " + err.Error())
	}
}
