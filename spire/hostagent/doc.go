// Package hostagent runs spire-agent on an enrolled host, and makes every absence
// heal: a closed laptop, a partition, a controller that was gone, a rotated CA.
// It is what `grpcconnector agent run` does.
//
// Left to itself, an agent that was cut off comes back two to four minutes after
// the network, and one whose bundle is stale perhaps never. So this package
// probes, and at the first success after a failure fetches the current bundle and
// restarts the agent with an empty data directory. It does the same for an agent
// whose own authority was revoked without its hearing of it.
//
// It does not enroll a host (the enrollment client does, and writes the files of
// Dir), fetch over the network (Config.Fetch does) or start processes itself
// (spire/proc does).
//
// Main types, in reading order: Dir (where each file of a host is), Host (what
// host.json holds), Supervisor (New, Run), Decider (when to restart; no I/O).
//
// Run blocks, starts one goroutine for spire/proc and joins it. Status and
// Reason may be called from any goroutine.
//
// Invariants: an agent that is fine on a network that never failed is never
// restarted, but for a renewed host certificate; a running ephemeral agent is never restarted, since its join token
// is spent; bundle.pem is replaced in one rename and never by an empty bundle.
package hostagent
