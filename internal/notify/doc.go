// Package notify tells the service manager that started this program (systemd,
// by sd_notify) when it serves, how it is, that it stops, and, where the unit has
// WatchdogSec, that its main loops live.
//
// It does not decide what lives: the program hands it one question (the live
// checks of internal/health, which /livez answers too). It never restarts
// anything; a watchdog that gets no word makes systemd do that. Without systemd
// it does nothing.
//
// Main types, in reading order: Config, Run, Pulse (a loop that can be asked).
//
// Run blocks until its context ends and starts no goroutine.
//
// Invariant: WATCHDOG=1 is sent after an answer of the loops and never by a timer
// alone.
package notify
