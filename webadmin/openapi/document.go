package openapi

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Operation is one method of one path.
type Operation struct {
	Method, Path, ID           string // the path as gin writes it, "/tokens/:id"
	Tag, Summary, Description  string
	Permission                 string // empty when Public
	Public, StepUp, Idempotent bool
	// ByPerson is for a person with a session, and for no program.
	ByPerson bool
	// Form is a request that is form encoded.
	Form          bool
	Query, Params []Parameter
	Request       any
	// Replies by status; Stream is one whose data is a value of its field.
	Replies map[int]any
	// Problems are types of Config.Problems.
	Problems []string
}

// Parameter is a query, path or header parameter.
type Parameter struct {
	Name, Description, Pattern string
	Enum                       []string
	Integer, Time              bool
	Min, Max, MaxLength        int
	// Shared is the name of a component, of a parameter that many operations have.
	Shared string
}

// Stream is a reply of server-sent events.
type Stream struct{ Data any }

// Lines is a reply of JSON lines, each a value of its field.
type Lines struct{ Data any }

// Tag is a group of operations.
type Tag struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// Server is where the API is.
type Server struct {
	URL         string `json:"url"`
	Description string `json:"description"`
}

// Problem is a type of problems.
type Problem struct {
	Type, Title, When, Do string
	Status                int
	Example               any
}

// Config is what Document needs beside the operations.
type Config struct {
	Title, Description, Version, Base string
	Tags                              []Tag
	Servers                           []Server
	// Problem is a zero value of the type of all refusals.
	Problem any
	// ProblemType is its media type.
	ProblemType string
	// Problems are all types of problems.
	Problems []Problem
	// Source is the directory of the Go files of the types.
	Source string
	// TokenURL is where OAuth clients get access tokens.
	TokenURL string
	// Scopes says what each permission allows.
	Scopes map[string]string
	// Cookie is the name of the session cookie, CSRF the header that goes with it.
	Cookie, CSRF string
}

type object = map[string]any

// document is what is written so far.
type document struct {
	cfg Config
	*schemas

	parameters, responses, headers, examples object
}

// Document writes the document. It fails if the document would be incomplete, and says
// what is missing.
func Document(c Config, ops []Operation) ([]byte, error) {
	comments, err := readComments(c.Source)
	if err != nil {
		return nil, err
	}
	d := &document{
		cfg: c, schemas: &schemas{comments: comments, components: object{}},
		parameters: object{}, responses: object{}, headers: headers(), examples: object{},
	}
	paths := object{}
	for _, o := range ops {
		if err := d.check(o); err != nil {
			return nil, err
		}
		path := c.Base + pathParam.ReplaceAllString(o.Path, "{$1}")
		item, _ := paths[path].(object)
		if item == nil {
			item = object{}
			paths[path] = item
		}
		item[strings.ToLower(o.Method)] = d.operation(o)
	}
	if len(d.missing) > 0 {
		return nil, fmt.Errorf("no example for %s: give each field a tag example:\"…\" in internal/adminapi, or its name a row in webadmin/openapi/examples.go", strings.Join(d.missing, ", "))
	}
	b, err := json.MarshalIndent(d.object(paths), "", " ")
	return append(b, '\n'), err
}

// operationID is a verb and its object.
var operationID = regexp.MustCompile(`^[a-z]+([A-Z][A-Za-z]+)?$`)

// check says what a row of the table lacks.
func (d *document) check(o Operation) error {
	name := o.Method + " " + o.Path
	switch {
	case !operationID.MatchString(o.ID):
		return fmt.Errorf("%s needs an id that is a verb and its object, such as listTokens, not %q", name, o.ID)
	case o.Summary == "":
		return fmt.Errorf("%s needs a summary", name)
	case !slices.ContainsFunc(d.cfg.Tags, func(t Tag) bool { return t.Name == o.Tag }):
		return fmt.Errorf("%s has the tag %q, which has no description", name, o.Tag)
	case !o.Public && d.cfg.Scopes[o.Permission] == "":
		return fmt.Errorf("%s needs the permission %q, which has no description", name, o.Permission)
	}
	for _, typ := range o.Problems {
		if !slices.ContainsFunc(d.cfg.Problems, func(p Problem) bool { return p.Type == typ }) {
			return fmt.Errorf("%s has a problem of the unknown type %q", name, typ)
		}
	}
	return nil
}

func (d *document) object(paths object) object {
	scopes := object{}
	for scope, text := range d.cfg.Scopes {
		scopes[scope] = text
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": d.cfg.Title, "description": d.cfg.Description, "version": d.cfg.Version,
			"license": object{"name": "Apache 2.0", "identifier": "Apache-2.0"},
		},
		"servers": d.cfg.Servers, "tags": d.cfg.Tags, "paths": paths,
		"components": object{
			"schemas": d.components, "parameters": d.parameters, "responses": d.responses, "headers": d.headers, "examples": d.examples,
			"securitySchemes": object{
				"session": object{"type": "apiKey", "in": "cookie", "name": d.cfg.Cookie, "description": "A person who signed in. Without TLS the name of the cookie has no `__Host-` before it."},
				"csrf":    object{"type": "apiKey", "in": "header", "name": d.cfg.CSRF, "description": "Goes with the cookie, on everything but GET: the `csrf_token` of getSession."},
				"bearer":  object{"type": "http", "scheme": "bearer", "description": "An API key, or the token of a command line that a person signed in."},
				"oauth": object{
					"type": "oauth2", "description": "An access token that ends soon. The client is an API key.",
					"flows": object{"clientCredentials": object{"tokenUrl": d.cfg.TokenURL, "scopes": scopes}},
				},
			},
		},
	}
}
