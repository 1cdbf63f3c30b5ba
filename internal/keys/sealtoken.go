package keys

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
)

// maxRecipient has room for an age hybrid key and an SSH key of 8192 bits.
const maxRecipient = 4 << 10

// ErrRecipient is returned for what is no key that a token can be sealed to.
var ErrRecipient = errors.New(`must be an age recipient ("age1…") or one line of an SSH public key ("ssh-ed25519 …" or "ssh-rsa …")`)

// Recipient is a public key that a token can be sealed to.
type Recipient struct {
	key  age.Recipient
	name string
}

// Name distinguishes keys: SHA256:… as ssh-keygen -l prints it, or the age recipient
// (a long one shortened).
func (r Recipient) Name() string { return r.name }

// ParseRecipient reads one recipient. Errors: ErrRecipient.
func ParseRecipient(s string) (Recipient, error) {
	s = strings.TrimSpace(s)
	if len(s) > maxRecipient || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) {
		return Recipient{}, ErrRecipient
	}
	var key age.Recipient
	var err error
	name := s
	switch {
	case strings.HasPrefix(s, "ssh-ed25519 "), strings.HasPrefix(s, "ssh-rsa "):
		if key, err = agessh.ParseRecipient(s); err == nil {
			name, err = sshName(s)
		}
	case strings.HasPrefix(s, "age1pq1"):
		key, err = age.ParseHybridRecipient(s)
		name = s[:min(len(s), 24)] + "…"
	case strings.HasPrefix(s, "age1"):
		key, err = age.ParseX25519Recipient(s)
	default:
		err = ErrRecipient
	}
	if err != nil {
		return Recipient{}, ErrRecipient // the library's error quotes all of its input
	}
	return Recipient{key: key, name: name}, nil
}

func sshName(line string) (string, error) {
	fields := strings.Fields(line)
	blob, err := base64.StdEncoding.DecodeString(fields[1])
	sum := sha256.Sum256(blob)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]), err
}

// SealToken returns secret as armored age text that only the recipient's key opens.
func SealToken(to Recipient, secret string) (string, error) {
	var out strings.Builder
	text := armor.NewWriter(&out)
	sealed, err := age.Encrypt(text, to.key)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrRecipient, err)
	}
	_, err = sealed.Write([]byte(secret))
	if err := errors.Join(err, sealed.Close(), text.Close()); err != nil {
		return "", err
	}
	return out.String(), nil
}
