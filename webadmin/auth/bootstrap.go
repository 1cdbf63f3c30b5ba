package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/secret"
)

// BootstrapID is the id of the key that EnsureBootstrapKey makes.
const BootstrapID = "bootstrap"

// BootstrapStore keeps the bootstrap key.
type BootstrapStore interface {
	// KeyByID returns ErrKeyNotFound.
	KeyByID(ctx context.Context, id string) (Key, error)
	InsertKey(ctx context.Context, k Key, hash []byte) error
}

// Bootstrap is what EnsureBootstrapKey found or did.
type Bootstrap string

// Outcomes of EnsureBootstrapKey.
const (
	// BootstrapCreated: a key was made (or its file was there and is used).
	BootstrapCreated Bootstrap = "created"
	// BootstrapKept: key and file exist.
	BootstrapKept Bootstrap = "kept"
	// BootstrapFileGone: the key is valid, its file was taken away. This is what a
	// careful operator does, so it is no error and the file is not made again.
	BootstrapFileGone Bootstrap = "file gone"
	// BootstrapDead: an owner signed in, or a day went by. The file is taken away.
	BootstrapDead Bootstrap = "dead"
)

// EnsureBootstrapKey makes the first API key: the hash goes to the store, the
// secret to a file of mode 0600 at path.
//
// The file is written first. A crash before the hash is stored leaves a file
// whose key is nowhere; the next start takes that key, provided that only this
// user could have written the file.
func EnsureBootstrapKey(ctx context.Context, store BootstrapStore, path string) (Bootstrap, error) {
	old, err := store.KeyByID(ctx, BootstrapID)
	switch {
	case err == nil && old.refusal(time.Now()) != "":
		return BootstrapDead, removeFile(path)
	case err == nil:
		return bootstrapExists(path)
	case !errors.Is(err, ErrKeyNotFound):
		return "", fmt.Errorf("look up bootstrap API key: %w", err)
	}
	text, err := readSecret(path)
	if errors.Is(err, os.ErrNotExist) {
		text, _ = NewKey()
		err = writeSecret(path, text)
	}
	if err != nil {
		return "", fmt.Errorf("bootstrap API key: %w", err)
	}
	now := time.Now().UTC()
	key := Key{ID: BootstrapID, Name: "made at first start", CreatedAt: now, ExpiresAt: now.Add(BootstrapLife)}
	if err := store.InsertKey(ctx, key, secret.Hash(text)); err != nil {
		return "", fmt.Errorf("store bootstrap API key: %w", err)
	}
	return BootstrapCreated, nil
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the file of the dead bootstrap API key: %w", err)
	}
	return nil
}

func bootstrapExists(path string) (Bootstrap, error) {
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		return BootstrapFileGone, nil
	} else if err != nil {
		return "", fmt.Errorf("bootstrap API key file: %w", err)
	}
	return BootstrapKept, nil
}

// readSecret reads a key that a start before wrote. O_NOFOLLOW and the checks of
// the open file stop a planted file from becoming a credential.
func readSecret(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 || !ok || int(owner.Uid) != os.Geteuid() {
		return "", fmt.Errorf("%s is not a file of mode 0600 of this user; move it away and start again", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, 1<<10))
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(b))
	if secret.Check(KeyPrefix, text) != nil {
		return "", fmt.Errorf("%s holds no API key; move it away and start again", path)
	}
	return text, nil
}

// writeSecret makes the file appear whole or not at all: O_EXCL, fsync, then a
// link, which unlike a rename never replaces a file that came in between.
func writeSecret(path, secret string) error {
	tmp := path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := writeSynced(tmp, secret+"\n"); err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp) }()
	if err := os.Link(tmp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func writeSynced(path, content string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
