// Package hostcmd is what `grpcconnector` and `grpctunneler` have in common at
// the command line: enroll, agent run and refresh-bundle.
//
// It does not speak to the controller itself (enrollclient does), does not
// supervise (spire/hostagent does) and does not know the run command of either
// program (their app packages do).
//
// Main types, in reading order: Program (what differs between the two), Commands,
// conf (the dotenv file that enroll writes).
//
// The commands run in the caller's goroutine and end with its context.
//
// Invariants: enroll never writes a token; a value that came from a peer reaches
// the conf file only if it cannot be read back as anything else; lines of the
// operator stay as they are.
package hostcmd
