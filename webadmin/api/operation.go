package api

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// operation is one method of one path: the row from which its gin route, its
// authorization and its part of the OpenAPI document come.
type operation struct {
	method string
	// path is below adminapi.Base, in gin's syntax: "/tokens/:id".
	path string
	// id is the operationId, by which generated clients name their methods: a verb and
	// a noun, such as listTokens.
	id string
	// tag groups operations in the document, summary is their one line there, and
	// description the rest (CommonMark).
	tag, summary, description string

	// permission is what a caller must have. An operation that has none and is not
	// public is refused to everybody.
	permission auth.Permission
	// public needs no caller at all. Its handler limits and checks for itself.
	public bool
	// stepUp needs a person to have re-authenticated lately.
	stepUp bool

	// query are the parameters that it takes; every other one is refused.
	query []param
	// anyQuery takes whatever somebody else puts there; its handler checks.
	anyQuery bool
	// path parameters are strings unless params says more of them.
	params []param
	// request is a zero value of the body's type; nil takes no body.
	request any
	// form is a request that is form encoded and not JSON.
	form bool
	// replies has a zero value of the body's type for each status of success; nil is
	// a reply without a body.
	replies map[int]any
	// problems are the types of its problems, beside those that every operation has.
	problems []string
	// maxBody is how long the body may be; 0 is 64 KiB.
	maxBody int64
	// replayable has a reply without a secret, which is kept for a caller that repeats the
	// request with its Idempotency-Key. Without it a repetition is answered with 409 and
	// the id that the handler gave to setResourceID.
	replayable bool
	// stream replies until one side has enough: no deadline applies.
	stream bool
	// noHead is a GET that changes something, which HEAD must not.
	noHead bool

	handle func(*gin.Context) error
}

// param is a query or path parameter. The zero Type is a string.
type param struct {
	name, description string
	// enum are the only values, if there are any.
	enum []string
	// integer is a whole number from min to max.
	integer  bool
	min, max int
	// time is a time of RFC 3339.
	time bool
	// shared names a parameter of many operations, which the document describes once.
	shared string
	// pattern is what a string must match, for the document only: its handler checks.
	pattern string
	// maxLength is the most bytes of a string; 0 is no limit beside the header's.
	maxLength int
}

// check says what is wrong with a value; "" is nothing.
func (p param) check(value string) string {
	switch {
	case p.integer:
		if n, err := strconv.Atoi(value); err != nil || n < p.min || n > p.max || strconv.Itoa(n) != value {
			return "must be " + strconv.Itoa(p.min) + " to " + strconv.Itoa(p.max)
		}
	case len(p.enum) > 0:
		if !slices.Contains(p.enum, value) {
			return "must be " + strings.Join(p.enum, " or ")
		}
	case p.time:
		if _, err := parseTime(value); err != nil {
			return err.Error()
		}
	case p.maxLength > 0 && len(value) > p.maxLength:
		return "is longer than " + strconv.Itoa(p.maxLength) + " bytes"
	}
	return ""
}

// parseTime reads a time of a query.
func parseTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	// Beyond these years microseconds do not fit what a database keeps.
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}, errors.New("must be a time such as 2026-01-02T15:04:05Z")
	}
	return t, nil
}

// route is what gin calls it.
func (o operation) route() string { return adminapi.Base + o.path }

// key finds the operation of a request.
func (o operation) key() string { return o.method + " " + o.route() }

// operationOf is the row of a request, for HEAD that of GET; ok is false for a path that
// is no route, and for a route that has no row.
func (s *Server) operationOf(c *gin.Context) (o operation, ok bool) {
	method := c.Request.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	o, ok = s.table[method+" "+c.FullPath()]
	return o, ok
}
