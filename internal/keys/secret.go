package keys

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
)

// secretAlphabet is RFC 4648 base32 in lower case: one word by double click, and safe
// in a shell.
var secretAlphabet = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

const (
	secretBytes    = 20 // 160 bits
	secretChecksum = 7  // base32 characters of 32 bits
)

// Errors of Check.
var (
	ErrPrefix   = errors.New("has the wrong prefix")
	ErrLength   = errors.New("has the wrong length")
	ErrChecksum = errors.New("has a typing mistake (its checksum is wrong)")
)

// NewSecret draws a secret with this prefix.
func NewSecret(prefix string) string {
	var b [secretBytes]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails; it aborts the program instead
	body := prefix + secretAlphabet.EncodeToString(b[:])
	return body + checksum(body)
}

// CheckSecret says whether s has the form of a secret with this prefix. It is for clear
// errors: a well-formed secret may still be unknown. The errors never quote s.
func CheckSecret(prefix, s string) error {
	want := len(prefix) + secretAlphabet.EncodedLen(secretBytes) + secretChecksum
	switch {
	case !strings.HasPrefix(s, prefix):
		return fmt.Errorf("%w, it must begin with %q", ErrPrefix, prefix)
	case len(s) != want:
		return fmt.Errorf("%w: %d characters, expected %d", ErrLength, len(s), want)
	case checksum(s[:want-secretChecksum]) != s[want-secretChecksum:]:
		return ErrChecksum
	}
	return nil
}

// ReadSecret reads the first line that is not empty, at most limit bytes in all, and
// leaves what follows: whoever wrote the secret may keep the other end open.
func ReadSecret(r io.Reader, limit int) (string, error) {
	var line []byte
	var b [1]byte
	for range limit {
		_, err := io.ReadFull(r, b[:])
		switch {
		case errors.Is(err, io.EOF):
			return string(line), nil
		case err != nil:
			return "", err
		case len(line) == 0 && (b[0] == '\n' || b[0] == '\r'):
		case b[0] == '\n':
			return string(line), nil
		default:
			line = append(line, b[0])
		}
	}
	return string(line), nil
}

// HashSecret is what is stored of a secret. A plain SHA-256 is enough for 160 random
// bits: there is nothing to guess.
func HashSecret(s string) []byte {
	h := sha256.Sum256([]byte(s))
	return h[:]
}

func checksum(body string) string {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], crc32.ChecksumIEEE([]byte(body)))
	return secretAlphabet.EncodeToString(b[:])
}
