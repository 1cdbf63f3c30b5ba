package api

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	defaultPageSize = 100
	maxPageSize     = 500
	maxPageToken    = 1024
	maxSearch       = 128
)

// listing says how the items of one list are found and ordered. It is the same for
// every request.
type listing[T any] struct {
	name string
	// id is unique.
	id func(T) string
	// keys are what the list can be sorted by. A key is compared byte by byte; equal
	// ones are in the order of their ids.
	keys map[string]func(T) string
	// sort is the order when none is asked for: a name of keys, or "-" and the name
	// for the other way round.
	sort string
	// status is what the parameter status is compared with, text what q is looked for in.
	status   func(T) string
	statuses []string
	text     func(T) []string
}

// params are the query parameters of the list.
func (l listing[T]) params() []param {
	var sorts []string
	for name := range l.keys {
		sorts = append(sorts, name, "-"+name)
	}
	slices.SortFunc(sorts, func(a, b string) int {
		return strings.Compare(strings.TrimPrefix(a, "-")+a, strings.TrimPrefix(b, "-")+b)
	})
	return append(pageParams(), []param{
		{name: "sort", description: "order of the items, a - for descending; " + l.sort + " when absent", enum: sorts},
		{name: "status", description: "only items with this status", enum: l.statuses},
		{name: "q", description: "only items in which this text occurs, in upper or lower case", maxLength: maxSearch},
	}...)
}

// pageParams are the parameters of every list.
func pageParams() []param {
	return []param{
		{name: "page_size", description: "how many items a page has at most; " + strconv.Itoa(defaultPageSize) + " when absent", integer: true, min: 1, max: maxPageSize},
		{name: "page_token", description: "the next_page_token of the page before, in the same order", maxLength: maxPageToken},
	}
}

// pageQuery asks for one page of a list.
type pageQuery struct {
	cursor
	size  int
	after string // key of the last item of the page before; "" at the start
}

// parsePage reads the page that q asks for, of a list in its only order.
func parsePage(list string, q url.Values) (pageQuery, error) { return cursor{list: list}.page(q) }

// page is one page of a list.
type page[T any] struct {
	items []T
	total int // on all pages
	next  string
}

// of returns the page that q asks for. A page token is the key of the last item and
// no offset: items that come and go meanwhile neither repeat nor hide others.
func (l listing[T]) of(all []T, q url.Values) (page[T], error) {
	order := l.sort
	if q.Has("sort") {
		order = q.Get("sort")
	}
	name, descending := strings.CutPrefix(order, "-")
	at, err := cursor{list: l.name, order: order}.page(q)
	if err != nil {
		return page[T]{}, err
	}
	type keyed struct {
		key string
		i   int
	}
	var out page[T]
	var rest []keyed
	find, status, keyOf := newSearch(q.Get("q")), q.Get("status"), l.keys[name]
	rest = make([]keyed, 0, len(all))
	for i, it := range all {
		if status != "" && l.status(it) != status || find != "" && !find.in(l.text(it)) {
			continue
		}
		out.total++
		key := keyOf(it) + "\x00" + l.id(it)
		if at.after == "" || (key > at.after) != descending && key != at.after {
			rest = append(rest, keyed{key, i})
		}
	}
	slices.SortFunc(rest, func(a, b keyed) int {
		if descending {
			a, b = b, a
		}
		return strings.Compare(a.key, b.key)
	})
	if len(rest) > at.size {
		rest = rest[:at.size]
		out.next = at.token(rest[at.size-1].key)
	}
	for _, k := range rest {
		out.items = append(out.items, all[k.i])
	}
	return out, nil
}

// cursor makes and reads page tokens, which are of no use for another list or
// another order.
type cursor struct{ list, order string }

func (c cursor) token(key string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(c.list + ":" + c.order + ":" + key))
}

func (c cursor) page(q url.Values) (p pageQuery, err error) {
	p = pageQuery{cursor: c, size: defaultPageSize}
	if n, err := strconv.Atoi(q.Get("page_size")); err == nil { // checkQuery has read it
		p.size = n
	}
	p.after, err = c.parse(q.Get("page_token"))
	return p, err
}

func (c cursor) parse(token string) (key string, err error) {
	if token == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	key, _ = strings.CutPrefix(string(b), c.list+":"+c.order+":")
	// Encoded again it must be the same: one page token has one spelling.
	if err != nil || key == "" || c.token(key) != token {
		return "", invalid("page_token", "is not a next_page_token of this list in this order")
	}
	return key, nil
}

// paginate returns the items of one page of a list in its only order, that of its
// keys, which are unique.
func paginate[T any](items []T, p pageQuery, key func(T) string) (page []T, next string) {
	items = slices.DeleteFunc(slices.Clone(items), func(it T) bool { return key(it) <= p.after })
	slices.SortFunc(items, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	if len(items) <= p.size {
		return items, ""
	}
	return items[:p.size], p.token(key(items[p.size-1]))
}

// search looks for a text, in upper or lower case.
type search string

func newSearch(q string) search { return search(strings.ToLower(q)) }

func (s search) in(texts []string) bool {
	return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(strings.ToLower(t), string(s)) })
}

// timeKey orders times as keys; one that has not come to pass is before all others.
func timeKey(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf("%020d", t.UnixMicro())
}

// numberKey orders texts such as versions so that v1.10 comes after v1.9.
func numberKey(s string) string {
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
