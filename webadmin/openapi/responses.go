package openapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (d *document) allResponses(o Operation) object {
	out := object{}
	for status, body := range o.Replies {
		out[strconv.Itoa(status)] = d.response(o, status, body)
	}
	byStatus := map[int][]Problem{}
	for _, p := range d.cfg.Problems { // in their order, whatever that of the row is
		if slices.Contains(o.Problems, p.Type) {
			byStatus[p.Status] = append(byStatus[p.Status], p)
		}
	}
	for status, all := range byStatus {
		out[strconv.Itoa(status)] = d.problems(status, all)
	}
	return out
}

// meanings are of the statuses of success.
var meanings = map[int]string{
	http.StatusOK:          "It is done.",
	http.StatusCreated:     "It is created.",
	http.StatusAccepted:    "It is begun, and continues without the caller.",
	http.StatusNoContent:   "It is done. There is no body.",
	http.StatusSeeOther:    "The browser goes to Location.",
	http.StatusNotModified: "The page is still as the caller has it. There is no body.",
}

func (d *document) response(o Operation, status int, body any) object {
	out := object{"description": meanings[status]}
	more := []string{}
	switch body := body.(type) {
	case nil:
	case Stream:
		out["description"] = "A stream of server-sent events. The data of each event is this object."
		out["content"] = object{"text/event-stream": object{"schema": d.reply(body.Data), "example": d.exampleOf(body.Data)}}
	case Lines:
		out["description"] = "One JSON object a line."
		out["content"] = object{"application/x-ndjson": object{"schema": d.reply(body.Data), "example": d.exampleOf(body.Data)}}
	default:
		out["content"] = object{"application/json": object{"schema": d.reply(body), "example": d.exampleOf(body)}}
	}
	if _, list := o.Replies[http.StatusNotModified]; list {
		more = append(more, "ETag")
	}
	if o.Idempotent {
		more = append(more, "Idempotency-Replayed")
	}
	if status == http.StatusSeeOther {
		more = append(more, "Location")
	}
	out["headers"] = headersOf(more...)
	return out
}

// problems is a reference to the response that has these problems, all of one status.
func (d *document) problems(status int, all []Problem) object {
	var names, lines []string
	examples := object{}
	for _, p := range all {
		slug := p.Type[strings.LastIndex(p.Type, ":")+1:]
		names = append(names, camel(slug))
		lines = append(lines, "* `"+slug+"`: "+p.When+" "+p.Do)
		d.examples[slug] = object{"summary": p.Title, "value": p.Example}
		examples[slug] = object{"$ref": "#/components/examples/" + slug}
	}
	name := strings.Join(names, "Or")
	var more []string
	switch status {
	case http.StatusTooManyRequests:
		more = append(more, "Retry-After")
	case http.StatusUnauthorized:
		more = append(more, "WWW-Authenticate")
	}
	d.responses[name] = object{
		"description": strings.Join(lines, "\n"), "headers": headersOf(more...),
		"content": object{d.cfg.ProblemType: object{"schema": d.reply(d.cfg.Problem), "examples": examples}},
	}
	return object{"$ref": "#/components/responses/" + name}
}

// camel makes LiveMember of live-member.
func camel(slug string) string {
	out := ""
	for _, w := range strings.Split(slug, "-") {
		switch w {
		case "csrf", "totp":
			out += strings.ToUpper(w)
		default:
			out += strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return out
}

// headers are the reply headers that are described once.
func headers() object {
	text := func(description, example string) object {
		return object{"description": description, "schema": object{"type": "string"}, "example": example}
	}
	return object{
		"X-Request-Id":         text("The id of this request, in the controller's log and in the audit log. What a caller sends in X-Request-Id (1 to 64 letters, digits and dashes) comes before it, with a dot.", "8d1c8a4f8d5d4c0f9f5f6f0a1b2c3d4e"),
		"ETag":                 text("Of the bytes of this page: send it as If-None-Match to get 304 while the page is the same.", `"6f1ed002ab5595859014ebf0951522d9"`),
		"Location":             text("Where the browser goes.", "/connectors"),
		"WWW-Authenticate":     text("How to authenticate. Absent where a password was wrong.", `Bearer realm="grpccontroller"`),
		"Idempotency-Replayed": text("`true` if this is the reply to an earlier request with the same Idempotency-Key; else absent.", "true"),
		"Retry-After":          object{"description": "Seconds to wait.", "schema": object{"type": "integer", "minimum": 1}, "example": 6},
	}
}

func headersOf(more ...string) object {
	out := object{}
	for _, name := range append(more, "X-Request-Id") {
		out[name] = object{"$ref": "#/components/headers/" + name}
	}
	return out
}
