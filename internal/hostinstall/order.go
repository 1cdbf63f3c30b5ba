package hostinstall

import (
	"cmp"
	"regexp"
	"strings"
)

var (
	numbered = regexp.MustCompile(`^v?([0-9]+(?:\.[0-9]+)+)(.*)$`)
	// described is what git appends to a tag for the commits that came after it.
	described = regexp.MustCompile(`^(.*)-([0-9]+)-g[0-9a-f]+(?:-dirty)?$`)
	parts     = regexp.MustCompile(`[0-9]+|[^0-9]+`)
)

// supersedes says whether the offered version should take the place of the one that is
// there. Where there is no order between two versions, the offered one is right.
func supersedes(offered, there string) bool {
	a, ok := orderOf(offered)
	b, too := orderOf(there)
	return !ok || !too || a.compare(b) >= 0
}

// order is where a version is among others: v1.9.0 before v1.10.0-rc1 before v1.10.0
// before v1.10.0-3-gabc, which is three commits later.
type order struct {
	numbers string
	before  string // what it is before its numbers' release, empty for the release itself
	commits string // after that
}

func orderOf(version string) (o order, ok bool) {
	if m := described.FindStringSubmatch(version); m != nil {
		version, o.commits = m[1], m[2]
	}
	m := numbered.FindStringSubmatch(version)
	if m == nil {
		return o, false
	}
	o.numbers, o.before = m[1], m[2]
	return o, true
}

func (o order) compare(b order) int {
	releases := 0
	switch {
	case o.before == "" && b.before != "":
		releases = 1
	case o.before != "" && b.before == "":
		releases = -1
	}
	return cmp.Or(compareParts(o.numbers, b.numbers), releases, compareParts(o.before, b.before), compareParts(o.commits, b.commits))
}

// compareParts compares numbers as numbers, however long, and the rest as text.
func compareParts(a, b string) int {
	as, bs := parts.FindAllString(a, -1), parts.FindAllString(b, -1)
	for i := range min(len(as), len(bs)) {
		x, y := as[i], bs[i]
		longer := 0
		if isNumber(x) && isNumber(y) {
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			longer = cmp.Compare(len(x), len(y))
		}
		if c := cmp.Or(longer, strings.Compare(x, y)); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(as), len(bs))
}

func isNumber(s string) bool { return s[0] >= '0' && s[0] <= '9' }
