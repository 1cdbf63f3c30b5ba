package app

import (
	"os"
	"runtime/debug"
)

// gcPercent is how much garbage there may be to what is in use, stacks included. A
// controller holds 70 KiB for each stream and makes little garbage to that: at Go's 100 a
// stream takes 134 KB of memory. See ADR 0036.
const gcPercent = 50

// collectEarly applies it, unless the operator has set GOGC.
func collectEarly() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
