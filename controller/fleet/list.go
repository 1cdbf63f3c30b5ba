package fleet

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

// Sort is what a list is ordered by. Equal keys are in the order of their ids.
type Sort string

// What lists are ordered by: BySeen, ByStatus, ByID and ByEnrolled all of them,
// ByVersion those of members and ByHostname that of hosts.
const (
	ByID       Sort = "id"
	ByEnrolled Sort = "enrolled_at"
	ByVersion  Sort = "version"
	ByHostname Sort = "hostname"
	BySeen     Sort = "last_seen"
	ByStatus   Sort = "status"
)

// Query asks for one page of a list.
type Query struct {
	Sort       Sort
	Descending bool
	// After is the Next of the page before; zero at the start.
	After Place
	Limit int // at least 1
	// Status is the only one that is wanted; empty for any.
	Status presence.Status
	// Revoked asks for those that were revoked, instead of the others. Nothing counts them in.
	Revoked bool
	// Labels are those that each item has; none is no condition.
	Labels []access.Label
	// Search is a text, in upper or lower case, that is looked for in what identifies one.
	Search string
}

// Place is one in an order: its key, which is a text that is compared byte by byte, and
// its id. A page begins after a place and not at a number: those that come and go
// meanwhile neither repeat nor hide others.
type Place struct{ Key, ID string }

// ErrPlace is a Query.After that no page of this list in this order has had.
var ErrPlace = errors.New("not a place in this list")

// Page is one page of a list.
type Page[T any] struct {
	Items []T
	// Total are those on all pages.
	Total int
	// Next is where the next page continues; zero if this is the last one.
	Next Place
}

// Count is how many there are that are not revoked.
type Count struct{ Total, Online int }

// TimeKey orders times as keys; one that has not come to pass is before all others.
func TimeKey(t time.Time) string { return microsKey(micros(t)) }

func micros(t time.Time) int64 {
	if t.IsZero() {
		return noTime
	}
	return t.UnixMicro()
}

// noTime is before all times.
const noTime = -1

func microsKey(at int64) string {
	if at == noTime {
		return ""
	}
	return fmt.Sprintf("%020d", at)
}

// parseMicros reads a microsKey; nothing else has another spelling of one.
func parseMicros(key string) (at int64, err error) {
	if key == "" {
		return noTime, nil
	}
	if at, err = strconv.ParseInt(key, 10, 64); err != nil || microsKey(at) != key {
		return 0, ErrPlace
	}
	return at, nil
}

// NumberKey orders texts such as versions so that v1.10 comes after v1.9.
func NumberKey(s string) string {
	const digits = 9 // a number of more is compared as it is
	var b strings.Builder
	for s != "" {
		i := strings.IndexFunc(s, isDigit)
		if i < 0 {
			i = len(s)
		}
		b.WriteString(s[:i])
		s = s[i:]
		n := len(s) - len(strings.TrimLeftFunc(s, isDigit))
		if n > 0 && n < digits {
			b.WriteString(strings.Repeat("0", digits-n))
		}
		b.WriteString(s[:n])
		s = s[n:]
	}
	return b.String()
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }
