package api

import (
	"encoding/base64"
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

// query reads the query parameters. An unknown or repeated one is an error: a
// mistyped filter must not answer with everything.
func query(c *gin.Context, allowed ...string) (url.Values, error) {
	q, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		return nil, invalid("", "the query is malformed")
	}
	for name, values := range q {
		if !slices.Contains(allowed, name) {
			return nil, invalid(name, "unknown query parameter")
		}
		if len(values) != 1 {
			return nil, invalid(name, "is given twice")
		}
	}
	return q, nil
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
		n, err := strconv.Atoi(q.Get("page_size"))
		if err != nil || n < 1 || n > maxPageSize {
			return p, invalid("page_size", "must be 1 to "+strconv.Itoa(maxPageSize))
		}
		p.size = n
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
