// Package programtest writes the small programs that tests put in the place of real
// ones.
//
// A child that is forked while a file is open for writing inherits that descriptor
// until it calls exec. Linux refuses to start such a file ("text file busy"), and
// tests that run side by side fork all the time.
//
// Main function: Write.
//
// Write may be called from many goroutines. It starts none.
//
// Invariant: no child of this process holds a descriptor that Write opened.
package programtest
