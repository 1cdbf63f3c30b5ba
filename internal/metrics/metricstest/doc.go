// Package metricstest holds the metrics of a program against docs/metrics.md and
// reads single values in tests. It is for tests only and starts nothing.
package metricstest
