package api

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
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
	return listParams(slices.Collect(maps.Keys(l.keys)), l.sort, l.statuses)
}

// listParams are the query parameters of a list with these keys.
func listParams(keys []string, standard string, statuses []string) []param {
	var sorts []string
	for _, name := range keys {
		sorts = append(sorts, name, "-"+name)
	}
	slices.SortFunc(sorts, func(a, b string) int {
		return strings.Compare(strings.TrimPrefix(a, "-")+a, strings.TrimPrefix(b, "-")+b)
	})
	return append(pageParams(), []param{
		{name: "sort", description: "order of the items, a - for descending; " + standard + " when absent", enum: sorts},
		{name: "status", description: statusDescription(statuses), enum: statuses},
		{name: "q", description: "only items in which this text occurs, in upper or lower case", maxLength: maxSearch, shared: "Search"},
	}...)
}

func statusDescription(statuses []string) string {
	const text = "only items with this status"
	if slices.Contains(statuses, adminapi.Revoked) {
		return text + "; REVOKED chooses those with a revoked_at, which no other list has"
	}
	return text
}

// pageParams are the parameters of every list.
func pageParams() []param {
	return []param{
		{name: "page_size", description: "how many items a page has at most; " + strconv.Itoa(defaultPageSize) + " when absent", integer: true, min: 1, max: maxPageSize, shared: "PageSize"},
		{name: "page_token", description: "the next_page_token of the page before, in the same order", maxLength: maxPageToken, shared: "PageToken"},
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
		key := keyOf(it) + keySeparator + l.id(it)
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
		return "", errPageToken()
	}
	return key, nil
}

// byCreation reads the page that a request asks for of a list that is in the order of
// creation.
func byCreation[T any](
	c *gin.Context, list string, read func(ctx context.Context, after auth.Place, limit int) ([]T, int, error), place func(T) auth.Place,
) (items []T, next string, total int, err error) {
	p, err := parsePage(list, queryOf(c))
	if err != nil {
		return nil, "", 0, err
	}
	at, err := p.place()
	if err != nil {
		return nil, "", 0, err
	}
	var after auth.Place
	if at != (fleet.Place{}) {
		micros, err := strconv.ParseInt(at.Key, 10, 64)
		if err != nil || strconv.FormatInt(micros, 10) != at.Key {
			return nil, "", 0, errPageToken()
		}
		after = auth.Place{At: time.UnixMicro(micros), ID: at.ID}
	}
	if items, total, err = read(c.Request.Context(), after, p.size+1); err != nil || len(items) <= p.size {
		return items, "", total, err
	}
	last := place(items[p.size-1])
	return items[:p.size], p.tokenOf(fleet.Place{Key: strconv.FormatInt(last.At.UnixMicro(), 10), ID: last.ID}), total, nil
}

// enrollQuery reads the page that q asks for of the list of tokens or of requests.
func enrollQuery[S ~string](list string, q url.Values) (enroll.PageQuery[S], cursor, error) {
	order := newestFirst
	if q.Has("sort") {
		order = q.Get("sort")
	}
	at, err := cursor{list: list, order: order}.page(q)
	if err != nil {
		return enroll.PageQuery[S]{}, at.cursor, err
	}
	name, descending := strings.CutPrefix(order, "-")
	out := enroll.PageQuery[S]{
		Sort: enroll.Sort(name), Descending: descending, Limit: at.size, State: S(q.Get("status")), Search: q.Get("q"),
	}
	out.After, err = at.place()
	return out, at.cursor, err
}

const newestFirst = "-" + string(enroll.ByCreation)

// enrollParams are the query parameters of these two lists.
func enrollParams[S ~string](states ...S) []param {
	var sorts, statuses []string
	for _, one := range []enroll.Sort{enroll.ByWorkload, enroll.ByCreation, enroll.ByExpiry, enroll.ByState} {
		sorts = append(sorts, string(one))
	}
	for _, one := range states {
		statuses = append(statuses, string(one))
	}
	return listParams(sorts, newestFirst, statuses)
}

// place is where the page begins; zero at the start.
func (p pageQuery) place() (fleet.Place, error) {
	if p.after == "" {
		return fleet.Place{}, nil
	}
	key, id, ok := strings.Cut(p.after, keySeparator)
	if !ok || id == "" {
		return fleet.Place{}, errPageToken()
	}
	return fleet.Place{Key: key, ID: id}, nil
}

// fleetQuery reads the page that q asks for of a list of the fleet, which has its own
// orders, and returns how its page tokens are made.
func fleetQuery(list string, q url.Values) (fleet.Query, cursor, error) {
	order := string(fleet.ByID)
	if q.Has("sort") {
		order = q.Get("sort")
	}
	name, descending := strings.CutPrefix(order, "-")
	at, err := cursor{list: list, order: order}.page(q)
	if err != nil {
		return fleet.Query{}, at.cursor, err
	}
	out := fleet.Query{
		Sort: fleet.Sort(name), Descending: descending, Limit: at.size,
		Status: presence.Status(q.Get("status")), Search: q.Get("q"),
	}
	if out.Status == adminapi.Revoked {
		out.Status, out.Revoked = "", true
	}
	if q.Has("label") {
		if out.Labels, err = access.ParseLabels(q.Get("label")); err != nil {
			return out, at.cursor, inQuery("label", err.Error())
		}
	}
	out.After, err = at.place()
	return out, at.cursor, err
}

// keySeparator is between a key and an id in a page token. Neither has it in it.
const keySeparator = "\x00"

// tokenOf is the page token of a place in a list of the fleet; empty at its end.
func (c cursor) tokenOf(p fleet.Place) string {
	if p == (fleet.Place{}) {
		return ""
	}
	return c.token(p.Key + keySeparator + p.ID)
}

func errPageToken() error {
	return inQuery("page_token", "is not a next_page_token of this list in this order")
}

// fleetProblem is the problem of an error of a list of the fleet.
func fleetProblem(err error) error {
	if errors.Is(err, fleet.ErrPlace) {
		return errPageToken()
	}
	return err
}

// search looks for a text, in upper or lower case.
type search string

func newSearch(q string) search { return search(strings.ToLower(q)) }

func (s search) in(texts []string) bool {
	return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(strings.ToLower(t), string(s)) })
}
