// Package hosttest gives tests what they need of a host: WriteProgram writes the small
// programs that stand in for real ones, Clock is a time that a test moves, InstallTree a whole
// release that a host could be installed from, SmallDisk is a disk that is soon full, Port is
// one on which nobody else listens, and EnvFiles are texts of environment files with what
// systemd reads in them. The unit tests of our grammar read those, and internal/e2e/hosts
// gives them to a real systemd, so that the table cannot say what systemd does not do.
//
// It knows nothing of ours, so that the tests of every package can use it.
//
// A child that is forked while a file is open for writing inherits that descriptor until it
// calls exec. Linux refuses to start such a file ("text file busy"), and tests that run side
// by side fork all the time. So a program is written by WriteProgram only (internal/archtest
// checks that).
//
// A port that the kernel chose (":0") belongs to a test as long as its listener is open. Once
// that is closed, the kernel gives the port to any other program: a server that is started
// again finds its address in use, and a client that is to find nobody finds somebody else's
// server. Whoever needs a port beyond its listener takes one of Port.
//
// Nothing but tests imports it. Everything is safe for concurrent use and starts no
// goroutine.
//
// Invariants: no child of this process holds a descriptor that WriteProgram opened; no two
// tests of a network namespace have the same Port at a time, whatever process they are of.
package hosttest
