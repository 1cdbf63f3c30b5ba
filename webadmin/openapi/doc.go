// Package openapi writes the OpenAPI 3.1 document of the admin API from its table of
// operations and the Go types of its requests and replies.
//
// It does not serve (webadmin/api embeds and serves the written file, which a test
// compares with what this package writes), and no program contains it: descriptions
// of types come from the comments in their source.
//
// Main types, in reading order: Operation, Parameter, Document.
//
// Only functions and values; safe for concurrent use.
//
// Invariants: equal input gives equal bytes; every status that the API can answer
// an operation with is in the document.
package openapi
