// Package filetest gives tests what they need of the file system: WriteProgram writes the
// small programs that stand in for real ones, SmallDisk is a disk that is soon full.
//
// A child that is forked while a file is open for writing inherits that descriptor until it
// calls exec. Linux refuses to start such a file ("text file busy"), and tests that run side
// by side fork all the time. So a program is written by WriteProgram only (internal/archtest
// checks that).
//
// Nothing but tests imports it. Both functions may be called from many goroutines and start
// none.
//
// Invariant: no child of this process holds a descriptor that WriteProgram opened.
package filetest
