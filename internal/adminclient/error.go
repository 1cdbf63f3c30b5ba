package adminclient

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// Error is a refusal of the admin API.
type Error struct {
	adminapi.Problem
}

// Error implements error, in one line.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	if e.Detail != "" {
		b.WriteString(e.Detail)
	} else {
		b.WriteString(e.Title)
	}
	for _, more := range e.Errors[min(1, len(e.Errors)):] {
		b.WriteString("; " + more.Name + ": " + more.Detail)
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	return b.String()
}

func errorOf(resp *http.Response, body []byte) error {
	e := &Error{}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if media != adminapi.ProblemContentType || json.Unmarshal(body, &e.Problem) != nil {
		e.Problem = adminapi.Problem{Detail: fmt.Sprintf("%s answered %q and not like the admin API", resp.Request.URL.Host, resp.Status)}
	}
	e.Status = resp.StatusCode // what HTTP says counts
	return e
}
