// Package flood attacks a running controller as a stranger and as an enrolled peer can,
// and measures what is left for the others: connections that say nothing or only shake
// hands, resets of streams, refused calls, heartbeats that no tunneler sends.
//
// It checks that enrollment, command line, health and honest sessions go on, and what
// the flood costs in memory and in rows of the audit log. The system is started by
// internal/e2e/world; what a defence does by itself is tested beside it and in
// internal/e2e/adversary.
//
// Main types, in reading order: Attack (one process of the flood), Bench, Report;
// Headers and Reset for other tests.
//
// Not safe for concurrent use. The attackers are processes of their own, because the
// descriptors of one would not do; they end with their standard input.
package flood
