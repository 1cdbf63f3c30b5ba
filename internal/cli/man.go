package cli

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand writes the manual; packages and the Makefile call it, people do not
// need to. Set SOURCE_DATE_EPOCH for a reproducible date, which is in UTC.
func manCommand(root *cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: "man", Short: "Write the manual pages", Hidden: true}
	dir := cmd.Flags().String("dir", "man", "directory for the pages, created if missing")
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := os.MkdirAll(*dir, 0o755); err != nil {
			return fmt.Errorf("create man directory: %w", err)
		}
		walk(root, func(c *cobra.Command) { c.DisableAutoGenTag = true })
		date, err := pageDate()
		if err != nil {
			return err
		}
		header := &doc.GenManHeader{Section: "8", Date: &date, Source: root.Name() + " " + version, Manual: "System administration"}
		if err := doc.GenManTree(root, header, *dir); err != nil {
			return fmt.Errorf("write manual pages: %w", err)
		}
		return nil
	}
	return cmd
}

// pageDate is what the pages say. The library would take the month of this machine's time zone,
// and so at the end of one the same commit gave two pages.
func pageDate() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return time.Now().UTC(), nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q: it has to be seconds since 1970", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
