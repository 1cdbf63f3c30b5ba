// Package metrics exports what a program counts to Prometheus.
//
// It owns the registry, the names and the rules for labels, and it is the one home
// of client_golang. It measures nothing: components keep plain state (a Status, a
// Swaps) that is read when Prometheus asks, or call a plain func when something
// happens, and the app of a program connects both to this package. So no component
// knows of Prometheus, and none needs a registry in its tests.
//
// It does not serve: the health server of the program mounts Registry.Handler, and
// that server is on loopback. What each metric means is in docs/metrics.md; a test
// of each program (telemetrytest.Documented) holds code and document together.
//
// Main types, in reading order: Registry, Labels, Events (a counter by one label),
// Durations (a histogram by one label), Gauges and Ages (read at each scrape), and in shared.go the sets that more than
// one program has.
//
// All of it is safe for concurrent use and starts no goroutine. Registering the
// same metric twice panics: it is a mistake of the program, seen at its start.
//
// Invariants: a label has a fixed set of values, each of which is exported from the
// start (a rate sees the first event), and a value outside of it counts as "other";
// no label holds the id of a member or a SPIFFE ID.
package metrics
