package access_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

func TestAHostHasOneSpelling(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"db": "db", "DB.Corp": "db.corp", "db.corp.": "db.corp", "my_db.corp": "my_db.corp", "a--b.corp": "a--b.corp", "1a.corp": "1a.corp", "1.corp": "1.corp", "0xg": "0xg",
		"bücher.example": "xn--bcher-kva.example", "BÜCHER.example": "xn--bcher-kva.example", "XN--BCHER-KVA.example": "xn--bcher-kva.example",
		"faß.de": "xn--fa-hia.de", "例え.テスト": "xn--r8jz45g.xn--zckzah", "db。corp": "db.corp", "ｄｂ.corp": "db.corp",
		"10.0.0.1": "10.0.0.1", "::ffff:10.0.0.1": "10.0.0.1", "FD00:0:0::1": "fd00::1", "0:0:0:0:0:0:0:1": "::1",
	} {
		h, err := access.ParseHost(text)
		require.NoError(t, err, text)
		require.Equal(t, want, h.String(), text)
		_, isAddr := h.Addr()
		require.Equal(t, strings.Trim(want, "0123456789abcdef.:") == "" && want != "db", isAddr, text)
	}
}

func TestWhatIsNoHost(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing": "", "a dot": ".", "two dots": "a..b", "a dot first": ".a", "two dots last": "a..", "a space": "a b", "a space after": "a ", "a line break": "a\n", "a null": "a\x00b",
		"a slash": "a/b", "a colon": "a:22", "an at": "root@db", "a percent": "db%2ecorp", "a star": "*.corp", "a bracket": "[::1]", "a backslash": `a\b`,
		"a hyphen first": "-a.corp", "a hyphen last": "a-.corp", "a part of 64": strings.Repeat("a", 64) + ".corp", "254 characters": strings.Repeat("a.", 126) + "bcd",
		"a zone": "fe80::1%eth0", "broken UTF-8": "a\xff.corp", "much Unicode": strings.Repeat("ü", 2000), "a joiner": "a\u200db.corp", "an override": "a\u202eb.corp",
		"an address in octal": "010.0.0.1", "an address with leading zeros": "10.0.0.01", "a short address": "127.1", "an address as a number": "2130706433", "in hexadecimal": "0x7f000001",
		"a part in hexadecimal": "127.0.0.0x1", "a bare 0x": "0x", "in full width": "１０.０.０.１", "with a dot after it": "10.0.0.1.", "five parts": "10.0.0.0.1", "a number last": "corp.1",
	} {
		_, err := access.ParseHost(text)
		require.Error(t, err, name)
		require.Less(t, len(err.Error()), 400, name)
		_, err = access.ParsePattern("*." + text)
		require.Error(t, err, name)
	}
}

// TestAWrongPatternIsQuotedAsItWasGiven, and not the part of it that is looked at.
func TestAWrongPatternIsQuotedAsItWasGiven(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"*.*.corp", "*.a.*.corp", "a.*.corp", "*.-a.corp", "*.", "*.10.0.0.1", "*.a b", "*.a\u200db.corp", "*.dev.corp:22"} {
		_, err := access.ParsePattern(text)
		require.ErrorContains(t, err, strconv.Quote(text))
	}
	_, err := access.ParsePattern("*.*.corp")
	require.ErrorContains(t, err, "only possible as the first part of a name, as in *.dev.corp")
	for _, text := range []string{"*.dev.corp", "10.1.0.0/16"} {
		_, err := access.ParseHost(text)
		require.ErrorContains(t, err, strconv.Quote(text)+" is a pattern, and one host is needed")
	}
}

func TestAPatternHasOneSpelling(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"DB.corp.": "db.corp", "*.Dev.Corp": "*.dev.corp", "*.ü.corp": "*.xn--tda.corp", "10.0.0.1": "10.0.0.1", "10.0.0.1/32": "10.0.0.1", "10.0.0.0/8": "10.0.0.0/8",
		"::ffff:10.0.0.0/104": "10.0.0.0/8", "::ffff:10.1.2.3": "10.1.2.3", "fd00:1::/32": "fd00:1::/32", "fd00::1/128": "fd00::1", "0.0.0.0/0": "0.0.0.0/0", "::/0": "::/0", "127.0.0.1": "127.0.0.1",
	} {
		p, err := access.ParsePattern(text)
		require.NoError(t, err, text)
		require.Equal(t, want, p.String(), text)
		again, err := access.ParsePattern(p.String())
		require.NoError(t, err)
		require.Equal(t, p, again, text)
	}
	for _, text := range []string{
		"", "*", "*.", "*corp", "*.*.corp", "a.*.corp", "db.*", "**.corp", "*.10.0.0.1", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0/8", "/8", "10.0.0.0/", "fe80::%eth0/64",
		"::ffff:0.0.0.0/95", "10.1.2.3/8", "fd00:1:2::/32", "::ffff:10.1.2.3/104", // a slip of the pen would reach more than was meant
		"0.0.0.0", "::", "255.255.255.255", "224.0.0.1", "ff02::1", "::ffff:0.0.0.0", "*." + strings.Repeat("a.", 126) + "b",
	} {
		_, err := access.ParsePattern(text)
		require.Error(t, err, text)
	}
}

func TestPorts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"22": "22", "1-65535": "1-65535", "80-80": "80"} {
		r, err := access.ParsePortRange(text)
		require.NoError(t, err, text)
		require.Equal(t, want, r.String())
	}
	for _, text := range []string{"", "0", "-1", "+22", "022", "22 ", " 22", "65536", "1-", "-", "1-2-3", "0-22", "22-21", "1-65536", "ssh", "2²", "1e3", "0x16"} {
		_, err := access.ParsePortRange(text)
		require.Error(t, err, text)
	}
	r, err := access.ResourceText{ID: "a", NetworkID: "n", Hosts: []string{"b", "a", "B."}, Ports: []string{"30", "20-24", "1", "25", "22-23", "65534-65535"}}.Parse()
	require.NoError(t, err)
	require.Equal(t, []string{"1", "20-25", "30", "65534-65535"}, r.Text().Ports, "sorted, and joined where they touch")
	require.Equal(t, []string{"a", "b"}, r.Text().Hosts)
}

func TestTargets(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"DB.corp.:5432": "db.corp:5432", "[FD00::1]:22": "[fd00::1]:22", "[::ffff:10.0.0.1]:1": "10.0.0.1:1", "10.0.0.1:65535": "10.0.0.1:65535"} {
		got, err := access.ParseTarget(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got.String())
	}
	for _, text := range []string{"", "db", ":22", "db:", "db:0", "db:ssh", "db:65536", "db:022", "fd00::1:22", "[db:22", "db:22:23", "[fe80::1%lo]:22", "*.corp:22", "10.0.0.0/8:22"} {
		_, err := access.ParseTarget(text)
		require.Error(t, err, text)
	}
}
