package auth

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"image/png"
	"strings"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// TOTP as every authenticator app speaks it (RFC 6238): SHA-1, 6 digits, 30 s.
// One step to either side forgives a clock (section 5.2).
const (
	totpPeriod = 30
	totpSkew   = 1
	qrSize     = 256
)

// Enrollment is a new second factor before its first code. It is shown once.
type Enrollment struct {
	Secret string // base32, to be typed
	URI    string // otpauth://
	PNG    []byte // URI as a QR code
}

func totpPurpose(personID string) string { return "totp/" + personID }

func (k *core) newTOTP(p Person) (Enrollment, []byte, error) {
	key, err := totp.Generate(totp.GenerateOpts{
		Issuer: k.Product, AccountName: p.Email, Period: totpPeriod, SecretSize: 20, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1,
		Rand: rand.Reader,
	})
	if err != nil {
		return Enrollment{}, nil, fmt.Errorf("make TOTP secret: %w", err)
	}
	img, err := key.Image(qrSize, qrSize)
	if err != nil {
		return Enrollment{}, nil, fmt.Errorf("draw TOTP secret: %w", err)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return Enrollment{}, nil, err
	}
	e := Enrollment{Secret: key.Secret(), URI: key.URL(), PNG: b.Bytes()}
	return e, k.Seal.Seal(totpPurpose(p.ID), []byte(e.Secret)), nil
}

// totpStep returns the time step whose code this is, if it is later than the last
// one used: a code that somebody saw over a shoulder is worth nothing a second
// time (RFC 6238 section 5.2).
func (k *core) totpStep(personID string, sealed []byte, last int64, code string) (step int64, ok bool, err error) {
	seed, err := k.Seal.Open(totpPurpose(personID), sealed)
	if err != nil {
		return 0, false, fmt.Errorf("TOTP seed of person %s: %w", personID, err)
	}
	now := k.now().Unix() / totpPeriod
	for at := now - totpSkew; at <= now+totpSkew; at++ {
		// Each candidate is compared, in constant time, whatever the others were.
		match, err := hotp.ValidateCustom(code, uint64(at), string(seed), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}) //nolint:gosec // the clock is after 1970
		if match && err == nil && at > last {
			step, ok = at, true
		}
	}
	return step, ok, nil
}

// recoveryCodes is how many a person gets; each has 80 bits.
const recoveryCodes = 10

// newRecoveryCodes returns codes such as "abcd-efgh-ijkl-mnop" and their hashes.
func newRecoveryCodes() (codes []string, hashes [][]byte) {
	for range recoveryCodes {
		var b [10]byte
		_, _ = rand.Read(b[:])
		c := strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
		codes = append(codes, c[:4]+"-"+c[4:8]+"-"+c[8:12]+"-"+c[12:])
		hashes = append(hashes, keys.HashSecret(c))
	}
	return codes, hashes
}

// recoveryHash returns nil for what cannot be a recovery code.
func recoveryHash(code string) []byte {
	c := strings.ToLower(strings.ReplaceAll(code, "-", ""))
	if len(c) != 16 {
		return nil
	}
	return keys.HashSecret(c)
}

// RecoveryCodesTx keeps the hashes of recovery codes.
type RecoveryCodesTx interface {
	// SetRecoveryCodes replaces the hashes of all codes of a person.
	SetRecoveryCodes(ctx context.Context, personID string, hashes [][]byte) error
	// SpendRecoveryCode says whether the person had this code, and takes it away.
	SpendRecoveryCode(ctx context.Context, personID string, hash []byte) (bool, error)
	CountRecoveryCodes(ctx context.Context, personID string) (int, error)
}

// secondFactors is what a second factor is checked against.
type secondFactors interface {
	PeopleTx
	RecoveryCodesTx
}

// secondFactor checks a code of the person's app or a recovery code, and spends
// it, as part of tx. p is what tx read.
func (k *core) secondFactor(ctx context.Context, tx secondFactors, p *Person, code string) (recovery, ok bool, err error) {
	if h := recoveryHash(code); h != nil {
		ok, err = tx.SpendRecoveryCode(ctx, p.ID, h)
		return true, ok, err
	}
	step, ok, err := k.totpStep(p.ID, p.TOTPSeed, p.TOTPStep, code)
	if err != nil || !ok {
		return false, false, err
	}
	p.TOTPStep = step
	return false, true, tx.PutPerson(ctx, *p)
}
