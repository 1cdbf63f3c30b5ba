// Package observability holds what an operator is told against what is true: a real
// Prometheus with the rules of deploy/prometheus scrapes the real programs on real
// SPIRE, each alert is fired by causing its fault, and each query of the dashboard
// in deploy/grafana has to return data.
//
// It has tests only. What the programs export is tested beside them
// (telemetrytest.Documented).
//
// The rules are the committed ones but for one thing: "for: 5m" says how long a
// condition has to hold before somebody is woken, and nobody waits for that in a
// test. scaled shortens those waits, and nothing else. prometheus.yml is the committed
// one too, with other targets and intervals.
//
// Main types, in reading order: prometheus (the process and its API), watch (which
// alerts have fired for whom), site (a controller that is scraped).
package observability
