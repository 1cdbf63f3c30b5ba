// Package hostinstall is the command `install` of grpcconnector and grpctunneler: it
// puts a role on a host, enrolls it and starts it, brings it up to date, and removes it.
//
// It owns the plan (which files, which user, which units), the download from the
// controller and its verification, and the way back. It does not enroll (the command
// enroll of the program that it placed does), does not make the install tree
// (scripts/installtree.sh) and does not serve it (controller/install). scripts/setup.sh
// fetches the program that has this command and starts it.
//
// Main types, in reading order: Command, Installer (one run), Host (the machine, with a
// root directory and commands that a test replaces), Changes (what was done and how it
// is undone), controller (what is offered), archive.
//
// A run works in the caller's goroutine and ends with its context; what it began is
// undone then, too. One run at a time has the host: it locks /run/grpc-setup.lock,
// before it looks at the host and until all is done or undone.
//
// Invariants: whatever can be wrong is looked at before anything is changed, and all
// faults are reported together; how to undo a change is noted before the change is made; the
// host's key is never removed once the controller may know it; nothing is executed or
// placed that the signed checksums do not name; the token is in no argument, environment
// or file.
package hostinstall
