package enrollclient

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// TokenEnv is the environment variable of the token.
const TokenEnv = "ENROLLMENT_TOKEN"

// maxToken bounds what is read where a token is expected.
const maxToken = 256

// ErrNoToken is returned when no source has a token.
var ErrNoToken = errors.New("no enrollment token: give it with --token-file (- reads standard input), " +
	TokenEnv + " or the systemd credential enrollment-token")

// Token is an enrollment token. It does not print itself.
type Token struct{ secret string }

// String keeps the secret out of logs and errors.
func (Token) String() string { return "[enrollment token]" }

// GoString does the same for %#v.
func (t Token) GoString() string { return t.String() }

// NewToken accepts anything that could be a token; only the controller knows.
func NewToken(s string) (Token, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return Token{}, ErrNoToken
	case len(s) > maxToken || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) }):
		return Token{}, errors.New("this is not an enrollment token: expected one word such as ztc_… or ztt_…")
	}
	return Token{secret: s}, nil
}

// check finds a mix-up or a typing mistake before anything is sent. Whether a
// well-formed token is good only the controller knows.
func (t Token) check(kind identity.Kind) error {
	for _, other := range []identity.Kind{identity.KindConnector, identity.KindTunneler} {
		if other != kind && strings.HasPrefix(t.secret, other.TokenPrefix()) {
			return fmt.Errorf("this enrollment token is for a %s, not for a %s", other, kind)
		}
	}
	if err := keys.CheckSecret(kind.TokenPrefix(), t.secret); err != nil {
		return fmt.Errorf("this enrollment token %w: copy it again", err)
	}
	return nil
}

// TokenSource is where a token may come from, in the order of the fields.
type TokenSource struct {
	// File holds the token; "-" is Stdin; empty is no file.
	File string
	// Sealed is a file with the token sealed to a key of this host, likewise;
	// Identities are the private keys to try, by default the host's SSH keys.
	Sealed     string
	Identities []string
	Stdin      io.Reader
	// Getenv is os.Getenv outside tests.
	Getenv func(string) string
	// Warn receives the weakness of a source.
	Warn func(string)
}

// Read returns the first token there is.
func (s TokenSource) Read() (Token, error) {
	if s.Sealed != "" {
		return s.unseal()
	}
	if s.File == "-" {
		return readToken(s.Stdin)
	}
	if s.File != "" {
		return readTokenFile(s.File)
	}
	if v := s.Getenv(TokenEnv); v != "" {
		s.Warn(TokenEnv + " on a command line stays in the shell's history and, with sudo, in sudo's log, and all users can see it among sudo's arguments (ps) until the command ends; --token-file - leaves no trace, --request needs no token")
		return NewToken(v)
	}
	if dir := s.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		return readTokenFile(filepath.Join(dir, "enrollment-token"))
	}
	return Token{}, ErrNoToken
}

// unseal opens a token that was sealed to a key of this host.
func (s TokenSource) unseal() (Token, error) {
	paths, given := s.Identities, len(s.Identities) > 0
	if !given {
		paths = keys.DefaultIdentities()
	}
	id, err := keys.LoadIdentities(paths, !given)
	if err != nil {
		return Token{}, err
	}
	sealed := s.Stdin
	if s.Sealed != "-" {
		f, err := os.Open(s.Sealed)
		if err != nil {
			return Token{}, fmt.Errorf("sealed enrollment token: %w", err)
		}
		defer func() { _ = f.Close() }()
		sealed = f
	}
	text, err := keys.OpenToken(sealed, id)
	if err != nil {
		return Token{}, err
	}
	return NewToken(text)
}

func readTokenFile(path string) (Token, error) {
	f, err := os.Open(path)
	if err != nil {
		return Token{}, fmt.Errorf("enrollment token: %w", err)
	}
	defer func() { _ = f.Close() }()
	return readToken(f)
}

func readToken(r io.Reader) (Token, error) {
	line, err := keys.ReadSecret(r, maxToken+3) // with a line ending
	if err != nil {
		return Token{}, fmt.Errorf("enrollment token: %w", err)
	}
	return NewToken(line)
}
