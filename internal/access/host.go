package access

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// maxName is the longest DNS name, without a dot at its end (RFC 1035, section 2.3.4).
const maxName = 253

// Host is a DNS name or an IP address, in its only spelling.
type Host struct {
	name string // empty for an address
	addr netip.Addr
}

// ParseHost reads a DNS name or an IP address.
//
// A name is lower case, without a dot at the end, and in ASCII: Unicode becomes punycode by
// UTS 46 (nontransitional), so that a name has one spelling for whoever types it and whoever
// looks it up. An underscore is allowed, as in many internal names. What a resolver might
// read as an address in another notation, such as 0x7f.1, is no name.
// An IPv4 address in IPv6 (::ffff:10.0.0.1) is the IPv4 address. A zone (%eth0) is refused:
// it only means something on one host.
func ParseHost(text string) (Host, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		if addr.Zone() != "" {
			return Host{}, fmt.Errorf("%q has a zone, which means something on one host only", short(text))
		}
		return Host{addr: addr.Unmap()}, nil
	}
	name, err := parseName(text, text)
	if err != nil && strings.ContainsAny(text, "*/") { // others ParsePattern asks us about
		if _, none := ParsePattern(text); none == nil {
			err = fmt.Errorf("%q is a pattern, and one host is needed", short(text))
		}
	}
	return Host{name: name}, err
}

// Addr is the address; ok is false for a name.
func (h Host) Addr() (addr netip.Addr, ok bool) { return h.addr, h.addr.IsValid() }

// String is the only spelling of the host.
func (h Host) String() string {
	if h.addr.IsValid() {
		return h.addr.String()
	}
	return h.name
}

var (
	errNoName     = errors.New("a name has parts of 1 to 63 letters, digits, '-' and '_' with dots between them, at most 253 in all, and no part begins or ends with '-'")
	errStar       = errors.New("a star is only possible as the first part of a name, as in *.dev.corp, which is all names below dev.corp, however deep")
	errNumberName = errors.New("the last part is a number, which some programs take for an address: write an address as 10.0.0.1 or fd00::1")
)

