// Package agentconf renders the configuration files of SPIRE: Agent for
// spire-agent, Server for spire-server.
//
// It does not write files or start programs (spire/hostagent and
// spire/supervisor do) and offers only what this system uses of SPIRE's options.
//
// Main types, in reading order: Agent, Server.
//
// Everything here is a pure function over values; safe for concurrent use.
//
// Invariants: every string goes through quote, so that no path or address can
// add a setting; a value that Validate accepts is a file that SPIRE accepts; an
// agent never bootstraps without a bundle (`insecure_bootstrap` is not rendered).
package agentconf
