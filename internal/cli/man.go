package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand writes the manual; packages and the Makefile call it, people do not
// need to. Set SOURCE_DATE_EPOCH for a reproducible date.
func manCommand(root *cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: "man", Short: "Write the manual pages", Hidden: true}
	dir := cmd.Flags().String("dir", "man", "directory for the pages, created if missing")
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := os.MkdirAll(*dir, 0o755); err != nil {
			return fmt.Errorf("create man directory: %w", err)
		}
		walk(root, func(c *cobra.Command) { c.DisableAutoGenTag = true })
		header := &doc.GenManHeader{Section: "8", Source: root.Name() + " " + version, Manual: "System administration"}
		if err := doc.GenManTree(root, header, *dir); err != nil {
			return fmt.Errorf("write manual pages: %w", err)
		}
		return nil
	}
	return cmd
}
