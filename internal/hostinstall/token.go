package hostinstall

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// maxToken bounds what is read where a token is expected.
const maxToken = 256

// tokenSource is where a token may come from, in the order of the fields.
type tokenSource struct {
	text  string // from the environment, which is no place for it
	file  string // from ENROLLMENT_TOKEN_FILE
	stdin io.Reader
	ask   func(prompt string) (string, error) // at the terminal; nil where there is none
}

// read returns a token for this kind whose checksum is right. Whether the controller
// knows it only the controller can say.
func (s tokenSource) read(r role) (string, error) {
	text, err := s.find()
	if err != nil {
		return "", err
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
	if text == "" {
		return "", errors.New("ENROLLMENT_TOKEN: is missing: an enrollment token, on standard input, in a file that ENROLLMENT_TOKEN_FILE names, or in this variable")
	}
	prefix := r.kind.TokenPrefix()
	switch err := keys.CheckSecret(prefix, text); {
	case errors.Is(err, keys.ErrPrefix):
		return "", fmt.Errorf("ENROLLMENT_TOKEN: is not an enrollment token for a %s, which begins with %s: copy it again", r.kind, prefix)
	case err != nil:
		return "", fmt.Errorf("ENROLLMENT_TOKEN: the token %w: copy it again", err)
	}
	return text, nil
}

func (s tokenSource) find() (string, error) {
	if s.text != "" {
		return s.text, nil
	}
	if s.file != "" {
		f, err := os.Open(s.file)
		if err != nil {
			return "", fmt.Errorf("ENROLLMENT_TOKEN_FILE: %s is not a file that can be read", s.file)
		}
		defer func() { _ = f.Close() }()
		return firstLine(f)
	}
	if f, ok := s.stdin.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		if text, err := firstLine(s.stdin); err != nil || text != "" {
			return text, err
		}
	}
	if s.ask == nil {
		return "", nil
	}
	return s.ask("Enrollment token (not shown): ")
}

func firstLine(r io.Reader) (string, error) {
	line, err := keys.ReadSecret(r, maxToken)
	if err != nil {
		return "", fmt.Errorf("ENROLLMENT_TOKEN: %w", err)
	}
	return line, nil
}

// terminal asks the person who started this, wherever standard input comes from; nil
// where there is nobody.
func terminal() func(prompt string) (string, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	_ = tty.Close()
	return func(prompt string) (string, error) {
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		if err != nil {
			return "", err
		}
		defer func() { _ = tty.Close() }()
		_, _ = tty.WriteString(prompt)
		text, err := term.ReadPassword(int(tty.Fd()))
		_, _ = tty.WriteString("\n")
		return string(text), err
	}
}
