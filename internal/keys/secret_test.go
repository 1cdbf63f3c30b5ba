package keys_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

func TestCheckSecret(t *testing.T) {
	t.Parallel()
	s := keys.NewSecret("ztc_")
	require.NoError(t, keys.CheckSecret("ztc_", s))
	require.NotEqual(t, s, keys.NewSecret("ztc_"))

	for name, c := range map[string]struct {
		text string
		want error
	}{
		"nothing":              {"", keys.ErrPrefix},
		"another prefix":       {"ztt_" + s[4:], keys.ErrPrefix},
		"a character too few":  {s[:len(s)-1], keys.ErrLength},
		"a character too many": {s + "a", keys.ErrLength},
		"a newline at its end": {s + "\n", keys.ErrLength},
		"two swapped characters": {func() string {
			b := []byte(s)
			for i := 5; i < len(b); i++ {
				if b[i] != b[i-1] {
					b[i], b[i-1] = b[i-1], b[i]
					break
				}
			}
			return string(b)
		}(), keys.ErrChecksum},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			err := keys.CheckSecret("ztc_", c.text)
			require.ErrorIs(t, err, c.want)
			require.NotContains(t, err.Error(), s[10:30], "an error never quotes the secret")
		})
	}
}

func TestReadSecret(t *testing.T) {
	t.Parallel()
	open := iotest.ErrReader(errors.New("it waits for more"))
	for name, c := range map[string]struct {
		text string
		then io.Reader
		want string
	}{
		"ends at the first newline":   {"token\n", open, "token"},
		"passes empty lines over":     {"\n\r\n\ntoken\nrest", open, "token"},
		"needs no newline at the end": {"token", strings.NewReader(""), "token"},
		"leaves a carriage return":    {"token\r\n", open, "token\r"},
		"reads no more than it may":   {strings.Repeat("x", 20), open, strings.Repeat("x", 20)},
		"is limited in empty lines":   {strings.Repeat("\n", 20), open, ""},
		"finds nothing":               {"", strings.NewReader(""), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := keys.ReadSecret(io.MultiReader(strings.NewReader(c.text), c.then), 20)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	_, err := keys.ReadSecret(io.MultiReader(strings.NewReader("tok"), open), 20)
	require.ErrorContains(t, err, "it waits for more", "half a token is none")
}
