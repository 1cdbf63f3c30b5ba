package leaks

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// Search knows what to look for.
type Search struct {
	known []needle
}

// needle is a secret, and what it is.
type needle struct{ what, text string }

// shortest is how long a secret must be to be told from chance.
const shortest = 6

// Add names a secret that has no form: a password, a code.
func (s *Search) Add(what string, secrets ...string) {
	for _, text := range secrets {
		if text = strings.TrimSpace(text); len(text) >= shortest {
			s.known = append(s.known, needle{what, text})
		}
	}
}

var (
	ours        = regexp.MustCompile(`zt[a-z]_[a-z2-7]{39}`) // the rest of the rule is the checksum
	access      = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}`)
	privateKeys = regexp.MustCompile(`PRIVATE KEY-----|PRIVATE\+KEY\+|AGE-SECRET-KEY-1`)
)

// In says what of a text is a secret, with the beginning of its line.
func (s *Search) In(text []byte) (found []string) {
	report := func(what string, at int) {
		line := text[bytes.LastIndexByte(text[:at], '\n')+1 : at]
		found = append(found, fmt.Sprintf("%s after %q", what, line))
	}
	for _, at := range ours.FindAllIndex(text, -1) {
		if m := string(text[at[0]:at[1]]); keys.CheckSecret(m[:4], m) == nil {
			report("a secret "+m[:6]+"…", at[0])
		}
	}
	for what, form := range map[string]*regexp.Regexp{"an access token": access, "a private key": privateKeys} {
		for _, at := range form.FindAllIndex(text, -1) {
			report(what, at[0])
		}
	}
	for _, n := range s.known {
		if at := bytes.Index(text, []byte(n.text)); at >= 0 {
			report(n.what, at)
		}
	}
	return found
}

// InLogs looks into all files *.log below dir; none is a fault of the test.
func (s *Search) InLogs(dir string) (found []string, err error) {
	logs := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".log" {
			return err
		}
		logs++
		text, err := os.ReadFile(path)
		for _, f := range s.In(text) {
			found = append(found, strings.TrimPrefix(path, dir)+" holds "+f)
		}
		return err
	})
	if err == nil && logs == 0 {
		err = fmt.Errorf("there is no log in %s to look into", dir)
	}
	return found, err
}

// Check fails the test for each secret in a log below dir: those of s, and those that
// lie on the disk below dir. Call it when the programs have ended and before their
// files are gone.
func Check(tb testing.TB, s *Search, dir string) {
	tb.Helper()
	if err := s.AddFiles(dir); err != nil {
		tb.Error(err)
	}
	found, err := s.InLogs(dir)
	if err != nil {
		tb.Error(err)
	}
	for _, f := range found {
		tb.Error(f)
	}
}
