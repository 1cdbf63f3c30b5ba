// Package hostcmd is what `grpcconnector` and `grpctunneler` have in common at
// the command line: enroll, set-controller, agent run, refresh-bundle, status and
// doctor.
//
// It does not speak to the controller itself (enrollclient does), does not
// supervise (spire/hostagent does), does not look for faults (internal/doctor does)
// and does not run either program (internal/hostprogram and their app packages do).
//
// Main types, in reading order: Program (what differs between the two), Commands,
// BringOnline (starts an installed unit, for the installer too), controllers (where the
// controller may be), move (one run of set-controller), hostStatus (what status prints).
//
// The commands run in the caller's goroutine and end with its context.
//
// Invariants: enroll never writes a token, and reads one only where it can do what
// follows; a value that came from a peer reaches
// the conf file only if it cannot be read back as anything else; lines of the
// operator stay as they are. What an operator configured is tried before what a peer
// named; a host moves only to a controller of the bootstrap CA it was enrolled with,
// unless the check was declined.
package hostcmd
