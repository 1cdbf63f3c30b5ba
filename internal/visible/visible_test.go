package visible_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/visible"
)

func TestWhatDrawsNothingIsNotVisible(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]rune{
		"a control character": 0x1b, "a line break": '\n', "a tab": '\t', "delete": 0x7f, "C1": 0x9b, "no-break space": 0xa0, "em space": 0x2003, "ideographic space": 0x3000,
		"soft hyphen": 0xad, "zero width space": 0x200b, "zero width joiner": 0x200d, "left-to-right mark": 0x200e, "right-to-left override": 0x202e, "isolate": 0x2066,
		"word joiner": 0x2060, "byte order mark": 0xfeff, "Arabic letter mark": 0x61c, "line separator": 0x2028, "paragraph separator": 0x2029, "tag": 0xe0041,
		"combining grapheme joiner": 0x34f, "Hangul choseong filler": 0x115f, "Hangul jungseong filler": 0x1160, "Hangul filler": 0x3164, "half-width Hangul filler": 0xffa0,
		"Khmer inherent vowel": 0x17b4, "Mongolian variation selector": 0x180b, "Mongolian vowel separator": 0x180e, "variation selector 16": 0xfe0f, "variation selector 17": 0xe0100,
		"Braille blank": 0x2800, "null notehead": 0x1d159, "Khitan filler": 0x16fe4, "half of a pair": utf8.RuneError, "private use": 0xe000, "unassigned": 0x378, "beyond Unicode": unicode.MaxRune + 1,
	} {
		require.False(t, visible.Rune(r), "%s %U", name, r)
	}
	for _, s := range []string{"a", " ", "~", "é", "e\u0301", "ß", "Ω", "Ж", "א", "ع", "अ", "한글", "漢字", "かな", "🙂", "⠁", "€", "’", "…", "\u0e33"} {
		require.True(t, visible.Text(s), "%q", s)
		require.NoError(t, visible.Line("x"+s+"x", 9), "%q", s)
	}
}

func TestAFaultNamesTheCharacterAndItsPlace(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"Berlin\u200b": "has U+200B as character 7, which nobody sees: leave it out", "\u3164": "has U+3164 as character 1, which nobody sees: leave it out",
		"ü\x1b[2J": "has U+001B as character 2, which nobody sees: leave it out", "a\nb": "has U+000A as character 2, which nobody sees: leave it out",
		"a\xff": "is broken at character 2: it is not UTF-8, or was not somewhere before", "a\ufffd": "is broken at character 2: it is not UTF-8, or was not somewhere before",
		" a": "begins or ends with a space: leave it out", "a ": "begins or ends with a space: leave it out", " ": "begins or ends with a space: leave it out",
		"üüüüü": "has 5 characters, and at most 4 are possible",
	} {
		require.EqualError(t, visible.Line(s, 4+3*strings.Count(s, "n")), want, "%q", s)
	}
	require.NoError(t, visible.Line("", 4))
	require.NoError(t, visible.Line("üüüü", 4))
	require.NoError(t, visible.Lines(" a\n\tb \n", 9))
	require.NoError(t, visible.Lines("⚠️ \u0639\u0644\u06cc\u200c\u0631\u0636\u0627", 12))
	require.Error(t, visible.Line("\u0639\u0644\u06cc\u200c\u0631\u0636\u0627", 12), "two names that differ by it look the same")
	require.EqualError(t, visible.Lines("a\r\n", 9), "has U+000D as character 2, which nobody sees: leave it out")
	require.EqualError(t, visible.Lines("a\n\u2028", 9), "has U+2028 as character 3, which nobody sees: leave it out")
	require.EqualError(t, visible.Lines(strings.Repeat("a", 10), 9), "has 10 characters, and at most 9 are possible")
}

// FuzzLine: a line is text that looks like something, and what is left of any text is text.
func FuzzLine(f *testing.F) {
	for _, seed := range []string{"", "a", " a", "\u3164", "a\u202eb", "\xff", "e\u0301", "🙂", "a\ufe0f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if visible.Line(s, 100) == nil {
			require.True(t, visible.Text(s))
			require.Equal(t, s, visible.Only(s))
			require.Equal(t, s == "", strings.TrimSpace(s) == "")
			require.NoError(t, visible.Lines(s, 100))
			require.LessOrEqual(t, utf8.RuneCountInString(s), 100)
		}
		require.True(t, visible.Text(visible.Only(s)))
	})
}
