package keys

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"golang.org/x/crypto/ssh"
)

// Caps on what is read: a sealed token has less than 2 KiB, most of it an RSA
// header, and a key file less than 16.
const (
	maxSealed    = 16 << 10
	maxTokenText = 256
	maxIdentity  = 64 << 10
	maxStanzas   = 16
)

// Errors of Open and LoadIdentities.
var (
	ErrNotSealed   = errors.New("this is not a sealed enrollment token: expected text that begins with " + armor.Header)
	ErrOtherKey    = errors.New("this enrollment token is sealed to a key that this host does not have: name the private key with --identity, or ask for a token sealed to this host's key")
	ErrNoIdentity  = errors.New("no private key to open the sealed token with: no SSH key of this host can be read in /etc/ssh; run as root, or name a key with --identity")
	errPassphrase  = errors.New("is protected by a passphrase; use a host key, or an age identity file")
	errNotIdentity = errors.New("is neither an SSH private key nor an age identity file")
)

// DefaultIdentities are the host keys of OpenSSH that age can use.
func DefaultIdentities() []string {
	return []string{"/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_rsa_key"}
}

// Identity is a private key.
type Identity struct{ keys []age.Identity }

// LoadIdentities reads private keys. With optional, files that do not exist are
// passed over; one at least must be there.
func LoadIdentities(paths []string, optional bool) (Identity, error) {
	var out Identity
	for _, path := range paths {
		raw, err := readIdentity(path)
		if optional && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Identity{}, fmt.Errorf("identity: %w", err)
		}
		keys, err := parseIdentity(raw)
		if err != nil {
			return Identity{}, fmt.Errorf("identity %s %w", path, err)
		}
		out.keys = append(out.keys, keys...)
	}
	if len(out.keys) == 0 {
		return Identity{}, ErrNoIdentity
	}
	return out, nil
}

func readIdentity(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, maxIdentity+1))
	if err == nil && len(raw) > maxIdentity {
		err = fmt.Errorf("%s is larger than %d KiB", path, maxIdentity>>10)
	}
	return raw, err
}

// parseIdentity never quotes what it read: it is a private key.
func parseIdentity(raw []byte) ([]age.Identity, error) {
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("-----BEGIN")) {
		key, err := agessh.ParseIdentity(raw)
		var locked *ssh.PassphraseMissingError
		switch {
		case errors.As(err, &locked):
			return nil, errPassphrase
		case err != nil:
			return nil, errNotIdentity
		}
		return []age.Identity{key}, nil
	}
	keys, err := age.ParseIdentities(bytes.NewReader(raw))
	if err != nil {
		return nil, errNotIdentity
	}
	return keys, nil
}

// OpenToken reads a sealed token. Errors: ErrNotSealed, ErrOtherKey.
func OpenToken(r io.Reader, id Identity) (string, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxSealed+1))
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(strings.ReplaceAll(string(raw), "\r\n", "\n"))
	if len(raw) > maxSealed || !strings.HasPrefix(text, armor.Header) {
		return "", ErrNotSealed
	}
	plain, err := age.Decrypt(armor.NewReader(strings.NewReader(text)), capStanzas(id.keys)...)
	var other *age.NoIdentityMatchError
	switch {
	case errors.As(err, &other):
		return "", ErrOtherKey
	case err != nil:
		return "", ErrNotSealed
	}
	secret, err := io.ReadAll(io.LimitReader(plain, maxTokenText+1))
	if err != nil || len(secret) > maxTokenText {
		return "", ErrNotSealed
	}
	return string(secret), nil
}

// capStanzas makes each key look at a few recipients at most: a header full of them is
// work that whoever wrote it did not have.
func capStanzas(keys []age.Identity) []age.Identity {
	out := make([]age.Identity, 0, len(keys))
	for _, k := range keys {
		out = append(out, cappedIdentity{k})
	}
	return out
}

type cappedIdentity struct{ age.Identity }

// Unwrap implements age.Identity.
func (c cappedIdentity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if len(stanzas) > maxStanzas {
		return nil, ErrNotSealed
	}
	return c.Identity.Unwrap(stanzas)
}
