package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// headWriter counts the body of a reply to HEAD in place of sending it, so that the
// reply has the headers that GET would have (RFC 9110 section 9.3.2).
type headWriter struct {
	gin.ResponseWriter

	size int
}

// Write implements io.Writer.
func (w *headWriter) Write(b []byte) (int, error) {
	w.size += len(b)
	return len(b), nil
}

// WriteString implements io.StringWriter.
func (w *headWriter) WriteString(text string) (int, error) {
	w.size += len(text)
	return len(text), nil
}

// WriteHeaderNow waits: the length of the body is a header.
func (w *headWriter) WriteHeaderNow() {}

// Flush waits too.
func (w *headWriter) Flush() {}

// answerHead is in front of everything that writes.
func answerHead(c *gin.Context) {
	if c.Request.Method != http.MethodHead {
		return
	}
	w := &headWriter{ResponseWriter: c.Writer}
	c.Writer = w
	c.Next()
	if w.size > 0 && w.Header().Get("Content-Length") == "" {
		w.Header().Set("Content-Length", strconv.Itoa(w.size))
	}
	w.ResponseWriter.WriteHeaderNow()
}

// head is the handler of HEAD where GET works: the same one, except that a stream is
// not begun.
func (o operation) head() func(*gin.Context) error {
	media := ""
	switch o.replies[http.StatusOK].(type) {
	case eventStream:
		media = "text/event-stream"
	case eventLines:
		media = "application/x-ndjson"
	default:
		return o.handle
	}
	return func(c *gin.Context) error {
		c.Header("Content-Type", media)
		c.Status(http.StatusOK)
		return nil
	}
}

// noMethod answers OPTIONS with the methods of the path, and every other method that the
// path does not have with the problem.
func noMethod(c *gin.Context) error {
	allowed := append(strings.Split(c.Writer.Header().Get("Allow"), ", "), http.MethodOptions)
	slices.Sort(allowed)
	c.Header("Allow", strings.Join(slices.Compact(allowed), ", "))
	if c.Request.Method == http.MethodOptions {
		c.Status(http.StatusNoContent)
		return nil
	}
	return problem(adminapi.TypeMethodNotAllowed, "this path does not allow this method; see the Allow header")
}
