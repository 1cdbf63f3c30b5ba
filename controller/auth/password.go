package auth

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"golang.org/x/text/unicode/norm"
)

// A password is long rather than complicated (NIST SP 800-63B 3.1.1). The cap
// keeps a request from making the hash work on a book.
const (
	minPassword = 12
	maxPassword = 128
)

// PasswordCost is what one argon2id hash takes.
type PasswordCost struct {
	MemoryKiB  uint32
	Iterations uint32
	Lanes      uint8
	// AtOnce is how many are computed at the same time; others wait. It bounds the
	// memory that callers can make the controller use.
	AtOnce int
}

// DefaultPasswordCost is the second recommended option of RFC 9106 section 4.
func DefaultPasswordCost() PasswordCost {
	return PasswordCost{MemoryKiB: 64 << 10, Iterations: 3, Lanes: 4, AtOnce: 2}
}

type hasher struct {
	params argon2id.Params
	slots  chan struct{}
	// decoy is checked where there is no hash, so that an unknown account takes as
	// long as a known one.
	decoy string
}

func newHasher(c PasswordCost) (*hasher, error) {
	if c == (PasswordCost{}) {
		c = DefaultPasswordCost()
	}
	h := &hasher{
		params: argon2id.Params{
			Memory: c.MemoryKiB, Iterations: c.Iterations, Parallelism: c.Lanes, SaltLength: 16, KeyLength: 32,
		},
		slots: make(chan struct{}, max(c.AtOnce, 1)),
	}
	var err error
	h.decoy, err = argon2id.CreateHash("", &h.params)
	return h, err
}

func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	return argon2id.CreateHash(canonical(password), &h.params)
}

// check says whether password is that of hash, and whether the hash should be
// made anew because it was made with other parameters. Without a hash it works as
// long and says no.
func (h *hasher) check(ctx context.Context, password, hash string) (ok, stale bool, err error) {
	if err := h.enter(ctx); err != nil {
		return false, false, err
	}
	defer h.leave()
	known := hash != ""
	if !known {
		hash = h.decoy
	}
	if len(password) > 4*maxPassword { // nobody's, and not worth the work of folding it
		password = ""
	}
	ok, params, err := argon2id.CheckHash(canonical(password), hash)
	if err != nil {
		return false, false, fmt.Errorf("stored password hash: %w", err)
	}
	return ok && known, *params != h.params, nil
}

func (h *hasher) enter(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *hasher) leave() { <-h.slots }

// canonical makes the same password of what keyboards of different systems send
// for it (NIST SP 800-63B: normalize before hashing).
func canonical(password string) string { return norm.NFKC.String(password) }

// checkNewPassword has no rules of composition: they make passwords worse.
func checkNewPassword(password, email string) error {
	n := utf8.RuneCountInString(password)
	if !utf8.ValidString(password) || n < minPassword || n > maxPassword {
		return fieldError("password", "must have %d to %d characters", minPassword, maxPassword)
	}
	local, _, _ := strings.Cut(email, "@")
	fold := strings.ToLower(canonical(password))
	first, _ := utf8.DecodeRuneInString(fold)
	if fold == email || fold == local || strings.Trim(fold, string(first)) == "" {
		return fieldError("password", "must be neither the e-mail address nor one character repeated")
	}
	return nil
}
