package api

import (
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
)

const (
	defaultPageSize = 100
	maxPageSize     = 1000
	maxPageToken    = 256
)

// checkQuery holds the query against the operation's row. An unknown or repeated
// parameter is an error: a mistyped filter must not answer with everything.
func (s *Server) checkQuery(c *gin.Context) {
	if c.FullPath() == "" {
		return
	}
	o, _ := s.operationOf(c)
	if o.anyQuery {
		return
	}
	q, err := readQuery(c.Request.URL.RawQuery, o.query)
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Set(keyQuery, q)
}

func readQuery(raw string, known []param) (url.Values, error) {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return nil, invalid("", "the query is malformed")
	}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		i := slices.IndexFunc(known, func(p param) bool { return p.name == name })
		if i < 0 {
			return nil, invalid(name, "unknown query parameter")
		}
		if len(q[name]) != 1 {
			return nil, invalid(name, "is given twice")
		}
		if err := known[i].check(q.Get(name)); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// queryOf are the query parameters of a request: known ones, once each, checked.
func queryOf(c *gin.Context) url.Values {
	v, _ := c.Get(keyQuery)
	q, _ := v.(url.Values)
	return q
}

// pageParams are the parameters of every list.
func pageParams() []param {
	return []param{
		{name: "page_size", description: "how many items a page has at most", integer: true, min: 1, max: maxPageSize},
		{name: "page_token", description: "the next_page_token of the page before", maxLength: maxPageToken},
	}
}

// pageQuery asks for one page of a list.
type pageQuery struct {
	list  string // its page tokens are of no use for another list
	size  int
	after string // key of the last item of the page before; "" at the start
}

func parsePage(list string, q url.Values) (pageQuery, error) {
	p := pageQuery{list: list, size: defaultPageSize}
	if q.Has("page_size") {
		p.size, _ = strconv.Atoi(q.Get("page_size")) // checkQuery has read it
	}
	if t := q.Get("page_token"); t != "" {
		b, err := base64.RawURLEncoding.DecodeString(t)
		p.after, _ = strings.CutPrefix(string(b), list+":")
		// Encoded again it must be the same: one page token has one spelling.
		if err != nil || p.after == "" || p.token(p.after) != t || len(t) > maxPageToken {
			return p, invalid("page_token", "is not a next_page_token of this list")
		}
	}
	return p, nil
}

// token is the page token of the page after key.
func (p pageQuery) token(key string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(p.list + ":" + key))
}

// paginate returns the items of one page in the order of their keys, which are
// unique. A page token is the last key and no offset: items that come and go
// meanwhile neither repeat nor hide others.
func paginate[T any](items []T, p pageQuery, key func(T) string) (page []T, next string) {
	items = slices.Clone(items) // not ours to sort
	items = slices.DeleteFunc(items, func(it T) bool { return key(it) <= p.after })
	slices.SortFunc(items, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	if len(items) <= p.size {
		return items, ""
	}
	page = items[:p.size]
	return page, p.token(key(page[p.size-1]))
}
