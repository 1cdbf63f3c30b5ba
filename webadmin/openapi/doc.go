// Package openapi writes the OpenAPI 3.1 document of the admin API from its table of
// operations and the Go types of its requests and replies.
//
// It does not serve (webadmin/api embeds and serves the written file, which a test
// compares with what this package writes), and no program contains it: descriptions
// of types come from the comments in their source.
//
// Main types, in reading order: Config, Operation, Parameter, Problem, Document.
//
// Only functions and values; safe for concurrent use.
//
// Invariants: equal input gives equal bytes; every status and type of problem that an
// operation can answer with is in the document; whatever has a schema has an example.
package openapi
