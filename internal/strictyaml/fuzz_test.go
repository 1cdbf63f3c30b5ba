package strictyaml_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/strictyaml"
)

// FuzzRead: whatever a file has, it is read or refused, and never both.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"", "items: []", "items:\n  - {id: a, ports: [22, \"8000-8100\"], labels: {env: prod}, until: 2030-01-02T03:04:05Z}\n", "items: &a\n  - *a", "a: b: c", "items:\n  - <<: {id: b}", "---\n---\n", "? [a]\n: b", "items: !!set {}", "\x00", "items: |\n  x",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var one, two list
		err := strictyaml.Read(raw, &one)
		again := strictyaml.Read(raw, &two)
		require.Equal(t, err == nil, again == nil)
		if err == nil {
			require.Equal(t, one, two)
		} else {
			require.NotContains(t, err.Error(), "goroutine")
		}
	})
}
