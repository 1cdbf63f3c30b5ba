package secret_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/secret"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	s := secret.New("ztc_")
	require.NoError(t, secret.Check("ztc_", s))
	require.NotEqual(t, s, secret.New("ztc_"))

	for name, c := range map[string]struct {
		text string
		want error
	}{
		"nothing":              {"", secret.ErrPrefix},
		"another prefix":       {"ztt_" + s[4:], secret.ErrPrefix},
		"a character too few":  {s[:len(s)-1], secret.ErrLength},
		"a character too many": {s + "a", secret.ErrLength},
		"a newline at its end": {s + "\n", secret.ErrLength},
		"two swapped characters": {func() string {
			b := []byte(s)
			for i := 5; i < len(b); i++ {
				if b[i] != b[i-1] {
					b[i], b[i-1] = b[i-1], b[i]
					break
				}
			}
			return string(b)
		}(), secret.ErrChecksum},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			err := secret.Check("ztc_", c.text)
			require.ErrorIs(t, err, c.want)
			require.NotContains(t, err.Error(), s[10:30], "an error never quotes the secret")
		})
	}
}