// notAlone says what somebody has written around a host, or nil.
func notAlone(text string) error {
	if !strings.ContainsAny(text, "/:") {
		return nil // as nearly always
	}
	if _, err := netip.ParsePrefix(text); err == nil {
		return nil
	}
	host, port, found := strings.Cut(text, ":")
	before, _, path := strings.Cut(text, "/")
	switch {
	case strings.Contains(text, "://"):
		return fmt.Errorf("%q has a scheme: a host is a name or an address, such as db.corp, without %s", short(text), short(text[:strings.Index(text, "://")+3]))
	case path && strings.IndexFunc(before, unicode.IsLetter) >= 0 && !strings.Contains(before, ":"):
		return fmt.Errorf("%q has a path: a host is a name or an address, such as db.corp", short(text))
	case found && host != "" && isDigits(port):
		return fmt.Errorf("%q has a port: a host is a name or an address, such as db.corp, and its ports are written apart", short(text))
	}
	return nil
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// parseName reads a name; errors quote what was given, of which it may be a part.
func parseName(name, given string) (string, error) {
	if err := notAlone(given); err != nil {
		return "", err
	}
	if !isASCII(name) {
		if len(name) > 4*maxName || !utf8.ValidString(name) {
			return "", fmt.Errorf("%q: %w", short(given), errNoName)
		}
		var err error
		// STD 3 rules, bidi rule, joiners and hyphens are checked: a name that two people read
		// differently is not taken.
		name, err = idna.New(
			idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(), idna.CheckHyphens(true), idna.CheckJoiners(true), idna.StrictDomainName(true),
		).ToASCII(name)
		if err != nil {
			return "", fmt.Errorf("%q is no name: %w", short(given), err)
		}
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if !isName(name) {
		return "", fmt.Errorf("%q: %w", short(given), errNoName)
	}
	if isNumber(name[strings.LastIndexByte(name, '.')+1:]) {
		return "", fmt.Errorf("%q: %w", short(given), errNumberName)
	}
	return name, nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// isName says whether s, which is lower case, is a DNS name.
func isName(s string) bool {
	if len(s) == 0 || len(s) > maxName {
		return false
	}
	begin := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			c := s[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
			continue
		}
		if n := i - begin; n == 0 || n > 63 || s[begin] == '-' || s[i-1] == '-' {
			return false
		}
		begin = i + 1
	}
	return true
}

// isNumber says whether inet_aton(3) reads this as the last part of an IPv4 address, or
// almost: 1, 010, 0x7f.
func isNumber(part string) bool {
	digits, hex := part, false
	if rest, ok := strings.CutPrefix(part, "0x"); ok {
		digits, hex = rest, true
	}
	return strings.TrimFunc(digits, func(r rune) bool {
		return r >= '0' && r <= '9' || hex && r >= 'a' && r <= 'f'
	}) == ""
}

// Pattern is which hosts a resource covers: a name, all names below one (*.dev.corp, not
// dev.corp itself), an address, or the addresses of a prefix.
type Pattern struct {
	name   string // empty for addresses
	below  bool   // the names below it, and not itself
	prefix netip.Prefix
}

// ParsePattern reads a host, *.NAME, or a prefix such as 10.1.0.0/16, whose host bits
// become 0.
func ParsePattern(text string) (Pattern, error) {
	if name, ok := strings.CutPrefix(text, "*."); ok {
		if strings.Contains(name, "*") {
			return Pattern{}, fmt.Errorf("%q: %w", short(text), errStar)
		}
		name, err := parseName(name, text)
		if err != nil {
			return Pattern{}, err
		}
		if len(name)+2 > maxName { // no name would have place below it
			return Pattern{}, fmt.Errorf("%q: %w", short(text), errNoName)
		}
		return Pattern{name: name, below: true}, nil
	}
	if strings.Contains(text, "*") {
		return Pattern{}, fmt.Errorf("%q: %w", short(text), errStar)
	}
	if strings.Contains(text, "/") {
		if err := notAlone(text); err != nil {
			return Pattern{}, err
		}
		prefix, err := ParsePrefix(text)
		return checkedPattern(Pattern{prefix: prefix}, err)
	}
	host, err := ParseHost(text)
	if err != nil {
		return Pattern{}, err
	}
	if addr, ok := host.Addr(); ok {
		return checkedPattern(Pattern{prefix: netip.PrefixFrom(addr, addr.BitLen())}, nil)
	}
	return Pattern{name: host.name}, nil
}

func checkedPattern(p Pattern, err error) (Pattern, error) {
	if err == nil && p.prefix.IsSingleIP() && never(p.prefix.Addr()) {
		err = fmt.Errorf("%s is no address that a connection can be made to", p)
	}
	if err != nil {
		return Pattern{}, err
	}
	return p, nil
}

// ParsePrefix reads addresses such as 10.1.0.0/16 or one address. An address with the length of
// a prefix that it does not begin is refused: whoever wrote it may have meant less.
func ParsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("%q is no prefix: write 10.1.0.0/16 or fd00:1::/32", short(text))
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return p, fmt.Errorf("%q mixes IPv4 and IPv6: write two prefixes", short(text))
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if whole := p.Masked(); whole != p {
		return p, fmt.Errorf("%q is an address within %s: write that for all of it, or %s for this one alone", short(text), whole, p.Addr())
	}
	return p, nil
}

// ParsePrefixes reads the prefixes that a network declares, and sorts them. Errors: a
// *FieldError for each that is at fault, joined.
func ParsePrefixes(texts []string) (out []netip.Prefix, err error) {
	if len(texts) > MaxPrefixes {
		return nil, wrong("prefixes", "has %d entries, and at most %d are possible", len(texts), MaxPrefixes)
	}
	var faults []error
	for i, text := range texts {
		p, err := ParsePrefix(text)
		if err != nil {
			faults = append(faults, &FieldError{Field: fmt.Sprintf("prefixes[%d]", i), Err: err})
			continue
		}
		out = append(out, p)
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return slices.Compact(out), errors.Join(faults...)
}

// PrefixTexts are the only spellings of prefixes.
func PrefixTexts(all []netip.Prefix) (texts []string) {
	for _, p := range all {
		texts = append(texts, PrefixText(p))
	}
	return texts
}

// PrefixText is the only spelling of a prefix; that of one address is the address.
func PrefixText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// String is the only spelling of the pattern.
func (p Pattern) String() string {
	switch {
	case p.below:
		return "*." + p.name
	case p.name != "":
		return p.name
	}
	return PrefixText(p.prefix)
}

// single says whether the pattern is one name or one address.
func (p Pattern) single() bool {
	return !p.below && (p.name != "" || p.prefix.IsSingleIP())
}
