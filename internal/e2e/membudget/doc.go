// Package membudget holds what there is many of to a budget of memory: a member, a
// control stream, a session at a connector. Each test makes a number of them, collects
// the garbage, and divides what is left by their number: bytes of the heap and of the
// stacks of goroutines. A field, a buffer or a goroutine more is seen here before
// it is a gigabyte on somebody's controller.
//
// What the kernel holds of a socket is not counted, nor is garbage, of which there may
// be as much again (GOGC), at the controller half as much. BenchmarkGarbage in
// garbage_test.go shows what that makes resident.
//
// It has tests only, in reading order: membudget_test.go (how it is measured, and the
// budgets), member_test.go, stream_test.go and session_test.go (what is made), and
// peers_test.go (the other ends, in a process of their own, so that their memory does
// not count). No two tests run at once: each would count what the other allocates.
package membudget
