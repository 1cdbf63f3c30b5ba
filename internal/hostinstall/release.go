package hostinstall

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// release is what the controller offers, as its signed checksums say.
type release struct {
	version string
	key     []byte // PEM
	print   string // fingerprint of the key
	sums    map[string]string
}

// offer fetches and verifies the checksums. Whether the key is the right one is the
// caller's question.
func (c *controller) offer(ctx context.Context) (*release, error) {
	files := map[string][]byte{}
	for _, name := range []string{"SHA256SUMS", "SHA256SUMS.sig", "release.pub", "VERSION"} {
		text, err := c.text(ctx, name)
		if err != nil {
			return nil, err
		}
		files[name] = text
	}
	r := &release{key: files["release.pub"], sums: sumsOf(files["SHA256SUMS"])}
	public, fingerprint, err := parseKey(r.key)
	if err != nil {
		return nil, errors.New("the controller's release key cannot be read: nothing is installed")
	}
	r.print = fingerprint
	digest := sha256.Sum256(files["SHA256SUMS"])
	if !ecdsa.VerifyASN1(public, digest[:], files["SHA256SUMS.sig"]) {
		return nil, fmt.Errorf("the signature of the checksums is wrong: nothing is installed from %s", c.address)
	}
	if sum := sha256.Sum256(files["VERSION"]); r.sums["VERSION"] != hex.EncodeToString(sum[:]) {
		return nil, errors.New("VERSION is not the file that the signed checksums name: nothing is installed")
	}
	if r.version = strings.TrimSpace(string(files["VERSION"])); !plainVersion(r.version) {
		return nil, fmt.Errorf("the controller's version %.64q is not a version", r.version)
	}
	return r, nil
}

// sumsOf reads what sha256sum wrote. A path that is named twice has no sum at all.
func sumsOf(text []byte) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		sum, path, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok {
			continue
		}
		if _, twice := out[path]; twice {
			sum = ""
		}
		out[path] = sum
	}
	return out
}

// parseKey reads a public key in PEM. The fingerprint is the SHA-256 of its DER form.
func parseKey(text []byte) (*ecdsa.PublicKey, string, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, "", errors.New("is not a public key in PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, "", err
	}
	public, ok := key.(*ecdsa.PublicKey)
	if !ok {
		return nil, "", errors.New("is not an ECDSA key")
	}
	sum := sha256.Sum256(block.Bytes)
	return public, hex.EncodeToString(sum[:]), nil
}

var versionPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}$`)

func plainVersion(v string) bool { return versionPattern.MatchString(v) }
