package visible

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// blank are characters that unicode.IsPrint takes for letters, marks or symbols, and that
// draw nothing: those that renderers ignore by default (Unicode, section 5.21), such as
// U+3164 HANGUL FILLER and the variation selectors, and the blank ones of three scripts.
// With them two names look the same, or one like none. Formats such as U+200B and
// U+202E, and the separators of lines and paragraphs, are not printable in the first place.
var blank = []*unicode.RangeTable{
	unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector,
	{
		R16: []unicode.Range16{{Lo: 0x2800, Hi: 0x2800, Stride: 1}}, // BRAILLE PATTERN BLANK
		R32: []unicode.Range32{
			{Lo: 0x16fe4, Hi: 0x16fe4, Stride: 1}, // KHITAN SMALL SCRIPT FILLER
			{Lo: 0x1d159, Hi: 0x1d159, Stride: 1}, // MUSICAL SYMBOL NULL NOTEHEAD
		},
	},
}

// Rune says whether a person sees r as a character of its own, or as the space of ASCII.
// U+FFFD is none: it stands for text that was broken on its way.
func Rune(r rune) bool {
	return r != utf8.RuneError && unicode.IsPrint(r) && (r < utf8.RuneSelf || !unicode.In(r, blank...))
}

// Text says whether all of s is visible.
func Text(s string) bool { return !strings.ContainsFunc(s, hidden) }

func hidden(r rune) bool { return !Rune(r) }

// Only is what of s is visible.
func Only(s string) string {
	return strings.Map(func(r rune) rune {
		if hidden(r) {
			return -1
		}
		return r
	}, s)
}

// Line checks a text of one line, such as a name: visible, without spaces around it and
// with at most so many characters. It may be empty.
func Line(s string, most int) error {
	if err := check(s, most, ""); err != nil {
		return err
	}
	if s != strings.TrimSpace(s) {
		return errors.New("begins or ends with a space: leave it out")
	}
	return nil
}

// Lines checks a text of several lines, such as notes: as Line, with tabs, line breaks and
// spaces anywhere, and with the joiners and selectors that spelling in some scripts, and
// emoji, need. Nobody compares two notes by eye.
func Lines(s string, most int) error { return check(s, most, "\n\t\u200c\u200d\ufe0e\ufe0f") }

func check(s string, most int, also string) error {
	n := 0
	for _, r := range s {
		n++
		switch {
		case strings.ContainsRune(also, r) || Rune(r):
		case r == utf8.RuneError:
			return fmt.Errorf("is broken at character %d: it is not UTF-8, or was not somewhere before", n)
		default:
			return fmt.Errorf("has %U as character %d, which nobody sees: leave it out", r, n)
		}
	}
	if n > most {
		return fmt.Errorf("has %d characters, and at most %d are possible", n, most)
	}
	return nil
}
