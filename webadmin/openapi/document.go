package openapi

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Operation is one method of one path.
type Operation struct {
	Method, Path               string // as gin writes it, "/tokens/:id"
	Tag, Summary, Description  string
	Permission                 string // empty when Public
	Public, StepUp, Idempotent bool
	// Form is a request that is form encoded.
	Form          bool
	Query, Params []Parameter
	Request       any
	// Replies by status; Stream is one whose data is a value of its field.
	Replies  map[int]any
	Problems []int
}

// Parameter is a query, path or header parameter.
type Parameter struct {
	Name, Description, Pattern string
	Enum                       []string
	Integer                    bool
	Min, Max, MaxLength        int
}

// Stream is a reply of server-sent events.
type Stream struct{ Data any }

// Lines is a reply of JSON lines, each a value of its field.
type Lines struct{ Data any }

// Config is what Document needs beside the operations.
type Config struct {
	Title, Description, Version, Base string
	// Problem is a zero value of the type of all refusals.
	Problem any
	// ProblemType is its media type.
	ProblemType string
	// Source is the directory of the Go files of the types.
	Source string
	// TokenURL is where OAuth clients get access tokens.
	TokenURL string
	// Cookie is the name of the session cookie, CSRF the header that goes with it.
	Cookie, CSRF string
}

type object = map[string]any

// Document writes the document.
func Document(c Config, ops []Operation) ([]byte, error) {
	comments, err := readComments(c.Source)
	if err != nil {
		return nil, err
	}
	d := &document{cfg: c, schemas: schemas{comments: comments, components: object{}}, scopes: object{}}
	paths := object{}
	for _, o := range ops {
		path := c.Base + pathParam.ReplaceAllString(o.Path, "{$1}")
		item, _ := paths[path].(object)
		if item == nil {
			item = object{}
			paths[path] = item
		}
		item[strings.ToLower(o.Method)] = d.operation(o)
	}
	out := object{
		"openapi": "3.1.0",
		"info":    object{"title": c.Title, "description": c.Description, "version": c.Version},
		"paths":   paths,
		"components": object{
			"schemas": d.components,
			"securitySchemes": object{
				"session": object{"type": "apiKey", "in": "cookie", "name": c.Cookie, "description": "a person who signed in"},
				"csrf":    object{"type": "apiKey", "in": "header", "name": c.CSRF, "description": "goes with the cookie, on everything but GET"},
				"bearer":  object{"type": "http", "scheme": "bearer", "description": "an API key"},
				"oauth": object{
					"type": "oauth2", "description": "a short-lived access token; the client is an API key",
					"flows": object{"clientCredentials": object{"tokenUrl": c.TokenURL, "scopes": d.scopes}},
				},
			},
		},
	}
	b, err := json.MarshalIndent(out, "", " ")
	return append(b, '\n'), err
}

var (
	pathParam = regexp.MustCompile(`:([a-z_]+)`)
	words     = regexp.MustCompile(`[a-z]+`)
)

type document struct {
	cfg Config
	schemas
	scopes object
}

func (d *document) operation(o Operation) object {
	out := object{
		"operationId": operationID(o), "summary": o.Summary, "tags": []string{o.Tag},
		"responses": d.responses(o), "security": d.security(o),
	}
	text := o.Description
	if o.Permission != "" {
		text = strings.TrimSpace(text + "\n\nNeeds the permission `" + o.Permission + "`.")
	}
	if o.StepUp {
		text += " A person must have signed in again within the last five minutes."
	}
	if text != "" {
		out["description"] = text
	}
	if p := d.parameters(o); len(p) > 0 {
		out["parameters"] = p
	}
	if o.Request != nil {
		media := "application/json"
		if o.Form {
			media = "application/x-www-form-urlencoded"
		}
		out["requestBody"] = object{"required": true, "content": object{media: object{"schema": d.request(o.Request)}}}
	}
	return out
}

func operationID(o Operation) string {
	id := strings.ToLower(o.Method)
	for _, w := range words.FindAllString(o.Path, -1) {
		id += strings.ToUpper(w[:1]) + w[1:]
	}
	return id
}

