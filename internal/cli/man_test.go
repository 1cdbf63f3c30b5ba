package cli_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestManualPagesAreTheSameInEveryTimeZone is not parallel: it moves this process.
func TestManualPagesAreTheSameInEveryTimeZone(t *testing.T) {
	here := time.Local
	t.Cleanup(func() { time.Local = here })
	t.Setenv("SOURCE_DATE_EPOCH", "1796072756") // 2026-11-30, 21:05 in London
	var pages []string
	for _, east := range []int{-12, 0, 14} {
		time.Local = time.FixedZone("", east*3600)
		dir := t.TempDir()
		code, _, stderr := execute(newRoot(fails(nil)), "man", "--dir", dir)
		require.Zero(t, code, stderr)
		all, err := filepath.Glob(filepath.Join(dir, "*.8"))
		require.NoError(t, err)
		require.NotEmpty(t, all)
		page, err := os.ReadFile(all[0])
		require.NoError(t, err)
		require.Contains(t, string(page), "Nov 2026")
		pages = append(pages, string(page))
	}
	require.Equal(t, pages[0], pages[1])
	require.Equal(t, pages[1], pages[2])
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	code, _, stderr := execute(newRoot(fails(nil)), "man", "--dir", t.TempDir())
	require.NotZero(t, code)
	require.Contains(t, stderr, "SOURCE_DATE_EPOCH")
}
