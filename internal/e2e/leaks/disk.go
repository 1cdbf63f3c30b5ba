package leaks

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

// named are the files that hold secrets: keys of hosts, of the bootstrap CA, of the
// seal, of the audit log, of releases and of SPIRE, keys and links of the admin API,
// join tokens.
var named = regexp.MustCompile(`(?i)key|token|secret|link|\.pem$`)

// largest is that of a key file.
const largest = 64 << 10

// AddFiles adds the secrets in the files below dir. A program may remove one of them
// meanwhile.
func (s *Search) AddFiles(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil || !d.Type().IsRegular() || !named.MatchString(d.Name()) || filepath.Ext(path) == ".log" || filepath.Ext(path) == ".pub" {
			return err
		}
		info, err := d.Info()
		if os.IsNotExist(err) || err == nil && info.Size() > largest {
			return nil
		}
		text, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		// A join token is a secret until it is spent; later it is part of the agent's id.
		if err == nil && d.Name() != "join-token" {
			s.addFile("what is in "+d.Name(), text)
		}
		return err
	})
}

func (s *Search) addFile(what string, text []byte) {
	if rest := text; bytes.Contains(text, []byte("-----BEGIN ")) {
		for b, more := pem.Decode(rest); b != nil; b, more = pem.Decode(more) {
			s.addKey(what, b.Bytes)
		}
		return
	}
	var spire struct {
		Keys map[string][]byte `json:"keys"`
	}
	if json.Unmarshal(text, &spire) == nil {
		for _, der := range spire.Keys {
			s.addKey(what, der)
		}
		return
	}
	if !utf8.Valid(text) || len(text) == 32 {
		s.addBytes(what, text, 0, len(text))
		return
	}
	s.Add(what, string(text))
}

// addKey adds the secret part of a private key; certificates and public keys have
// none.
func (s *Search) addKey(what string, der []byte) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		if key, err = x509.ParseECPrivateKey(der); err != nil {
			return
		}
	}
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		raw, err := k.Bytes()
		if err != nil {
			return
		}
		at := bytes.Index(der, raw)
		s.addBytes(what, der, at, at+len(raw))
		s.addBytes(what, raw, 0, len(raw))
		s.Add(what, new(big.Int).SetBytes(raw).String()) // as %v prints it
	case ed25519.PrivateKey:
		at := bytes.Index(der, k.Seed())
		s.addBytes(what, der, at, at+len(k.Seed()))
		s.addBytes(what, k.Seed(), 0, len(k.Seed()))
	}
}

// addBytes adds whole[from:to] as it looks in the encodings of whole: some characters
// at the ends of base64 are of its neighbours too.
func (s *Search) addBytes(what string, whole []byte, from, to int) {
	if from < 0 {
		return
	}
	s.Add(what, string(whole[from:to]), hex.EncodeToString(whole[from:to]))
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		text := e.EncodeToString(whole)
		first, last := (from*8+5)/6, to*8/6
		s.Add(what, text[first:min(last, len(text))])
	}
	s.Add(what, strings.Trim(fmt.Sprintf("%d", whole[from:to]), "[]")) // as %v prints it
}
