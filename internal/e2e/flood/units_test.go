package flood_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUnitsBoundMemory: each program that runs for long has MemoryMax, and collects
// its garbage before it gets there.
func TestUnitsBoundMemory(t *testing.T) {
	t.Parallel()
	units, err := filepath.Glob("../../../deploy/systemd/*.service")
	require.NoError(t, err)
	require.NotEmpty(t, units)
	for _, path := range units {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		if strings.Contains(string(text), "Type=oneshot") {
			continue
		}
		hard, soft := bytesOf(t, string(text), `(?m)^MemoryMax=(\d+)([MG])$`), bytesOf(t, string(text), `(?m)^Environment=GOMEMLIMIT=(\d+)([MG])iB$`)
		require.Less(t, soft, hard, path)
		require.Regexp(t, `(?s)GOMEMLIMIT=.*EnvironmentFile=`, string(text), "an operator's file comes later")
	}
}

func bytesOf(t *testing.T, text, form string) int {
	t.Helper()
	m := regexp.MustCompile(form).FindStringSubmatch(text)
	require.NotNil(t, m, form)
	n, err := strconv.Atoi(m[1])
	require.NoError(t, err)
	return n << map[string]int{"M": 20, "G": 30}[m[2]]
}
