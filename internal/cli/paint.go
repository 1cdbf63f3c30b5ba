package cli

import (
	"io"
	"os"

	"github.com/mattn/go-isatty"
)

// Paint colours text for people. The zero value leaves text as it is.
type Paint struct{ on bool }

// NewPaint colours if w is a terminal that can, and NO_COLOR is unset or empty
// (no-color.org).
func NewPaint(w io.Writer) Paint {
	f, ok := w.(*os.File)
	return Paint{on: ok && isatty.IsTerminal(f.Fd()) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// Bold is for headings.
func (p Paint) Bold(s string) string { return p.with("1", s) }

// Dim is for what matters least.
func (p Paint) Dim(s string) string { return p.with("2", s) }

// Good is green.
func (p Paint) Good(s string) string { return p.with("32", s) }

// Warn is yellow.
func (p Paint) Warn(s string) string { return p.with("33", s) }

// Bad is red.
func (p Paint) Bad(s string) string { return p.with("31", s) }

func (p Paint) with(code, s string) string {
	if !p.on || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
