package keys

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
)

// boxVersion begins everything sealed, so that another algorithm can follow.
const boxVersion = 1

// ErrNotOpened is returned for what was not sealed by this key for this purpose,
// or was changed since.
var ErrNotOpened = errors.New("sealed value does not open: it was changed, or the key file is a different one")

// Box seals and opens values.
type Box struct {
	aead cipher.AEAD
}

// NewBox returns a Box with a key of 32 bytes.
func NewBox(key []byte) (*Box, error) {
	// The nonce of XChaCha20-Poly1305 is long enough to be drawn at random for ever.
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fmt.Errorf("sealing key: %w", err)
	}
	return &Box{aead: aead}, nil
}

// OpenBox reads the key file at path, or makes it with mode 0600.
func OpenBox(path string) (*Box, error) {
	key, err := readBoxKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = createBoxKey(path); err == nil || errors.Is(err, fs.ErrExist) { // another process was first
			key, err = readBoxKey(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("sealing key: %w", err)
	}
	return NewBox(key)
}

// Seal encrypts plain for one purpose, such as "totp/<person>".
func (b *Box) Seal(purpose string, plain []byte) []byte {
	out := make([]byte, 1+b.aead.NonceSize(), 1+b.aead.NonceSize()+len(plain)+b.aead.Overhead())
	out[0] = boxVersion
	_, _ = rand.Read(out[1:])                                // crypto/rand.Read never fails; it aborts the program instead
	return b.aead.Seal(out, out[1:], plain, []byte(purpose)) //nolint:gosec // the nonce was drawn a line above
}

// Open decrypts what Seal made for the same purpose. Errors: ErrNotOpened.
func (b *Box) Open(purpose string, sealed []byte) ([]byte, error) {
	head := 1 + b.aead.NonceSize()
	if len(sealed) < head || sealed[0] != boxVersion {
		return nil, ErrNotOpened
	}
	plain, err := b.aead.Open(nil, sealed[1:head], sealed[head:], []byte(purpose))
	if err != nil {
		return nil, ErrNotOpened
	}
	return plain, nil
}

// readBoxKey refuses a key that somebody else could have read or planted.
func readBoxKey(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 || !ok || int(owner.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("%s is not a file of mode 0600 of this user: check its owner and permissions", path)
	}
	key, err := io.ReadAll(io.LimitReader(f, chacha20poly1305.KeySize+1))
	if err != nil {
		return nil, err
	}
	if len(key) != chacha20poly1305.KeySize {
		return nil, fmt.Errorf("%s is not %d bytes long: restore it from a backup", path, chacha20poly1305.KeySize)
	}
	return key, nil
}

// createBoxKey makes the file appear whole or not at all; a link never replaces a file
// that came in between.
func createBoxKey(path string) error {
	var key [chacha20poly1305.KeySize]byte
	_, _ = rand.Read(key[:])
	return atomicfile.Create(path, key[:], 0o600)
}
