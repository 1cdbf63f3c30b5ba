// Package export delivers the events of the audit log to where an operator wants
// them: a file, standard output, syslog, an HTTPS webhook.
//
// It does not record or sequence events (controller/audit does) and decides
// nothing about them. Only what has its place in the log is exported.
//
// Main types, in reading order: Config, Exporter, State (of a sink), Record (the line), Sink.
//
// New opens nothing. Run blocks, owns a goroutine for each sink and joins them. States
// and Stuck may be called at any time.
//
// Invariants: each sink has its own position in the database, moved after the
// delivery, so an event is delivered at least once and in order; a sink that is
// stuck holds back neither another one nor whoever records events; at most one
// batch of each sink is in memory.
package export