func (d *document) security(o Operation) []object {
	if o.Public {
		return []object{}
	}
	d.scopes[o.Permission] = "permission " + o.Permission
	session := object{"session": []string{}}
	if o.Method != http.MethodGet {
		session["csrf"] = []string{}
	}
	return []object{session, {"bearer": []string{}}, {"oauth": []string{o.Permission}}}
}

func (d *document) parameters(o Operation) []object {
	var out []object
	for _, m := range pathParam.FindAllStringSubmatch(o.Path, -1) {
		p := Parameter{Name: m[1]}
		if i := slices.IndexFunc(o.Params, func(p Parameter) bool { return p.Name == m[1] }); i >= 0 {
			p = o.Params[i]
		}
		out = append(out, p.object("path", true))
	}
	for _, p := range o.Query {
		out = append(out, p.object("query", false))
	}
	for _, p := range headers(o) {
		out = append(out, p.object("header", false))
	}
	return out
}

// headers are the request headers that an operation looks at.
func headers(o Operation) []Parameter {
	var out []Parameter
	if o.Idempotent {
		out = append(out, Parameter{
			Name: "Idempotency-Key", Pattern: "^[!-~]+$", MaxLength: 128,
			Description: "a name of the caller's choice for this request, such as a UUID: sent again within 24 hours, the request is not done again",
		})
	}
	if _, ok := o.Replies[http.StatusNotModified]; ok {
		out = append(out, Parameter{Name: "If-None-Match", Description: "the ETag of the page that the caller has"})
	}
	if _, ok := o.Replies[http.StatusOK].(Stream); ok {
		out = append(out, Parameter{Name: "Last-Event-ID", Description: "the id of the last event that the caller has read"})
	}
	return out
}

func (p Parameter) object(in string, required bool) object {
	schema := object{"type": "string"}
	switch {
	case p.Integer:
		schema = object{"type": "integer", "minimum": p.Min, "maximum": p.Max}
	case len(p.Enum) > 0:
		schema["enum"] = p.Enum
	}
	if p.Pattern != "" {
		schema["pattern"] = p.Pattern
	}
	if p.MaxLength > 0 {
		schema["maxLength"] = p.MaxLength
	}
	out := object{"name": p.Name, "in": in, "schema": schema}
	if p.Description != "" {
		out["description"] = p.Description
	}
	if required {
		out["required"] = true
	}
	return out
}

func (d *document) responses(o Operation) object {
	out := object{}
	for status, body := range o.Replies {
		r := object{"description": http.StatusText(status)}
		switch body := body.(type) {
		case nil:
		case Stream:
			r["description"] = "A stream of events; the data of each is this object"
			r["content"] = object{"text/event-stream": object{"schema": d.reply(body.Data)}}
		case Lines:
			r["description"] = "One object a line"
			r["content"] = object{"application/x-ndjson": object{"schema": d.reply(body.Data)}}
		default:
			r["content"] = object{"application/json": object{"schema": d.reply(body)}}
		}
		out[strconv.Itoa(status)] = r
	}
	for _, status := range o.problems() {
		out[strconv.Itoa(status)] = object{
			"description": http.StatusText(status),
			"content":     object{d.cfg.ProblemType: object{"schema": d.reply(d.cfg.Problem)}},
		}
	}
	return out
}

// problems are the statuses of all refusals: those of the operation itself and
// those of what stands before its handler. Public ones refuse too: pages of other
// sites, wrong passwords, and who tries too often.
func (o Operation) problems() []int {
	out := append([]int{
		http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusMisdirectedRequest, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusServiceUnavailable,
	}, o.Problems...)
	if o.Request != nil || o.Idempotent {
		out = append(out, http.StatusRequestEntityTooLarge)
	}
	if o.Request != nil {
		out = append(out, http.StatusUnsupportedMediaType)
	}
	if o.Idempotent {
		out = append(out, http.StatusConflict, http.StatusUnprocessableEntity)
	}
	return out
}
