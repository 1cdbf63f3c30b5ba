package openapi

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

var pathParam = regexp.MustCompile(`:([a-z_]+)`)

func (d *document) operation(o Operation) object {
	out := object{
		"operationId": o.ID, "summary": o.Summary, "tags": []string{o.Tag},
		"responses": d.allResponses(o), "security": d.security(o),
	}
	if text := description(o); text != "" {
		out["description"] = text
	}
	if p := d.allParameters(o); len(p) > 0 {
		out["parameters"] = p
	}
	if o.Request != nil {
		media := "application/json"
		if o.Form {
			media = "application/x-www-form-urlencoded"
		}
		out["requestBody"] = object{"required": true, "content": object{media: object{
			"schema": d.request(o.Request), "example": d.exampleOf(o.Request),
		}}}
	}
	return out
}

func description(o Operation) string {
	parts := []string{}
	if o.Description != "" {
		parts = append(parts, o.Description)
	}
	switch {
	case o.Public:
		parts = append(parts, "Needs no credentials.")
	case o.ByPerson:
		parts = append(parts, "Only for a person with a session.")
	default:
		parts = append(parts, "Needs the permission `"+o.Permission+"`.")
	}
	if o.StepUp {
		parts = append(parts, "A person must have signed in again within the last five minutes.")
	}
	return strings.Join(parts, "\n\n")
}

// security lists the ways to call. Every one names the permission that it needs.
func (d *document) security(o Operation) []object {
	if o.Public {
		return []object{}
	}
	needs := []string{o.Permission}
	session := object{"session": needs}
	if o.Method != http.MethodGet {
		session["csrf"] = []string{}
	}
	if o.ByPerson {
		return []object{session}
	}
	return []object{session, {"bearer": needs}, {"oauth": needs}}
}

func (d *document) allParameters(o Operation) []object {
	var out []object
	for _, m := range pathParam.FindAllStringSubmatch(o.Path, -1) {
		p := Parameter{Name: m[1], Description: "the `" + m[1] + "` of the object"}
		if i := slices.IndexFunc(o.Params, func(p Parameter) bool { return p.Name == m[1] }); i >= 0 {
			p = o.Params[i]
		}
		out = append(out, d.parameter(o.Tag, p, "path"))
	}
	for _, p := range o.Query {
		out = append(out, d.parameter(o.Tag, p, "query"))
	}
	for _, p := range requestHeaders(o) {
		out = append(out, d.parameter(o.Tag, p, "header"))
	}
	return out
}

// requestHeaders are the request headers that an operation looks at.
func requestHeaders(o Operation) []Parameter {
	var out []Parameter
	if o.Idempotent {
		out = append(out, Parameter{
			Name: "Idempotency-Key", Pattern: "^[!-~]+$", MaxLength: 128, Shared: "IdempotencyKey",
			Description: "a name of the caller's choice for this request, such as a UUID: sent again within 24 hours, the request is not carried out again",
		})
	}
	if _, ok := o.Replies[http.StatusNotModified]; ok {
		out = append(out, Parameter{Name: "If-None-Match", Shared: "IfNoneMatch", Description: "the ETag of the page that the caller has"})
	}
	if _, ok := o.Replies[http.StatusOK].(Stream); ok {
		out = append(out, Parameter{Name: "Last-Event-ID", Shared: "LastEventID", MaxLength: 64, Description: "the id of the last event that the caller has read"})
	}
	return out
}

// parameter is the parameter, or a reference to the component that it is.
func (d *document) parameter(tag string, p Parameter, in string) object {
	if p.Shared == "" {
		return d.parameterObject(tag, p, in)
	}
	d.parameters[p.Shared] = d.parameterObject(tag, p, in)
	return object{"$ref": "#/components/parameters/" + p.Shared}
}

func (d *document) parameterObject(tag string, p Parameter, in string) object {
	schema := object{"type": "string"}
	switch {
	case p.Integer:
		schema = object{"type": "integer", "minimum": p.Min, "maximum": p.Max}
	case p.Time:
		schema["format"] = "date-time"
	case len(p.Enum) > 0:
		schema["enum"] = p.Enum
	}
	if p.Pattern != "" {
		schema["pattern"] = p.Pattern
	}
	if p.MaxLength > 0 {
		schema["maxLength"] = p.MaxLength
	}
	out := object{"name": p.Name, "in": in, "schema": schema, "description": p.Description, "example": d.parameterExample(tag, p)}
	if in == "path" {
		out["required"] = true
	}
	return out
}

func (d *document) parameterExample(tag string, p Parameter) any {
	switch {
	case p.Integer:
		return min(p.Max, max(p.Min, 50))
	case p.Time:
		return exampleTime
	case len(p.Enum) > 0:
		return p.Enum[0]
	}
	return d.exampleText(tag, p.Name)
}
