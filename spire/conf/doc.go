// Package conf renders the configuration files of SPIRE: Agent for spire-agent, Server for
// spire-server.
//
// It does not write files or start programs (spire/hostagent, spire/server and spire/proc
// do) and offers only the options of SPIRE that this system uses.
//
// Main types, in reading order: Agent, Server.
//
// Everything here is a pure function over values; safe for concurrent use.
//
// Invariants: every string goes through quote, so that no path or address can add a setting;
// SPIRE accepts every file whose value passed Validate; an agent never bootstraps without a
// bundle (`insecure_bootstrap` is not rendered).
package conf
