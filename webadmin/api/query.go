package api

import (
	"maps"
	"net/url"
	"slices"

	"github.com/gin-gonic/gin"
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
