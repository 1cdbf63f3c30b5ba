package api

import (
	"maps"
	"net/url"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
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
		return nil, problem(adminapi.TypeInvalidRequest, "the query is malformed")
	}
	var found faults
	for _, name := range slices.Sorted(maps.Keys(q)) {
		i := slices.IndexFunc(known, func(p param) bool { return p.name == name })
		switch {
		case i < 0:
			found.add(adminapi.InQuery, name, "unknown query parameter")
		case len(q[name]) != 1:
			found.add(adminapi.InQuery, name, "is given twice")
		default:
			if why := known[i].check(q.Get(name)); why != "" {
				found.add(adminapi.InQuery, name, why)
			}
		}
	}
	return q, found.err()
}

// queryOf are the query parameters of a request: known ones, once each, checked.
func queryOf(c *gin.Context) url.Values {
	v, _ := c.Get(keyQuery)
	q, _ := v.(url.Values)
	return q
}

// checkConditions refuses what would make a change depend on an ETag or a time: ETags are of
// the pages of lists, and a condition that is ignored overwrites what it was to keep.
func (s *Server) checkConditions(c *gin.Context) {
	if safe(c.Request.Method) || c.FullPath() == "" {
		return
	}
	var found faults
	for _, name := range []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		if len(c.Request.Header.Values(name)) > 0 {
			found.add(adminapi.InHeader, name, "is not evaluated: give the revision of the last reply in the body, where there is one")
		}
	}
	if err := found.err(); err != nil {
		s.fail(c, err)
	}
}
