// Package selfhost enrolls the controller's own host: it makes the host key and
// certificate of the spire-agent beside the controller and names the controller's
// own registration entry. No token is involved, for the controller is the one who
// would check it.
//
// It does not run the agent (spire/hostagent does) or write the entry
// (fleet.Reconciler does).
//
// Main functions: Prepare, Entry. Called once at start; not concurrent.
//
// Invariant: after the first start the host id and key stay the same, so SPIRE
// knows the agent again after any restart.
package selfhost
