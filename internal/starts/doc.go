// Package starts tells one start of a thing from the next: of this program, of the
// kernel below it and of the SPIRE agent beside it. A program says them to the
// controller, which can thereby tell a restart from a second machine.
//
// It draws no conclusion (controller/fleet does) and none of it is a secret.
//
// Functions, in reading order: Program, Kernel, Agent. They are safe for concurrent
// use, start no goroutine and leave nothing open.
package starts
